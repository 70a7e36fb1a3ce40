"""Versions and locks, the same contract for a folder and for a bucket with Object Lock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.errors import ObjectKeyError, ObjectLockedError
from storage.objects import open_objects
from storage.transcripts import forget_transcripts
from storage.versions import Lock, LockMode, LockRules, versions_of
from tests.storage.keeping import BOTH, House, house

KEY = "reports/2026-03-01/RM_1/report.json"


@pytest.fixture(params=BOTH)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with house(request.param, request, tmp_path) as opened:
        yield opened


def soon(days: float) -> datetime:
    return (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)


def test_held_version(home: House) -> None:
    """A held version is not erased; what is written over it leaves it as it was."""
    store = home.store
    store.put_bytes(KEY, b"first", content_type="x")
    (first,) = versions_of(store, KEY)
    assert store.lock_of(first) == Lock()
    store.hold(first, on=True)
    assert store.lock_of(first).is_held
    for bypass in (False, True):
        with pytest.raises(ObjectLockedError, match="legal hold"):
            store.erase(first, bypass_governance=bypass)
    if home.has_versions:
        store.put_bytes(KEY, b"second", content_type="x")
        store.delete(KEY)
        assert store.head(KEY) is None
        held = next(each for each in versions_of(store, KEY) if each.version_id == first.version_id)
        assert store.read(held) == b"first"
    else:
        with pytest.raises(ObjectLockedError):
            store.put_bytes(KEY, b"second", content_type="x")
        with pytest.raises(ObjectLockedError):
            store.delete(KEY)
        store.put_bytes(KEY, b"first", content_type="x")  # the same again changes nothing
        assert Path(store.url(KEY)).stat().st_mode & 0o222 == 0
    store.hold(first, on=False)
    for version in versions_of(store, KEY):
        store.erase(version)
    assert list(store.versions()) == []
    store.erase(first)  # to erase what is gone is no error


@pytest.mark.parametrize("mode", LockMode)
def test_time_of_retention(home: House, mode: LockMode) -> None:
    """A time forbids erasure until it is over, and is never shortened."""
    store, until = home.store, soon(2)
    store.put_bytes(KEY, b"x", content_type="x")
    (version,) = versions_of(store, KEY)
    store.retain(version, until, mode)
    store.retain(version, soon(1), mode)
    assert store.lock_of(version) == Lock(retain_until=until, mode=mode)
    with pytest.raises(ObjectLockedError, match=rf"locked until .* \({mode}"):
        store.erase(version)
    if mode is LockMode.GOVERNANCE:
        store.erase(version, bypass_governance=True)
        assert versions_of(store, KEY) == ()
    else:
        with pytest.raises(ObjectLockedError):
            store.erase(version, bypass_governance=True)


def test_locked_when_written(home: House, tmp_path: Path) -> None:
    """Only what the rules name is locked, whether it comes from a file or from memory."""
    store = home.reopened(LockRules(days_by_prefix={"reports/": 3}))
    path = tmp_path / "file"
    path.write_bytes(b"x")
    store.put_file(KEY, path, content_type="x")
    store.put_bytes("stages/a", b"x", content_type="x")
    store.put_bytes("reports/2026-03-01/summary.json", b"x", content_type="x")
    locks = {version.key: store.lock_of(version) for version in store.versions()}
    assert locks["stages/a"] == Lock() == locks["reports/2026-03-01/summary.json"]
    until = locks[KEY].retain_until
    assert until is not None
    assert 2.9 < (until - datetime.now(UTC)).total_seconds() / 86_400 <= 3


def test_what_a_store_can_do(home: House) -> None:
    """A bucket says that it enforces locks; a folder, that it does not."""
    found = home.store.locking()
    assert (found.has_versions, found.can_lock, found.is_enforced) == (
        home.has_versions, True, home.has_versions,
    )  # fmt: skip
    assert found.default_mode is None


def test_transcripts_of_held_calls_are_not_forgotten(home: House) -> None:
    """What the audit removes by itself respects a hold as well."""
    for room_sid in ("RM_1", "RM_2"):
        home.store.put_bytes(f"transcripts/2026-03-01/{room_sid}/t", b"x", content_type="x")
    n = forget_transcripts(home.store, before=soon(1), held=["RM_1"])
    assert n == 1
    assert [info.key for info in home.store.list()] == ["transcripts/2026-03-01/RM_1/t"]


def test_notes_of_locks_are_no_objects(tmp_path: Path) -> None:
    """They are not listed, and no key reaches them."""
    store = open_objects(str(tmp_path / "objects"))
    store.put_bytes("k", b"x", content_type="x")
    (version,) = versions_of(store, "k")
    store.hold(version, on=True)
    assert [info.key for info in store.list()] == ["k"]
    with pytest.raises(ObjectKeyError):
        store.put_bytes(".earmark-locks/x", b"{}", content_type="x")
