"""A call's history stays within bounds, and says of a call what its records say."""

from realtime.call_history import MAX_UTTERANCES, CallHistory, Opinion
from realtime.records import Record, RecordType
from rules.types import Role
from tests.realtime.flow_builders import record


def said(id_: str, text: str, sentiment: float, *, role: Role | None = Role.CUSTOMER) -> Record:
    """An utterance."""
    return record(
        id_, content=text, plain=None, role=role, sentiment=sentiment, keywords=["savings plan"]
    )


def raised(id_: str, *, severity: str, state: str, hit_id: str = "h1") -> Record:
    """An alert."""
    return record(
        id_, type_=RecordType.ALERT, plain=None, hit_id=hit_id, rule="pii.card-number",
        severity=severity, state=state,
    )  # fmt: skip


def test_a_call() -> None:
    """Moods by side with their arc, topics, intents, and an opinion from the alerts."""
    history = CallHistory()
    for i, mood in enumerate((0.6, 0.5, 0.0, -0.4, -0.7, -0.6)):
        assert history.take(said(f"c{i}", "I want to cancel.", mood))
    assert history.take(said("a1", "Certainly, we cancel that.", 0.3, role=Role.AGENT))
    assert not history.take(said("a1", "Certainly, we cancel that.", 0.3, role=Role.AGENT))
    found = history.analyse()
    assert found.sentiment["customer"] == {
        "mean": -0.1, "mood": "negative", "arc": [0.55, -0.2, -0.65], "trend": "falling", "n": 6,
    }  # fmt: skip
    assert found.sentiment["agent"]["mood"] == "positive"
    assert found.topics == ("savings plan",)
    assert found.intents == {"customer": ("cancel",), "agent": ("cancel",)}
    assert (found.opinion, found.fully_heard) == (Opinion.NOTHING_FOUND, True)
    assert found.summary() == (
        "Compliance: nothing found; mood: customer negative, agent positive; intents: cancel; "
        "topics: savings plan."
    )


def test_opinion_follows_the_alerts() -> None:
    """A provisional hit wants a look, a confirmed grave one is a likely breach."""
    history = CallHistory()
    history.take(raised("1", severity="critical", state="provisional"))
    assert history.analyse().opinion is Opinion.REVIEW
    history.take(raised("2", severity="critical", state="confirmed"))
    assert history.analyse().opinion is Opinion.BREACH_LIKELY
    history.take(raised("3", severity="critical", state="retracted"))
    assert history.analyse().opinion is Opinion.NOTHING_FOUND
    history.take(raised("4", severity="medium", state="confirmed", hit_id="h2"))
    assert history.analyse().opinion is Opinion.REVIEW


def test_what_was_not_heard_is_said() -> None:
    """A call with a gap is never just clean."""
    history = CallHistory()
    history.take(record("g", type_=RecordType.GAP, plain=None, content="deaf_track"))
    found = history.analyse()
    assert found.summary().startswith("Compliance: nothing found, and the call was not fully heard")
    assert found.as_metadata()["compliance"] == {
        "opinion": "nothing found", "alerts": [], "n_alerts": 0, "fully_heard": False, "n_gaps": 1,
    }  # fmt: skip


def test_bounds() -> None:
    """A call without end does not fill the memory."""
    history = CallHistory()
    for i in range(MAX_UTTERANCES + 5):
        history.take(said(str(i), f"line {i}", 0.0))
    assert len(history.lines()) == MAX_UTTERANCES
    assert history.n_forgotten == 5
    assert history.n_utterances == MAX_UTTERANCES + 5
