"""`earmark trail`: what is amiss is named, and what cannot be looked at is said in one sentence."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from storage.signing_keys import make_key, public_pem
from storage.trail import TrailAction
from storage.trail_heads import HEADS_PREFIX
from storage.trail_tables import TRAIL_HEADS
from tests.earmark.command import InProcess
from tests.storage.keeping import BOTH, House, house
from tests.storage.trails import edit, fill, rehash, remove, swap, tamper


@pytest.fixture(params=BOTH)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with house(request.param, request, tmp_path) as opened:
        set_key(opened, tmp_path / "trail.pem")
        yield opened


@pytest.fixture
def plain_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """The embedded defaults: nobody made a key."""
    with house("folder", request, tmp_path) as opened:
        yield opened


@pytest.fixture
def trail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InProcess:
    return InProcess(subcommand="trail", monkeypatch=monkeypatch, capsys=capsys)


def set_key(home: House, path: Path) -> None:
    make_key(path)
    home.variables["EARMARK_TRAIL_KEY_FILE"] = str(path)


def lines_of(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_from_the_first_entry_to_a_verified_trail(home: House, trail: InProcess) -> None:
    """Nothing, entries, a head, more entries: each time it is said what is vouched for."""
    assert trail("verify", **home.variables) == (0, "The trail has no entry yet.\n", "")
    code, out, err = trail("anchor", **home.variables)
    assert (code, out, err) == (0, "", "The trail has no entry yet.\n")
    fill(home.database, 5)
    code, out, _ = trail("verify", **home.variables)
    assert code == 0
    assert "5 entries, each as it was written" in out
    assert "Nothing of it is anchored" in out
    code, noted, err = trail("anchor", **home.variables)
    assert code == 0
    assert noted.startswith("5:")
    assert HEADS_PREFIX in err
    assert trail("anchor", **home.variables)[2] == (
        "Nothing new: anchored up to entry 5 already.\n"
    )
    fill(home.database, 2)
    code, out, _ = trail("verify", "--expect", noted.strip(), **home.variables)
    assert code == 0
    assert "Anchored up to entry 5, signed" in out
    assert "Entries 6 to 7 are not anchored" in out
    code, out, err = trail("verify", "--json", **home.variables)
    (line,) = lines_of(out)
    assert (code, err) == (0, "")
    assert line["is_intact"] is True
    assert (line["n_entries"], line["anchored_seq"], line["n_unanchored"]) == (7, 5, 2)


@pytest.mark.parametrize(
    ("done", "said"),
    [
        pytest.param([edit(4, actor="x")], ["entry 4: was changed"], id="edit"),
        pytest.param([remove(4, 5)], ["entries 4 to 5: are missing"], id="deletion"),
        pytest.param([*swap(3, 4)], ["entries 3 to 4: are not in the place"], id="reordering"),
        pytest.param([remove(7, 8), rehash(6)], ["entries 7 to 8: are missing at the end"],
                     id="cut-tail"),
        pytest.param([edit(4, actor="x"), rehash(4)], ["entries 1 to 8: are not what was anchored"],
                     id="made-anew"),
        pytest.param([remove(1, 8), delete(TRAIL_HEADS)], ["entries 1 to 8: are missing"],
                     id="all-gone"),
    ],
)  # fmt: skip
def test_what_was_done_to_it_is_named(
    home: House, trail: InProcess, done: list[Any], said: list[str]
) -> None:
    """Exit code 1, and a sentence with the number of the entry."""
    fill(home.database, 8)
    assert trail("anchor", **home.variables)[0] == 0
    tamper(home.database, *done)
    code, out, err = trail("verify", **home.variables)
    assert (code, err) == (1, "")
    assert out.splitlines()[0].startswith(said[0])
    code, out, _ = trail("verify", "--json", **home.variables)
    *faults, line = lines_of(out)
    assert code == 1
    assert line["n_faults"] == len(faults) == len(said)
    assert {"code", "seq", "last_seq", "sentence"} <= set(faults[0])


def test_fork(plain_home: House, trail: InProcess, tmp_path: Path) -> None:
    """A copy of the data folder that went on beside the original, on the same store."""
    home = plain_home
    fill(home.database, 2)
    assert trail("anchor", **home.variables)[0] == 0
    home.database.close()
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    copy = home.variables | {"EARMARK_DATA_DIR": str(tmp_path / "copy")}
    fill(home.database, 2)
    assert trail("anchor", **home.variables)[0] == 0
    code, out, _ = trail("export", "--by", "somebody", **copy)
    assert code == 0
    assert trail("anchor", **copy)[0] == 0
    for variables in (home.variables, copy):
        code, out, _ = trail("verify", **variables)
        assert code == 1
        assert out.startswith("entries 3 to 4: there are two versions of what was done")


def test_embedded_key_is_made_once(plain_home: House, trail: InProcess, tmp_path: Path) -> None:
    """Without settings, a key in the data folder signs, for its owner only; it can be shown."""
    code, out, err = trail("key", **plain_home.variables)
    assert (code, out) == (2, "")
    assert "earmark trail key --out FILE" in err
    fill(plain_home.database, 1)
    assert trail("anchor", **plain_home.variables)[0] == 0
    path = tmp_path / "data" / "trail-key.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    code, out, err = trail("key", **plain_home.variables)
    assert code == 0
    assert out.startswith("-----BEGIN PUBLIC KEY-----")
    fill(plain_home.database, 1)
    assert trail("anchor", **plain_home.variables)[0] == 0
    assert trail("verify", **plain_home.variables)[0] == 0


def test_key_is_made_in_a_new_file_only(trail: InProcess, tmp_path: Path) -> None:
    """A key that is there is never replaced."""
    path = tmp_path / "key.pem"
    code, out, err = trail("key", "--out", str(path))
    assert code == 0
    assert "BEGIN PUBLIC KEY" in out
    assert "fingerprint" in err
    code, _, err = trail("key", "--out", str(path))
    assert (code, err) == (2, f"earmark: {path}: cannot be made: File exists\n")


def test_heads_without_a_key(plain_home: House, trail: InProcess, tmp_path: Path) -> None:
    """Heads that cannot be checked are no reason to call the trail verified."""
    fill(plain_home.database, 3)
    assert trail("anchor", **plain_home.variables)[0] == 0
    (tmp_path / "data" / "trail-key.pem").unlink()
    code, out, err = trail("verify", **plain_home.variables)
    assert (code, out) == (2, "")
    assert "has signed heads, and there is no key to check them with" in err
    code, out, _ = trail("verify", "--no-heads", **plain_home.variables)
    assert code == 0
    assert "Heads were not looked at" in out


def test_heads_of_another_key(plain_home: House, trail: InProcess, tmp_path: Path) -> None:
    """Another key vouches for nothing; with the right one beside it, all is well."""
    home = plain_home
    old, new = tmp_path / "old.pem", tmp_path / "new.pem"
    set_key(home, old)
    fill(home.database, 3)
    assert trail("anchor", **home.variables)[0] == 0
    set_key(home, new)
    code, out, _ = trail("verify", **home.variables)
    assert code == 1
    assert out.startswith("the head at entry 3 was signed by another key")
    assert "Nothing of it is anchored" in out
    public = tmp_path / "old-public.pem"
    from storage.signing_keys import load_public_key

    public.write_bytes(public_pem(load_public_key(old)))
    assert trail("verify", "--key", str(public), **home.variables)[0] == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"nonsense", "is no public key in PEM form"),
        (b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n", "is no private key"),
    ],
    ids=["missing", "no-key", "damaged"],
)
def test_key_that_is_none(
    plain_home: House, trail: InProcess, tmp_path: Path, content: bytes | None, said: str
) -> None:
    """One sentence that names the file."""
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    code, out, err = trail("verify", "--key", str(path), **plain_home.variables)
    assert (code, out) == (2, "")
    assert err.startswith(f"earmark: {path}: {said}")
    assert err.count("\n") == 1


def test_anchoring_needs_a_key_on_a_server(trail: InProcess, tmp_path: Path) -> None:
    """Several consoles that share a database must not each make a key of their own."""
    code, out, err = trail(
        "anchor", EARMARK_DATABASE_URL="postgresql://nobody@127.0.0.1:1/x",
        EARMARK_DATA_DIR=str(tmp_path),
    )  # fmt: skip
    assert (code, out) == (2, "")
    assert "set EARMARK_TRAIL_KEY_FILE" in err
    assert list(tmp_path.iterdir()) == []


def test_store_that_cannot_be_reached(plain_home: House, trail: InProcess, tmp_path: Path) -> None:
    """Exit code 3, and nothing is called verified."""
    fill(plain_home.database, 1)
    blocked = tmp_path / "file"
    blocked.write_text("")
    variables = plain_home.variables | {"EARMARK_OBJECTS_URL": str(blocked)}
    for command in ("verify", "anchor"):
        code, out, err = trail(command, **variables)
        assert (code, out) == (3, "")
        assert "object store" in err
        assert err.count("\n") == 1


def test_damaged_heads(plain_home: House, trail: InProcess) -> None:
    """Each is named by its key."""
    fill(plain_home.database, 1)
    assert trail("anchor", **plain_home.variables)[0] == 0
    (head,) = plain_home.store.list(HEADS_PREFIX)
    plain_home.store.put_bytes(head.key, b"\xff", content_type="x")
    code, out, _ = trail("verify", **plain_home.variables)
    assert code == 1
    assert out.startswith(f"{head.key}: is no head as it was written")


def test_bad_expectation(trail: InProcess, plain_home: House) -> None:
    """What is no number and hash is bad input."""
    code, _, err = trail("verify", "--expect", "5:abc", **plain_home.variables)
    assert code == 2
    assert "--expect: must be NUMBER:HASH" in err


def test_show(home: House, trail: InProcess) -> None:
    """The newest entries that fit the filters, the newest last."""
    fill(home.database, 40)
    code, out, err = trail("show", "--limit", "3", **home.variables)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["38", "39", "40"]
    code, out, _ = trail(
        "show", "--actor", "reviewer-1", "--call", "RM_1", "--json", **home.variables
    )
    found = lines_of(out)
    assert [line["seq"] for line in found] == [1, 31]
    assert all((line["actor"], line["call"]) == ("reviewer-1", "RM_1") for line in found)
    code, out, _ = trail("show", "--action", "play", "--json", **home.variables)
    assert {line["action"] for line in lines_of(out)} == {TrailAction.PLAY}
    when = ("--since", "2026-03-01T12:00:10Z", "--until", "2026-03-01T12:00:12Z")
    code, out, _ = trail("show", *when, "--json", **home.variables)
    assert [line["seq"] for line in lines_of(out)] == [10, 11]
    code, out, err = trail("show", "--actor", "nobody", **home.variables)
    assert (code, out, err) == (0, "", "No entry.\n")
    code, _, err = trail("show", "--action", "peek", **home.variables)
    assert code == 2
    assert "'peek' is none of view, play" in err


def test_export(home: House, trail: InProcess, tmp_path: Path) -> None:
    """All entries, as they are hashed; the export is one of them. No file is replaced."""
    fill(home.database, 3, actor="=cmd()")
    out = tmp_path / "trail.jsonl"
    assert trail("export", "--out", str(out), "--by", "ana", **home.variables)[0] == 0
    found = lines_of(out.read_text())
    assert [line["seq"] for line in found] == [1, 2, 3, 4]
    assert (found[3]["actor"], found[3]["action"]) == ("command:ana", "export")
    assert [line["prev_hash"] for line in found[1:]] == [line["hash"] for line in found[:-1]]
    code, _, err = trail("export", "--out", str(out), "--by", "ana", **home.variables)
    assert (code, "is there already" in err) == (2, True)
    code, text, _ = trail("export", "--format", "csv", "--action", "play", **home.variables)
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["seq"], row["actor"]) for row in rows] == [("1", "'=cmd()-1")]
    assert trail("verify", **home.variables)[0] == 0
