"""The page of a report."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from offline.pages import minutes, percent
from offline.report import Headline, Mark, Report, Speaker, UtteranceLine
from offline.report_html import Piece, pieces, render_html, summary
from offline.timeline import timeline
from storage.findings import LiveVerdict
from tests.offline.builders import coverage, finding, made_report


class Page(HTMLParser):
    """Tags, attributes and texts of a page; complains of tags that are not closed in order."""

    VOID = frozenset({"meta", "link", "line", "rect", "circle", "path"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += data

    def ids(self) -> list[str]:
        return [attrs["id"] or "" for _, attrs in self.tags if "id" in attrs]


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(made_report(), id="findings"),
        pytest.param(made_report(headline=Headline.CLEAN, findings=()), id="clean"),
        pytest.param(
            made_report(
                headline=Headline.INCOMPLETE,
                is_complete=False,
                findings=(),
                utterances=(),
                speakers=(),
                recordings=(),
                coverage=(coverage(),),
            ),
            id="incomplete",
        ),
    ],
)
def test_the_page_stands_alone_and_is_well_formed(report: Report) -> None:
    """Nothing is fetched, no script runs, links lead somewhere, and tables have heads."""
    html = render_html(report)
    page = Page(html)
    assert dict(page.tags)["html"] == {"lang": "en"}
    assert not {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object"}
    assert not re.search(r"https?://|@import|url\(", html)
    ids = page.ids()
    assert len(ids) == len(set(ids))
    for _, attrs in page.tags:
        for name in ("href", "aria-labelledby"):
            for target in (attrs.get(name) or "").split():
                if name == "aria-labelledby" or target.startswith("#"):
                    assert target.removeprefix("#") in ids
        assert not any(name.startswith("on") for name in attrs)
    for tag, attrs in page.tags:
        if tag == "th":
            assert attrs.get("scope") in {"col", "row"}
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}


def test_what_people_say_is_text_and_never_markup() -> None:
    """Names and words that look like tags are shown, not obeyed."""
    evil = "<script>alert(1)</script>\"'&"
    report = made_report(
        utterances=(UtteranceLine(id="u1", speaker=evil, start_s=0, end_s=1, text=evil),),
        speakers=(
            Speaker(
                name=evil, role=None, n_utterances=1, speech_s=1, checked_s=1, speech=((0, 1),)
            ),
        ),
        findings=(finding(speaker=evil, excerpt=evil, title=evil, marks=()),),
        coverage=(coverage(speaker=evil, recording=evil),),
    )
    page = Page(render_html(report))
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count(evil) >= 5


LINE = UtteranceLine(id="u", speaker="a", start_s=0, end_s=1, text="abcdef")


def mark(start: int, end: int) -> Mark:
    return Mark(utterance_id="u", start_chars=start, end_chars=end)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        pytest.param([], [("abcdef", ())], id="none"),
        pytest.param([(1, mark(0, 6))], [("abcdef", (1,))], id="all"),
        pytest.param(
            [(1, mark(1, 4)), (2, mark(3, 5))],
            [("a", ()), ("bc", (1,)), ("d", (1, 2)), ("e", (2,)), ("f", ())],
            id="overlapping",
        ),
        pytest.param([(1, mark(4, 99))], [("abcd", ()), ("ef", (1,))], id="beyond-the-end"),
    ],
)
def test_lines_are_cut_where_findings_begin_and_end(
    marks: list[tuple[int, Mark]], expected: list[tuple[str, tuple[int, ...]]]
) -> None:
    """The pieces make up the line again, each with the findings that it belongs to."""
    assert list(pieces(LINE, marks)) == [Piece(text=t, findings=f) for t, f in expected]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, "The audit has 2 findings on this call.", id="findings"),
        pytest.param(
            {"findings": (finding(),), "coverage": (coverage(),), "is_complete": False},
            "The audit has 1 finding on this call. Not everything could be checked: there may be "
            "more.",
            id="findings-and-holes",
        ),
        pytest.param(
            {
                "findings": (finding(verdict=LiveVerdict.FALSE_ALARM_LIVE),),
                "headline": Headline.CLEAN,
            },
            "Everything was checked, and no rule was broken.",
            id="clean",
        ),
        pytest.param(
            {"findings": (), "headline": Headline.INCOMPLETE},
            "No rule is known to be broken, but not everything could be checked.",
            id="incomplete",
        ),
    ],
)
def test_summary(changes: dict[str, object], expected: str) -> None:
    """The headline in words counts what the audit itself stands for."""
    assert summary(made_report(**changes)) == expected


def test_numbers_for_people() -> None:
    """Positions are m:ss, ratios percent, and what is unknown a dash."""
    assert [minutes(s) for s in (0, 65.9, 3599.9, 3661)] == ["0:00", "1:05", "59:59", "1:01:01"]
    assert (percent(0.5), percent(None)) == ("50%", "–")  # noqa: RUF001 - the dash that is meant


def test_the_timeline_has_a_lane_for_each_speaker_and_for_the_call() -> None:
    """Bars and markers lie within the picture, and numbers do not cover each other."""
    silent = finding(id="n", speaker=None, start_s=0.0, marks=())
    close = finding(id="f2", start_s=31.2)
    drawn = timeline(made_report(findings=(finding(), close, silent)))
    assert [lane.name for lane in drawn.lanes] == ["agent", "customer", "whole call"]
    customer = drawn.lanes[1]
    assert [marker.number for marker in customer.markers] == [1, 2]
    assert customer.markers[1].label_x - customer.markers[0].label_x >= 18
    for lane in drawn.lanes:
        assert 0 < lane.y < drawn.axis_y < drawn.height
        for bar in lane.bars:
            assert drawn.left <= bar.x < bar.x + bar.width <= drawn.right
    assert [tick.at_s for tick in drawn.ticks] == [0, 10, 20, 30, 40, 50, 60]
