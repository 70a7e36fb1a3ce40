"""Which of some words an object mentions: text of any kind, and Parquet."""

from __future__ import annotations

import html
import io
import json
from collections.abc import Collection, Iterator

from storage.errors import ObjectMissingError
from storage.objects import ObjectStore

# Sound holds no text that we could read; what it holds is known by rows and manifests.
SOUND = (".ogg", ".opus", ".wav", ".mp3", ".mp4", ".m4a", ".flac", ".webm", ".aac", ".mkv")
PARQUET = ".parquet"


def mentions_any(store: ObjectStore, key: str, words: Collection[str]) -> str | None:
    """The first of the words that an object mentions, None if none or if the object is gone."""
    if key.lower().endswith(SOUND):
        return None
    try:
        data = store.get_bytes(key)
    except ObjectMissingError:
        return None
    return next((word for word in sorted(words) if word_in(key, data, word)), None)


def word_in(key: str, data: bytes, word: str) -> bool:
    """Whether bytes mention a word, as themselves or as JSON, HTML or Parquet write it."""
    if key.endswith(PARQUET):
        return any(word in text for text in parquet_texts(data))
    return any(form.encode() in data for form in forms(word))


def forms(word: str) -> tuple[str, ...]:
    """A word as plain text, JSON and HTML write it."""
    return tuple(
        dict.fromkeys(
            (
                word,
                json.dumps(word)[1:-1],
                json.dumps(word, ensure_ascii=False)[1:-1],
                html.escape(word),
                html.escape(word).replace("&#x27;", "&#39;"),  # as Jinja writes it
            )
        )
    )


def parquet_texts(data: bytes) -> Iterator[str]:
    """Every value of every column of a Parquet file, as text, and its metadata."""
    import pyarrow.parquet as pq  # a third of a second: only where there are tables

    table = pq.read_table(io.BytesIO(data))
    for entry in (table.schema.metadata or {}).values():
        yield entry.decode("utf-8", "replace")
    for column in table.columns:
        for chunk in column.chunks:
            for value in chunk.to_pylist():
                if value is not None:
                    yield value if isinstance(value, str) else str(value)
