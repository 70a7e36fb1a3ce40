"""Settings come from the environment and a file, and a mistake in them is one sentence."""

from pathlib import Path

import pytest

from earmark.alert_wiring import alert_targets
from earmark.errors import BadInputError
from earmark.settings import Recorder, Settings, load_settings
from realtime.targets import TargetKind
from rules.types import Severity


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without a settings file."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults_need_nothing(elsewhere: Path) -> None:
    """Without any setting, database and objects lie in a folder here."""
    settings = load_settings()
    assert settings.resolved_database_url == f"sqlite:///{elsewhere / 'earmark-data/earmark.db'}"
    assert settings.resolved_objects_url == str(elsewhere / "earmark-data/objects")
    assert settings.livekit_url is None


@pytest.mark.parametrize(("value", "days"), [("", None), ("14", 14)])
def test_transcripts_are_kept_only_on_request(
    value: str, days: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a number of days nothing unmasked is kept."""
    assert load_settings().keep_transcripts_days is None
    monkeypatch.setenv("EARMARK_KEEP_TRANSCRIPTS_DAYS", value)
    assert load_settings().keep_transcripts_days == days


def test_environment_beats_the_file(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable overrides `earmark.toml`; what it does not name stays."""
    (elsewhere / "earmark.toml").write_text('max_rooms = 3\ndata_dir = "here"\n')
    monkeypatch.setenv("EARMARK_MAX_ROOMS", "5")
    settings = load_settings()
    assert settings.max_rooms == 5
    assert settings.data_dir == Path("here")


def test_lists_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are separated like PATH, identities by commas."""
    monkeypatch.setenv("EARMARK_RULES", "one.yaml:two")
    monkeypatch.setenv("EARMARK_SUPERVISORS", "sue, sam")
    settings = load_settings()
    assert settings.rules == (Path("one.yaml"), Path("two"))
    assert settings.supervisors == ("sue", "sam")


@pytest.mark.parametrize(
    ("variables", "file", "sentence"),
    [
        pytest.param(
            {"EARMARK_DATABSE_URL": "x"},
            "",
            "environment: EARMARK_DATABSE_URL is not a setting; "
            "`earmark doctor --settings` lists them",
            id="typo-in-variable",
        ),
        pytest.param(
            {"EARMARK_KEEP_TRANSCRIPTS_DAYS": "0"},
            "",
            "setting keep_transcripts_days: Input should be greater than or equal to 1",
            id="keep-for-no-day",
        ),
        pytest.param(
            {"EARMARK_ROLES": "desk-*=agent,boss"},
            "",
            "setting roles: Value error, must be PATTERN=ROLE with a role of agent, customer, "
            "supervisor, ai_agent, separated by ','",
            id="role-without-pattern",
        ),
        pytest.param(
            {"EARMARK_MAX_ROOMS": "many"},
            "",
            "setting max_rooms: Input should be a valid integer, unable to parse string as an "
            "integer",
            id="not-a-number",
        ),
        pytest.param(
            {},
            "max_room = 3\n",
            "setting max_room: Extra inputs are not permitted",
            id="typo-in-file",
        ),
        pytest.param(
            {"EARMARK_SIGNING_SECRET": "whsec_hush!"},
            "",
            "setting signing_secret: Value error, must be whsec_ and base64",
            id="secret-not-base64",
        ),
        pytest.param(
            {"EARMARK_WEBHOOK_URL": "example.com"},
            "",
            "setting webhook_url: Value error, must be an address",
            id="webhook-without-scheme",
        ),
        pytest.param(
            {"EARMARK_ALERT_TARGETS": "pager"},
            "",
            "setting alert_targets: Value error, must be a JSON list of targets",
            id="targets-not-json",
        ),
        pytest.param(
            {},
            "[[alert_targets]]\nname = 'chat'\nkind = 'slack'\n",
            "setting alert_targets.0: Value error, the target chat needs a url",
            id="target-without-address",
        ),
        pytest.param(
            {},
            "[[alert_targets]]\nname = 'pager'\nkind = 'pagerduty'\nrouting_key = 'env:NO_SUCH'\n",
            "setting alert_targets.0.routing_key: Value error, the variable NO_SUCH is not set",
            id="secret-from-an-unset-variable",
        ),
        pytest.param(
            {},
            "[[alert_targets]]\nname = 'a'\nurl = 'https://h.example'\nsecrets = ['hush!']\n",
            "setting alert_targets.0: Value error, must be whsec_ and base64",
            id="target-secret-not-base64",
        ),
        pytest.param(
            {"EARMARK_WEBHOOK_URL": "https://h.example"},
            "[[alert_targets]]\nname = 'webhook'\nurl = 'https://h.example'\n",
            "setting : Value error, two alert targets are named webhook",
            id="two-targets-of-one-name",
        ),
        pytest.param(
            {"EARMARK_ALLOW_PRIVATE_TARGETS": "10.1.2"},
            "",
            "setting allow_private_targets: Value error, '10.1.2' is neither a host name",
            id="half-an-address",
        ),
        pytest.param({}, "max_rooms = \n", "earmark.toml: not valid TOML", id="not-toml"),
        pytest.param(
            {"EARMARK_RECORDER": "egress", "EARMARK_RECORD": "false"},
            "",
            "setting : Value error, record and recorder say different things",
            id="older-name-contradicts",
        ),
        pytest.param(
            {"EARMARK_EGRESS_FILEPATH": "recordings/{room_name}/{track_id}.ogg"},
            "",
            "setting egress_filepath: Value error, {room_name} may not stand in it",
            id="names-in-keys",
        ),
        pytest.param(
            {"EARMARK_EGRESS_FILEPATH": "calls/{room_id}/{track_id}.ogg"},
            "",
            "setting egress_filepath: Value error, must look like recordings/FOLDER/NAME.ogg",
            id="where-no-audit-looks",
        ),
        pytest.param(
            {"EARMARK_EGRESS_FILEPATH": "recordings/{day}/{room_id}.ogg"},
            "",
            "setting egress_filepath: Value error, needs {room_id} and {track_id}",
            id="one-file-for-all-tracks",
        ),
    ],
)
def test_mistakes(
    variables: dict[str, str],
    file: str,
    sentence: str,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A setting that is unknown or malformed is refused by name."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if file:
        (elsewhere / "earmark.toml").write_text(file)
    with pytest.raises(BadInputError) as caught:
        load_settings()
    assert str(caught.value).startswith(sentence)


def test_empty_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is passed on empty counts as not set."""
    monkeypatch.setenv("EARMARK_SIGNING_SECRET", "")
    monkeypatch.setenv("LIVEKIT_URL", "")
    settings = load_settings()
    assert settings.signing_secret is None
    assert settings.livekit_url is None


def test_secrets_stay_out_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither `repr` nor an error shows the value of a secret."""
    monkeypatch.setenv("EARMARK_SIGNING_SECRET", "whsec_hushhush")
    assert "hush" not in repr(load_settings())
    assert "hush" not in str(Settings(signing_secret="whsec_hushhush").model_dump())


@pytest.mark.parametrize(
    ("variables", "recorder"),
    [
        pytest.param({}, Recorder.BUILTIN, id="default"),
        pytest.param({"EARMARK_RECORDER": "egress"}, Recorder.EGRESS, id="egress"),
        pytest.param({"EARMARK_RECORD": "false"}, Recorder.NONE, id="older-name-off"),
        pytest.param({"EARMARK_RECORD": "true"}, Recorder.BUILTIN, id="older-name-on"),
        pytest.param({"EARMARK_RECORD": ""}, Recorder.BUILTIN, id="older-name-empty"),
        pytest.param(
            {"EARMARK_RECORD": "false", "EARMARK_RECORDER": "none"}, Recorder.NONE, id="both"
        ),
    ],
)
def test_recorder(
    variables: dict[str, str], recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older name still works."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load_settings().recorder is recorder


def test_alert_targets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The short form and the tables make targets; secrets may come from other variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EARMARK_WEBHOOK_URL", "https://h.example/hush")
    monkeypatch.setenv("PAGER_KEY", "hush")
    (tmp_path / "earmark.toml").write_text(
        """
[[alert_targets]]
name = "pager"
kind = "pagerduty"
routing_key = "env:PAGER_KEY"
min_severity = "critical"
rules = ["pii.*"]

[[alert_targets]]
name = "chat"
kind = "slack"
url = "https://chat.example/hush"
group_s = 60
"""
    )
    settings = load_settings()
    short, pager, chat = alert_targets(settings)
    assert (short.name, short.url, short.provisional) == ("webhook", "https://h.example/hush", True)
    assert (pager.routing_key, pager.rules, pager.provisional) == ("hush", ("pii.*",), False)
    assert pager.min_severity is Severity.CRITICAL
    assert (chat.kind, chat.group_s) == (TargetKind.SLACK, 60.0)
    assert "hush" not in repr((settings.alert_targets, short, pager, chat))
