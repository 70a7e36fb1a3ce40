"""Evidence bundles: what is in them, and that no change of one goes unseen."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from offline.report import dump_report, parse_report
from offline.report_html import render_html
from rules.loader import load_rulebook
from storage.holds import set_hold
from storage.versions import LockMode, versions_of
from tests.earmark.command import InProcess
from tests.offline.builders import made_report
from tests.storage.keeping import BOTH, House, ago, fill_call, house
from tests.storage.rulebooks import BOOK, CASES, PACK, approved, imported, proposed

CALL = "RM_case"
WHO = "wilhelmina-kx"


@pytest.fixture(params=BOTH)
def any_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with house(request.param, request, tmp_path) as opened:
        fill(opened)
        yield opened


@pytest.fixture
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with house("folder", request, tmp_path) as opened:
        fill(opened)
        yield opened


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InProcess:
    return InProcess(subcommand="bundle", monkeypatch=monkeypatch, capsys=capsys)


def fill(home: House, *, fingerprint: str | None = None) -> None:
    """A call with a report by the rules in force."""
    began = ago(3)
    fill_call(home, CALL, began, people=("bob", WHO))
    day = began.date().isoformat()
    tree = json.loads(dump_report(made_report()))
    tree["call"] |= {"room_sid": CALL, "day": day}
    tree["rulebook"]["fingerprint"] = fingerprint or load_rulebook().fingerprint
    key = f"recordings/{day}/{CALL}/TR_1.ogg"
    tree["recordings"][0] |= {"name": key, "sha256": hashlib.sha256(b"OggS sound").hexdigest()}
    report = parse_report(json.dumps(tree).encode())
    put = home.store.put_bytes
    put(f"reports/{day}/{CALL}/report.json", dump_report(report), content_type="x")
    put(f"reports/{day}/{CALL}/report.html", render_html(report).encode(), content_type="x")


def made(home: House, bundle: InProcess, tmp_path: Path, *options: str) -> tuple[Path, Path]:
    """A bundle and the public key of who signed it."""
    private, public, out = tmp_path / "key.pem", tmp_path / "public.pem", tmp_path / "case.zip"
    code, pem, _ = bundle("key", "--out", str(private))
    assert code == 0
    public.write_text(pem)
    code, _, err = bundle(
        "make", CALL, "--out", str(out), "--signing-key", str(private), *options,
        **home.variables,
    )  # fmt: skip
    assert (code, err) == (0, "")
    return out, public


def test_what_is_inside(any_home: House, bundle: InProcess, tmp_path: Path) -> None:
    """By default all is masked: hashes, report, what ran, the rules, and redacted copies."""
    with any_home.database.begin() as connection:
        set_hold(connection, CALL, reason="of Ms X", set_by="sue-keeper", now=datetime.now(UTC))
    out, public = made(any_home, bundle, tmp_path)
    with zipfile.ZipFile(out) as file:
        content = {name: file.read(name) for name in file.namelist()}
        manifest = json.loads(content["manifest.json"])
    assert manifest["is_masked"]
    assert {entry["path"] for entry in manifest["entries"]} | {
        "manifest.json", "manifest.sig", "signing-key.pem",
    } == set(content)  # fmt: skip
    assert {name.split("/")[0] for name in content} == {
        "README.txt", "holds.json", "manifest.json", "manifest.sig", "pipeline.json",
        "recordings.json", "redacted", "report", "rules", "signing-key.pem", "verdicts.json",
    }  # fmt: skip
    first = json.loads(content["recordings.json"])[0]
    hashes = {first[f"sha256_{when}"] for when in ("recorded", "audited", "now")}
    assert hashes == {hashlib.sha256(b"OggS sound").hexdigest()}
    assert len(json.loads(content["verdicts.json"])) == 2
    whole = b"".join(content.values())
    for private in (WHO.encode(), b"rita", b"sue-keeper", b"Ms X"):
        assert private not in whole
    code, text, _ = bundle("verify", str(out), "--key", str(public), "--json")
    assert code == 0
    assert json.loads(text)["is_key_known"]


def test_originals(home: House, bundle: InProcess, tmp_path: Path) -> None:
    """Recordings, manifests and kept transcripts are in it only where somebody asks."""
    out, public = made(home, bundle, tmp_path, "--originals")
    with zipfile.ZipFile(out) as file:
        originals = [name for name in file.namelist() if name.startswith("originals/")]
        manifest = json.loads(file.read("manifest.json"))
    assert not manifest["is_masked"]
    assert sorted(Path(name).name for name in originals) == [
        "TR_1.json", "TR_1.ogg", "TR_2.json", "TR_2.ogg", "transcript.jsonl",
    ]  # fmt: skip
    assert "with originals: all as signed" in bundle("verify", str(out), "--key", str(public))[1]


def test_put_and_locked(any_home: House, bundle: InProcess, tmp_path: Path) -> None:
    """Put into the store it is locked, and retention finds its call by its key."""
    private = tmp_path / "key.pem"
    bundle("key", "--out", str(private))
    code, text, _ = bundle(
        "make", CALL, "--out", str(tmp_path / "case.zip"), "--put", "--json",
        EARMARK_BUNDLE_KEY_FILE=str(private), EARMARK_LOCK_BUNDLES_DAYS="30",
        **any_home.variables,
    )  # fmt: skip
    assert code == 0
    key = json.loads(text)["object_key"]
    (version,) = versions_of(any_home.store, key)
    lock = any_home.store.lock_of(version)
    assert lock.mode is LockMode.GOVERNANCE
    assert lock.retain_until is not None
    assert 29 < (lock.retain_until - datetime.now(UTC)).total_seconds() / 86_400 < 31
    assert any_home.store.get_bytes(key) == (tmp_path / "case.zip").read_bytes()


def test_rules_of_another_day(
    request: pytest.FixtureRequest, bundle: InProcess, tmp_path: Path
) -> None:
    """Rules that are not those of the audit are not passed off as such."""
    with house("folder", request, tmp_path) as home:
        fill(home, fingerprint="ab" * 32)
        out, _ = made(home, bundle, tmp_path)
    with zipfile.ZipFile(out) as file:
        assert not [name for name in file.namelist() if name.startswith("rules/")]


def test_published_rules_of_the_audit(
    request: pytest.FixtureRequest, bundle: InProcess, tmp_path: Path
) -> None:
    """The version that the audit had goes in, though another one is in force by now."""
    with house("folder", request, tmp_path) as home:
        version = imported(home.database)
        approved(
            home.database, proposed(home.database, {"talk.yaml": PACK, "talk.cases.yaml": CASES})
        )
        fill(home, fingerprint=version.fingerprint)
        out, _ = made(home, bundle, tmp_path)
    with zipfile.ZipFile(out) as file:
        packed = {
            name.removeprefix("rules/"): file.read(name)
            for name in file.namelist()
            if name.startswith("rules/")
        }
    assert packed == BOOK


def test_gone_recording(home: House, bundle: InProcess, tmp_path: Path) -> None:
    """A recording that is gone is told of, in the bundle and by the exit code."""
    key = next(key for key in home.all_keys() if key.endswith("TR_2.ogg") and "record" in key)
    home.store.delete(key)
    private = tmp_path / "key.pem"
    bundle("key", "--out", str(private))
    code, text, _ = bundle(
        "make", CALL, "--out", str(tmp_path / "case.zip"), "--signing-key", str(private),
        **home.variables,
    )  # fmt: skip
    assert code == 1
    assert f"gone: {key}" in text


Change = Callable[[dict[str, bytes]], None]


def change_manifest(content: dict[str, bytes]) -> None:
    content["manifest.json"] = content["manifest.json"].replace(
        b'"room_sid": "RM_case"', b'"room_sid": "RM_cast"'
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda c: None, [], id="nothing"),
        pytest.param(
            lambda c: c.update({"report/report.json": c["report/report.json"] + b" "}),
            [("changed", "report/report.json")],
            id="changed",
        ),
        pytest.param(
            lambda c: c.pop("report/report.html"), [("missing", "report/report.html")], id="missing"
        ),
        pytest.param(lambda c: c.update({"more": b""}), [("added", "more")], id="added"),
        pytest.param(change_manifest, [("forged", "manifest.json")], id="manifest"),
        pytest.param(
            lambda c: c.update({"manifest.sig": bytes(64)}),
            [("forged", "manifest.json")],
            id="signature",
        ),
    ],
)
def test_changes_are_found(
    change: Change,
    expected: list[tuple[str, str]],
    home: House,
    bundle: InProcess,
    tmp_path: Path,
) -> None:
    """Any change, and only a change, is found, with or without the key from elsewhere."""
    out, public = made(home, bundle, tmp_path)
    with zipfile.ZipFile(out) as file:
        content = {name: file.read(name) for name in file.namelist()}
    change(content)
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as file:
        for name, data in content.items():
            file.writestr(name, data)
    for options in ([], ["--key", str(public)]):
        code, text, _ = bundle("verify", str(other), "--json", *options)
        lines = [json.loads(line) for line in text.splitlines()]
        found = [(line["code"], line["path"]) for line in lines if line["type"] == "fault"]
        assert (code, found) == (1 if expected else 0, expected)


def test_bytes_beside_entries(home: House, bundle: InProcess, tmp_path: Path) -> None:
    """A comment, bytes before, behind, and a second entry of one name are found as well."""
    out, _ = made(home, bundle, tmp_path)
    data = out.read_bytes()
    odd = tmp_path / "odd.zip"
    odd.write_bytes(data + b"more")
    assert bundle("verify", str(odd))[0] == 1
    odd.write_bytes(b"more" + data)
    assert bundle("verify", str(odd))[0] == 1
    shutil.copy(out, odd)
    with zipfile.ZipFile(odd, "a") as file:
        file.comment = b"note"
    assert "(a comment)" in bundle("verify", str(odd))[1]
    shutil.copy(out, odd)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(odd, "a") as file:
        file.writestr("pipeline.json", b"{}")
    code, text, _ = bundle("verify", str(odd))
    assert (code, "pipeline.json: was added after signing" in text) == (1, True)
    flipped = bytearray(data)
    flipped[len(data) // 3] ^= 1
    odd.write_bytes(bytes(flipped))
    assert bundle("verify", str(odd))[0] in {1, 2}


def test_wrong_key(home: House, bundle: InProcess, tmp_path: Path) -> None:
    """A bundle that somebody else signed is not taken for one's own."""
    out, _ = made(home, bundle, tmp_path)
    _, other, _ = bundle("key", "--out", str(tmp_path / "other.pem"))
    (tmp_path / "other.pub").write_text(other)
    code, text, _ = bundle("verify", str(out), "--key", str(tmp_path / "other.pub"))
    assert code == 1
    assert "was signed by another key" in text


def test_openssl_takes_it(home: House, bundle: InProcess, tmp_path: Path) -> None:
    """Whoever has no Earmark checks it with openssl, as the README inside says."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    out, public = made(home, bundle, tmp_path)
    with zipfile.ZipFile(out) as file:
        file.extractall(tmp_path / "unpacked")
    done = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin",
         "-in", "manifest.json", "-sigfile", "manifest.sig"],
        cwd=tmp_path / "unpacked", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "Success" in done.stdout) == (0, True), done.stderr


def test_bad_input(home: House, bundle: InProcess, tmp_path: Path) -> None:
    """What cannot be used is named in one sentence."""
    private, taken, text = tmp_path / "key.pem", tmp_path / "taken.zip", tmp_path / "text.zip"
    bundle("key", "--out", str(private))
    taken.write_bytes(b"")
    text.write_text("no zip")
    empty = tmp_path / "empty.zip"
    with zipfile.ZipFile(empty, "w"):
        pass
    sign = ["--signing-key", str(private)]
    for arguments, said in (
        (["make", CALL, "--out", str(tmp_path / "x.zip")], "no key to sign with"),
        (["make", CALL, "--out", str(taken), *sign], "is there already"),
        (["make", CALL, "--out", str(tmp_path / "no" / "x.zip"), *sign], "is no folder"),
        (["make", "RM_none", "--out", str(tmp_path / "x.zip"), *sign], "has no report"),
        (
            ["make", CALL, "--out", str(tmp_path / "x.zip"), "--signing-key", str(text)],
            "no private",
        ),
        (["verify", str(text)], "is no ZIP file"),
        (["verify", str(empty)], "is no evidence bundle"),
        (["verify", str(tmp_path / "none.zip")], "no such file"),
        (["verify", str(empty), "--key", str(text)], "is no public key"),
        (["key", "--out", str(private)], "cannot be made"),
    ):
        code, out, err = bundle(*arguments, **home.variables)
        assert (code, out) == (2, ""), arguments
        assert said in err
        assert err.count("\n") == 1
