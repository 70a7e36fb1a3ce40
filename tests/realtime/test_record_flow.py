"""Records are made in order, masked, kept within bounds, and lost only where that is counted."""

import asyncio

from realtime.record_buffer import RecordBuffer
from realtime.records import MAX_CONTENT_CHARS, RecordType, record_of
from rules.types import Span, utterance_from_text
from tests.realtime.builders import alert
from tests.realtime.flow_builders import HandClock, Notes, PlainLanguage, flow_to, record


async def test_order_and_masking() -> None:
    """What happens between two utterances stands between them; words are masked."""
    notes, language = Notes(), PlainLanguage()
    flow = flow_to(notes, language=language, clock=HandClock(12.5))
    flow.start()
    await flow.utterance(
        utterance_from_text("a secret here", Span(1, 3), id="TR_1/0", speaker="ann")
    )
    flow.note(RecordType.MUTE, "muted")
    await flow.utterance(utterance_from_text("and on", Span(4, 5), id="data:1", speaker="ann"))
    await flow.publish(alert())
    await flow.close()
    assert notes.seen() == [
        ("utterance", "a •••••• here"),
        ("mute", "muted"),
        ("utterance", "and on"),
        ("alert", "•••• •••• •••• 6467"),
    ]
    first, mute, second, raised = notes.records
    assert first.metadata["source"] == "speech"
    assert first.metadata["sentiment"] == 0.5
    assert (first.at_s, mute.at_s) == (3, 12.5)
    assert second.metadata["source"] == "data"
    assert language.asked == [("a secret here", ""), ("and on", " a secret here")]
    assert (raised.participant_sid, raised.metadata["rule"]) == ("PA_1", "pii.card-number")


async def test_interim_words_are_no_records() -> None:
    """Guesses of a recogniser are told by alerts, not by records."""
    notes = Notes()
    flow = flow_to(notes)
    flow.start()
    await flow.utterance(
        utterance_from_text("so f", Span(1, 2), id="TR_1/0", speaker="ann", is_final=False)
    )
    await flow.close()
    assert notes.records == []


async def test_what_cannot_be_read_is_withheld() -> None:
    """Words that were not looked through are not sent as masked."""
    notes = Notes()
    flow = flow_to(notes)
    flow.start()
    flow.said("unreadable secret", identity=None, at_s=1)
    await flow.close()
    (made,) = notes.records
    assert (made.content, made.metadata["withheld"]) == ("", True)
    assert "secret" not in str(made.payload())


async def test_without_receivers_nothing_is_made() -> None:
    """Nobody reads what nobody gets."""
    language = PlainLanguage()
    flow = flow_to(language=language)
    flow.start()
    flow.said("hello", identity=None, at_s=1)
    await flow.close()
    assert language.asked == []


async def test_more_than_can_be_made() -> None:
    """A flood is counted where it cannot be taken."""
    notes = Notes()
    flow = flow_to(notes)
    flow.start()
    for _ in range(1500):
        flow.note(RecordType.MUTE, "muted")
    assert flow.n_lost == 500
    await flow.close()
    assert len(notes.records) == 1000


def test_buffer_is_bounded() -> None:
    """The newest are kept, and what gave way is counted."""
    buffer = RecordBuffer(max_kept=2)
    for id_ in "abc":
        buffer.add(record(id_))
    assert ([each.id for each in buffer.newest()], buffer.n_dropped) == (["b", "c"], 1)


def test_wire_form() -> None:
    """A record survives the way; the words as they were said go only where that is asked for."""
    made = record(sentiment=0.5)
    payload = made.payload()
    assert "secret" not in str(payload)
    assert payload["metadata"] == {"sentiment": 0.5, "masked": True}
    assert made.payload(unmasked=True)["content"] == "my secret is out"
    again = record_of(payload)
    assert again is not None
    assert again.payload()["content"] == made.content
    assert (again.role, again.type, again.at_s) == (made.role, made.type, made.at_s)
    assert record_of({"type": "utterance"}) is None
    assert record_of({**payload, "type": "nonsense"}) is None
    assert record_of({**payload, "metadata": 7}) is None


def test_long_words_are_cut() -> None:
    """A data message has its limits, and says where they were met."""
    payload = record(content="x" * 9000, plain=None).payload()
    assert len(str(payload["content"])) == MAX_CONTENT_CHARS
    assert payload["metadata"] == {"truncated": True}


async def test_close_does_not_hang() -> None:
    """A flow that was never begun ends at once."""
    await asyncio.wait_for(flow_to(Notes()).close(), 1)
