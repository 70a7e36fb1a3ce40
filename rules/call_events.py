"""The events of a call that is over, in the order in which the engine takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.types import CallEnded, Event, HeardUntil, Participant, Utterance


def call_events(
    participants: Sequence[Participant], utterances: Sequence[Utterance], *, end_s: float
) -> Iterator[Event]:
    """Merge what all speakers said.

    Before each utterance stands the promise that everything before it has been said, so deadlines
    fire at the same positions as they would live.

    Args:
        participants: Everybody on the call whose role is known, or not.
        utterances: Of all speakers, in any order.
        end_s: Call-clock position of the end of the call, or of the audio.
    """
    yield from participants
    last_s = 0.0
    for utterance in sorted(utterances, key=lambda u: (u.span, u.id)):
        if utterance.span.start_s > last_s:
            yield HeardUntil(at_s=utterance.span.start_s)
        yield utterance
        last_s = max(last_s, utterance.span.start_s)
    end_s = max([end_s, last_s, *(utterance.span.end_s for utterance in utterances)])
    yield HeardUntil(at_s=end_s)
    yield CallEnded(at_s=end_s)
