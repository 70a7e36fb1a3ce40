"""Hearing one recording: its stages in their order. What fails is an outcome.

A stage plugs in here: `Hearing` makes it by the call's `Workbench`, and says in `describe` what
decides it. See `offline.stages` on how one is added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from offline.attribute import Attributor, LaneVoices, voices_on
from offline.call import Call, Source
from offline.clock import RecordingClock
from offline.diarization.turns import Diarizer
from offline.engines import Engines
from offline.errors import DiarizerError
from offline.heard import Heard, Part, joined, unheard
from offline.lack import Lack, LackError, Miss
from offline.lanes import Lane, lanes_of
from offline.stages.align import Aligner, AlignStage, CallTake
from offline.stages.decode import DecodeStage
from offline.stages.diarize import DiarizeStage, MixTake
from offline.stages.records import Diarized, Transcribed
from offline.stages.scratch import sweep_scratch
from offline.stages.stage import OnProgress
from offline.stages.take import Take, taken
from offline.stages.transcribe import LaneTake, TranscribeStage
from offline.stages.workbench import Workbench
from speech.errors import AudioError
from storage.errors import ObjectMissingError
from storage.findings import CoverageCode
from storage.objects import ObjectStore

OnStage = Callable[[str, float], None]  # name of the stage, how much of it is done in [0.0, 1.0]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixEngines:
    """What tells the voices of a mix apart, and what names them."""

    diarizer: Diarizer | None  # None = voices are not told apart, and a mix is not wholly checked
    attributor: Attributor
    lack: Lack | None = None  # why there is no diarizer although one was asked for


class Hearing:
    """Hears recordings as far as they go.

    Args:
        objects: Where recordings lie.
        engines: Models of transcription; loaded only if something must be transcribed.
        mixes: For recordings of several people; None = such a recording is one unnamed voice.
        aligner: Finds out where recordings lie; None = where their manifests say.
    """

    def __init__(
        self,
        objects: ObjectStore,
        engines: Engines,
        *,
        mixes: MixEngines | None = None,
        aligner: Aligner | None = None,
    ) -> None:
        sweep_scratch()
        self._objects = objects
        self._engines = engines
        self._mixes = mixes
        self._aligner = aligner
        self._decode = DecodeStage()
        self._align = None if aligner is None else AlignStage(aligner)
        self._diarize = (
            None if mixes is None or mixes.diarizer is None else DiarizeStage(mixes.diarizer)
        )
        self._transcribe = TranscribeStage(engines)

    def describe(self, call: Call) -> Mapping[str, object]:
        """All models and options that decide what is heard of a call, as JSON."""
        described = dict(self._engines.describe())
        if self._aligner is not None:
            described["alignment"] = self._aligner.describe()
        if self._mixes is not None and any(source.is_mix for source in call.sources):
            diarizer, lack = self._mixes.diarizer, self._mixes.lack
            described["diarization"] = None if diarizer is None else diarizer.describe()
            if lack is not None:
                described["diarization_lacks"] = lack.detail
            described["attribution"] = self._mixes.attributor.describe()
        return described

    def hear(
        self,
        call: Call,
        source: Source,
        bench: Workbench,
        on_stage: OnStage = lambda stage, done_ratio: None,
    ) -> Heard:
        """Hear one recording.

        Args:
            call: To which it belongs.
            source: Where it is and what was promised of it.
            bench: Makes the stages, or finds them made.
            on_stage: Told what is done.

        Raises:
            StorageError: the object store cannot be reached; a missing object is an outcome, and
                so are missing models.
        """
        if source.problem is not None:
            return unheard(source, CoverageCode.RECORDING_MISSING, source.problem)
        if not source.is_there:
            return unheard(source, CoverageCode.RECORDING_MISSING, "object_missing")
        on_stage("fetching", 0.0)
        sha256: str | None = None
        try:
            with taken(source, self._objects) as take:
                sha256 = take.sha256
                if not take.is_as_promised:
                    return unheard(
                        source, CoverageCode.RECORDING_CORRUPT, "hash_mismatch", sha256=sha256
                    )
                return self._heard(call, take, bench, on_stage)
        except ObjectMissingError:
            return unheard(source, CoverageCode.RECORDING_MISSING, "object_missing")
        except AudioError:
            return unheard(source, CoverageCode.RECORDING_CORRUPT, "undecodable", sha256=sha256)

    def _heard(self, call: Call, take: Take, bench: Workbench, on_stage: OnStage) -> Heard:
        on_stage("decoding", 0.0)
        decoded = bench.make(self._decode, take)
        source = take.source
        if self._align is not None:
            on_stage("aligning", 0.0)
            aligned = bench.make(self._align, CallTake(take=take, call=call))
            source = replace(source, clock=RecordingClock(offset_s=aligned.offset_s))
        else:
            aligned = None
        lanes = lanes_of(source, decoded)
        parts: list[Part] = []
        for lane in lanes:
            given = LaneTake(take=take, lane=lane)
            diarized = self._diarized(call, given, bench, on_stage)
            voices = self._voices(diarized, source, lane, call)

            def on_progress(done_ratio: float, before: int = lane.number) -> None:
                on_stage("transcribing", (before + done_ratio) / len(lanes))

            transcribed = self._transcribed(given, bench, on_progress)
            on_progress(1.0)
            id = source.id if len(lanes) == 1 else f"{source.id}.{lane.number + 1}"
            parts.append(
                Part(id=id, lane=lane, voices=voices, transcribed=transcribed, diarized=diarized)
            )
        return joined(source, take.sha256, decoded, aligned, parts)

    def _diarized(
        self, call: Call, given: LaneTake, bench: Workbench, on_stage: OnStage
    ) -> Diarized | Miss | None:
        if not given.take.source.is_mix:
            return None
        if self._diarize is None:
            lack = None if self._mixes is None else self._mixes.lack
            return Miss(detail="not_told_apart" if lack is None else lack.detail, lack=lack)
        on_stage("diarizing", 0.0)
        try:
            return bench.make(
                self._diarize,
                MixTake(take=given.take, lane=given.lane, bounds=voices_on(call)),
                lambda done_ratio: on_stage("diarizing", done_ratio),
            )
        except LackError as exc:
            return Miss(detail=exc.lack.detail, lack=exc.lack)
        except DiarizerError as exc:
            return Miss(detail=exc.detail)

    def _transcribed(
        self, given: LaneTake, bench: Workbench, on_progress: OnProgress
    ) -> Transcribed | Miss:
        try:
            return bench.make(self._transcribe, given, on_progress)
        except LackError as exc:
            return Miss(detail=exc.lack.detail, lack=exc.lack)

    def _voices(
        self, diarized: Diarized | Miss | None, source: Source, lane: Lane, call: Call
    ) -> LaneVoices:
        if not isinstance(diarized, Diarized) or self._mixes is None:
            return LaneVoices(speakers=(lane.speaker,))
        return self._mixes.attributor.attribute(diarized, source, lane, call)
