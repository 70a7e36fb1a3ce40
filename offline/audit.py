"""The audit of one call, from claim to report. Repeated, it does nothing twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from offline import report as model
from offline.call import Call
from offline.claims import LEASE_S, Claims
from offline.composition import Evidence, Names, compose, names_of
from offline.earmark_version import earmark_version
from offline.engines import PIPELINE_VERSION, Engines
from offline.errors import AuditBusyError, ReportFormatError
from offline.fingerprint import audit_key
from offline.hearing import Heard, Hearing, MixEngines
from offline.judge import Judge
from offline.keeper import Keeper
from offline.outputs import Finished, Output
from offline.reconcile import Verdict
from offline.redaction import RedactionOptions, Redactor
from offline.report import SCHEMA_VERSION, Report, dump_report, parse_report
from offline.report_html import render_html
from offline.stages.align import Aligner
from offline.stages.store import ObjectStageStore, StageStore
from offline.stages.workbench import Workbench
from rules.rulebook import Rulebook
from rules.types import Participant, Utterance
from speech.embedding import SentenceEmbedder
from storage import audits, findings
from storage.database import Database
from storage.deletion_marks import DeletionMark, mark_for_deletion
from storage.errors import ObjectMissingError
from storage.findings import Finding, FindingKind
from storage.objects import ObjectStore
from storage.stage_work import call_folder

log = logging.getLogger(__name__)

_NOTHING = "none, nothing to hear"

OnProgress = Callable[["Progress"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the audit of a call is."""

    stage: str
    source_number: int  # from 1
    n_sources: int
    done_ratio: float  # of the whole call, in [0.0, 1.0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A report, and where it is."""

    report: Report
    html_key: str
    json_key: str
    was_done: bool  # by an earlier run
    # What was really said, for whoever asks for it on their own terminal.
    utterances: tuple[Utterance, ...] = field(default=(), repr=False)


class Auditor:
    """Audits calls with one set of rules and models.

    Args:
        database: Open.
        objects: Where recordings lie and reports go.
        rulebook: The rules in force.
        rules_version: The number under which they are published; None of rules from files.
        engines: Loaded only when there is something to hear.
        mixes: Tells the voices of mixed recordings apart; None = such a recording is one voice.
        aligner: Puts recordings on the call clock; None = they lie where their manifests say.
        embedder: Needed where a rule has a `similar` condition.
        outputs: What is written besides page and JSON.
        stages: Where stages put down what they have made; default: in `objects`, until the report
            is finished.
        lease_s: How long a claim lasts without a sign of life.
        keep_transcripts_days: For how long what was really said is kept besides the masked report;
            None = not at all.
        claims: How audits are claimed; None = as of a lone process, and `lease_s` counts.
        redaction: Of which calls redacted copies are made, and how.
    """

    def __init__(
        self,
        *,
        database: Database,
        objects: ObjectStore,
        rulebook: Rulebook,
        rules_version: int | None = None,
        engines: Engines,
        mixes: MixEngines | None = None,
        aligner: Aligner | None = None,
        embedder: SentenceEmbedder | None = None,
        outputs: Sequence[Output] = (),
        stages: StageStore | None = None,
        lease_s: float = LEASE_S,
        keep_transcripts_days: int | None = None,
        claims: Claims | None = None,
        redaction: RedactionOptions = RedactionOptions(),  # noqa: B008 - frozen
    ) -> None:
        self._database = database
        self._objects = objects
        self._rulebook = rulebook
        self._rules_version = rules_version
        self._hearing = Hearing(objects, engines, mixes=mixes, aligner=aligner)
        self._embedder = embedder
        self._judge = Judge(rulebook, embedder)
        self._claims = claims or Claims(database, lease_s)
        self._outputs: tuple[Output, ...] = (Keeper(objects, keep_transcripts_days), *outputs)
        self._redactor = Redactor(objects, redaction)
        self._stages = ObjectStageStore(objects) if stages is None else stages

    def pipeline(self, call: Call) -> Mapping[str, object]:
        """Models, options and code that decide the report of a call, but for the rules; JSON."""
        pipeline = {"pipeline_version": PIPELINE_VERSION, **self._hearing.describe(call)}
        if self._embedder is not None:
            pipeline["similarity"] = self._embedder.name
        pipeline.update(self._redactor.describe())
        for output in self._outputs:
            pipeline.update(output.describe())
        return pipeline

    def key(self, call: Call) -> str:
        """The key of this audit of a call in the ledger."""
        return audit_key(call, self.pipeline(call), self._rulebook.fingerprint)

    def audit(self, call: Call, on_progress: OnProgress = lambda progress: None) -> Outcome:
        """Audit a call, go on where a killed audit stopped, or find that it has been done.

        Raises:
            AuditBusyError: another process is at it and stays at it.
            AuditPoisonedError: it has failed too often, or killed who was at it.
            StorageError: the object store or the database failed; a later run goes on.
            SpeechError: models are missing; a later run goes on.
        """
        key = self.key(call)
        html_key, json_key = report_keys(call)
        bench = Workbench(self._stages, call_folder(call.day, call.room_sid))
        claim = self._claims.claim(key, call.room_sid, lambda: self._made(key, call))
        if isinstance(claim, Report):
            # Whoever made it may have died before it could clear up.
            bench.close()
            return Outcome(report=claim, html_key=html_key, json_key=json_key, was_done=True)
        with self._claims.held(claim):
            evidence = self._judged(call, self._hear(call, bench, on_progress))
            redaction = self._redactor.redact(evidence, now=datetime.now(UTC))
            report = compose(
                evidence,
                audit_key=key,
                engines=self._engines_info(evidence.heard),
                made_at=datetime.now(UTC),
                redaction=redaction,
            )
            self._write(report, evidence)
            self._finish(claim, report, evidence, html_key, redaction.marks)
        bench.close()
        return Outcome(
            report=report,
            html_key=html_key,
            json_key=json_key,
            was_done=False,
            utterances=evidence.utterances,
        )

    def _made(self, key: str, call: Call) -> Report | None:
        """The report that an earlier run of this very audit has left."""
        html_key, json_key = report_keys(call)
        if self._objects.head(html_key) is None:
            return None
        try:
            report = parse_report(self._objects.get_bytes(json_key))
        except (ObjectMissingError, ReportFormatError):
            return None  # gone, or from another version: it is made again
        if report.schema_version != SCHEMA_VERSION or report.audit_key != key:
            return None
        if any(output.lacks(call) for output in self._outputs):
            return None
        return report

    def _hear(self, call: Call, bench: Workbench, on_progress: OnProgress) -> tuple[Heard, ...]:
        total_s = sum(source.duration_s or 1.0 for source in call.sources) or 1.0
        done_s = 0.0
        heard: list[Heard] = []
        for number, source in enumerate(call.sources, start=1):
            weight_s = source.duration_s or 1.0

            def on_stage(
                stage: str,
                done_ratio: float,
                number: int = number,
                before_s: float = done_s,
                weight_s: float = weight_s,
            ) -> None:
                on_progress(
                    Progress(
                        stage=stage,
                        source_number=number,
                        n_sources=len(call.sources),
                        done_ratio=(before_s + done_ratio * weight_s) / total_s,
                    )
                )

            heard.append(self._hearing.hear(call, source, bench, on_stage))
            done_s += weight_s
        return tuple(heard)

    def _judged(self, call: Call, heard: tuple[Heard, ...]) -> Evidence:
        utterances = sorted(
            (utterance for each in heard for utterance in each.utterances),
            key=lambda utterance: (utterance.span, utterance.id),
        )
        end_s = max(
            [
                call.ended_s or 0.0,
                *(each.source.clock.offset_s + each.duration_s for each in heard),
            ],
            default=0.0,
        )
        roles = {member.identity: member.role for member in call.members}
        identities = {*roles, *(s for each in heard for s in each.speakers)}
        participants = tuple(
            Participant(identity=name, role=roles.get(name)) for name in sorted(identities)
        )
        judgement = self._judge.judge(participants, utterances, end_s=end_s)
        return Evidence(
            call=call,
            heard=heard,
            participants=participants,
            utterances=tuple(utterances),
            judgement=judgement,
            rulebook=self._rulebook,
            rules_version=self._rules_version,
            end_s=end_s,
        )

    def _engines_info(self, heard: tuple[Heard, ...]) -> model.Engines:
        ran = [each for each in heard if each.transcriber is not None]
        return model.Engines(
            transcriber=next((e.transcriber for e in ran if e.transcriber), _NOTHING),
            vad=next((e.vad for e in ran if e.vad), _NOTHING),
            diarizer=next((e.diarizer for e in ran if e.diarizer), None),
            pipeline_version=PIPELINE_VERSION,
            similarity=None if self._embedder is None else self._embedder.name,
            earmark_version=earmark_version(),
        )

    def _write(self, report: Report, evidence: Evidence) -> None:
        """Write everything under keys of the call, so that a second try replaces the first."""
        call = evidence.call
        html_key, json_key = report_keys(call)
        finished = Finished(
            report=report,
            evidence=evidence,
            pipeline=self.pipeline(call),
            objects=self._objects,
        )
        for output in self._outputs:
            output.write(finished)
        self._objects.put_bytes(json_key, dump_report(report), content_type="application/json")
        self._objects.put_bytes(
            html_key, render_html(report).encode(), content_type="text/html; charset=utf-8"
        )

    def _finish(
        self,
        claim: audits.Claim,
        report: Report,
        evidence: Evidence,
        html_key: str,
        marks: Sequence[DeletionMark],
    ) -> None:
        # Findings and the end of the audit in one transaction: neither is there without the other.
        with self._database.begin() as connection:
            findings.replace_findings(
                connection, claim.audit_key, _rows(report, names_of(evidence))
            )
            mark_for_deletion(connection, marks)
            is_ours = audits.finish(
                connection,
                claim.audit_key,
                attempt=claim.attempt,
                report_key=html_key,
                pipeline=self.pipeline(evidence.call),
                now=datetime.now(UTC),
            )
            if not is_ours:
                raise AuditBusyError(
                    f"call {report.call.room_sid}: another run took the audit over; "
                    "its report is the one that counts"
                )
        log.info(
            "a call was audited",
            extra={"room_sid": report.call.room_sid, "n_hits": len(evidence.judgement.hits)},
        )


def report_keys(call: Call) -> tuple[str, str]:
    """Object keys of a call's page and of its JSON."""
    folder = f"reports/{call.day.isoformat()}/{call.room_sid}"
    return f"{folder}/report.html", f"{folder}/report.json"


def _rows(report: Report, names: Names) -> Iterator[Finding]:
    for number, gap in enumerate(report.coverage, start=1):
        yield Finding(
            id=f"coverage-{number}",
            kind=FindingKind.COVERAGE,
            code=gap.code,
            speaker=names.identity(gap.speaker),
            start_s=gap.start_s,
            end_s=gap.end_s,
            detail=gap.detail,
        )
    for found in report.findings:
        yield Finding(
            id=found.id,
            kind=FindingKind.RULE,
            rule_id=found.rule_id,
            rule_version=found.rule_version,
            severity=found.severity,
            speaker=names.identity(found.speaker),
            start_s=found.start_s,
            end_s=found.end_s,
            excerpt=found.excerpt,
            score=found.score,
            # The ledger has no word for what could not be decided.
            verdict=None
            if found.verdict is Verdict.UNVERIFIED
            else findings.Verdict(found.verdict.value),
            live_hit_id=found.live_hit_id,
            detail="unverified" if found.verdict is Verdict.UNVERIFIED else None,
        )
