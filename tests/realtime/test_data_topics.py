"""Data messages are read in whatever form agents send them, and nothing else is made of them."""

import json

import pytest

from realtime.data_topics import MAX_BYTES, MAX_CHARS, SentText, texts_in


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param("hello there", (SentText(text="hello there"),), id="plain"),
        pytest.param('"hello"', (SentText(text="hello"),), id="json-string"),
        pytest.param('{"text": "hello"}', (SentText(text="hello"),), id="text"),
        pytest.param('{"response": "hello"}', (SentText(text="hello"),), id="response"),
        pytest.param(
            json.dumps(
                {
                    "transcript": "hello",
                    "participant_identity": "ann",
                    "track_sid": "TR_1",
                    "segment_id": "SG_1",
                    "is_final": False,
                    "language": "en",
                }
            ),
            (
                SentText(
                    text="hello", speaker="ann", track_sid="TR_1", segment_id="SG_1", is_final=False
                ),
            ),
            id="everything",
        ),
        pytest.param(
            '{"participant": {"identity": "ann"}, "content": "hello"}',
            (SentText(text="hello", speaker="ann"),),
            id="participant-object",
        ),
        pytest.param(
            '{"segments": [{"text": "a", "final": true}, {"text": "b", "final": false}]}',
            (SentText(text="a"), SentText(text="b", is_final=False)),
            id="segments",
        ),
        pytest.param('{"data": {"text": "a"}}', (SentText(text="a"),), id="nested"),
        pytest.param("[laughs] hello", (SentText(text="[laughs] hello"),), id="begins-like-json"),
        pytest.param("", (), id="empty"),
        pytest.param('{"text": "  "}', (), id="white-space"),
        pytest.param('{"volume": 7}', None, id="no-text"),
        pytest.param("[1, 2]", None, id="numbers"),
        pytest.param('{"data": {"data": {"data": {"text": "a"}}}}', None, id="too-deep"),
    ],
)
def test_texts_in(message: str, expected: tuple[SentText, ...] | None) -> None:
    """JSON by the usual names, lists of it, and plain text."""
    assert texts_in(message.encode()) == expected


def test_what_is_too_much() -> None:
    """Large messages are refused, long texts are cut, and nesting does not bring us down."""
    assert texts_in(b"x" * (MAX_BYTES + 1)) is None
    (cut,) = texts_in(b"x" * (MAX_CHARS + 5)) or ()
    assert len(cut.text) == MAX_CHARS
    assert texts_in(b"\xff\xfe") is None
    assert texts_in(b"[" * 60_000) is not None
