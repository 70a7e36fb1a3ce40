"""What must not be heard in a redacted copy: where on the call clock, of whom, and why.

Word times are uncertain, and recognisers lose digits. So a cover reaches from the first word of a
number to its last, goes on where somebody speaks and no word was written down, and is padded. What
nobody understood is covered too: nobody knows what is in it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from offline.call import UNKNOWN
from offline.composition import Evidence, masked_texts
from rules.types import Span, TextRange, Word

Words = Literal["personal", "hits"]

# Words of one number further apart belong to two covers.
_RUN_GAP_S = 3.0
# So far a cover goes on into speech without words. A card number in one breath is no longer.
_BEYOND_S = 4.0
# Speech that long without a word was not understood. Speech detection bridges pauses of 0.7 s and
# adds 0.24 s on either side (`speech.vad.AUDIT`).
_WORDLESS_S = 1.5
# A number said in pieces spans what lies between; more than this is rather two things.
_MAX_ENTITY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """A place that must not be heard."""

    speaker: str | None = field(repr=False)  # None = of whoever speaks there
    span: Span
    why: Literal["personal", "hit", "not_understood"]


def covers(evidence: Evidence, words: Words, *, pad_s: float) -> tuple[Cover, ...]:
    """Everything to cover, in time order.

    Args:
        evidence: What the audit heard and found.
        words: `personal`: what is masked in the transcript. `hits`: the words of all hits, too.
        pad_s: Added before and after each place.
    """
    masked = masked_texts(evidence)
    in_hits = _ranges(evidence) if words == "hits" else {}
    found: list[Cover] = []
    for speaker in dict.fromkeys(utterance.speaker for utterance in evidence.utterances):
        said = [u for u in evidence.utterances if u.speaker == speaker]
        timed: list[tuple[Word, Literal["personal", "hit"] | None]] = []
        for utterance in said:
            shown = masked[utterance.id]
            for word in utterance.words:
                if shown[word.start_chars : word.end_chars] != word.text:
                    timed.append((word, "personal"))
                elif any(
                    word.start_chars < part.end_chars and part.start_chars < word.end_chars
                    for part in in_hits.get(utterance.id, ())
                ):
                    timed.append((word, "hit"))
                else:
                    timed.append((word, None))
        timed.sort(key=lambda each: each[0].span)
        speech = _speech(evidence, speaker)
        for span, why in _runs(timed):
            found.append(Cover(speaker=speaker, span=_extended(span, timed, speech), why=why))
    found += [
        Cover(speaker=entity.speaker, span=entity.span, why="personal")
        for entity in evidence.judgement.entities
        if entity.span.duration_s <= _MAX_ENTITY_S
    ]
    padded = [
        Cover(
            speaker=each.speaker,
            span=Span(max(0.0, each.span.start_s - pad_s), each.span.end_s + pad_s),
            why=each.why,
        )
        for each in found
    ]
    padded += _not_understood(evidence)
    return tuple(sorted(padded, key=lambda each: (each.span, each.speaker or "", each.why)))


def spans_of(found: Sequence[Cover], speakers: Sequence[str] | None) -> tuple[Span, ...]:
    """Where to cover a channel, merged and in order.

    Args:
        found: All covers of a call.
        speakers: Whose voices can be heard in it; None = of anybody.
    """
    merged: list[Span] = []
    for span in sorted(
        each.span
        for each in found
        if speakers is None or each.speaker in {None, UNKNOWN, *speakers}
    ):
        if merged and span.start_s <= merged[-1].end_s:
            merged[-1] = merged[-1].hull(span)
        else:
            merged.append(span)
    return tuple(merged)


def _ranges(evidence: Evidence) -> Mapping[str, Sequence[TextRange]]:
    ranges: dict[str, list[TextRange]] = {}
    for hit in evidence.judgement.hits:
        for part in hit.parts:
            ranges.setdefault(part.utterance_id, []).append(part)
    return ranges


def _runs(
    timed: Sequence[tuple[Word, Literal["personal", "hit"] | None]],
) -> Iterator[tuple[Span, Literal["personal", "hit"]]]:
    """Words to cover that follow each other, as one span each."""
    run: tuple[Span, Literal["personal", "hit"]] | None = None
    for word, why in timed:
        goes_on = run is not None and word.span.start_s - run[0].end_s <= _RUN_GAP_S
        if run is not None and (why is None or why != run[1] or not goes_on):
            yield run
            run = None
        if why is not None:
            run = (word.span if run is None else run[0].hull(word.span), why)
    if run is not None:
        yield run


def _extended(span: Span, timed: Sequence[tuple[Word, object]], speech: Sequence[Span]) -> Span:
    """A span, and the speech without words around it."""
    earliest_s, latest_s = span.start_s, span.end_s
    for piece in speech:
        if piece.gap_s(span) == 0:
            earliest_s, latest_s = min(earliest_s, piece.start_s), max(latest_s, piece.end_s)
    others = [word.span for word, why in timed if why is None]
    before_s = max((o.end_s for o in others if o.end_s <= span.start_s), default=0.0)
    after_s = min((o.start_s for o in others if o.start_s >= span.end_s), default=latest_s)
    return Span(
        min(span.start_s, max(earliest_s, before_s, span.start_s - _BEYOND_S)),
        max(span.end_s, min(latest_s, after_s, span.end_s + _BEYOND_S)),
    )


def _speech(evidence: Evidence, speaker: str | None) -> tuple[Span, ...]:
    return tuple(
        sorted(span for each in evidence.heard for who, span in each.speech if who == speaker)
    )


def _not_understood(evidence: Evidence) -> Iterator[Cover]:
    """Speech in which no word was recognised, or too much between two words."""
    words: dict[str | None, list[Span]] = {}
    for utterance in evidence.utterances:
        words.setdefault(utterance.speaker, []).extend(word.span for word in utterance.words)
    ordered = {speaker: sorted(spans) for speaker, spans in words.items()}
    starts = {speaker: [s.start_s for s in spans] for speaker, spans in ordered.items()}
    for each in evidence.heard:
        for speaker, piece in each.speech:
            own, starts_s = ordered.get(speaker, []), starts.get(speaker, [])
            start_s = piece.start_s
            # Long words that began before the piece are rare, and only make a cover longer.
            inside = own[bisect_right(starts_s, piece.start_s - 1.0) :]
            for span in inside:
                if span.start_s >= piece.end_s:
                    break
                if span.start_s - start_s >= _WORDLESS_S:
                    yield Cover(
                        speaker=speaker, span=Span(start_s, span.start_s), why="not_understood"
                    )
                start_s = max(start_s, span.end_s)
            if piece.end_s - start_s >= _WORDLESS_S:
                yield Cover(speaker=speaker, span=Span(start_s, piece.end_s), why="not_understood")
