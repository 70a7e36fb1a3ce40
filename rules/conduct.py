"""How people behave on a call: who speaks how much, who interrupts, how fast, in what mood."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType

from rules.types import Span, Word

STRETCH_PAUSE_S = 1.0  # a shorter silence does not end a stretch of speech
INTERRUPTION_S = 0.5  # speaking at once for less than this is no interruption
MAX_STRETCHES = 4000  # of one speaker; longer calls are measured over their last stretches
MAX_SENTENCE_WORDS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerConduct:
    """One speaker's stretches of speech, in time order, and mood so far."""

    stretches: tuple[tuple[float, float], ...] = ()  # (start_s, end_s)
    n_words: int = 0
    sentence: tuple[str, ...] = field(default=(), repr=False)
    sentiment_sum: float = 0.0
    n_sentences: int = 0

    @property
    def talk_s(self) -> float:
        """Seconds of speech."""
        return sum(end_s - start_s for start_s, end_s in self.stretches)

    @property
    def speech_rate_wpm(self) -> float | None:
        """Words a minute of speech; None before anything was said."""
        talk_s = self.talk_s
        return self.n_words * 60.0 / talk_s if talk_s > 0 else None

    @property
    def sentiment(self) -> float | None:
        """Mean over sentences, from -1.0 to 1.0; None before anything was said."""
        return self.sentiment_sum / self.n_sentences if self.n_sentences else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """Everybody's conduct."""

    speakers: Mapping[str | None, SpeakerConduct] = field(
        default_factory=lambda: MappingProxyType({})
    )
    last_end_s: float | None = None  # of the latest word of anybody

    def talk_ratio(self, speaker: str | None) -> float | None:
        """A speaker's share of all speech; None before anything was said."""
        whole_s = sum(each.talk_s for each in self.speakers.values())
        return self.speakers[speaker].talk_s / whole_s if whole_s > 0 else None

    def non_talk_ratio(self, end_s: float) -> float | None:
        """Share of the call, up to `end_s`, in which nobody spoke; None for a call of no length."""
        if end_s <= 0:
            return None
        covered_s = reached_s = 0.0
        for start_s, stop_s in sorted(s for c in self.speakers.values() for s in c.stretches):
            covered_s += max(0.0, min(stop_s, end_s) - max(start_s, reached_s))
            reached_s = max(reached_s, stop_s)
        return max(0.0, 1.0 - covered_s / end_s)

    def interruptions(self, speaker: str | None) -> tuple[Span, ...]:
        """Where a speaker began while somebody else was in the middle of speaking."""
        others = sorted(
            stretch
            for who, conduct in self.speakers.items()
            if who != speaker
            for stretch in conduct.stretches
        )
        return tuple(
            Span(start_s, end_s)
            for start_s, end_s in self.speakers[speaker].stretches
            if any(
                other_s + INTERRUPTION_S <= start_s <= other_end_s - INTERRUPTION_S
                for other_s, other_end_s in others
            )
            and end_s > start_s
        )


def heard(known: SpeakerConduct, words: tuple[Word, ...], *, mood: bool) -> SpeakerConduct:
    """Conduct after more words of a speaker.

    Args:
        known: Conduct so far.
        words: What was said next.
        mood: Whether sentiment is wanted; it costs the most.
    """
    stretches = list(known.stretches)
    sentence = list(known.sentence)
    total, n_sentences = known.sentiment_sum, known.n_sentences
    for word in words:
        start_s, end_s = word.span.start_s, word.span.end_s
        goes_on = bool(stretches) and start_s - stretches[-1][1] <= STRETCH_PAUSE_S
        if goes_on:
            stretches[-1] = (stretches[-1][0], max(stretches[-1][1], end_s))
        else:
            stretches.append((start_s, end_s))
        if not mood:
            continue
        if sentence and not goes_on:
            total, n_sentences, sentence = total + sentiment(sentence), n_sentences + 1, []
        sentence.append(word.text)
        if word.text.endswith((".", "!", "?")) or len(sentence) >= MAX_SENTENCE_WORDS:
            total, n_sentences, sentence = total + sentiment(sentence), n_sentences + 1, []
    return replace(
        known,
        stretches=tuple(stretches[-MAX_STRETCHES:]),
        n_words=known.n_words + len(words),
        sentence=tuple(sentence),
        sentiment_sum=total,
        n_sentences=n_sentences,
    )


def closed(known: SpeakerConduct) -> SpeakerConduct:
    """Conduct at the end of the call, the last sentence included."""
    if not known.sentence:
        return known
    return replace(
        known,
        sentence=(),
        sentiment_sum=known.sentiment_sum + sentiment(known.sentence),
        n_sentences=known.n_sentences + 1,
    )


@cache
def _scorer() -> Callable[[str], dict[str, float]]:
    # Its lexicon is read from disk when it is made, so not before somebody asks.
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    scores: Callable[[str], dict[str, float]] = SentimentIntensityAnalyzer().polarity_scores
    return scores


def sentiment(words: list[str] | tuple[str, ...]) -> float:
    """VADER's compound score of a sentence, from -1.0 to 1.0.

    Source:
        C. J. Hutto, E. Gilbert: VADER, a parsimonious rule-based model (2014).
    """
    return _scorer()(" ".join(words))["compound"]
