"""What stages have put down goes when its time is over, and nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from storage.objects import ObjectStore
from storage.stage_work import clear_call, forget_stages

UNFINISHED = "work/2026-03-01/RM_1/decode-ab.json"
KEPT = "stages/2026-03-01/RM_1/decode-ab.json"
OTHERS = [
    "recordings/2026-03-01/RM_1/TR_1.ogg",
    "reports/2026-03-01/RM_1/report.json",
    "workings.txt",
]


def keys(objects: ObjectStore) -> set[str]:
    return {found.key for found in objects.list()}


@pytest.mark.parametrize(
    ("keep_days", "age_days", "left"),
    [
        pytest.param(None, 6, {UNFINISHED, KEPT}, id="young"),
        pytest.param(None, 8, {KEPT}, id="nobody-goes-on"),
        pytest.param(3, 2, {UNFINISHED, KEPT}, id="young-and-kept"),
        pytest.param(3, 4, {UNFINISHED}, id="kept-long-enough"),
        pytest.param(30, 8, {KEPT}, id="to-be-kept-longer"),
        pytest.param(30, 31, set(), id="all-old"),
    ],
)
def test_forgetting(
    objects: ObjectStore, keep_days: int | None, age_days: int, left: set[str]
) -> None:
    """Work goes after a week; what was kept goes by whoever knows for how long."""
    for key in (UNFINISHED, KEPT, *OTHERS):
        objects.put_bytes(key, b"{}", content_type="application/json")
    now = datetime.now(UTC) + timedelta(days=age_days)
    n_gone = forget_stages(objects, now=now, keep_days=keep_days)
    assert keys(objects) == left | set(OTHERS)
    assert n_gone == 2 - len(left)


def test_clearing_up_after_one_call(objects: ObjectStore) -> None:
    """Only what lies in this call's folder goes, but for what is to stay."""
    folder = "work/2026-03-01/RM_1/"
    others = {"work/2026-03-01/RM_11/a.json", "work/2026-03-02/RM_1/a.json", KEPT}
    for key in (f"{folder}a.json", f"{folder}b.json", *others):
        objects.put_bytes(key, b"{}", content_type="application/json")
    n_gone = clear_call(objects, "work/", "2026-03-01/RM_1/", but={f"{folder}a.json"})
    assert n_gone == 1
    assert keys(objects) == others | {f"{folder}a.json"}
