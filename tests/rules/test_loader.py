"""Loading rule files, and everything that can be wrong with them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.case_schema import CasesModel
from rules.cases import load_cases
from rules.conditions import AbsentCondition, Anchor, Phrase, PhraseCondition
from rules.document import MAX_BYTES, parse_document
from rules.errors import Problem, RuleInputError, RuleLoadError
from rules.loader import BUILT_IN_BOOK, load_rulebook
from rules.rulebook import PackInfo, Rule, Rulebook
from rules.schema import PackModel
from rules.types import Role
from rules.validation import validated

RULE = """pack: a.b
version: 1
rules:
  - id: a.c
    title: T
    description: D
    severity: low
    when: {phrase: {any_of: [x]}}
"""


def problems_of(*paths: Path) -> list[str]:
    with pytest.raises(RuleLoadError) as caught:
        load_rulebook(paths)
    assert caught.value.exit_code == 2
    assert str(caught.value).splitlines() == [str(p) for p in caught.value.problems]
    return [str(p).removeprefix(f"{p.path}:") for p in caught.value.problems]


def test_loads_everything_of_a_rule(write_pack: Callable[..., Path]) -> None:
    """Every key arrives where it belongs, and the version comes from the pack."""
    path = write_pack(
        "{absent: {any_of: [hi, {text: call recorded, slop: 2}], within_s: 5, "
        "from: call_start, said_by: [agent]}}",
        extra="    tags: [x]\n    references: [R]\n    scope: {roles: [agent], live: false}\n",
    )
    book = load_rulebook([path])
    (rule,) = book.rules
    assert book.packs == (PackInfo(id="pack.pack", version=2),)
    assert (rule.version, rule.tags, rule.references) == (2, ("x",), ("R",))
    assert (rule.scope.roles, rule.scope.live, rule.scope.report) == ((Role.AGENT,), False, True)
    assert rule.condition == AbsentCondition(
        what=PhraseCondition(any_of=(Phrase(text="hi"), Phrase(text="call recorded", slop=2))),
        within_s=5,
        anchor=Anchor.CALL_START,
        said_by=(Role.AGENT,),
    )
    assert (rule.location.path, rule.location.line, rule.location.column) == (path, 4, 5)
    assert book.rule("pack.rule") is rule
    with pytest.raises(RuleInputError, match=r"no rule x\.y"):
        book.rule("x.y")


def test_fingerprint_is_of_the_content(tmp_path: Path, book: Rulebook) -> None:
    """Moving files and adding comments changes nothing; changing a rule does."""
    copy = tmp_path / "elsewhere" / "deep"
    shutil.copytree(BUILT_IN_BOOK, copy)
    card = copy / "pii" / "card.yaml"
    card.write_text("# a comment\n" + card.read_text())
    card.rename(copy / "zzz.yaml")
    moved = load_rulebook([tmp_path])
    assert moved.fingerprint == book.fingerprint
    assert moved.rules == book.rules
    (copy / "zzz.yaml").write_text((copy / "zzz.yaml").read_text().replace("0.5", "0.6"))
    assert load_rulebook([tmp_path]).fingerprint != book.fingerprint


def test_a_file_given_twice_is_loaded_once(tmp_path: Path) -> None:
    """A folder and a file within it overlap without harm."""
    path = tmp_path / "a.yaml"
    path.write_text(RULE)
    assert len(load_rulebook([tmp_path, path]).rules) == 1


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "",
            [
                "1:1: expected a mapping; it begins with the keys pack, version, title, "
                "owner, locale, imports, lists, macros, defaults, rules"
            ],
        ),
        (
            "- 1",
            [
                "1:1: expected a mapping; it begins with the keys pack, version, title, "
                "owner, locale, imports, lists, macros, defaults, rules"
            ],
        ),
        (
            RULE.replace("severity", "severty"),
            [
                "7:5: unknown key 'severty'; did you mean 'severity'?",
            ],
        ),
        (RULE.replace("any_of: [x]", "any_of: [x], from: 1"), None),
        (
            RULE + "    title: again\n",
            ["9:5: key 'title' is given twice; keep one"],
        ),
        (
            RULE.replace("pack: a.b", "pack: &x a.b"),
            ["1:7: anchors and aliases are not allowed; write the value out"],
        ),
        (
            RULE.replace("title: T", "title: *x"),
            ["5:12: anchors and aliases are not allowed; write the value out"],
        ),
        (
            RULE + "---\n" + RULE,
            ["9:1: a second document starts here; one file holds one document"],
        ),
        ("a: " + "[" * 40, ["1:19: nested deeper than 16 levels; flatten it"]),
        (RULE.replace("low", "!!python/name:os.system x"), None),
        (
            RULE.replace("{phrase: {any_of: [x]}}", "{}"),
            [
                "8:11: a condition needs exactly one of the keys pii, named_entity, phrase, regex, "
                "lemma, similar, digits, near, sequence, absent, all, any, not, count, metric, "
                "macro; see docs/rule-language.md"
            ],
        ),
        (
            RULE.replace("[x]", '["..."]'),
            ["8:30: a phrase needs at least one word; see docs/rule-language.md"],
        ),
        (RULE.replace("version: 1", 'version: "1"'), None),
        ("a: [", None),
        ("a: \x00", None),
    ],
)
def test_problems_name_their_place(tmp_path: Path, text: str, problems: list[str] | None) -> None:
    """Each fault is one line with path, line and column, and says how to mend it."""
    path = tmp_path / "a.yaml"
    path.write_text(text)
    found = problems_of(path)
    assert problems is None or found == problems
    assert all("; " in line for line in found)


def test_problems_of_all_files_come_together(tmp_path: Path) -> None:
    """One run shows everything: encoding, size, syntax, schema and duplicates."""
    (tmp_path / "a.yaml").write_text(RULE)
    (tmp_path / "b.yaml").write_text(RULE)
    (tmp_path / "c.yaml").write_bytes("pack: caf\u00e9".encode("latin-1"))
    (tmp_path / "d.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    (tmp_path / "e.yaml").write_text("a: 1")
    (tmp_path / "e.cases.yaml").write_text("no pack at all")
    found = problems_of(tmp_path, tmp_path / "missing.yaml")
    assert any("not UTF-8 text" in line for line in found)
    assert any("larger than 1048576 bytes" in line for line in found)
    assert any("unknown key 'a'" in line for line in found)
    assert any("rule a.c is also in" in line for line in found)
    assert any("pack a.b is also in" in line for line in found)
    assert any("No such file" in line for line in found)


def test_folders_without_rules_and_case_files_are_refused(tmp_path: Path) -> None:
    """Nothing to load is an error, never an empty rule book."""
    (tmp_path / "x.cases.yaml").write_text("cases: []")
    assert problems_of(tmp_path) == ["1:1: no rule file in this folder; give another"]
    assert problems_of(tmp_path / "x.cases.yaml") == [
        "1:1: a case file holds no rules; give the rule file"
    ]


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ("{say: hi, hit: a.zz}", "no rule a.zz among these rules; correct the id"),
        ("{say: hi}", "a case needs `hit`, `no_hit`, `find` or `never`; see docs/rule-language.md"),
        ("{say: hi, hit: a.c, no_hit: a.c}", "a rule stands under both `hit` and `no_hit`"),
        ("{say: hi, hit: a.c, ends_s: 4}", "`ends_s` needs a call"),
        ("{say: [{speaker: a, start_s: 2, end_s: 1, text: x}], hit: a.c}", "end_s must be later"),
        ("{say: [{silence_until_s: 9}], hit: a.c}", "somebody must say something"),
        ("{say: [SAID, {silence_until_s: 2}], hit: a.c}", "must be later than what comes before"),
        ("{say: [{silence_until_s: 3}, SAID], hit: a.c}", "somebody speaks before"),
        ("{say: [SAID, {silence_until_s: 9}], ends_s: 5, hit: a.c}", "last words or silence"),
        ("{say: [SAID, {silence_until_s: 9, text: x}], hit: a.c}", "known here: silence_until_s"),
        ("{say: [SAID, {silence_until_s: long}], hit: a.c}", "silence_until_s: input should be"),
        ("{say: [{speaker: a, txt: x}], hit: a.c}", "unknown key 'txt'; did you mean 'text'?"),
    ],
)
def test_problems_of_cases(tmp_path: Path, case: str, problem: str) -> None:
    """Cases are checked as strictly as rules."""
    (tmp_path / "a.yaml").write_text(RULE)
    case = case.replace("SAID", "{speaker: a, start_s: 2, end_s: 4, text: x}")
    (tmp_path / "a.cases.yaml").write_text(f"cases:\n  - {case}\n")
    with pytest.raises(RuleLoadError) as caught:
        load_cases([tmp_path], load_rulebook([tmp_path]))
    assert problem in str(caught.value)


YAML_BITS = st.sampled_from(
    ["pack: ", "a.b", "\n", "  ", "- ", "rules:", "{", "}", "[", "]", ":", "&x", "*x", "!!", "|",
     ">", "'", '"', "#", "---", "?", "%", "@", "\t", "\x00", "\ufeff", "1e9", "0x1f", "~", ".inf",
     "2020-01-01", "<<: ", "\x85", "\u2028", "cases:", "say: ", "yes", "!", "\\"]
)  # fmt: skip


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=200)
    | st.lists(YAML_BITS | st.text(max_size=3), max_size=40).map(
        lambda bits: "".join(bits).encode("utf-8", "surrogatepass")
    )
)
def test_no_bytes_break_the_loader(raw: bytes) -> None:
    """Any bytes are a document or a list of problems, and nothing else."""
    document, problems = parse_document(raw, Path("x.yaml"))
    assert (document is None) == bool(problems)
    if document is not None:
        for model in (PackModel, CasesModel):
            checked, faults = validated(document, model)
            assert (checked is None) == bool(faults)


@settings(max_examples=200)
@given(data=st.data())
def test_no_mutation_breaks_the_loader(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A good file with bytes changed loads, or raises RuleLoadError with problems."""
    raw = bytearray((BUILT_IN_BOOK / "disclosure" / "recording-notice.yaml").read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = tmp_path_factory.getbasetemp() / "mutated.yaml"
    path.write_bytes(bytes(raw))
    rules: Sequence[Rule] = ()
    problems: Sequence[Problem] = ()
    try:
        rules = load_rulebook([path]).rules
    except RuleLoadError as exc:
        problems = exc.problems
    assert bool(rules) != bool(problems)
