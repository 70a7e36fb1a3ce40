"""Calls that lacked a model have a report that says so, and are audited anew once it is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from offline.attribution import TimelineAttributor
from offline.audit import Auditor, Outcome
from offline.diarization.choice import diarizer_or_lack
from offline.diarization.turns import FAILED, Diarization, OnProgress, VoiceBounds
from offline.engines import Loaded
from offline.errors import DiarizerError
from offline.files import find_files
from offline.find import Finder
from offline.hearing import MixEngines
from offline.lack import Lack
from offline.report import Headline
from rules.loader import load_rulebook
from speech.errors import (
    DeviceMissingError,
    EngineMissingError,
    ModelHashError,
    ModelMissingError,
    ModelStoreError,
    RecogniserError,
    SpeechError,
)
from storage import audits
from storage.database import Database
from storage.findings import CoverageCode, findings_of
from storage.objects import ObjectStore
from tests.offline.builders import ScriptedEngines, demo_sound, store_call, write_wav

NOTICE = "This call is being recorded."
_OTHER = Path(__file__).parents[2] / "rules" / "book" / "pii"
MISSING = ModelMissingError("the weights are nowhere; `earmark models pull` gets them")


class NoEngines(ScriptedEngines):
    """Described like those that can be had, and not to be loaded."""

    def __init__(self, error: SpeechError) -> None:
        super().__init__("")
        self.error = error
        self.n_tries = 0

    def load(self) -> Loaded:
        self.n_tries += 1
        raise self.error


class BrokenDiarizer:
    """Fails whenever it is to tell voices apart."""

    name = "broken"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def describe(self) -> Mapping[str, object]:
        return {"diarizer": self.name}

    def diarize(
        self, samples: NDArray[np.float32], bounds: VoiceBounds, on_progress: OnProgress
    ) -> Diarization:
        raise self.error


def audit(
    database: Database,
    objects: ObjectStore,
    engines: ScriptedEngines,
    *,
    rules: tuple[Path, ...] = (),
) -> Outcome:
    (call,) = Finder(database, objects).by_name("RM_1").calls
    auditor = Auditor(
        database=database, objects=objects, rulebook=load_rulebook(rules), engines=engines
    )
    return auditor.audit(call)


def gaps(outcome: Outcome) -> list[tuple[CoverageCode, str]]:
    return [(gap.code, gap.detail) for gap in outcome.report.coverage]


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        pytest.param(EngineMissingError("no package"), "extra_missing", id="package"),
        pytest.param(DeviceMissingError("no GPU"), "device_missing", id="device"),
        pytest.param(MISSING, "models_missing", id="weights"),
        pytest.param(ModelStoreError("disk full"), "models_missing", id="nowhere-to-put-them"),
        pytest.param(ModelHashError("other weights"), "models_unusable", id="hash"),
        pytest.param(RecogniserError("no model"), "models_unusable", id="not-loadable"),
    ],
)
def test_a_call_that_nothing_could_transcribe_is_told_of(
    database: Database, objects: ObjectStore, sound: bytes, error: SpeechError, detail: str
) -> None:
    """It has a report and a finding, and is not clean, whatever was missing."""
    store_call(database, objects, {"agent": sound, "customer": sound})
    engines = NoEngines(error)
    outcome = audit(database, objects, engines)
    assert outcome.report.headline is Headline.INCOMPLETE
    assert gaps(outcome) == [(CoverageCode.NOT_TRANSCRIBED, detail)] * 2
    assert {gap.speaker for gap in outcome.report.coverage} == {"agent", "customer"}
    assert outcome.lacks == (f"not transcribed: {error}",)
    assert [r.status for r in outcome.report.recordings] == ["not_checked"] * 2
    assert engines.n_tries == 1  # to search for them takes long
    with database.begin(read_only=True) as connection:
        latest = audits.latest_done(connection, "RM_1")
        assert latest is not None
        rows = findings_of(connection, latest.audit_key)
    assert [(row.code, row.detail) for row in rows] == gaps(outcome)


def test_with_the_models_it_is_audited_anew(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """What lacked models is tried again each time, and done once they are there."""
    store_call(database, objects, {"agent": sound})
    assert not audit(database, objects, NoEngines(MISSING)).was_done
    assert not audit(database, objects, NoEngines(MISSING)).was_done
    whole = audit(database, objects, ScriptedEngines(NOTICE))
    assert (whole.was_done, whole.lacks) == (False, ())
    assert whole.report.headline is Headline.CLEAN
    again = audit(database, objects, NoEngines(MISSING))
    assert (again.was_done, again.lacks) == (True, ())
    assert again.report == whole.report


def test_no_models_are_missed_where_there_is_nothing_to_hear(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """A recording that is gone is missing, and not a model."""
    store_call(database, objects, {"agent": sound})
    objects.delete("recordings/2026-03-01/RM_1/TR_1.ogg")
    outcome = audit(database, objects, NoEngines(MISSING))
    assert gaps(outcome) == [(CoverageCode.RECORDING_MISSING, "object_missing")]
    assert outcome.lacks == ()


def test_a_report_that_lacked_nothing_stays(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """With other rules and without models, the earlier report is not replaced by an empty one."""
    store_call(database, objects, {"agent": sound})
    whole = audit(database, objects, ScriptedEngines(NOTICE))
    later = audit(database, objects, NoEngines(MISSING), rules=(_OTHER,))
    assert (later.was_done, later.report) == (True, whole.report)
    assert later.lacks == (f"not transcribed: {MISSING}",)
    assert not audit(database, objects, ScriptedEngines(NOTICE), rules=(_OTHER,)).was_done


@pytest.fixture
def meeting(tmp_path: Path) -> Path:
    """One file that may hold several people."""
    return write_wav(tmp_path / "meeting.wav", demo_sound("agent")[: 12 * 16_000])


@pytest.mark.parametrize(
    ("error", "detail", "is_lacking"),
    [
        pytest.param(
            DeviceMissingError("no GPU"), "device_missing", True, id="what-runs-it-is-missing"
        ),
        pytest.param(DiarizerError("no pipeline there"), "models_unusable", True, id="unusable"),
        pytest.param(ModelHashError("other weights"), "models_unusable", True, id="hash"),
        pytest.param(DiarizerError("fails", FAILED), "diarizer_failed", False, id="on-this-one"),
    ],
)
def test_a_mix_that_nothing_could_tell_apart_is_told_of(
    database: Database,
    objects: ObjectStore,
    meeting: Path,
    error: Exception,
    detail: str,
    is_lacking: bool,
) -> None:
    """Its words are there; that a diarizer fails on a recording is no reason to try it again."""

    def outcome() -> Outcome:
        return Auditor(
            database=database,
            objects=objects,
            rulebook=load_rulebook(),
            engines=ScriptedEngines(NOTICE),
            mixes=MixEngines(diarizer=BrokenDiarizer(error), attributor=TimelineAttributor()),
        ).audit(find_files([meeting]))

    first = outcome()
    assert gaps(first) == [(CoverageCode.NOT_DIARIZED, detail)]
    assert first.report.headline is Headline.INCOMPLETE
    assert [line.text for line in first.report.utterances] == [NOTICE]
    assert first.lacks == ((f"voices are not told apart: {error}",) if is_lacking else ())
    assert outcome().was_done is not is_lacking


def test_what_is_known_to_be_lacking_is_not_tried_again(
    database: Database, objects: ObjectStore, meeting: Path
) -> None:
    """Without the extra a mix is done once; that it lacked something is told each time."""

    def outcome(lack: Lack | None) -> Outcome:
        return Auditor(
            database=database,
            objects=objects,
            rulebook=load_rulebook(),
            engines=ScriptedEngines(NOTICE),
            mixes=MixEngines(diarizer=None, attributor=TimelineAttributor(), lack=lack),
        ).audit(find_files([meeting]))

    lack = Lack(detail="extra_missing", message="voices are not told apart: no torch")
    assert [(each.was_done, each.lacks) for each in (outcome(lack), outcome(lack))] == [
        (False, (lack.message,)),
        (True, (lack.message,)),
    ]
    # Who wants no diarizer lacks none.
    wanted = outcome(None)
    assert (wanted.was_done, wanted.lacks) == (False, ())
    assert gaps(wanted) == [(CoverageCode.NOT_DIARIZED, "not_told_apart")]


def test_a_folder_that_is_not_there_is_known_at_once(tmp_path: Path) -> None:
    """A path is not looked for on the hub."""
    pytest.importorskip("torch", reason="needs the extra offline")
    diarizer, lack = diarizer_or_lack(f"pyannote:{tmp_path / 'nowhere'}", models_dir=tmp_path)
    assert diarizer is None
    assert lack is not None
    assert lack.detail == "models_missing"
    assert "there is no such folder; give one with a config.yaml" in lack.message
