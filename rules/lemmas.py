"""Base forms of English words, from the lookup table that spaCy's data package carries."""

from __future__ import annotations

import gzip
import json
from functools import cache
from importlib import resources


@cache
def _table() -> dict[str, str]:
    packed = resources.files("spacy_lookups_data") / "data" / "en_lemma_lookup.json.gz"
    table = json.loads(gzip.decompress(packed.read_bytes()))
    return {str(word): str(base) for word, base in table.items()}


def lemma(word: str) -> str:
    """The base form of a word in lower case, the word itself where the table has none.

    One word is looked at by itself, so how speech is cut into utterances changes nothing.

    >>> lemma("guaranteed")
    'guarantee'
    """
    return _table().get(word, word)
