"""The shape of rule and case files. Only the loader uses these models; they become dataclasses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from rules.phrases import phrase_words

RULE_ID = r"^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)+$"

SeverityName = Literal["info", "low", "medium", "high", "critical"]
RoleName = Literal["agent", "customer", "supervisor", "ai_agent"]
StatusName = Literal["draft", "shadow", "active", "deprecated"]
EntityName = Literal["CREDIT_CARD", "US_SSN"]


def _phrase_from_text(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


def _list_from_one(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PhraseModel(_Model):
    """A phrase; short form: just its text."""

    text: str = Field(min_length=1, max_length=300, description="The words, in order.")
    slop: int = Field(0, ge=0, le=10, description="Other words allowed between its words, in all.")

    @model_validator(mode="after")
    def _has_words(self) -> PhraseModel:
        if not phrase_words(self.text):
            raise ValueError("a phrase needs at least one word")
        return self


PhraseItem = Annotated[PhraseModel, BeforeValidator(_phrase_from_text)]
Word = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^\S+$")]


class EntityModel(_Model):
    """Condition: a piece of personal data is said."""

    type: EntityName = Field(description="What kind of data.")
    min_score: float = Field(0.5, ge=0, le=1, description="Lower scores are not reported.")


class PhrasesModel(_Model):
    """Condition: one of the phrases is said."""

    any_of: list[PhraseItem] = Field(min_length=1, max_length=5000, description="The phrases.")
    unless_before: list[Word] = Field(
        default_factory=list, description="Words that take the phrase back when said before it."
    )
    not_within_words: int = Field(
        3, ge=1, le=10, description="How many words before the phrase `unless_before` looks at."
    )


class AbsentModel(_Model):
    """Condition: none of the phrases is said in time."""

    any_of: list[PhraseItem] = Field(min_length=1, max_length=5000, description="The phrases.")
    within_s: float = Field(gt=0, le=3600, description="Seconds until the phrase must be said.")
    from_: Literal["first_speech", "call_start"] = Field(
        "first_speech", alias="from", description="When the seconds begin to count."
    )
    said_by: list[RoleName] = Field(
        default_factory=list, description="Who may say it; empty means anybody."
    )


class ConditionModel(_Model):
    """What a rule looks for: exactly one of the keys."""

    entity: EntityModel | None = Field(None, description="Personal data is said.")
    phrases: PhrasesModel | None = Field(None, description="A phrase is said.")
    absent: AbsentModel | None = Field(None, description="A phrase is missing.")

    @model_validator(mode="after")
    def _exactly_one(self) -> ConditionModel:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            names = ", ".join(type(self).model_fields)
            raise ValueError(f"a condition needs exactly one of the keys {names}")
        return self


class ScopeModel(_Model):
    """To whom and where a rule applies."""

    roles: list[RoleName] = Field(default_factory=list, description="Whose words; empty = all.")
    live: bool = Field(True, description="Whether it raises alerts during the call.")
    report: bool = Field(True, description="Whether the audit reports it.")


class RuleModel(_Model):
    """One rule."""

    id: str = Field(pattern=RULE_ID, max_length=100, description="Such as `pii.card-number`.")
    version: int | None = Field(None, ge=1, description="Unset: the version of the pack.")
    title: str = Field(min_length=1, max_length=120, description="A short name for people.")
    description: str = Field(min_length=1, max_length=4000, description="What and why.")
    severity: SeverityName = Field(description="How bad a hit is.")
    status: StatusName = Field("active", description="Where the rule stands in its life.")
    tags: list[Word] = Field(default_factory=list, description="Free labels.")
    references: list[str] = Field(default_factory=list, description="Norms and sources.")
    scope: ScopeModel = Field(default_factory=ScopeModel, description="To whom it applies.")
    condition: ConditionModel = Field(description="What it looks for.")


class PackModel(_Model):
    """A rule file."""

    pack: str = Field(pattern=RULE_ID, max_length=100, description="Id of the pack.")
    version: int = Field(ge=1, description="Raised with every change.")
    rules: list[RuleModel] = Field(min_length=1, max_length=2000, description="The rules.")


class SaidModel(_Model):
    """Something that a speaker says in a case."""

    speaker: str = Field(min_length=1, max_length=100, description="Who; any name.")
    role: RoleName | None = Field(None, description="The speaker's role, where it is known.")
    start_s: float = Field(ge=0, le=86400, description="Seconds since the call began.")
    end_s: float = Field(gt=0, le=86400, description="Seconds since the call began.")
    text: str = Field(min_length=1, max_length=10000, description="The words.")

    @model_validator(mode="after")
    def _in_order(self) -> SaidModel:
        if self.end_s <= self.start_s:
            raise ValueError("end_s must be later than start_s")
        return self


class CaseModel(_Model):
    """One case: what is said, and which rules must hit and must not."""

    name: str | None = Field(None, max_length=200, description="Unset: made from the words.")
    say: str | list[SaidModel] = Field(description="A sentence, or a call as a list.")
    ends_s: float | None = Field(
        None, gt=0, le=86400, description="When the call ends; unset: after the last words."
    )
    hit: Annotated[list[str], BeforeValidator(_list_from_one)] = Field(
        default_factory=list, description="Ids of rules that must hit."
    )
    no_hit: Annotated[list[str], BeforeValidator(_list_from_one)] = Field(
        default_factory=list, description="Ids of rules that must not hit."
    )

    @model_validator(mode="after")
    def _expects_something(self) -> CaseModel:
        if not self.hit and not self.no_hit:
            raise ValueError("a case needs `hit` or `no_hit`")
        if set(self.hit) & set(self.no_hit):
            raise ValueError("a rule stands under both `hit` and `no_hit`")
        if not self.say:
            raise ValueError("`say` is empty")
        if isinstance(self.say, str) and self.ends_s is not None:
            raise ValueError("`ends_s` needs a call under `say`, not a sentence")
        if isinstance(self.say, list):
            starts = [said.start_s for said in self.say]
            if starts != sorted(starts):
                raise ValueError("the list under `say` must be in order of start_s")
            if self.ends_s is not None and self.ends_s < max(s.end_s for s in self.say):
                raise ValueError("`ends_s` lies before the end of the last words")
        return self


class CasesModel(_Model):
    """A case file."""

    cases: list[CaseModel] = Field(min_length=1, max_length=5000, description="The cases.")
