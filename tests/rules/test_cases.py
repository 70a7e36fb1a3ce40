"""Cases become events, silence included."""

from __future__ import annotations

from pathlib import Path

from rules.cases import load_cases, run_case
from rules.loader import load_rulebook
from rules.types import CallEnded, HeardUntil, Participant, Role, Span, utterance_from_text

PACK = """pack: a.b
version: 1
rules:
  - id: a.late
    title: T
    description: D
    severity: low
    when: {absent: {what: thanks, after: hold on, within_s: 20}}
"""
CASES = """cases:
  - name: told in the silence
    say:
      - {speaker: x, role: agent, start_s: 1, end_s: 2, text: hold on}
      - {silence_until_s: 30}
      - {silence_until_s: 40.5}
      - {speaker: x, start_s: 41, end_s: 42, text: thanks}
    hit: {rule: a.late, at_s: 22, within_s: 0.1, times: 1}
  - name: over before
    say:
      - {speaker: x, role: agent, start_s: 1, end_s: 2, text: hold on}
      - {silence_until_s: 21}
    no_hit: a.late
  - name: not yet over, and then it is
    say:
      - {speaker: x, role: agent, start_s: 1, end_s: 2, text: hold on}
      - {silence_until_s: 21}
      - {silence_until_s: 23}
    hit: a.late
"""


def test_silence(tmp_path: Path) -> None:
    """Time passes without words: deadlines are told in it, and the call ends no earlier."""
    (tmp_path / "a.yaml").write_text(PACK)
    (tmp_path / "a.cases.yaml").write_text(CASES)
    book = load_rulebook([tmp_path])
    cases = load_cases([tmp_path], book)

    def said(text: str, start_s: float, end_s: float, *, id: str) -> object:
        return utterance_from_text(text, Span(start_s, end_s), id=id, speaker="x")

    assert cases[0].events == (
        HeardUntil(at_s=1),
        Participant(identity="x", role=Role.AGENT),
        said("hold on", 1, 2, id="0"),
        HeardUntil(at_s=30),
        HeardUntil(at_s=40.5),
        HeardUntil(at_s=41),
        said("thanks", 41, 42, id="3"),
        CallEnded(at_s=42),
    )
    assert cases[1].events[-2:] == (HeardUntil(at_s=21), CallEnded(at_s=21))
    assert [run_case(case, book).passed for case in cases] == [True, True, True]


def test_a_case_without_a_name_is_named_after_its_words(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PACK)
    (tmp_path / "a.cases.yaml").write_text(CASES.replace("name: over before", "never: true", 1))
    book = load_rulebook([tmp_path])
    assert [case.name for case in load_cases([tmp_path], book)] == [
        "told in the silence", "hold on", "not yet over, and then it is",
    ]  # fmt: skip
