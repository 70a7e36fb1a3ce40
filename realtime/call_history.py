"""What the analyst knows of a call: a bounded history, and what can be made of it without a model.

Nothing here reads raw words: the records that come in have personal data covered already.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from realtime.intents import Lexicon, load_lexicon
from realtime.records import Record, RecordType
from rules.types import HitState, Role, Severity

MAX_UTTERANCES = 400
_MAX_ALERTS = 500
_MAX_SPEAKERS = 50
_MAX_IDS = 5000
_MAX_TOPICS = 8
_MAX_WORDS_COUNTED = 2000
# An arc is told in so many parts of the call: beginning, middle, end.
_ARC_PARTS = 3
# VADER calls a sentence positive or negative beyond this (Hutto and Gilbert, 2014).
_MOOD_LIMIT = 0.05
# So much more at the end than at the beginning is a change that a listener would hear.
_TREND_LIMIT = 0.2
_GRAVE = frozenset({Severity.HIGH.value, Severity.CRITICAL.value})
UNKNOWN = "unknown"


class Opinion(StrEnum):
    """What the alerts of a call suggest; gravest last."""

    NOTHING_FOUND = "nothing found"
    REVIEW = "review"
    BREACH_LIKELY = "breach likely"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One utterance of the history."""

    speaker: str  # a role, or "unknown"; never a name
    text: str = field(repr=False)
    sentiment: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerted:
    """The newest state of a hit."""

    rule: str
    severity: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What was made of a call so far."""

    n_utterances: int
    sentiment: Mapping[str, Mapping[str, object]]  # by speaker
    topics: tuple[str, ...]
    intents: Mapping[str, tuple[str, ...]]  # by speaker
    opinion: Opinion
    alerts: tuple[Alerted, ...]
    fully_heard: bool
    n_gaps: int

    def summary(self) -> str:
        """The analysis in one sentence."""
        moods = [f"{who} {each['mood']}" for who, each in self.sentiment.items()]
        wants = sorted({intent for each in self.intents.values() for intent in each})
        parts = [f"Compliance: {self.opinion.value}"]
        if not self.fully_heard:
            parts[0] += ", and the call was not fully heard"
        if moods:
            parts.append("mood: " + ", ".join(moods))
        if wants:
            parts.append("intents: " + ", ".join(wants))
        if self.topics:
            parts.append("topics: " + ", ".join(self.topics[:3]))
        return "; ".join(parts) + "."

    def as_metadata(self) -> dict[str, object]:
        """The analysis as a record carries it."""
        return {
            "n_utterances": self.n_utterances,
            "sentiment": {who: dict(each) for who, each in self.sentiment.items()},
            "topics": list(self.topics),
            "intents": {who: list(each) for who, each in self.intents.items()},
            "compliance": {
                "opinion": self.opinion.value,
                "alerts": [
                    {"rule": each.rule, "severity": each.severity, "state": each.state}
                    for each in self.alerts[:20]
                ],
                "n_alerts": len(self.alerts),
                "fully_heard": self.fully_heard,
                "n_gaps": self.n_gaps,
            },
        }


class CallHistory:
    """Keeps what was told of one call, within bounds.

    Args:
        lexicon: Phrases of intents.
    """

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._lexicon = lexicon or load_lexicon()
        self._lines: deque[Line] = deque(maxlen=MAX_UTTERANCES)
        self._alerts: dict[str, Alerted] = {}
        self._moods: dict[str, list[float]] = {}
        self._topics: Counter[str] = Counter()
        self._intents: dict[str, dict[str, None]] = {}
        self._ids: dict[str, None] = {}
        self.n_utterances = 0
        self.n_gaps = 0
        self.n_forgotten = 0  # lines that gave way

    def take(self, record: Record) -> bool:
        """Learn of one record.

        Returns:
            Whether it told anything new; a repeat tells nothing.
        """
        if record.id in self._ids:
            return False
        self._ids[record.id] = None
        if len(self._ids) > _MAX_IDS:
            self._ids.pop(next(iter(self._ids)))
        match record.type:
            case RecordType.UTTERANCE:
                self._hear(record)
            case RecordType.ALERT:
                self._note_alert(record)
            case RecordType.GAP:
                self.n_gaps += 1
            case _:
                return False
        return True

    def lines(self) -> tuple[Line, ...]:
        """The newest utterances, oldest first."""
        return tuple(self._lines)

    def analyse(self) -> Analysis:
        """What can be said of the call now."""
        alerts = tuple(
            each for each in self._alerts.values() if each.state != HitState.RETRACTED.value
        )
        return Analysis(
            n_utterances=self.n_utterances,
            sentiment={who: _mood(scores) for who, scores in self._moods.items()},
            topics=self._most_talked_of(),
            intents={who: tuple(each) for who, each in self._intents.items() if each},
            opinion=opinion_of(alerts),
            alerts=alerts,
            fully_heard=self.n_gaps == 0,
            n_gaps=self.n_gaps,
        )

    def _hear(self, record: Record) -> None:
        self.n_utterances += 1
        who = _speaker_of(record)
        score = record.metadata.get("sentiment")
        sentiment = float(score) if isinstance(score, int | float) else None
        if len(self._lines) == self._lines.maxlen:
            self.n_forgotten += 1
        self._lines.append(Line(speaker=who, text=record.content, sentiment=sentiment))
        if sentiment is not None and (who in self._moods or len(self._moods) < _MAX_SPEAKERS):
            scores = self._moods.setdefault(who, [])
            scores.append(sentiment)
            del scores[:-MAX_UTTERANCES]
        keywords = record.metadata.get("keywords")
        if isinstance(keywords, Sequence) and not isinstance(keywords, str):
            self._topics.update(str(each)[:80] for each in list(keywords)[:20])
            if len(self._topics) > _MAX_WORDS_COUNTED:
                self._topics = Counter(dict(self._topics.most_common(_MAX_WORDS_COUNTED // 2)))
        if record.role is not Role.SUPERVISOR:
            self._intents.setdefault(who, {}).update(
                dict.fromkeys(self._lexicon.intents_in(record.content))
            )

    def _note_alert(self, record: Record) -> None:
        hit_id = str(record.metadata.get("hit_id", record.id))
        if hit_id not in self._alerts and len(self._alerts) >= _MAX_ALERTS:
            return
        self._alerts[hit_id] = Alerted(
            rule=str(record.metadata.get("rule", UNKNOWN)),
            severity=str(record.metadata.get("severity", UNKNOWN)),
            state=str(record.metadata.get("state", UNKNOWN)),
        )

    def _most_talked_of(self) -> tuple[str, ...]:
        # Longer phrases first among equals: "savings plan" says more than "plan".
        ranked = sorted(self._topics.items(), key=lambda each: (-each[1], -len(each[0]), each[0]))
        return tuple(topic for topic, _ in ranked[:_MAX_TOPICS])


def opinion_of(alerts: Sequence[Alerted]) -> Opinion:
    """What alerts suggest: confirmed grave ones are likely breaches, others want a look."""
    if any(each.severity in _GRAVE and each.state == HitState.CONFIRMED.value for each in alerts):
        return Opinion.BREACH_LIKELY
    if any(each.severity != Severity.INFO.value for each in alerts):
        return Opinion.REVIEW
    return Opinion.NOTHING_FOUND


def _speaker_of(record: Record) -> str:
    return record.role.value if record.role else UNKNOWN


def _mood(scores: Sequence[float]) -> dict[str, object]:
    mean = sum(scores) / len(scores)
    arc = [round(sum(part) / len(part), 3) for part in _parts(scores)]
    return {
        "mean": round(mean, 3),
        "mood": _word_for(mean, _MOOD_LIMIT, ("negative", "even", "positive")),
        "arc": arc,
        "trend": _word_for(arc[-1] - arc[0], _TREND_LIMIT, ("falling", "steady", "rising")),
        "n": len(scores),
    }


def _word_for(value: float, limit: float, words: tuple[str, str, str]) -> str:
    below, between, above = words
    return above if value > limit else below if value < -limit else between


def _parts(scores: Sequence[float]) -> list[Sequence[float]]:
    n_parts = min(_ARC_PARTS, len(scores))
    edges = [round(i * len(scores) / n_parts) for i in range(n_parts + 1)]
    return [scores[a:b] for a, b in pairwise(edges)]
