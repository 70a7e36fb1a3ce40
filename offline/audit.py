"""The audit of one call, from claim to report. Repeated, it does nothing twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from offline import report as model
from offline.call import Call
from offline.claims import LEASE_S, Claims
from offline.composition import Evidence, Names, compose, names_of
from offline.earmark_version import earmark_version
from offline.engines import PIPELINE_VERSION, Engines
from offline.errors import AuditBusyError
from offline.fingerprint import audit_key
from offline.heard import Heard
from offline.hearing import Hearing, MixEngines
from offline.judge import Judge
from offline.keeper import Keeper
from offline.lack import Lack, LackError
from offline.outputs import Finished, Output
from offline.redaction import RedactionOptions, Redactor
from offline.report import SCHEMA_VERSION, Report, dump_report
from offline.report_html import render_html
from offline.shelf import Shelf, lacks_in, report_keys
from offline.stages.align import Aligner
from offline.stages.store import ObjectStageStore, StageStore
from offline.stages.workbench import Workbench
from rules.rulebook import Rulebook
from rules.types import Participant, Utterance
from speech.embedding import SentenceEmbedder
from storage import audits, findings
from storage.database import Database
from storage.deletion_marks import DeletionMark, mark_for_deletion
from storage.findings import Finding, FindingKind
from storage.objects import ObjectStore
from storage.stage_work import call_folder

log = logging.getLogger(__name__)

_NOTHING = "none, nothing to hear"
_LACKING = "none, not to be had"

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
    # What was not to be had, one sentence each: the call is audited anew once it is there.
    lacks: tuple[str, ...] = ()
    # Recordings were deleted on purpose since: the report of before says more than a new one could.
    is_kept: bool = False
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
        replaces: Make a new report even where recordings were deleted on purpose since the one that
            is there.
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
        replaces: bool = False,
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
        self._shelf = Shelf(objects)
        self._replaces = replaces
        self._lack = None if mixes is None else mixes.lack
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
        """
        key = self.key(call)
        html_key, json_key = report_keys(call)
        made = None if self._replaces else self._shelf.richer_than_what_is_left(call)
        if made is not None:
            return self._found(made, call, is_kept=True)
        bench = Workbench(self._stages, call_folder(call.day, call.room_sid))
        claim = self._claims.claim(key, call.room_sid, lambda: self._made(key, call))
        if isinstance(claim, Report):
            # Whoever made it may have died before it could clear up.
            bench.close()
            return self._found(claim, call)
        try:
            with self._claims.held(claim):
                evidence = self._judged(call, self._hear(call, bench, on_progress))
                lacks = tuple(lack for each in evidence.heard for lack in each.lacks)
                made = self._shelf.without_lacks(call) if lacks else None
                if made is not None:
                    raise LackError(lacks[0])  # gives the claim back, for whoever has the models
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
        except LackError:
            if made is None:
                raise
            return replace(self._found(made, call), lacks=_sentences(lacks))
        if not lacks:  # else what was made is not to be made again when the models are there
            bench.close()
        return Outcome(
            report=report,
            html_key=html_key,
            json_key=json_key,
            was_done=False,
            lacks=_sentences(lacks),
            utterances=evidence.utterances,
        )

    def _found(self, report: Report, call: Call, *, is_kept: bool = False) -> Outcome:
        html_key, json_key = report_keys(call)
        is_lacking = self._lack is not None and self._lack.detail in lacks_in(report)
        return Outcome(
            report=report,
            html_key=html_key,
            json_key=json_key,
            was_done=True,
            lacks=(self._lack.message,) if self._lack is not None and is_lacking else (),
            is_kept=is_kept,
        )

    def _made(self, key: str, call: Call) -> Report | None:
        """The report that an earlier run of this very audit has left."""
        report = self._shelf.report_of(call)
        if report is None or report.schema_version != SCHEMA_VERSION or report.audit_key != key:
            return None  # gone, or from another version: it is made again
        # What the key knows to be lacking is lacking still; for the rest, it is worth a try.
        known = set() if self._lack is None else {self._lack.detail}
        if lacks_in(report) - known:
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
        nothing = _LACKING if any(each.lacks for each in heard) else _NOTHING
        return model.Engines(
            transcriber=next((e.transcriber for e in heard if e.transcriber), nothing),
            vad=next((e.vad for e in heard if e.vad), nothing),
            diarizer=next((e.diarizer for e in heard if e.diarizer), None),
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


def _sentences(lacks: Sequence[Lack]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lack.message for lack in lacks))


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
            verdict=found.verdict,
            live_hit_id=found.live_hit_id,
        )
