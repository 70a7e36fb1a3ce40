"""The report as one page: no script, nothing fetched, readable on screen and on paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

from offline.arcs import arcs
from offline.conduct import CallConduct, SpeakerConduct
from offline.pages import NONE, minutes, mood, percent, template, tenths, whole
from offline.report import Headline, Mark, Report, UtteranceLine
from offline.timeline import timeline
from storage.findings import LiveVerdict

_HEADLINES: Mapping[Headline, str] = MappingProxyType(
    {
        Headline.FINDINGS: "Findings",
        Headline.CLEAN: "Clean",
        Headline.INCOMPLETE: "Incomplete",
    }
)
_VERDICTS: Mapping[LiveVerdict, str] = MappingProxyType(
    {
        LiveVerdict.CONFIRMED: "Confirmed: raised live too",
        LiveVerdict.MISSED_LIVE: "Missed live",
        LiveVerdict.FALSE_ALARM_LIVE: "False alarm: raised live only",
        LiveVerdict.LIVE_NOT_RUN: "Live did not run",
        LiveVerdict.UNVERIFIED: "Undecided: not all of it could be heard",
    }
)
_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "card_security_code": "the security code of a card is said in it",
        "pin": "a PIN is said in it",
    }
)
_THIRDS = ("first", "second", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A row of the table of conduct."""

    name: str
    unit: str
    values: tuple[str, ...]  # one a speaker, then the call


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Text that belongs to one set of findings, or to none."""

    text: str
    findings: tuple[int, ...]  # numbers of findings, from 1


def render_html(report: Report) -> str:
    """The page of a report."""
    by_utterance: dict[str, list[tuple[int, Mark]]] = {}
    for number, found in enumerate(report.findings, start=1):
        for mark in found.marks:
            by_utterance.setdefault(mark.utterance_id, []).append((number, mark))
    return template("report.html.j2").render(
        report=report,
        headline=_HEADLINES[report.headline],
        summary=summary(report),
        verdicts=_VERDICTS,
        reasons=_REASONS,
        timeline=timeline(report),
        conduct=tuple(measures(report)),
        arcs=arcs(report),
        transcript=[
            (f"u{number}", line, tuple(pieces(line, by_utterance.get(line.id, ()))))
            for number, line in enumerate(report.utterances, start=1)
        ],
        anchors={line.id: f"u{number}" for number, line in enumerate(report.utterances, start=1)},
    )


def summary(report: Report) -> str:
    """The headline in a sentence or two."""
    n_findings = len(report.audit_findings)
    n_gaps = sum(not gap.is_harmless for gap in report.coverage)
    found = f"{n_findings} {'finding' if n_findings == 1 else 'findings'}"
    parts = {
        Headline.FINDINGS: f"The audit has {found} on this call.",
        Headline.CLEAN: "Everything was checked, and no rule was broken.",
        Headline.INCOMPLETE: "No rule is known to be broken, but not everything could be checked.",
    }
    sentence = parts[report.headline]
    if n_gaps and report.headline is Headline.FINDINGS:
        sentence += " Not everything could be checked: there may be more."
    return sentence


def measures(report: Report) -> Iterator[Measure]:
    """The table of conduct; nothing where nothing was measured."""
    call = report.conduct
    if call is None:
        return
    speakers = [speaker.conduct for speaker in report.speakers if speaker.conduct is not None]

    def row(
        name: str,
        unit: str,
        of_speaker: Callable[[SpeakerConduct], str],
        of_call: Callable[[CallConduct], str],
    ) -> Measure:
        return Measure(
            name=name, unit=unit, values=(*(of_speaker(each) for each in speakers), of_call(call))
        )

    yield row("Speech", "m:ss", lambda s: minutes(s.talk_s), lambda c: minutes(c.talk_s))
    yield row("Share of speech", "", lambda s: percent(s.talk_ratio), lambda c: NONE)
    yield row("Nobody speaks", "", lambda s: NONE, lambda c: percent(c.non_talk_ratio))
    yield row("Longest silence", "s", lambda s: NONE, lambda c: tenths(c.longest_silence_s))
    yield row(
        "Turns", "", lambda s: str(s.n_turns), lambda c: str(sum(s.n_turns for s in speakers))
    )
    yield row(
        "Longest monologue",
        "s",
        lambda s: tenths(s.longest_monologue_s),
        lambda c: tenths(c.longest_monologue_s),
    )
    yield row(
        "Cut others short", "", lambda s: str(s.n_interruptions), lambda c: str(c.n_interruptions)
    )
    yield row("Were cut short", "", lambda s: str(s.n_interrupted), lambda c: NONE)
    yield row("Spoken at once", "s", lambda s: tenths(s.overlap_s), lambda c: tenths(c.overlap_s))
    yield row(
        "Speech rate",
        "words/min",
        lambda s: whole(s.speech_rate_wpm),
        lambda c: whole(c.speech_rate_wpm),
    )
    yield row(
        "Time to answer",
        "s, median",
        lambda s: tenths(s.response_latency_s),
        lambda c: tenths(c.response_latency_s),
    )
    yield row("Mood", "−1 to 1", lambda s: mood(s.sentiment), lambda c: mood(c.sentiment))  # noqa: RUF001
    for number, third in enumerate(_THIRDS):
        yield row(
            f"Mood, {third} third",
            "",
            lambda s, number=number: mood(s.sentiment_thirds[number]),  # type: ignore[misc]
            lambda c, number=number: mood(c.sentiment_thirds[number]),  # type: ignore[misc]
        )


def pieces(line: UtteranceLine, marks: list[tuple[int, Mark]] | tuple[()]) -> Iterator[Piece]:
    """Cut a line where findings begin and end."""
    edges = {0, len(line.text)}
    for _, mark in marks:
        edges |= {min(mark.start_chars, len(line.text)), min(mark.end_chars, len(line.text))}
    ordered = sorted(edges)
    for start, end in pairwise(ordered):
        inside = tuple(
            sorted({n for n, mark in marks if mark.start_chars <= start and end <= mark.end_chars})
        )
        yield Piece(text=line.text[start:end], findings=inside)
