"""The script of the documentation checks a chain without Earmark."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from storage.database import open_database
from storage.trail import TrailAction, TrailEvent, append

ROOT = Path(__file__).parents[2]


def script() -> str:
    """The script, as it stands on the page."""
    page = (ROOT / "docs" / "trail.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return str(found)


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it where it expects to be."""
    return subprocess.run(
        [sys.executable, "-c", script()], cwd=folder, capture_output=True, text=True, check=False
    )


def test_it_takes_a_whole_chain_and_refuses_a_changed_one(tmp_path: Path) -> None:
    """Whoever audits the auditors needs nothing of ours."""
    (tmp_path / "earmark-data").mkdir()
    database = open_database(f"sqlite:///{tmp_path / 'earmark-data' / 'earmark.db'}")
    for number in range(5):
        with database.begin() as connection:
            append(
                connection,
                TrailEvent(
                    actor="link:änna",
                    action=TrailAction.PLAY,
                    room_sid="RM_1",
                    detail={"start_s": number / 3, "masked": True, "reason": "“quoted”"},
                ),
            )
    assert run(tmp_path).returncode == 0, run(tmp_path).stderr
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE trail SET room_sid = 'RM_2' WHERE seq = 3")
    database.close()
    done = run(tmp_path)
    assert done.returncode == 1
    assert "AssertionError: 3" in done.stderr
