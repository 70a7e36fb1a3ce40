"""Composing the report: everything that was found, in words that may be shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from offline import report
from offline.call import UNKNOWN, Call, covers
from offline.conduct import SpeakerConduct, measure
from offline.coverage import call_faults, checked_spans, sentence
from offline.heard import Fault, Heard
from offline.judge import Judgement
from offline.reconcile import Pair, reconcile, scores
from rules.conditions import finds_personal_data
from rules.masking import mask_numbers, mask_text
from rules.rulebook import Rulebook
from rules.types import Hit, Participant, TextRange, Utterance
from storage.deletion_marks import DeletionMark
from storage.findings import LiveVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What all stages of an audit brought up."""

    call: Call
    heard: tuple[Heard, ...]
    participants: tuple[Participant, ...] = field(repr=False)
    utterances: tuple[Utterance, ...] = field(repr=False)  # of all speakers, in time order
    judgement: Judgement
    rulebook: Rulebook
    rules_version: int | None = None
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What was redacted of a call, and which recordings must not be kept."""

    info: report.RedactionInfo | None = None  # None where no copy was made
    copies: Mapping[str, report.RedactedCopy] = field(default_factory=dict)  # by source id
    reasons: Mapping[str, str] = field(default_factory=dict)  # by source id, codes
    marks: tuple[DeletionMark, ...] = ()


NOTHING_REDACTED = Redaction()


def compose(
    evidence: Evidence,
    *,
    audit_key: str,
    engines: report.Engines,
    made_at: datetime,
    redaction: Redaction = NOTHING_REDACTED,
) -> report.Report:
    """Lay live and audit side by side, mask what is personal, and say what it comes to."""
    conduct = measure(
        [spoken for each in evidence.heard for spoken in each.speech],
        evidence.utterances,
        end_s=evidence.end_s,
    )
    call, heard = evidence.call, evidence.heard
    faults = call_faults(call, heard)
    is_complete = all(fault.is_harmless for fault in faults)
    pairs = _reconciled(evidence, is_complete=is_complete)
    names = names_of(evidence)
    findings = tuple(_finding(pair, evidence, names) for pair in pairs)
    return report.Report(
        schema_version=report.SCHEMA_VERSION,
        audit_key=audit_key,
        headline=_headline(findings, is_complete=is_complete),
        is_complete=is_complete,
        made_at=made_at,
        call=report.CallInfo(
            room_sid=call.room_sid,
            room_name=mask_numbers(call.room_name) if call.room_name else None,
            source=call.source,
            started_at=call.started_at,
            day=call.day,
            duration_s=_round(evidence.end_s),
        ),
        speakers=tuple(_speakers(evidence, names, conduct.speakers)),
        recordings=tuple(_recording(each, names, redaction) for each in heard),
        coverage=tuple(_coverage(fault, names) for fault in faults),
        findings=findings,
        utterances=masked_lines(evidence, names),
        engines=engines,
        rulebook=report.RulebookInfo(
            packs=tuple(
                report.Pack(id=pack.id, version=pack.version) for pack in evidence.rulebook.packs
            ),
            n_rules=len(evidence.rulebook.rules),
            fingerprint=evidence.rulebook.fingerprint,
            live_fingerprint=call.live.rulebook_fingerprint if call.live else None,
            published_version=evidence.rules_version,
        ),
        reconciliation=_reconciliation(pairs, evidence),
        conduct=conduct.call,
        waveforms=tuple(
            replace(outline, speakers=tuple(names.of(who) for who in outline.speakers))
            for each in heard
            for outline in each.waveforms
        ),
        redaction=redaction.info,
    )


class Names:
    """Names of speakers as they may be shown: an identity can be a telephone number."""

    def __init__(self, identities: Iterable[str]) -> None:
        self._shown: dict[str, str] = {}
        taken: dict[str, int] = {}
        for identity in identities:
            if identity in self._shown:
                continue
            masked = mask_numbers(identity)
            taken[masked] = taken.get(masked, 0) + 1
            n = taken[masked]
            self._shown[identity] = masked if n == 1 else f"{masked} ({n})"

    def of(self, identity: str) -> str:
        """The name to show for an identity."""
        return self._shown[identity]

    def maybe(self, identity: str | None) -> str | None:
        """The same, where there may be nobody."""
        return None if identity is None else self._shown[identity]

    def identity(self, shown: str | None) -> str | None:
        """Whose name is shown so; the database keeps identities, so that its rows can be joined."""
        return next((who for who, name in self._shown.items() if name == shown), None)


def names_of(evidence: Evidence) -> Names:
    """The names of everybody whom an audit has to do with."""
    return Names(_identities(evidence))


def masked_texts(evidence: Evidence) -> Mapping[str, str]:
    """What was said, by utterance id, with personal data covered and as long as before.

    Covered is what was detected, and every longer number. Forbidden phrases stay readable, because
    a reviewer must be able to judge them.
    """
    ranges = _personal_ranges(evidence)
    return {
        utterance.id: mask_numbers(mask_text(utterance.text, ranges.get(utterance.id, ())))
        for utterance in evidence.utterances
    }


def masked_lines(evidence: Evidence, names: Names) -> tuple[report.UtteranceLine, ...]:
    """The transcript as it may be shown."""
    masked = masked_texts(evidence)
    return tuple(
        report.UtteranceLine(
            id=utterance.id,
            speaker=names.of(utterance.speaker or UNKNOWN),
            start_s=_round(utterance.span.start_s),
            end_s=_round(utterance.span.end_s),
            text=masked[utterance.id],
        )
        for utterance in evidence.utterances
    )


def _personal_ranges(evidence: Evidence) -> Mapping[str, Sequence[TextRange]]:
    by_rule = {rule.id: rule for rule in evidence.rulebook.rules}
    parts = [part for entity in evidence.judgement.entities for part in entity.parts]
    parts += [
        part
        for hit in evidence.judgement.hits
        if finds_personal_data(by_rule[hit.rule_id].condition)
        for part in hit.parts
    ]
    ranges: dict[str, list[TextRange]] = {}
    for part in parts:
        ranges.setdefault(part.utterance_id, []).append(part)
    return ranges


def _reconciled(evidence: Evidence, *, is_complete: bool) -> tuple[Pair, ...]:
    live = evidence.call.live
    runs_live = {rule.id: rule.scope.live for rule in evidence.rulebook.rules}

    def was_heard(hit: Hit) -> bool:
        return hit.speaker is not None and covers(
            checked_spans(evidence.heard, hit.speaker), hit.span
        )

    return reconcile(
        evidence.judgement.hits,
        live.hits if live is not None else None,
        was_heard=was_heard,
        everything_heard=is_complete,
        runs_live=lambda rule_id: runs_live.get(rule_id, True),
    )


def _identities(evidence: Evidence) -> Iterable[str]:
    for member in evidence.call.members:
        yield member.identity
    for each in evidence.heard:
        yield from each.speakers
    yield from (claim.identity for claim in evidence.call.claims)
    live = evidence.call.live
    if live is not None:
        yield from (hit.speaker for hit in live.hits if hit.speaker is not None)
        yield from (gap.identity for gap in live.gaps if gap.identity is not None)


def _speakers(
    evidence: Evidence, names: Names, conduct: Mapping[str, SpeakerConduct]
) -> Iterable[report.Speaker]:
    roles = {member.identity: member.role for member in evidence.call.members}
    for identity in dict.fromkeys(_identities(evidence)):
        spans = sorted(
            span for each in evidence.heard for who, span in each.speech if who == identity
        )
        yield report.Speaker(
            name=names.of(identity),
            role=roles.get(identity),
            n_utterances=sum(u.speaker == identity for u in evidence.utterances),
            speech_s=_round(sum(span.duration_s for span in spans)),
            checked_s=_round(
                sum(span.duration_s for span in checked_spans(evidence.heard, identity))
            ),
            speech=tuple((_round(span.start_s), _round(span.end_s)) for span in spans),
            conduct=conduct.get(identity),
        )


def _recording(heard: Heard, names: Names, redaction: Redaction) -> report.RecordingInfo:
    source = heard.source
    return report.RecordingInfo(
        name=mask_numbers(source.name) if source.path is not None else source.name,
        speakers=tuple(names.of(speaker) for speaker in heard.speakers),
        sha256=heard.sha256,
        is_hash_verified=source.recorder != "file" and heard.sha256 == source.sha256 is not None,
        start_s=_round(source.clock.offset_s),
        duration_s=_round(heard.duration_s),
        alignment=None if heard.aligned is None else heard.aligned.method,
        offset_found_s=None if heard.aligned is None else heard.aligned.found_s,
        offset_confidence_ratio=None if heard.aligned is None else heard.aligned.confidence,
        drift_s=None if heard.aligned is None else heard.aligned.drift_s,
        status=(
            "not_checked" if not heard.checked else "partly_checked" if heard.faults else "checked"
        ),
        checked_s=_round(
            min(
                (
                    sum(span.duration_s for name, span in heard.checked if name == who)
                    for who in dict(heard.checked)
                ),
                default=0.0,
            )
        ),
        redacted=redaction.copies.get(source.id),
        to_be_deleted=redaction.reasons.get(source.id),
    )


def _coverage(fault: Fault, names: Names) -> report.CoverageFinding:
    return report.CoverageFinding(
        code=fault.code,
        detail=fault.detail,
        message=sentence(fault),
        speaker=names.maybe(fault.speaker),
        recording=mask_numbers(fault.source)
        if fault.source and "/" not in fault.source
        else fault.source,
        start_s=_round(fault.span.start_s) if fault.span else None,
        end_s=_round(fault.span.end_s) if fault.span else None,
        is_harmless=fault.is_harmless,
    )


def _finding(pair: Pair, evidence: Evidence, names: Names) -> report.RuleFinding:
    hit = pair.hit
    titles = {rule.id: rule.title for rule in evidence.rulebook.rules}
    # Marks point into the audit's transcript; a live hit points into one that is not kept.
    parts = pair.audit.parts if pair.audit is not None else ()
    return report.RuleFinding(
        id=hit.id,
        rule_id=hit.rule_id,
        rule_version=hit.rule_version,
        title=titles.get(hit.rule_id, hit.rule_id),
        severity=hit.severity,
        speaker=names.maybe(hit.speaker),
        start_s=_round(hit.span.start_s),
        end_s=_round(hit.span.end_s),
        excerpt=hit.excerpt,
        score=round(hit.score, 3),
        verdict=pair.verdict,
        live_hit_id=pair.live.id if pair.live else None,
        live_delay_s=_live_delay_s(pair.live, evidence.call),
        marks=tuple(
            report.Mark(
                utterance_id=part.utterance_id,
                start_chars=part.start_chars,
                end_chars=part.end_chars,
            )
            for part in parts
        ),
    )


def _live_delay_s(live: Hit | None, call: Call) -> float | None:
    if live is None or call.live is None or call.started_at is None:
        return None
    raised_at = call.live.raised_at.get(live.id)
    if raised_at is None:
        return None
    delay_s = (raised_at - call.started_at).total_seconds() - live.span.end_s
    return _round(delay_s) if delay_s >= 0 else None  # below 0, two machines' clocks disagree


def _reconciliation(pairs: Sequence[Pair], evidence: Evidence) -> report.Reconciliation:
    titles = {rule.id: rule.title for rule in evidence.rulebook.rules}
    live_ran = evidence.call.live is not None
    return report.Reconciliation(
        live_ran=live_ran,
        rules=tuple(
            report.RuleScore(
                rule_id=score.rule_id,
                title=titles.get(score.rule_id, score.rule_id),
                n_confirmed=score.n_confirmed,
                n_missed_live=score.n_missed_live,
                n_false_alarm_live=score.n_false_alarm_live,
                n_unverified=score.n_unverified,
                precision_ratio=score.precision_ratio,
                recall_ratio=score.recall_ratio,
            )
            for score in scores(pairs)
        )
        if live_ran
        else (),
    )


def _headline(findings: Sequence[report.RuleFinding], *, is_complete: bool) -> report.Headline:
    verdicts = {found.verdict for found in findings}
    if verdicts - report.NOT_OF_THE_AUDIT:
        return report.Headline.FINDINGS
    if not is_complete or LiveVerdict.UNVERIFIED in verdicts:
        return report.Headline.INCOMPLETE
    return report.Headline.CLEAN


def _round(value_s: float) -> float:
    return round(value_s, 3)
