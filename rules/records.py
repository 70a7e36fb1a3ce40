"""Texts and transcripts as records: one JSON line in, what the engine found in it out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rules.backtest import Decision, Review
from rules.cases import sentence_events
from rules.engine import Engine
from rules.entities import ENTITY_TYPES
from rules.errors import RuleInputError
from rules.rulebook import Rulebook
from rules.similarity import Embedder
from rules.types import CallEnded, Entity, Event, HeardUntil, Hit, Span, utterance_from_text


class _SegmentModel(BaseModel):
    model_config = ConfigDict(extra="ignore")  # transcribers add keys of their own

    speaker: str | None = None
    start: float = Field(ge=0, allow_inf_nan=False)
    end: float = Field(ge=0, allow_inf_nan=False)
    text: str

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.text.strip() and self.end <= self.start:
            raise ValueError("end must be later than start")
        return self


class _ReviewModel(BaseModel):
    model_config = ConfigDict(extra="ignore")  # notes are not needed

    rule: str
    speaker: str | None = None
    start: float = Field(ge=0, allow_inf_nan=False)
    end: float = Field(gt=0, allow_inf_nan=False)
    verdict: Literal["confirmed", "false_alarm", "escalated"]
    by: str | None = None  # who; the last verdict of each counts
    final: bool = False  # settles what reviewers disagree on

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end <= self.start:
            raise ValueError("end must be later than start")
        return self


class _RecordModel(BaseModel):
    model_config = ConfigDict(extra="ignore")  # data sets carry labels beside the text

    id: str | int
    text: str | None = None
    segments: list[_SegmentModel] | None = None
    masked: bool = False
    reviews: list[_ReviewModel] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.text is None) == (self.segments is None):
            raise ValueError("need exactly one of the keys text and segments")
        starts = [segment.start for segment in self.segments or ()]
        if starts != sorted(starts):
            raise ValueError("segments must be in order of start")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A text or a transcript to look at."""

    id: str | int
    timeline: bool
    events: tuple[Event, ...] = field(repr=False)
    is_masked: bool = False  # personal data is covered in the text
    reviews: tuple[Review, ...] = ()


def parse_record(line: str) -> Record:
    """Read one line.

    Raises:
        RuleInputError: what is wrong, without quoting what was said.
    """
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise RuleInputError("not JSON; give one object a line") from None
    if not isinstance(data, dict):
        raise RuleInputError("not a JSON object; give keys id and text, or id and segments")
    try:
        model = _RecordModel.model_validate(data)
    except ValidationError as exc:
        fault = exc.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in fault["loc"])
        said = str(fault["msg"]).removeprefix("Value error, ")
        raise RuleInputError(f"{name}: {said}" if name else said) from None
    segments = model.segments
    return Record(
        id=model.id,
        timeline=segments is not None,
        events=sentence_events(model.text or "")
        if segments is None
        else tuple(_segment_events(segments)),
        is_masked=model.masked,
        reviews=tuple(
            Review(
                rule_id=review.rule,
                speaker=review.speaker,
                span=Span(review.start, review.end),
                decision=Decision(review.verdict),
                reviewer=review.by or None,
                is_final=review.final,
            )
            for review in model.reviews
        ),
    )


def _segment_events(segments: list[_SegmentModel]) -> Iterator[Event]:
    for i, segment in enumerate(segments):
        yield HeardUntil(at_s=segment.start)
        if segment.text.strip():
            span = Span(segment.start, segment.end)
            speaker = segment.speaker or None
            yield utterance_from_text(segment.text, span, id=str(i), speaker=speaker)
    yield CallEnded(at_s=max((segment.end for segment in segments), default=0.0))


def scan_record(record: Record, engine: Engine) -> tuple[tuple[Entity, ...], tuple[Hit, ...]]:
    """Feed a record to an engine that was made with the record's `timeline`."""
    state = engine.start()
    entities: list[Entity] = []
    hits: list[Hit] = []
    for event in record.events:
        step = engine.feed(state, event)
        state = step.state
        entities += step.entities
        hits += step.hits
    return tuple(entities), tuple(hits)


@dataclass(frozen=True, slots=True)
class Scanner:
    """Both engines that records need, compiled once."""

    call: Engine
    sentence: Engine

    @classmethod
    def of(cls, rulebook: Rulebook, embedder: Embedder | None = None) -> Self:
        """Compile a rule book.

        Raises:
            RuleInputError: a rule needs a model that is not there.
        """
        return cls(
            Engine(rulebook, entities=ENTITY_TYPES, embedder=embedder),
            Engine(rulebook, timeline=False, entities=ENTITY_TYPES, embedder=embedder),
        )

    def scan(self, record: Record, *, show_values: bool = False) -> dict[str, Any]:
        """What was found, as a JSON object.

        An entity that runs over several segments is reported with the part in its first one.
        """
        entities, hits = scan_record(record, self.call if record.timeline else self.sentence)
        return {
            "id": record.id,
            "entities": [_entity_json(entity, show_values) for entity in entities],
            "hits": [
                {
                    "rule": hit.rule_id,
                    "severity": hit.severity.value,
                    "speaker": hit.speaker,
                    "at_s": round(hit.at_s, 3),
                }
                for hit in hits
            ],
        }


def _entity_json(entity: Entity, show_values: bool) -> dict[str, Any]:
    part = entity.parts[0]
    shown: dict[str, Any] = {"entity": entity.type}
    if show_values:
        shown["value"] = entity.value
    return shown | {
        "segment": int(part.utterance_id),
        "start_chars": part.start_chars,
        "end_chars": part.end_chars,
        "score": entity.score,
    }
