"""What an audit need not do again: after a kill, with other rules, with another transcriber."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from offline.attribute import LaneVoices, NamedTurn
from offline.audit import Auditor, Outcome
from offline.call import Call, Source
from offline.diarization.turns import Diarization, VoiceBounds, VoiceTurn
from offline.find import Finder
from offline.hearing import MixEngines
from offline.lanes import Lane
from offline.stages.align import CallTake
from offline.stages.records import Aligned, Diarized
from offline.stages.stage import OnProgress
from offline.stages.store import ObjectStageStore
from rules.loader import load_rulebook
from rules.rulebook import Rulebook
from speech.errors import RecogniserError
from speech.recogniser import RecognisedWord
from storage.database import Database
from storage.objects import ObjectStore
from tests.offline.builders import ScriptedEngines, ScriptedRecogniser, store_call

NOTICE = "This call is being recorded."
KEPT_DAYS = 36_500  # the call began on a fixed day


class NamedEngines(ScriptedEngines):
    """Real speech detection, scripted words, under a name that is given."""

    def __init__(self, *texts: str, model: str = "scripted") -> None:
        super().__init__(*texts)
        self._model = model

    def describe(self) -> Mapping[str, object]:
        return {"transcriber": self._model}


class Stopped(BaseException):
    """As if the process ended here."""


class StoppingRecogniser(ScriptedRecogniser):
    """Stops the audit at its nth piece of speech."""

    def __init__(self, text: str, at_call: int) -> None:
        super().__init__([text])
        self._at_call = at_call

    def transcribe(self, samples: NDArray[np.float32]) -> tuple[RecognisedWord, ...]:
        if self.n_calls == self._at_call:
            raise Stopped
        return super().transcribe(samples)


class TypedDiarizer:
    """Says that one voice begins the sentence and another one ends it."""

    name = "typed voices"

    def __init__(self) -> None:
        self.n_calls = 0

    def describe(self) -> Mapping[str, object]:
        return {"engine": "typed"}

    def diarize(
        self,
        samples: NDArray[np.float32],
        bounds: VoiceBounds,
        on_progress: OnProgress = lambda done_ratio: None,
    ) -> Diarization:
        self.n_calls += 1
        # In the middle of the sentence.
        turns = (
            VoiceTurn(voice=0, start_s=0.0, end_s=3.648),
            VoiceTurn(voice=1, start_s=3.648, end_s=len(samples) / 16_000),
        )
        return Diarization(turns=turns, exclusive=turns, embeddings=np.eye(2, dtype=np.float32))


class TypedNames:
    """Knows whose voices they are."""

    def describe(self) -> Mapping[str, object]:
        return {"names": "typed"}

    def attribute(self, diarized: Diarized, source: Source, lane: Lane, call: Call) -> LaneVoices:
        names = {"V1": "ann", "V2": "ben"}
        return LaneVoices(
            speakers=("ann", "ben"),
            turns=tuple(
                NamedTurn(speaker=names[t.voice], start_s=t.start_s, end_s=t.end_s)
                for t in diarized.turns
            ),
        )


class TypedAligner:
    """Knows that recordings begin later than their recorder said."""

    def __init__(self, offset_s: float) -> None:
        self.n_calls = 0
        self._offset_s = offset_s

    def describe(self) -> Mapping[str, object]:
        return {"aligner": "typed"}

    def reads(self, given: CallTake) -> object:
        return {"offset_s": self._offset_s}

    def align(self, given: CallTake) -> Aligned:
        self.n_calls += 1
        return Aligned(offset_s=self._offset_s, method="typed")


def the_call(database: Database, objects: ObjectStore) -> Call:
    (call,) = Finder(database, objects).by_name("RM_1").calls
    return call


def audited(
    database: Database,
    objects: ObjectStore,
    engines: ScriptedEngines,
    *,
    rulebook: Rulebook | None = None,
    keep_days: int | None = None,
    mixes: MixEngines | None = None,
    aligner: TypedAligner | None = None,
) -> Outcome:
    auditor = Auditor(
        database=database,
        objects=objects,
        rulebook=rulebook or load_rulebook(),
        engines=engines,
        mixes=mixes,
        aligner=aligner,
        stages=ObjectStageStore(objects, keep_days),
    )
    return auditor.audit(the_call(database, objects))


def stages(objects: ObjectStore) -> list[str]:
    """Names of the stages that lie in the store, and under which prefix."""
    return [
        f"{info.key.split('/')[0]}/{info.key.rsplit('/', 1)[1].split('-')[0]}"
        for prefix in ("stages/", "work/")
        for info in objects.list(prefix)
    ]


def other_rules(tmp_path: Path) -> Rulebook:
    """Rules of somebody who changed theirs."""
    path = tmp_path / "own.yaml"
    path.write_text(
        "pack: own.pack\nversion: 1\nrules:\n"
        "  - id: own.word\n    title: A word\n    description: A word.\n    severity: low\n"
        "    when:\n      phrase:\n        any_of: [recorded]\n",
        encoding="utf-8",
    )
    return load_rulebook([path])


def test_an_audit_goes_on_where_it_was_stopped(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """What was finished of three recordings is not done again, and the report is whole."""
    names = ("agent", "customer", "supervisor")
    # Three files that differ in their last sample.
    sounds = {name: sound[:-2] + bytes([0, n]) for n, name in enumerate(names)}
    store_call(database, objects, sounds)
    stopped = ScriptedEngines(NOTICE)
    stopped.recogniser = StoppingRecogniser(NOTICE, at_call=2)
    with pytest.raises(Stopped):
        audited(database, objects, stopped)
    assert stages(objects) == ["work/decode"] * 3 + ["work/transcribe"] * 2
    going_on = ScriptedEngines(NOTICE)
    outcome = audited(database, objects, going_on)
    assert (stopped.recogniser.n_calls, going_on.recogniser.n_calls) == (2, 1)
    assert [line.text for line in outcome.report.utterances] == [NOTICE] * 3
    assert outcome.report.engines.transcriber == "scripted"
    assert stages(objects) == []


def test_other_rules_transcribe_nothing_again(
    database: Database, objects: ObjectStore, sound: bytes, tmp_path: Path
) -> None:
    """Where stages are kept, changed rules are tried on the words that are there."""
    store_call(database, objects, {"agent": sound})
    first = audited(database, objects, ScriptedEngines(NOTICE), keep_days=KEPT_DAYS)
    assert stages(objects) == ["stages/decode", "stages/transcribe"]
    engines = ScriptedEngines("Something else.")
    second = audited(
        database, objects, engines, rulebook=other_rules(tmp_path), keep_days=KEPT_DAYS
    )
    assert not second.was_done
    assert engines.recogniser.n_calls == 0
    assert second.utterances == first.utterances
    assert [found.rule_id for found in second.report.findings] == ["own.word"]
    assert stages(objects) == ["stages/decode", "stages/transcribe"]


def test_without_the_setting_changed_rules_hear_again(
    database: Database, objects: ObjectStore, sound: bytes, tmp_path: Path
) -> None:
    """Fewest data by default: nothing is kept that could be judged again."""
    store_call(database, objects, {"agent": sound})
    audited(database, objects, ScriptedEngines(NOTICE))
    assert stages(objects) == []
    engines = ScriptedEngines(NOTICE)
    audited(database, objects, engines, rulebook=other_rules(tmp_path))
    assert engines.recogniser.n_calls == 1


def test_another_transcriber_does_not_diarize_again(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """Voices and words are stages of their own: a change of one leaves the other as it is."""
    store_call(database, objects, {"": sound})
    diarizer, aligner = TypedDiarizer(), TypedAligner(4.0)
    mixes = MixEngines(diarizer=diarizer, attributor=TypedNames())
    text = "one two three four"
    first = audited(
        database, objects, NamedEngines(text), keep_days=KEPT_DAYS, mixes=mixes, aligner=aligner
    )
    assert stages(objects) == [f"stages/{n}" for n in ("align", "decode", "diarize", "transcribe")]
    assert [(u.speaker, u.text) for u in first.utterances] == [
        ("ann", "one two"),
        ("ben", "three four"),
    ]
    assert first.report.recordings[0].speakers == ("ann", "ben")
    assert first.report.recordings[0].start_s == 4.0
    other = NamedEngines("five six seven eight", model="other")
    second = audited(database, objects, other, keep_days=KEPT_DAYS, mixes=mixes, aligner=aligner)
    assert other.recogniser.n_calls == 1
    assert (diarizer.n_calls, aligner.n_calls) == (1, 1)
    assert [u.text for u in second.utterances] == ["five six", "seven eight"]


def test_a_recording_that_is_moved_is_not_heard_again(
    database: Database, objects: ObjectStore, sound: bytes, tmp_path: Path
) -> None:
    """Words are kept on the recording's own clock, so a better alignment moves them."""
    store_call(database, objects, {"agent": sound})
    first = audited(
        database, objects, ScriptedEngines(NOTICE), keep_days=KEPT_DAYS, aligner=TypedAligner(0.0)
    )
    engines = ScriptedEngines(NOTICE)
    second = audited(
        database,
        objects,
        engines,
        rulebook=other_rules(tmp_path),
        keep_days=KEPT_DAYS,
        aligner=TypedAligner(2.5),
    )
    assert engines.recogniser.n_calls == 0
    (before,), (after,) = first.utterances, second.utterances
    assert after.span.start_s == pytest.approx(before.span.start_s + 2.5)


class FailingRecogniser(ScriptedRecogniser):
    """Fails at every piece."""

    def transcribe(self, samples: NDArray[np.float32]) -> tuple[RecognisedWord, ...]:
        raise RecogniserError("scripted failed")


def test_what_the_recogniser_failed_on_is_tried_again(
    database: Database, objects: ObjectStore, sound: bytes, tmp_path: Path
) -> None:
    """A failure is told in the report, and not kept as if it were the truth about the sound."""
    store_call(database, objects, {"agent": sound})
    failing = ScriptedEngines("")
    failing.recogniser = FailingRecogniser([""])
    first = audited(database, objects, failing, keep_days=KEPT_DAYS)
    assert [gap.detail for gap in first.report.coverage] == ["recogniser_failed"]
    assert stages(objects) == ["stages/decode"]
    engines = ScriptedEngines(NOTICE)
    second = audited(
        database, objects, engines, rulebook=other_rules(tmp_path), keep_days=KEPT_DAYS
    )
    assert engines.recogniser.n_calls == 1
    assert second.report.coverage == ()


def test_kept_stages_name_nobody(database: Database, objects: ObjectStore, sound: bytes) -> None:
    """A manifest holds words and labels of voices; neither it nor its name says whose they are."""
    store_call(database, objects, {"+15551234567": sound})
    audited(database, objects, ScriptedEngines(NOTICE), keep_days=KEPT_DAYS)
    kept = [info.key for info in objects.list("stages/")]
    assert len(kept) == 2
    for key in kept:
        assert "5551234567" not in key
        assert b"5551234567" not in objects.get_bytes(key)


def test_recordings_with_the_same_bytes_are_one_input(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """What is keyed by its hash is heard once, and everybody's words are their own."""
    store_call(database, objects, {"agent": sound, "customer": sound})
    engines = ScriptedEngines(NOTICE)
    outcome = audited(database, objects, engines)
    assert engines.recogniser.n_calls == 1
    assert {(u.speaker, u.text) for u in outcome.utterances} == {
        ("agent", NOTICE),
        ("customer", NOTICE),
    }
