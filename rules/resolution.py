"""From the models of packs to conditions: lists, macros and imports are written out here."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rules.conditions import (
    AbsentCondition,
    AllCondition,
    Anchor,
    AnyCondition,
    Condition,
    CountCondition,
    DigitsCondition,
    EntityCondition,
    LemmaCondition,
    Metric,
    MetricCondition,
    NearCondition,
    NotCondition,
    Phrase,
    PhraseCondition,
    RegexCondition,
    SequenceCondition,
    Side,
    SimilarCondition,
    Step,
)
from rules.document import Document, KeyPath
from rules.entities import KNOWN_TYPES
from rules.errors import Problem
from rules.phrases import phrase_words
from rules.schema import (
    AbsentModel,
    AllModel,
    ConditionModel,
    ExampleModel,
    NotModel,
    PackModel,
    PhraseModel,
)
from rules.types import Role
from rules.versions import in_range

MAX_CONDITIONS = 200  # in one rule, macros written out
MAX_PHRASES = 20_000  # the same
MAX_EXAMPLES = 500  # of one `similar` condition, lists written out


@dataclass(frozen=True, slots=True)
class LoadedPack:
    """A pack and the file that it came from."""

    document: Document
    model: PackModel


@dataclass(slots=True)
class _Names:
    """The lists and macros that a pack may use, and which of them it did."""

    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    macros: dict[str, tuple[LoadedPack, ConditionModel]] = field(default_factory=dict)


class _Fault(Exception):
    def __init__(self, where: KeyPath, message: str) -> None:
        self.where = where
        self.message = message
        super().__init__(message)


class Resolver:
    """Writes out the conditions of packs that know each other."""

    def __init__(self, packs: Sequence[LoadedPack]) -> None:
        self._packs = {pack.model.pack: pack for pack in packs}
        self._names: dict[str, _Names] = {}
        self._problems: list[Problem] = []
        self._used: set[tuple[str, str, str]] = set()  # (pack, "list" or "macro", name)
        self._retired: set[tuple[str, str, str]] = set()  # the same of deprecated rules
        self._is_retired = False  # whether the rule that is written out is deprecated
        self._n_conditions = 0
        self._n_phrases = 0

    def conditions(self, pack: LoadedPack) -> tuple[tuple[Condition | None, ...], list[Problem]]:
        """The condition of each rule, None where it has a problem, and the problems."""
        self._problems = []
        names = self._names_of(pack)
        found: list[Condition | None] = []
        for i, rule in enumerate(pack.model.rules):
            status = rule.status or pack.model.defaults.status
            self._is_retired = status == "deprecated"
            found.append(self._whole(pack, names, rule.when, ("rules", i, "when")))
        self._is_retired = False
        for name, model in pack.model.macros.items():
            # A macro that nobody uses is checked as well.
            self._whole(pack, names, model, ("macros", name))
        return tuple(found), self._problems

    def _whole(
        self, pack: LoadedPack, names: _Names, model: ConditionModel, where: KeyPath
    ) -> Condition | None:
        self._n_conditions = self._n_phrases = 0
        try:
            return self._condition(pack, names, model, where, ())
        except _Fault as fault:
            self._problem(pack, fault.where, fault.message)
            return None

    def _problem(self, pack: LoadedPack, where: KeyPath, message: str) -> None:
        problem = pack.document.problem(where, message)
        if problem not in self._problems:
            self._problems.append(problem)

    def _names_of(self, pack: LoadedPack) -> _Names:
        known = self._names.get(pack.model.pack)
        if known is not None:
            return known
        names = self._names[pack.model.pack] = _Names()
        for i, wanted in enumerate(pack.model.imports):
            where: KeyPath = ("imports", i)
            other = self._packs.get(wanted.pack)
            if other is None:
                near = difflib.get_close_matches(wanted.pack, self._packs, n=1)
                mend = f"did you mean {near[0]}?" if near else "load it as well"
                self._problem(pack, where, f"no pack {wanted.pack} among the loaded ones; {mend}")
                continue
            version = other.model.version
            if wanted.version is not None and not in_range(version, str(wanted.version)):
                self._problem(
                    pack,
                    where,
                    f"pack {wanted.pack} is loaded in version {version}, outside "
                    f"{wanted.version}; change the range or the pack",
                )
                continue
            names.lists |= {name: tuple(said) for name, said in other.model.lists.items()}
            names.macros |= {name: (other, model) for name, model in other.model.macros.items()}
        names.lists |= {name: tuple(said) for name, said in pack.model.lists.items()}
        names.macros |= {name: (pack, model) for name, model in pack.model.macros.items()}
        return names

    def _condition(
        self,
        pack: LoadedPack,
        names: _Names,
        model: ConditionModel,
        where: KeyPath,
        within: tuple[str, ...],
    ) -> Condition:
        self._n_conditions += 1
        if self._n_conditions > MAX_CONDITIONS:
            raise _Fault(
                where, f"more than {MAX_CONDITIONS} conditions, macros written out; split the rule"
            )

        def below(part: ConditionModel, *path: str | int) -> Condition:
            return self._condition(pack, names, part, (*where, *path), within)

        if model.macro is not None:
            return self._macro(pack, names, model.macro, (*where, "macro"), within)
        if model.pii is not None:
            return EntityCondition(
                types=tuple(_known_types(model.pii.type, (*where, "pii", "type"))),
                min_score=model.pii.min_score,
            )
        if model.named_entity is not None:
            return EntityCondition(types=tuple(model.named_entity.type))
        if model.phrase is not None:
            return PhraseCondition(
                any_of=self._phrases(names, model.phrase.any_of, (*where, "phrase", "any_of")),
                unless_before=tuple(model.phrase.unless_before),
                not_within_words=model.phrase.not_within_words,
            )
        if model.regex is not None:
            return RegexCondition(
                any_of=tuple(model.regex.any_of), case_sensitive=model.regex.case_sensitive
            )
        if model.lemma is not None:
            return LemmaCondition(
                any_of=self._phrases(names, model.lemma.any_of, (*where, "lemma", "any_of"))
            )
        if model.similar is not None:
            similar = model.similar
            return SimilarCondition(
                to=self._examples(names, similar.to, (*where, "similar", "to")),
                unlike=self._examples(names, similar.unlike, (*where, "similar", "unlike")),
                min_similarity=similar.min_similarity,
            )
        if model.digits is not None:
            digits = model.digits
            return DigitsCondition(
                min_digits=digits.min, max_digits=digits.min if digits.max is None else digits.max
            )
        if model.near is not None:
            return NearCondition(
                of=tuple(below(part, "near", "of", i) for i, part in enumerate(model.near.of)),
                within_words=model.near.within_words,
                within_s=model.near.within_s,
            )
        if model.sequence is not None:
            return SequenceCondition(
                steps=tuple(
                    Step(
                        when=below(step.when, "sequence", "steps", i, "when"),
                        said_by=_roles(step.said_by),
                        within_s=step.within_s,
                        next_turn=step.next_turn,
                    )
                    for i, step in enumerate(model.sequence.steps)
                )
            )
        if model.absent is not None:
            return self._absent(pack, names, model.absent, where, within)
        if model.all is not None:
            return self._all(pack, names, model.all, where, within)
        if model.any is not None:
            return AnyCondition(
                of=tuple(below(part, "any", "of", i) for i, part in enumerate(model.any.of))
            )
        if model.count is not None:
            return CountCondition(
                of=below(model.count.of, "count", "of"),
                at_least=model.count.at_least,
                within_s=model.count.within_s,
                same_speaker=model.count.same_speaker,
            )
        if model.metric is not None:
            metric = model.metric
            return MetricCondition(
                metric=Metric(metric.name),
                above=metric.above,
                below=metric.below,
                after_s=metric.after_s,
            )
        raise _Fault(where, "`not` only stands within `all`; put both into an `all`")

    def _macro(
        self, pack: LoadedPack, names: _Names, name: str, where: KeyPath, within: tuple[str, ...]
    ) -> Condition:
        if name not in names.macros:
            raise _Fault(where, _unknown("macro", name, names.macros))
        if name in within:
            raise _Fault(where, f"macro {name} uses itself; write it out")
        home, model = names.macros[name]
        self._note((home.model.pack, "macro", name))
        if home is pack:
            return self._condition(pack, names, model, ("macros", name), (*within, name))
        try:
            return self._condition(
                home, self._names_of(home), model, ("macros", name), (*within, name)
            )
        except _Fault as fault:  # it has a place in the other file, which reports it as well
            raise _Fault(where, f"macro {name} cannot be used: {fault.message}") from None

    def _all(
        self,
        pack: LoadedPack,
        names: _Names,
        model: AllModel,
        where: KeyPath,
        within: tuple[str, ...],
    ) -> AllCondition:
        of: list[Condition] = []
        unless: list[NotCondition] = []
        for i, part in enumerate(model.of):
            path: KeyPath = (*where, "all", "of", i)
            if part.not_ is None:
                of.append(self._condition(pack, names, part, path, within))
                continue
            not_: NotModel = part.not_
            unless.append(
                NotCondition(
                    of=self._condition(pack, names, not_.when, (*path, "not", "when"), within),
                    within_words=not_.within_words,
                    within_s=not_.within_s,
                    side=Side(not_.side),
                )
            )
        return AllCondition(of=tuple(of), unless=tuple(unless), within_s=model.within_s)

    def _absent(
        self,
        pack: LoadedPack,
        names: _Names,
        model: AbsentModel,
        where: KeyPath,
        within: tuple[str, ...],
    ) -> AbsentCondition:
        def maybe(part: ConditionModel | None, key: str) -> Condition | None:
            path: KeyPath = (*where, "absent", key)
            return None if part is None else self._condition(pack, names, part, path, within)

        what = maybe(model.what, "what")
        if what is None:
            path: KeyPath = (*where, "absent", "any_of")
            what = PhraseCondition(any_of=self._phrases(names, model.any_of or [], path))
        return AbsentCondition(
            what=what,
            within_s=model.within_s,
            anchor=Anchor(model.from_ or Anchor.FIRST_SPEECH),
            after=maybe(model.after, "after"),
            unless=maybe(model.unless, "unless"),
            said_by=_roles(model.said_by),
        )

    def _phrases(
        self, names: _Names, models: Sequence[PhraseModel], where: KeyPath
    ) -> tuple[Phrase, ...]:
        phrases: list[Phrase] = []
        for i, model in enumerate(models):
            texts = self._texts(names, model, (*where, i))
            self._n_phrases += len(texts)
            if self._n_phrases > MAX_PHRASES:
                raise _Fault(where, f"more than {MAX_PHRASES} phrases; split the rule")
            phrases += [
                Phrase(text=text, slop=model.slop, fuzzy=model.fuzzy, sounds_like=model.sounds_like)
                for text in texts
            ]
        return tuple(phrases)

    def _examples(
        self, names: _Names, models: Sequence[ExampleModel], where: KeyPath
    ) -> tuple[str, ...]:
        found = [text for i, m in enumerate(models) for text in self._texts(names, m, (*where, i))]
        if len(found) > MAX_EXAMPLES:
            raise _Fault(where, f"more than {MAX_EXAMPLES} examples; split the rule")
        return tuple(dict.fromkeys(found))

    def _texts(
        self, names: _Names, model: PhraseModel | ExampleModel, where: KeyPath
    ) -> Sequence[str]:
        """The text of a phrase or an example, or those of the list that it names."""
        if model.list_ is None:
            texts: Sequence[str] = (model.text or "",)
            if not phrase_words(texts[0]):
                raise _Fault(where, "a text without a word; write some")
            return texts
        path: KeyPath = (*where, "list")
        if model.list_ not in names.lists:
            raise _Fault(path, _unknown("list", model.list_, names.lists))
        self._note(("", "list", model.list_))
        for text in names.lists[model.list_]:
            if not phrase_words(text):
                raise _Fault(path, f"list {model.list_} has an entry without a word")
        return names.lists[model.list_]

    def _note(self, used: tuple[str, str, str]) -> None:
        (self._retired if self._is_retired else self._used).add(used)

    def unused(self, pack: LoadedPack) -> Iterator[tuple[str, str, bool]]:
        """Lists and macros of a pack that no rule in force uses: kind, name, any use at all.

        Only known after the conditions of all packs were written out.
        """
        names = [("list", "", name) for name in pack.model.lists]
        names += [("macro", pack.model.pack, name) for name in pack.model.macros]
        for kind, home, name in names:
            if (home, kind, name) not in self._used:
                yield kind, name, (home, kind, name) in self._retired


def _roles(names: Sequence[str]) -> tuple[Role, ...]:
    return tuple(Role(name) for name in names)


def _known_types(types: Sequence[str], where: KeyPath) -> Iterator[str]:
    for name in types:
        if name not in KNOWN_TYPES:
            near = difflib.get_close_matches(name, KNOWN_TYPES, n=1)
            known = ", ".join(sorted(KNOWN_TYPES))
            mend = f"did you mean {near[0]}?" if near else f"known: {known}"
            raise _Fault(where, f"no kind of personal data is called {name!r}; {mend}")
        yield name


def _unknown(kind: str, name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    mend = f"did you mean {near[0]!r}?" if near else "write it, or import the pack that has it"
    return f"no {kind} {name!r} here; {mend}"
