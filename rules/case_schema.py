"""The shape of case files. Only `cases.py` uses these models; they become dataclasses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from rules.schema import EntityName, RoleName
from rules.short_forms import StrictModel, one_or_many, short_form


class SaidModel(StrictModel):
    """Something that a speaker says in a case."""

    speaker: str = Field(min_length=1, max_length=100, description="Who; any name.")
    role: RoleName | None = Field(None, description="The speaker's role, where it is known.")
    attributes: dict[str, str] = Field(
        default_factory=dict,
        max_length=20,
        description="The speaker's participant attributes, such as `{department: sales}`.",
    )
    start_s: float = Field(ge=0, le=86400, description="Seconds since the call began.")
    end_s: float = Field(gt=0, le=86400, description="Seconds since the call began.")
    text: str = Field(min_length=1, max_length=10000, description="The words.")
    final: bool = Field(
        True,
        description="`false`: a guess at the speaker's next final words, as live recognisers give.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> SaidModel:
        if self.end_s <= self.start_s:
            raise ValueError("end_s must be later than start_s")
        return self


class SilenceModel(StrictModel):
    """A stretch of a call in which nobody says anything."""

    silence_until_s: float = Field(
        gt=0, le=86400, description="Nobody speaks until then; seconds since the call began."
    )


def _kind(value: object) -> str:
    silent = isinstance(value, SilenceModel) or (
        isinstance(value, dict) and "silence_until_s" in value
    )
    return SilenceModel.__name__ if silent else SaidModel.__name__


# The tags are the names of the models, so that a fault can be told by the keys of the right one.
SayItem = Annotated[
    Annotated[SaidModel, Tag(SaidModel.__name__)]
    | Annotated[SilenceModel, Tag(SilenceModel.__name__)],
    Discriminator(_kind),
]


class ExpectedHitModel(StrictModel):
    """A hit that must come; short form: the id of its rule."""

    rule: str = Field(description="The id of the rule.")
    at_s: float | None = Field(None, ge=0, le=86400, description="When it must be told.")
    within_s: float = Field(0.5, gt=0, le=600, description="How far from `at_s` it may be.")
    speaker: str | None = Field(None, description="Who said it; unset: anybody.")
    state: Literal["confirmed", "provisional", "retracted"] = Field(
        "confirmed", description="`provisional` and `retracted`: what guesses led to."
    )
    times: int | None = Field(None, ge=1, le=100, description="How often; unset: at least once.")


class ExpectedEntityModel(StrictModel):
    """Personal data that must be found."""

    entity: EntityName = Field(description="Its type.")
    value: str | None = Field(None, max_length=200, description="Its normalised value.")


class CaseModel(StrictModel):
    """One case: what is said, and which rules must hit and must not."""

    name: str | None = Field(None, max_length=200, description="Unset: made from the words.")
    say: str | list[SayItem] = Field(description="A sentence, or a call as a list.")
    ends_s: float | None = Field(
        None, gt=0, le=86400, description="When the call ends; unset: after the last words."
    )
    hit: Annotated[list[Annotated[ExpectedHitModel, short_form("rule")]], one_or_many] = Field(
        default_factory=list, description="Rules that must hit."
    )
    no_hit: Annotated[list[str], one_or_many] = Field(
        default_factory=list, description="Ids of rules that must not hit."
    )
    find: Annotated[list[ExpectedEntityModel], one_or_many] = Field(
        default_factory=list, description="Personal data that must be found, and no other."
    )
    never: bool = Field(False, description="Whether no rule at all may hit, but those under `hit`.")
    todo: str | None = Field(
        None, min_length=1, max_length=200, description="Why the case may still fail."
    )

    @model_validator(mode="after")
    def _expects_something(self) -> CaseModel:
        if not (self.hit or self.no_hit or self.find or self.never):
            raise ValueError("a case needs `hit`, `no_hit`, `find` or `never`")
        if {e.rule for e in self.hit if e.state == "confirmed"} & set(self.no_hit):
            raise ValueError("a rule stands under both `hit` and `no_hit`")
        if not self.say:
            raise ValueError("`say` is empty")
        if isinstance(self.say, str) and self.ends_s is not None:
            raise ValueError("`ends_s` needs a call under `say`, not a sentence")
        if isinstance(self.say, list):
            self._check_call(self.say)
        return self

    def _check_call(self, items: Sequence[SaidModel | SilenceModel]) -> None:
        said = [item for item in items if isinstance(item, SaidModel)]
        if not said:
            raise ValueError("somebody must say something under `say`; add words")
        starts = [each.start_s for each in said]
        if starts != sorted(starts):
            raise ValueError("the list under `say` must be in order of start_s")
        heard_s = silent_s = 0.0
        for item in items:
            if isinstance(item, SilenceModel):
                if item.silence_until_s <= max(heard_s, silent_s):
                    raise ValueError("`silence_until_s` must be later than what comes before it")
                silent_s = item.silence_until_s
            elif item.start_s < silent_s:
                raise ValueError("somebody speaks before `silence_until_s` above is over")
            else:
                heard_s = max(heard_s, item.end_s)
        finals = {each.speaker: i for i, each in enumerate(said) if each.final}
        if any(finals.get(s.speaker, -1) < i for i, s in enumerate(said) if not s.final):
            raise ValueError("words with `final: false` need final ones of the speaker below")
        if self.ends_s is not None and self.ends_s < max(heard_s, silent_s):
            raise ValueError("`ends_s` lies before the end of the last words or silence")


class CasesModel(StrictModel):
    """A case file."""

    cases: list[CaseModel] = Field(min_length=1, max_length=5000, description="The cases.")
