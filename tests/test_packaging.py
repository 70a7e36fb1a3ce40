"""What is installed is whole: code, rule book, models' registry, templates, migrations, audio."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("earmark", "rules", "speech", "storage", "realtime", "offline", "console")
NOT_CODE = {
    ".yaml",
    ".toml",
    ".json",
    ".j2",
    ".ogg",
    ".mako",
    ".css",
    ".sql",
    ".html",
    ".js",
    ".svg",
    ".LICENSE",
}


def test_wheel_holds_every_file(tmp_path: Path) -> None:
    """Every source and data file of the packages is in the wheel, and nothing of the tests is."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    expected = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in NOT_CODE | {".py"} and "__pycache__" not in path.parts
    }
    assert expected <= held
    assert "rules/book/pii/card.yaml" in held
    assert "earmark/demo_audio/agent.ogg" in held
    assert not [name for name in held if name.startswith(("tests/", "scripts/", "infra/"))]
