"""The order of a call's events."""

from __future__ import annotations

from rules.call_events import call_events
from rules.types import CallEnded, HeardUntil, Participant, Role, Span, utterance_from_text

AGENT = Participant(identity="agent", role=Role.AGENT)


def test_events_come_in_time_order_with_promises_before_each_utterance() -> None:
    """Utterances of all speakers are merged by time, and the end of the call is told once."""
    first, second = (
        utterance_from_text(text, Span(start_s, end_s), id=text, speaker=speaker)
        for text, start_s, end_s, speaker in (("a", 1, 5, "agent"), ("b", 2, 3, "customer"))
    )
    assert list(call_events([AGENT], [second, first], end_s=4.0)) == [
        AGENT,
        HeardUntil(at_s=1.0),
        first,
        HeardUntil(at_s=2.0),
        second,
        HeardUntil(at_s=5.0),
        CallEnded(at_s=5.0),
    ]
