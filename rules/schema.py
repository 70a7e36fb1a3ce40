"""The shape of rule files. Only the loader uses these models; they become dataclasses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from rules.entities import KNOWN_TYPES
from rules.linear_regex import fault_of_pattern
from rules.phrases import phrase_words
from rules.short_forms import (
    StrictModel,
    examples_short_form,
    one_or_many,
    phrases_short_form,
    short_form,
)
from rules.versions import fault_of_range

RULE_ID = r"^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)+$"
NAME = r"^[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*$"
LOCALE = r"^[a-z]{2,3}(?:-[A-Z]{2})?$"
MAX_PHRASES = 5000

SeverityName = Literal["info", "low", "medium", "high", "critical"]
RoleName = Literal["agent", "customer", "supervisor", "ai_agent"]
StatusName = Literal["draft", "shadow", "active", "deprecated"]
MetricName = Literal[
    "silence_s",
    "non_talk_ratio",
    "talk_ratio",
    "interruptions",
    "speech_rate_wpm",
    "sentiment",
]


Name = Annotated[str, Field(pattern=NAME, max_length=60)]
Word = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^\S+$")]


class PhraseModel(StrictModel):
    """A phrase; short form: just its text."""

    text: str | None = Field(None, min_length=1, max_length=300, description="The words, in order.")
    list_: Name | None = Field(
        None, alias="list", description="Instead of `text`: every entry of this list."
    )
    slop: int = Field(0, ge=0, le=10, description="Other words allowed between its words, in all.")
    fuzzy: int = Field(0, ge=0, le=2, description="Letters that may differ in each longer word.")
    sounds_like: bool = Field(False, description="Whether words that sound alike count as well.")

    @model_validator(mode="after")
    def _has_words(self) -> PhraseModel:
        if (self.text is None) == (self.list_ is None):
            raise ValueError("a phrase needs exactly one of the keys text and list")
        if self.text is not None and not phrase_words(self.text):
            raise ValueError("a phrase needs at least one word")
        return self


PhraseItem = Annotated[PhraseModel, short_form("text")]


EntityName = Annotated[str, WithJsonSchema({"type": "string", "enum": sorted(KNOWN_TYPES)})]


class PiiModel(StrictModel):
    """Condition: a piece of personal data is said; short form: its type."""

    type: Annotated[list[EntityName], one_or_many] = Field(
        min_length=1, description="What kind of data, one or several."
    )
    min_score: float = Field(0.5, ge=0, le=1, description="Lower scores are not reported.")


class NamedEntityModel(StrictModel):
    """Condition: a name is said, as a language model hears it; short form: its type."""

    type: Annotated[list[Literal["PERSON", "LOCATION", "NRP", "ORGANIZATION"]], one_or_many] = (
        Field(min_length=1, description="Whose or what name, one or several.")
    )


class PhrasesModel(StrictModel):
    """Condition: one of the phrases is said; short form: a phrase or a list of them."""

    any_of: Annotated[list[PhraseItem], one_or_many] = Field(
        min_length=1, max_length=MAX_PHRASES, description="The phrases."
    )
    unless_before: list[Word] = Field(
        default_factory=list, description="Words that take the phrase back when said before it."
    )
    not_within_words: int = Field(
        3, ge=1, le=10, description="How many words before the phrase `unless_before` looks at."
    )


class RegexModel(StrictModel):
    """Condition: a pattern matches; short form: a pattern or a list of them."""

    any_of: Annotated[list[str], one_or_many] = Field(
        min_length=1, max_length=200, description="Patterns in RE2 syntax."
    )
    case_sensitive: bool = Field(False, description="Whether A and a differ.")

    @model_validator(mode="after")
    def _compiles(self) -> RegexModel:
        for pattern in self.any_of:
            fault = fault_of_pattern(pattern)
            if fault is not None:
                raise ValueError(fault)
        return self


class LemmaModel(StrictModel):
    """Condition: a phrase is said in any inflection; short form: a phrase or a list of them."""

    any_of: Annotated[list[PhraseItem], one_or_many] = Field(
        min_length=1, max_length=MAX_PHRASES, description="The phrases, in any inflection."
    )


class ExampleModel(StrictModel):
    """An example sentence; short form: just its text."""

    text: str | None = Field(None, min_length=1, max_length=300, description="A whole sentence.")
    list_: Name | None = Field(
        None, alias="list", description="Instead of `text`: every entry of this list."
    )

    @model_validator(mode="after")
    def _is_one(self) -> ExampleModel:
        if (self.text is None) == (self.list_ is None):
            raise ValueError("an example needs exactly one of the keys text and list")
        return self


ExampleItems = Annotated[list[Annotated[ExampleModel, short_form("text", "string")]], one_or_many]


class SimilarModel(StrictModel):
    """Condition: somebody means what examples say; short form: an example or a list of them."""

    to: ExampleItems = Field(
        min_length=1, max_length=200, description="Sentences that mean what to look for."
    )
    unlike: ExampleItems = Field(
        default_factory=list,
        max_length=200,
        description="Near misses: what comes closer to one of them does not count.",
    )
    min_similarity: float = Field(
        0.7, ge=0.3, le=1, description="How close: 1 is the same sentence."
    )


class DigitsModel(StrictModel):
    """Condition: a run of digits is said or written; short form: how many."""

    min: int = Field(ge=1, le=60, description="Fewest digits.")
    max: int | None = Field(None, ge=1, le=60, description="Most digits; unset: as `min`.")

    @model_validator(mode="after")
    def _in_order(self) -> DigitsModel:
        if self.max is not None and self.max < self.min:
            raise ValueError("`max` is less than `min`")
        return self


class NearModel(StrictModel):
    """Condition: all parts are said by one speaker close to each other."""

    of: list[When] = Field(min_length=2, max_length=8, description="The parts, in any order.")
    within_words: int | None = Field(None, ge=1, le=60, description="Words from first to last.")
    within_s: float | None = Field(None, gt=0, le=600, description="Seconds from first to last.")

    @model_validator(mode="after")
    def _bounded(self) -> NearModel:
        if (self.within_words is None) == (self.within_s is None):
            raise ValueError("`near` needs exactly one of the keys within_words and within_s")
        return self


class StepModel(StrictModel):
    """A step of a sequence."""

    when: When = Field(description="What happens.")
    said_by: list[RoleName] = Field(default_factory=list, description="By whom; empty: anybody.")
    within_s: float | None = Field(
        None, gt=0, le=7200, description="Seconds after the step before it; unset: any time later."
    )
    next_turn: bool = Field(
        False, description="Whether it must come in the turn right behind the step before it."
    )


class SequenceModel(StrictModel):
    """Condition: steps happen one after another; short form: a list of them."""

    steps: list[StepModel] = Field(min_length=2, max_length=8, description="The steps, in order.")


class AbsentModel(StrictModel):
    """Condition: something is not said in time."""

    any_of: Annotated[list[PhraseItem], one_or_many] | None = Field(
        None, min_length=1, max_length=MAX_PHRASES, description="Phrases, one of which is enough."
    )
    what: When | None = Field(None, description="Instead of `any_of`: any condition.")
    within_s: float = Field(gt=0, le=3600, description="Seconds until it must be said.")
    from_: Literal["first_speech", "call_start"] | None = Field(
        None, alias="from", description="When the seconds begin to count; first_speech if unset."
    )
    after: When | None = Field(None, description="Instead of `from`: what they count from.")
    unless: When | None = Field(None, description="Said before the deadline, it lifts the duty.")
    said_by: list[RoleName] = Field(
        default_factory=list, description="Who may say it; empty means anybody."
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> AbsentModel:
        if (self.any_of is None) == (self.what is None):
            raise ValueError("`absent` needs exactly one of the keys any_of and what")
        if self.after is not None and self.from_ is not None:
            raise ValueError("`absent` takes `from` or `after`, not both")
        return self


class NotModel(StrictModel):
    """A part of `all` that takes the others back where it is said close by."""

    when: When = Field(description="What must not be said.")
    within_words: int | None = Field(
        None, ge=1, le=40, description="So many words away at most, by the same speaker."
    )
    within_s: float | None = Field(
        None, gt=0, le=600, description="So many seconds away at most, by anybody."
    )
    side: Literal["before", "after", "either"] = Field(
        "before", description="On which side of the other parts."
    )

    @model_validator(mode="after")
    def _bounded(self) -> NotModel:
        if (self.within_words is None) == (self.within_s is None):
            raise ValueError("`not` needs exactly one of the keys within_words and within_s")
        return self


class AllModel(StrictModel):
    """Condition: every part happens; short form: a list of the parts."""

    of: list[When] = Field(min_length=1, max_length=8, description="The parts, in any order.")
    within_s: float | None = Field(
        None, gt=0, le=7200, description="Seconds from first to last; unset: the whole call."
    )

    @model_validator(mode="after")
    def _something_positive(self) -> AllModel:
        if all(part.not_ is not None for part in self.of):
            raise ValueError("`all` needs a part that is no `not`")
        return self


class AnyModel(StrictModel):
    """Condition: one part happens; short form: a list of the parts."""

    of: list[When] = Field(min_length=1, max_length=20, description="The parts.")


class CountModel(StrictModel):
    """Condition: something happens several times."""

    of: When = Field(description="What is counted.")
    at_least: int = Field(ge=2, le=1000, description="How often.")
    within_s: float | None = Field(
        None, gt=0, le=7200, description="Within so many seconds; unset: the whole call."
    )
    same_speaker: bool = Field(True, description="Whether each speaker is counted apart.")


class MetricModel(StrictModel):
    """Condition: a measure of conduct crosses a limit."""

    name: MetricName = Field(description="Which measure.")
    above: float | None = Field(None, description="Hits above this value.")
    below: float | None = Field(None, description="Hits below this value.")
    after_s: float = Field(
        0.0, ge=0, le=7200, description="Seconds of the call or of speech to hear before judging."
    )

    @model_validator(mode="after")
    def _one_limit(self) -> MetricModel:
        if (self.above is None) == (self.below is None):
            raise ValueError("`metric` needs exactly one of the keys above and below")
        return self


class ConditionModel(StrictModel):
    """What a rule looks for: exactly one of the keys."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    pii: Annotated[PiiModel, short_form("type")] | None = Field(
        None, description="Personal data is said."
    )
    named_entity: Annotated[NamedEntityModel, short_form("type")] | None = Field(
        None, description="A name of a person, a place or a group is said."
    )
    phrase: Annotated[PhrasesModel, phrases_short_form] | None = Field(
        None, description="A phrase is said."
    )
    regex: Annotated[RegexModel, short_form("any_of")] | None = Field(
        None, description="A pattern matches."
    )
    lemma: Annotated[LemmaModel, phrases_short_form] | None = Field(
        None, description="A phrase is said in any inflection."
    )
    similar: Annotated[SimilarModel, examples_short_form] | None = Field(
        None, description="Something is said that means the same."
    )
    digits: Annotated[DigitsModel, short_form("min")] | None = Field(
        None, description="A run of digits is said."
    )
    near: NearModel | None = Field(None, description="Parts are said close to each other.")
    sequence: Annotated[SequenceModel, short_form("steps", "array")] | None = Field(
        None, description="Steps happen one after another."
    )
    absent: AbsentModel | None = Field(None, description="Something is not said in time.")
    all: Annotated[AllModel, short_form("of", "array")] | None = Field(
        None, description="Every part happens."
    )
    any: Annotated[AnyModel, short_form("of", "array")] | None = Field(
        None, description="One part happens."
    )
    not_: NotModel | None = Field(None, alias="not", description="Within `all`: what must not be.")
    count: CountModel | None = Field(None, description="Something happens several times.")
    metric: MetricModel | None = Field(None, description="A measure crosses a limit.")
    macro: Name | None = Field(None, description="The condition that a macro names.")

    @model_validator(mode="after")
    def _exactly_one(self) -> ConditionModel:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            names = ", ".join(info.alias or n for n, info in type(self).model_fields.items())
            raise ValueError(f"a condition needs exactly one of the keys {names}")
        return self


When = Annotated[ConditionModel, short_form("phrase", "string", "array")]


class ScopeModel(StrictModel):
    """To whom and where a rule applies."""

    roles: list[RoleName] = Field(default_factory=list, description="Whose words; empty = all.")
    attributes: dict[str, Annotated[list[str], one_or_many]] = Field(
        default_factory=dict,
        max_length=20,
        description="Participant attributes, each with the values that count.",
    )
    live: bool = Field(True, description="Whether it raises alerts during the call.")
    report: bool = Field(True, description="Whether the audit reports it.")


class RuleModel(StrictModel):
    """One rule."""

    id: str = Field(pattern=RULE_ID, max_length=100, description="Such as `pii.card-number`.")
    version: int | None = Field(None, ge=1, description="Unset: the version of the pack.")
    title: str = Field(min_length=1, max_length=120, description="A short name for people.")
    description: str = Field(min_length=1, max_length=4000, description="What and why.")
    severity: SeverityName | None = Field(None, description="How bad a hit is.")
    status: StatusName | None = Field(None, description="Where the rule stands in its life.")
    tags: list[Word] | None = Field(None, description="Free labels.")
    references: list[str] | None = Field(None, description="Norms and sources.")
    scope: ScopeModel | None = Field(None, description="To whom it applies.")
    when: When = Field(description="What it looks for.")
    threshold: float | None = Field(None, ge=0, le=1, description="Hits scored lower are dropped.")
    cooldown_s: float | None = Field(
        None, ge=0, le=7200, description="Seconds without another hit for the same speaker."
    )
    actions: list[Name] | None = Field(None, description="Names that alert targets filter by.")
    evidence: Literal["none", "excerpt"] | None = Field(
        None, description="Whether a hit carries a masked excerpt."
    )


class DefaultsModel(StrictModel):
    """What the rules of a pack have where they don't say otherwise."""

    severity: SeverityName | None = Field(None, description="As in a rule.")
    status: StatusName | None = Field(None, description="As in a rule.")
    tags: list[Word] | None = Field(None, description="As in a rule; a rule's own replace them.")
    references: list[str] | None = Field(None, description="As in a rule.")
    scope: ScopeModel | None = Field(None, description="As in a rule.")
    threshold: float | None = Field(None, ge=0, le=1, description="As in a rule.")
    cooldown_s: float | None = Field(None, ge=0, le=7200, description="As in a rule.")
    actions: list[Name] | None = Field(None, description="As in a rule.")
    evidence: Literal["none", "excerpt"] | None = Field(None, description="As in a rule.")


class ImportModel(StrictModel):
    """Lists and macros of another pack; short form: its id."""

    pack: str = Field(pattern=RULE_ID, max_length=100, description="Id of the other pack.")
    version: str | int | None = Field(
        None, description="Versions that will do, such as `>=2,<4`; unset: any."
    )

    @model_validator(mode="after")
    def _range(self) -> ImportModel:
        fault = None if self.version is None else fault_of_range(str(self.version))
        if fault is not None:
            raise ValueError(fault)
        return self


class PackModel(StrictModel):
    """A rule file."""

    pack: str = Field(pattern=RULE_ID, max_length=100, description="Id of the pack.")
    version: int = Field(ge=1, description="Raised with every change.")
    title: str | None = Field(None, max_length=120, description="A short name for people.")
    owner: str | None = Field(None, max_length=120, description="Who answers for it.")
    locale: str | None = Field(None, pattern=LOCALE, description="Language, such as `en-US`.")
    imports: list[Annotated[ImportModel, short_form("pack", "string")]] = Field(
        default_factory=list, max_length=20, description="Packs whose lists and macros it uses."
    )
    lists: dict[Name, Annotated[list[str], Field(min_length=1, max_length=MAX_PHRASES)]] = Field(
        default_factory=dict, description="Phrases by name, for `list`."
    )
    macros: dict[Name, When] = Field(
        default_factory=dict, description="Conditions by name, for `macro`."
    )
    defaults: DefaultsModel = Field(
        default_factory=DefaultsModel, description="What its rules have unless they say otherwise."
    )
    rules: list[RuleModel] = Field(default_factory=list, max_length=2000, description="The rules.")

    @model_validator(mode="after")
    def _holds_something(self) -> PackModel:
        if not (self.rules or self.lists or self.macros):
            raise ValueError("a pack needs rules, lists or macros")
        return self


_RECURSIVE: tuple[type[BaseModel], ...] = (
    *(NearModel, StepModel, AbsentModel, NotModel, AllModel, AnyModel, CountModel),
    *(SequenceModel, ConditionModel, RuleModel, PackModel),
)
# Conditions hold conditions, so their fields are only known when all models are.
for _model in _RECURSIVE:
    _model.model_rebuild(force=True)
