"""Pages as a real browser shows them: nothing is fetched, nothing fails, nothing sticks out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from offline.conduct import measure
from offline.report_html import render_html
from offline.waveform import Waveform, levels_of
from rules.types import Span
from tests.offline.builders import coverage, demo_sound, made_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
]


def shot(page: Path, width: int, *, dark: bool) -> tuple[np.ndarray, str]:
    """A picture of a page, shape (height, width, 4), and what the browser complains of."""
    assert BROWSER is not None
    picture = page.with_suffix(".png")
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            f"--user-data-dir={page.parent / 'profile'}", "--enable-logging=stderr",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--window-size={width},1800", f"--screenshot={picture}", page.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=240,
    )  # fmt: skip
    complaints = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return matplotlib.image.imread(picture), complaints


def full_page() -> str:
    """A report with everything in it."""
    sound = demo_sound("customer")
    conduct = measure(
        [("agent", Span(1, 6)), ("customer", Span(7, 12))], (), end_s=len(sound) / 16_000
    )
    report = made_report(
        coverage=(coverage(),),
        waveforms=(
            Waveform(speakers=("customer",), start_s=0.0, step_s=0.0525, levels=levels_of(sound)),
        ),
        conduct=conduct.call,
    )
    return render_html(report)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 500], ids=["laptop", "phone"])
def test_the_page_of_a_report(tmp_path: Path, width: int, dark: bool) -> None:
    """It is drawn in the scheme that is asked for, and fits the width."""
    page = tmp_path / "report.html"
    page.write_text(full_page(), encoding="utf-8")
    picture, complaints = shot(page, width, dark=dark)
    assert complaints == ""
    assert picture.shape[1] == width
    ground = picture[2, 2, :3]
    assert (ground.mean() < 0.3) == dark
    # Words and lines are there; the edges are free, so nothing sticks out.
    assert len(np.unique(picture[:, :, :3].reshape(-1, 3), axis=0)) > 50
    assert np.allclose(picture[:, -3:, :3], ground)


def test_a_page_that_fetches_something_would_be_seen(tmp_path: Path) -> None:
    """The browser complains of what the page's own policy forbids."""
    page = tmp_path / "report.html"
    stranger = '<img src="https://example.invalid/x.png"><script>1</script></body>'
    page.write_text(full_page().replace("</body>", stranger), encoding="utf-8")
    _, complaints = shot(page, 1280, dark=False)
    assert "example.invalid" in complaints
    assert "Content Security Policy" in complaints
