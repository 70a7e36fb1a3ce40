"""Metrics of conduct: who spoke how much, who cut whom short, how fast, and in what mood.

What counts as what stands in `docs/reports.md`. When somebody speaks is known from speech
detection, whose pieces are padded; where words were recognised, a turn begins and ends with its
first and last word. What could not be heard is not measured.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import fmean, median

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from rules.conduct import INTERRUPTION_S, MAX_SENTENCE_WORDS, STRETCH_PAUSE_S, sentiment
from rules.types import Span, Utterance, Word

# Speaking at once for less than this is how turns pass from one to the other.
OVERLAP_S = 0.3
# What somebody else says while a monologue goes on, if it is no longer: "mm-hm", "right".
LISTENING_S = 1.0
MONOLOGUE_PAUSE_S = 3.0
# Who speaks after a longer silence does not answer any more.
MAX_RESPONSE_S = 10.0
ARC_POINTS = 12
# Each point of the arc is the mean over so much of the call around it.
ARC_WINDOW_RATIO = 0.25

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)

Arc = tuple[float | None, ...]  # scores from -1.0 to 1.0; None where nobody said anything


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class SpeakerConduct:
    """One speaker's conduct. None where there was nothing to measure."""

    talk_s: float
    talk_ratio: float | None  # share of everybody's speech, in [0.0, 1.0]
    n_turns: int
    longest_monologue_s: float
    n_interruptions: int  # how often they cut somebody short
    n_interrupted: int  # how often they were cut short
    overlap_s: float  # spoken while somebody else spoke
    n_words: int
    speech_rate_wpm: float | None  # words a minute of speech
    n_responses: int
    response_latency_s: float | None  # median, from the end of another's turn
    sentiment: float | None  # mean over sentences, from -1.0 to 1.0
    sentiment_thirds: Arc  # the same for the first, second and last third of the call
    sentiment_arc: Arc  # ARC_POINTS moving means


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class CallConduct:
    """The same for the call as a whole."""

    talk_s: float  # at least one person speaks
    non_talk_s: float
    non_talk_ratio: float | None  # share of the call, in [0.0, 1.0]
    longest_silence_s: float
    n_overlaps: int
    overlap_s: float  # two or more speak
    n_interruptions: int
    longest_monologue_s: float
    speech_rate_wpm: float | None
    response_latency_s: float | None
    sentiment: float | None
    sentiment_thirds: Arc
    sentiment_arc: Arc


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Conduct:
    """Everybody's conduct on one call."""

    call: CallConduct
    speakers: Mapping[str, SpeakerConduct]  # by identity


def measure(
    speech: Sequence[tuple[str, Span]], utterances: Sequence[Utterance], *, end_s: float
) -> Conduct:
    """Measure a call.

    Args:
        speech: Where on the call clock who speaks, in any order; spans may overlap.
        utterances: What was said, in any order.
        end_s: End of the call.
    """
    names = dict.fromkeys(
        [*(who for who, _ in speech), *(u.speaker for u in utterances if u.speaker is not None)]
    )
    words = {
        name: sorted(
            (word for u in utterances if u.speaker == name for word in u.words),
            key=lambda word: word.span,
        )
        for name in names
    }
    spoken = {
        name: _tight(_union([s for who, s in speech if who == name]), words[name]) for name in names
    }
    turns = {name: _merged(spans, STRETCH_PAUSE_S) for name, spans in spoken.items()}
    talk_s = {name: _length_s(spans) for name, spans in spoken.items()}
    cuts = _interruptions(turns)
    latencies = _latencies(turns)
    moods = {name: _moods([u for u in utterances if u.speaker == name]) for name in names}
    whole_s = sum(talk_s.values())
    together = _union([span for spans in spoken.values() for span in spans])
    overlaps = _overlaps(spoken)
    speakers = {
        name: SpeakerConduct(
            talk_s=_round(talk_s[name]),
            talk_ratio=_ratio(talk_s[name], whole_s),
            n_turns=len(turns[name]),
            longest_monologue_s=_round(_monologue_s(name, turns)),
            n_interruptions=len({at_s for by, _, at_s in cuts if by == name}),
            n_interrupted=sum(of == name for _, of, _ in cuts),
            overlap_s=_round(sum(span.overlap_s(o) for o in overlaps for span in spoken[name])),
            n_words=len(words[name]),
            speech_rate_wpm=_rate(len(words[name]), talk_s[name]),
            n_responses=len(latencies[name]),
            response_latency_s=_middle(latencies[name]),
            sentiment=_mean([score for _, score in moods[name]]),
            sentiment_thirds=_thirds(moods[name], end_s),
            sentiment_arc=_arc(moods[name], end_s),
        )
        for name in names
    }
    all_moods = [mood for each in moods.values() for mood in each]
    talked_s = _length_s(together)
    return Conduct(
        speakers=speakers,
        call=CallConduct(
            talk_s=_round(talked_s),
            non_talk_s=_round(max(0.0, end_s - talked_s)),
            non_talk_ratio=_ratio(max(0.0, end_s - talked_s), end_s),
            longest_silence_s=_round(_longest_silence_s(together, end_s)),
            n_overlaps=sum(span.duration_s >= OVERLAP_S for span in overlaps),
            overlap_s=_round(_length_s(overlaps)),
            n_interruptions=sum(each.n_interruptions for each in speakers.values()),
            longest_monologue_s=max((s.longest_monologue_s for s in speakers.values()), default=0),
            speech_rate_wpm=_rate(sum(map(len, words.values())), whole_s),
            response_latency_s=_middle([s for each in latencies.values() for s in each]),
            sentiment=_mean([score for _, score in all_moods]),
            sentiment_thirds=_thirds(all_moods, end_s),
            sentiment_arc=_arc(all_moods, end_s),
        ),
    )


def _union(spans: Sequence[Span]) -> tuple[Span, ...]:
    return _merged(sorted(spans), 0.0)


def _merged(spans: Sequence[Span], pause_s: float) -> tuple[Span, ...]:
    """Spans in time order, joined where no more than the pause lies between them."""
    merged: list[Span] = []
    for span in spans:
        if merged and span.start_s - merged[-1].end_s <= pause_s:
            merged[-1] = merged[-1].hull(span)
        else:
            merged.append(span)
    return tuple(merged)


def _tight(spans: Sequence[Span], words: Sequence[Word]) -> tuple[Span, ...]:
    """Pieces of speech without their padding, where words tell where speech begins and ends."""
    tight: list[Span] = []
    starts_s = [word.span.start_s for word in words]
    latest_end_s = 0.0
    for span in spans:
        first = bisect_right(starts_s, span.start_s - 1e-6)
        last = bisect_right(starts_s, span.end_s)
        start_s, end_s = span.start_s, span.end_s
        if first < last:
            start_s = max(start_s, words[first].span.start_s)
            end_s = min(end_s, max(word.span.end_s for word in words[first:last]))
        start_s = max(start_s, latest_end_s)
        if end_s > start_s:
            tight.append(Span(start_s, end_s))
            latest_end_s = end_s
    return tuple(tight)


def _interruptions(turns: Mapping[str, Sequence[Span]]) -> list[tuple[str, str, float]]:
    """Who cut whom short, and when.

    Somebody begins while another has been speaking for half a second, both speak for half a second
    at least, and the other is the one who stops.
    """
    found: list[tuple[str, str, float]] = []
    for by, own in turns.items():
        for of, others in turns.items():
            if of == by:
                continue
            starts_s = [turn.start_s for turn in others]
            for turn in own:
                # Turns of one speaker do not overlap: only the last one before can be under way.
                at = bisect_right(starts_s, turn.start_s - INTERRUPTION_S) - 1
                if at < 0:
                    continue
                other = others[at]
                is_cut = other.end_s < turn.end_s
                if is_cut and other.end_s - turn.start_s >= INTERRUPTION_S:
                    found.append((by, of, turn.start_s))
    return found


def _latencies(turns: Mapping[str, Sequence[Span]]) -> dict[str, list[float]]:
    """How long each speaker took to answer, turn by turn."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    last: tuple[str, float] | None = None  # whose turn ended latest so far, and when
    for turn, name in sorted((turn, name) for name, own in turns.items() for turn in own):
        if last is not None and last[0] != name and 0 <= turn.start_s - last[1] <= MAX_RESPONSE_S:
            found[name].append(turn.start_s - last[1])
        if last is None or turn.end_s >= last[1]:
            last = name, turn.end_s
    return found


def _overlaps(spoken: Mapping[str, Sequence[Span]]) -> tuple[Span, ...]:
    """Where two or more speak at once."""
    edges = sorted(
        edge for spans in spoken.values() for s in spans for edge in ((s.start_s, 1), (s.end_s, -1))
    )
    found: list[Span] = []
    n_speaking = 0
    for (at_s, change), (next_s, _) in pairwise(edges):
        n_speaking += change
        if n_speaking >= 2 and next_s > at_s:
            found.append(Span(at_s, next_s))
    return _merged(found, 0.0)


def _monologue_s(name: str, turns: Mapping[str, Sequence[Span]]) -> float:
    """The longest time for which somebody has the floor, whatever listeners murmur meanwhile."""
    others = sorted(
        turn
        for who, spans in turns.items()
        if who != name
        for turn in spans
        if turn.duration_s > LISTENING_S
    )
    starts_s = [turn.start_s for turn in others]
    longest_s = 0.0
    floor: Span | None = None
    for turn in turns[name]:
        goes_on = floor is not None and turn.start_s - floor.end_s <= MONOLOGUE_PAUSE_S
        if floor is not None and goes_on:
            last = bisect_right(starts_s, turn.start_s) - 1
            goes_on = last < 0 or others[last].start_s <= floor.start_s
        floor = floor.hull(turn) if floor is not None and goes_on else turn
        longest_s = max(longest_s, floor.duration_s)
    return longest_s


def _longest_silence_s(together: Sequence[Span], end_s: float) -> float:
    edges_s = [0.0, *(edge for span in together for edge in (span.start_s, span.end_s)), end_s]
    return max([0.0, *(b - a for a, b in zip(edges_s[::2], edges_s[1::2], strict=True))])


def _moods(utterances: Sequence[Utterance]) -> list[tuple[float, float]]:
    """The middle of each sentence on the call clock, and its score."""
    return [
        ((words[0].span.start_s + words[-1].span.end_s) / 2, sentiment([w.text for w in words]))
        for utterance in utterances
        for words in _sentences(utterance.words)
    ]


def _sentences(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    sentence: list[Word] = []
    for word in words:
        sentence.append(word)
        if word.text.endswith((".", "!", "?")) or len(sentence) >= MAX_SENTENCE_WORDS:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _thirds(moods: Sequence[tuple[float, float]], end_s: float) -> Arc:
    third_s = end_s / 3
    return tuple(
        _mean([s for at_s, s in moods if min(2, int(at_s / third_s) if third_s else 0) == number])
        for number in range(3)
    )


def _arc(moods: Sequence[tuple[float, float]], end_s: float) -> Arc:
    reach_s = end_s * ARC_WINDOW_RATIO / 2
    centres_s = [(number + 0.5) * end_s / ARC_POINTS for number in range(ARC_POINTS)]
    return tuple(
        _mean([score for at_s, score in moods if abs(at_s - centre_s) <= reach_s])
        for centre_s in centres_s
    )


def _length_s(spans: Sequence[Span]) -> float:
    return sum(span.duration_s for span in spans)


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 3) if values else None


def _middle(values: Sequence[float]) -> float | None:
    return round(median(values), 3) if values else None


def _rate(n_words: int, talk_s: float) -> float | None:
    return round(n_words * 60.0 / talk_s, 1) if talk_s > 0 else None


def _ratio(part: float, whole: float) -> float | None:
    return round(min(1.0, part / whole), 4) if whole > 0 else None


def _round(value_s: float) -> float:
    return round(value_s, 3)
