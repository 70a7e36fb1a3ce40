"""Shadow rules run on live calls beside those in force, and are told to nobody."""

from pathlib import Path

import pytest

from realtime.alerts import Alert
from realtime.clock import VirtualClock
from realtime.session import CallSession
from realtime.trial import trial_engine
from rules.engine import Engine
from rules.loader import load_rulebook
from rules.rulebook import Rulebook
from rules.types import Participant, Span, Utterance, words_from_text

RULES = """
pack: trial.words
version: 1
rules:
  - id: trial.first
    title: Cheese
    description: Somebody says cheese.
    severity: low
    when: {{phrase: cheese}}
  - id: trial.second
    title: Bread
    description: Somebody says bread.
    severity: low
    status: {status}
    when: {{phrase: bread}}
"""


class Kept:
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    async def publish(self, alert: Alert) -> None:
        """Take one alert."""
        self.alerts.append(alert)


def book(folder: Path, status: str) -> Rulebook:
    """One active rule, and one of another status."""
    path = folder / "trial.yaml"
    path.write_text(RULES.format(status=status))
    return load_rulebook((path,))


async def rules_told(rulebook: Rulebook) -> tuple[list[str], list[str]]:
    """Rules whose hits go to everybody, and those whose hits are kept for comparison."""
    told, kept = Kept(), Kept()
    session = CallSession(
        room_sid="RM_1",
        engine=Engine(rulebook.for_live()),
        clock=VirtualClock(),
        sinks=(told,),
        trial=trial_engine(rulebook, None),
        trial_sinks=(kept,),
    )
    await session.participant(Participant(identity="ann"), sid="PA_1")
    text, span = "bread and cheese please", Span(1.0, 3.0)
    await session.utterance(
        Utterance(
            id="u1", speaker="ann", span=span, text=text, words=words_from_text(text, span),
            is_final=True, revision=0,
        )
    )  # fmt: skip
    await session.end(5.0)
    assert not any(alert.shadow for alert in told.alerts)
    assert all(alert.shadow for alert in kept.alerts)
    return (
        [alert.hit.rule_id for alert in told.alerts],
        [alert.hit.rule_id for alert in kept.alerts],
    )


@pytest.mark.parametrize(
    ("status", "told", "kept"),
    [
        ("shadow", ["trial.first"], ["trial.second"]),
        ("active", ["trial.first", "trial.second"], []),
        ("draft", ["trial.first"], []),
    ],
)
async def test_who_is_told(tmp_path: Path, status: str, told: list[str], kept: list[str]) -> None:
    """Hits of shadow rules go to their own sinks only; drafts do not run."""
    found, on_trial = await rules_told(book(tmp_path, status))
    assert (sorted(found), on_trial) == (told, kept)


def test_no_engine_for_nothing(tmp_path: Path) -> None:
    """A rule book without shadow rules costs nothing more."""
    assert trial_engine(book(tmp_path, "active"), None) is None
