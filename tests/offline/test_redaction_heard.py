"""Redacted copies of real speech, heard once more by the recogniser that wrote the transcript."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from offline.audit import Auditor, Outcome
from offline.engines import LocalEngines
from offline.files import find_files
from offline.redaction import RedactionOptions, Style, When
from rules.loader import load_rulebook
from rules.masking import MASK, mask_numbers
from speech.audio import SAMPLE_RATE_HZ, decode
from speech.vad import AUDIT, speech_ranges
from storage.database import Database
from storage.objects import ObjectStore
from tests.offline.builders import DEMO_AUDIO

FIXTURES = Path(__file__).parents[1] / "fixtures" / "audio"

# Several passes of a model over half a minute of sound: minutes on a busy machine.
pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngines]:
    made = LocalEngines(
        transcriber="faster-whisper-base",
        models_dir=tmp_path_factory.mktemp("models"),
        cpu_threads=2,
    )
    yield made
    made.close()


def audited(
    database: Database,
    objects: ObjectStore,
    engines: LocalEngines,
    *files: Path,
    style: Style = Style.TONE,
    when: When = When.PERSONAL,
) -> Outcome:
    return Auditor(
        database=database,
        objects=objects,
        rulebook=load_rulebook(),
        engines=engines,
        redaction=RedactionOptions(style=style, when=when),
    ).audit(find_files(files))


def heard_again(objects: ObjectStore, key: str, engines: LocalEngines, folder: Path) -> str:
    """All that the recogniser makes of a redacted copy, with speech detection and without."""
    path = folder / "again.ogg"
    objects.fetch(key, path)
    samples = decode(path).samples[0]
    loaded = engines.load()
    pieces = [
        samples[found.start_sample : found.end_sample]
        for found in speech_ranges(samples, loaded.vad, AUDIT)
    ]
    # Whisper hears 30 s at once; without the detector it also listens where nothing is spoken.
    window = 28 * SAMPLE_RATE_HZ
    pieces += [samples[start : start + window] for start in range(0, len(samples), window)]
    return " / ".join(
        " ".join(word.text for word in loaded.recogniser.transcribe(piece)) for piece in pieces
    )


@pytest.mark.parametrize(
    ("files", "style"),
    [
        pytest.param([DEMO_AUDIO / "customer.ogg"], Style.SILENCE, id="card"),
        pytest.param([FIXTURES / "ssn-customer.ogg"], Style.TONE, id="ssn"),
        pytest.param([FIXTURES / "repeated-customer.ogg"], Style.TONE, id="loop"),
        pytest.param(
            [FIXTURES / "paying-agent.ogg", FIXTURES / "paying-customer.ogg"],
            Style.TONE,
            id="card-and-code-said-by-both",
        ),
    ],
)
def test_digits_cannot_be_heard_any_more(
    files: list[Path],
    style: Style,
    database: Database,
    objects: ObjectStore,
    engines: LocalEngines,
    tmp_path: Path,
) -> None:
    """The recogniser reads digits in the original, and none of them in the redacted copy."""
    outcome = audited(database, objects, engines, *files, style=style)
    report = outcome.report
    assert any(MASK in line.text for line in report.utterances)
    assert report.redaction is not None
    assert sum(each.redacted.n_covered for each in report.recordings if each.redacted) > 0
    for recording in report.recordings:
        assert recording.redacted is not None
        said = heard_again(objects, recording.redacted.key, engines, tmp_path)
        assert mask_numbers(said) == said, recording.name
    assert objects.get_bytes(report.redaction.transcript_key).startswith(b"WEBVTT\n")


def test_what_is_not_personal_stays(
    database: Database, objects: ObjectStore, engines: LocalEngines, tmp_path: Path
) -> None:
    """Only the number goes: what is said before and after it can still be understood."""
    outcome = audited(database, objects, engines, DEMO_AUDIO / "customer.ogg")
    (recording,) = outcome.report.recordings
    assert recording.redacted is not None
    said = heard_again(objects, recording.redacted.key, engines, tmp_path).lower()
    assert "savings" in said
    assert "goodbye" in said


def test_a_code_is_redacted_even_where_nothing_else_is(
    database: Database, objects: ObjectStore, engines: LocalEngines
) -> None:
    """A card's security code is covered whatever the setting says, and the page says why."""
    files = [FIXTURES / "paying-agent.ogg", FIXTURES / "paying-customer.ogg"]
    outcome = audited(database, objects, engines, *files, when=When.NEVER)
    reasons = {each.name: each.to_be_deleted for each in outcome.report.recordings}
    assert reasons["paying-customer.ogg"] == "card_security_code"
    assert all(each.redacted is not None for each in outcome.report.recordings)
    page = objects.get_bytes(outcome.html_key).decode()
    assert "Recording to be deleted: the security code of a card is said in it" in page
