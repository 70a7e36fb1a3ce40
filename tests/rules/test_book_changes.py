"""What differs between books, and rules that are put on trial in their text."""

from __future__ import annotations

import pytest

from rules.book_changes import ChangeKind, rule_differences, with_status
from rules.errors import RuleInputError, RuleLoadError
from rules.loader import load_book
from rules.rulebook import RuleStatus

BLOCK = """\
# A comment of ours.
pack: a.b
version: 1
rules:
  - id: a.one  # the first
    title: One
    description: >
      Many words
      on two lines.
    severity: low
    when: hello there
  - id: a.two
    title: Two
    description: D
    severity: low
    status: 'active'
    when: {phrase: {any_of: [good bye]}}
"""
FLOW = """\
pack: a.b
version: 1
rules: [{id: a.one, title: One, description: D, severity: low, when: hello there},
  {status: draft, id: a.two, title: Two, description: D, severity: low, when: good bye}]
"""
DASH = """\
pack: a.b
version: 1
rules:
-
  when: hello there
  id: a.one
  title: One
  description: D
  severity: low
"""


@pytest.mark.parametrize(
    ("text", "rule_ids"),
    [
        pytest.param(BLOCK, ["a.one"], id="block"),
        pytest.param(BLOCK, ["a.two"], id="quoted"),
        pytest.param(BLOCK, ["a.one", "a.two"], id="both"),
        pytest.param(FLOW, ["a.one"], id="flow"),
        pytest.param(FLOW, ["a.one", "a.two"], id="flow-both"),
        pytest.param(DASH, ["a.one"], id="dash-alone"),
        pytest.param(BLOCK.replace("\n", "\r\n"), ["a.one"], id="windows"),
        pytest.param("\ufeff" + BLOCK, ["a.one"], id="byte-order-mark"),
    ],
)
def test_a_rule_is_put_on_trial_and_back(text: str, rule_ids: list[str]) -> None:
    """Only the status changes; comments and layout stay."""
    raw = text.encode()
    trial = with_status(raw, "a.yaml", rule_ids, RuleStatus.SHADOW)
    before, after = load_book({"a.yaml": raw}), load_book({"a.yaml": trial})
    on_trial = {rule.id for rule in after.rules if rule.status is RuleStatus.SHADOW}
    assert on_trial == set(rule_ids)
    assert {d.kind for d in rule_differences(before, after)} == {ChangeKind.STATUS}
    assert abs(len(trial.splitlines()) - len(raw.splitlines())) <= len(rule_ids)
    back = with_status(trial, "a.yaml", rule_ids, RuleStatus.ACTIVE)
    assert not {r.id for r in load_book({"a.yaml": back}).rules if r.status is RuleStatus.SHADOW}


def test_what_is_no_pack_is_refused() -> None:
    """Text that does not load is told with its place."""
    with pytest.raises(RuleLoadError, match=r"a\.yaml:1:"):
        with_status(b"[1", "a.yaml", ["a.one"], RuleStatus.SHADOW)
    with pytest.raises(RuleLoadError, match="no pack"):
        with_status(b"- 1", "a.yaml", ["a.one"], RuleStatus.SHADOW)


def test_an_unusual_layout_is_left_alone() -> None:
    """A status over two lines is not guessed at."""
    text = BLOCK.replace("'active'", '"act\\\n      ive"').encode()
    with pytest.raises(RuleInputError, match="write `status: shadow` by hand"):
        with_status(text, "a.yaml", ["a.two"], RuleStatus.SHADOW)


def test_differences_between_books() -> None:
    """Rules are new, gone, changed, or have another status; a new number alone is nothing."""
    before = load_book({"a.yaml": BLOCK.encode()})
    changed = BLOCK.replace("hello there", "hi there").replace("a.two", "a.three").encode()
    found = {
        d.rule_id: (d.kind, d.is_unnumbered, d.silences)
        for d in rule_differences(before, load_book({"a.yaml": changed}))
    }
    assert found == {
        "a.one": (ChangeKind.CHANGED, True, False),
        "a.two": (ChangeKind.REMOVED, False, True),
        "a.three": (ChangeKind.NEW, False, False),
    }
    renumbered = load_book({"a.yaml": BLOCK.replace("version: 1", "version: 2").encode()})
    assert rule_differences(before, renumbered) == ()
