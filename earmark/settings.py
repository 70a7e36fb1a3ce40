"""Settings: environment variables first, then `earmark.toml` in the working directory."""

from __future__ import annotations

import json
import os
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from platformdirs import user_cache_path
from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from earmark.alert_settings import AlertTarget, check_signing_secret, check_web_address
from earmark.console_settings import ConsoleSettings
from earmark.errors import BadInputError
from earmark.keeping_settings import KeepingSettings
from earmark.trail_settings import TrailSettings
from realtime.targets import SHORT_FORM
from rules.types import Role

SETTINGS_FILE = Path("earmark.toml")
# The value of `rules` for those in the database; a folder of this name is written `./published`.
PUBLISHED: Literal["published"] = "published"

_FIELD = re.compile(r"\{([^{}]*)\}")
# Keys of objects hold days and ids: names of rooms and people may be telephone numbers.
_FILEPATH_FIELDS = frozenset(
    {"day", "room_id", "track_id", "track_type", "track_source", "time", "utc"}
)


class Recorder(StrEnum):
    """Who records calls."""

    BUILTIN = "builtin"
    EGRESS = "egress"
    NONE = "none"


class Settings(KeepingSettings, ConsoleSettings, TrailSettings):
    """Everything that is set from outside. Secrets are never shown, not even by `repr`."""

    model_config = SettingsConfigDict(
        env_prefix="EARMARK_", extra="forbid", toml_file=SETTINGS_FILE, populate_by_name=True
    )

    data_dir: Path = Field(
        Path("earmark-data"), description="Folder of the embedded database and object store."
    )
    models_dir: Path = Field(
        default_factory=lambda: user_cache_path("earmark") / "models",
        description="Folder that is searched first for weights, and where pulled weights go.",
    )
    rules: Annotated[tuple[Path, ...] | Literal["published"], NoDecode] = Field(
        (),
        description="Rule files or folders, separated by ':'; empty means the built-in book; "
        "`published` means the version in force of those in the database, see "
        "`docs/published-rules.md`.",
    )
    database_url: str | None = Field(
        None, description="SQLAlchemy URL; unset means SQLite in the data folder."
    )
    objects_url: str | None = Field(
        None,
        description="Object store: s3://BUCKET/PREFIX or a folder; unset means the data folder.",
    )
    s3_endpoint_url: str | None = Field(None, description="S3 endpoint, where it is not Amazon's.")

    diarizer: str = Field(
        "default",
        min_length=1,
        description="What the audit tells the voices of mixed recordings apart with: `default`, "
        "`none`, or `pyannote:` and a folder or a name on the hub.",
    )
    keep_transcripts_days: int | None = Field(
        None,
        ge=1,
        le=3650,
        description="Days for which the audit keeps unmasked transcripts, so that changed rules "
        "can be tried on past calls; unset means that it keeps none. They are personal data: see "
        "`docs/lawful-use.md`.",
    )
    keep_stages_days: int | None = Field(
        None,
        ge=1,
        le=3650,
        description="Days for which the audit keeps what its stages made of recordings (words as "
        "they were said, voices, lengths), so that calls can be judged by other rules without "
        "being transcribed again; unset means that it is removed once a call's report is finished. "
        "It is personal data: see `docs/lawful-use.md`.",
    )

    redact_audio: Literal["never", "personal", "always"] = Field(
        "personal",
        description="Of which calls the audit writes redacted copies of the recordings: of those "
        "in which personal data is said (`personal`), of all (`always`), or of none (`never`). "
        "Security codes of cards and PINs are redacted in any case.",
    )
    redact_style: Literal["tone", "silence"] = Field(
        "tone", description="What is heard in redacted copies in place of what is covered."
    )
    redact_words: Literal["personal", "hits"] = Field(
        "personal",
        description="What is covered: personal data, or the words of all findings as well.",
    )
    redact_pad_s: float = Field(
        0.3, ge=0, le=5, description="How much is covered before and after, in seconds."
    )

    livekit_url: str | None = Field(
        None,
        validation_alias=AliasChoices("LIVEKIT_URL", "livekit_url"),
        description="Address of the LiveKit server, such as wss://example.livekit.cloud.",
    )
    livekit_api_key: str | None = Field(
        None,
        validation_alias=AliasChoices("LIVEKIT_API_KEY", "livekit_api_key"),
        description="Key of the LiveKit server.",
    )
    livekit_api_secret: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("LIVEKIT_API_SECRET", "livekit_api_secret"),
        description="The key's secret.",
    )

    live_stt: str = Field(
        "whisper",
        min_length=1,
        description="Live speech to text: `whisper`, which is built in; the name of an installed "
        "LiveKit plugin, such as `deepgram`; or `module:Class` of a livekit-agents STT.",
    )
    second_ear: bool = Field(
        True,
        description="Whether the built-in recogniser has a second ear: a piece of speech that "
        "holds a number which is not whole is heard once more, by the audit's model.",
    )
    supervisors: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Identities that receive alerts in the room, besides those whose attribute "
        "`earmark.role` says supervisor; separated by ','.",
    )
    roles: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Roles of participants for whom nothing else names one, separated by ',': "
        "`desk-*=agent` by identity with wildcards, `kind:sip=customer` by LiveKit's kind. The "
        "first that fits counts.",
    )
    records: bool = Field(
        True,
        description="Whether supervisors in the room get records of everything that happens, on "
        "the topic `conversation_analysis`.",
    )
    records_unmasked: bool = Field(
        False,
        description="Whether supervisors in the room get words as they were said, instead of with "
        "personal data masked. All other receivers get them masked.",
    )
    records_database: bool = Field(
        False, description="Whether records, masked, are kept in the database."
    )
    records_kept_days: int = Field(
        30, ge=1, description="After how many days records are deleted from the database."
    )
    records_room: str | None = Field(
        None, description="Room whose supervisors get the records, masked, of all observed rooms."
    )
    records_webhook_url: str | None = Field(
        None,
        description="Where records, masked, are posted; signed with EARMARK_WEBHOOK_SECRET.",
    )
    records_agent: str | None = Field(
        None,
        description="Agent that is sent into every observed room and may ask for its records; "
        "`analyst` is the one of `earmark analyst`, any other is taken for an agent's name.",
    )
    analyst_every_s: float = Field(
        60.0, gt=0, description="How often the analyst tells of a call that goes on, in seconds."
    )
    analyst_llm_url: str | None = Field(
        None,
        description="OpenAI-compatible endpoint that the analyst asks for an opinion, such as "
        "http://127.0.0.1:11434/v1; unset analyses locally.",
    )
    analyst_llm_model: str | None = Field(None, description="Model at that endpoint.")
    analyst_llm_api_key: SecretStr | None = Field(None, description="Key of that endpoint.")
    analyst_llm_timeout_s: float = Field(
        20.0, gt=0, le=120, description="How long the analyst waits for an opinion, in seconds."
    )
    transcripts: Literal["ear", "text"] = Field(
        "ear",
        description="Which words of an AI agent's voice are judged where the agent sends its text "
        "too: those that we hear (ear), or the agent's own (text).",
    )
    signing_secret: SecretStr | None = Field(
        None, description="Secret that signs data messages, as whsec_ and base64."
    )
    webhook_url: str | None = Field(
        None,
        description="Where alerts are posted: short for one target named `webhook`.",
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Secret that signs webhooks, as whsec_ and base64."
    )
    alert_targets: Annotated[tuple[AlertTarget, ...], NoDecode] = Field(
        (),
        description="Targets of alerts, with filters and grouping: tables in `earmark.toml`, or a "
        "JSON list; see `docs/alerts.md`.",
    )
    allow_private_targets: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts and networks, such as `pager.internal,10.1.0.0/16`, that alerts and "
        "posted records may reach although they are private, and without TLS; separated by ','.",
    )
    max_rooms: int = Field(20, ge=1, description="Rooms that one worker observes at most.")
    recorder: Recorder = Field(
        Recorder.BUILTIN,
        description="Who records: `builtin` (the observer), `egress` (LiveKit Egress, one file for "
        "each audio track, into the bucket of objects_url), or `none`.",
    )
    record: bool | None = Field(
        None, description="Older name: false means the recorder `none`, true means `builtin`."
    )
    egress_filepath: str = Field(
        "recordings/{day}/{room_id}/{track_id}.ogg",
        description="Where Egress puts a track's file, below the prefix of objects_url. {day} is "
        "the call's; {room_id}, {track_id}, {track_type}, {track_source}, {time} and {utc} are "
        "filled in by Egress.",
    )
    egress_auto: bool = Field(
        False,
        description="Whether rooms that `earmark dispatch` creates have each track recorded by "
        "LiveKit itself; the observer then asks only for what is not recorded within 5 s.",
    )
    egress_send_account: bool = Field(
        False,
        description="Whether requests to Egress carry the S3 account; better is to give Egress "
        "one of its own.",
    )
    drain_timeout_s: int = Field(
        1800, ge=1, description="How long a worker that is to stop waits for its calls to end."
    )
    job_memory_limit_mb: int = Field(
        1500,
        ge=200,
        description="Memory at which the process of a call is killed; `earmark watch` sends the "
        "observer again.",
    )

    watch_include: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Patterns of room names that `earmark watch` keeps observed, such as "
        "support-*; separated by ','; empty means every room.",
    )
    watch_exclude: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Patterns of room names that it leaves out; separated by ','."
    )
    watch_min_participants: int = Field(
        1, ge=1, description="People that must be in a room before it is observed."
    )
    watch_interval_s: float = Field(
        5.0, ge=1, description="Time between two looks at the rooms of the server."
    )
    watch_report_after_s: float = Field(
        60.0, ge=1, description="How long a room may be without an observer before it is reported."
    )
    watch_participants_may_opt_out: bool = Field(
        False,
        description="Whether a participant's attribute `earmark.observe`=false leaves its room "
        "out; only where participants cannot change their attributes.",
    )

    @field_validator("egress_filepath")
    @classmethod
    def _is_filepath(cls, value: str) -> str:
        unknown = sorted(set(_FIELD.findall(value)) - _FILEPATH_FIELDS)
        if unknown:
            raise ValueError(
                f"{{{unknown[0]}}} may not stand in it; allowed are "
                + ", ".join(f"{{{name}}}" for name in sorted(_FILEPATH_FIELDS))
            )
        plain = _FIELD.sub("x", value)
        if not re.fullmatch(r"recordings/(?:[\w-][\w.-]*/)*[\w-]+\.ogg", plain, re.ASCII):
            raise ValueError("must look like recordings/FOLDER/NAME.ogg")
        if not {"room_id", "track_id"} <= set(_FIELD.findall(value)):
            raise ValueError("needs {room_id} and {track_id}, or one file would replace another")
        return value

    @model_validator(mode="after")
    def _follow_the_older_name(self) -> Settings:
        if self.record is None:
            return self
        meant = Recorder.BUILTIN if self.record else Recorder.NONE
        if "recorder" in self.model_fields_set and self.recorder is not meant:
            raise ValueError(
                "record and recorder say different things; record is the older name: remove it"
            )
        self.recorder = meant
        return self

    @field_validator("rules", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        if value == PUBLISHED:
            return value
        return tuple(value.split(os.pathsep)) if isinstance(value, str) and value else value or ()

    @field_validator(
        "supervisors", "roles", "allow_private_targets", "watch_include", "watch_exclude",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _split_names(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator(
        "signing_secret", "webhook_secret", "webhook_url", "database_url", "objects_url",
        "s3_endpoint_url", "keep_transcripts_days", "keep_stages_days", "records_room",
        "records_webhook_url",
        "records_agent", "analyst_llm_url", "analyst_llm_model", "analyst_llm_api_key",
        "livekit_url", "livekit_api_key", "livekit_api_secret", "record",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        # A compose file passes on a variable that nobody set as an empty one.
        return None if value == "" else value

    @field_validator("signing_secret", "webhook_secret")
    @classmethod
    def _is_signing_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_signing_secret(value)
        return value

    @field_validator("alert_targets", mode="before")
    @classmethod
    def _read_targets(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value.strip() else ()
        except ValueError:
            raise ValueError("must be a JSON list of targets; see docs/alerts.md") from None

    @field_validator("allow_private_targets")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from realtime.guard import Allowed  # httpx: not before it is needed

        if value:
            Allowed.parse(value)
        return value

    @model_validator(mode="after")
    def _name_targets_apart(self) -> Settings:
        names = [SHORT_FORM] if self.webhook_url is not None else []
        names += [target.name for target in self.alert_targets]
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise ValueError(f"two alert targets are named {repeated}; deliveries go by the name")
        return self

    @field_validator("roles")
    @classmethod
    def _are_roles(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            pattern, _, role = each.rpartition("=")
            if not pattern or role not in set(Role):
                raise ValueError(
                    "must be PATTERN=ROLE with a role of " + ", ".join(Role) + ", separated by ','"
                )
        return value

    @field_validator("webhook_url", "records_webhook_url", "analyst_llm_url", "s3_endpoint_url")
    @classmethod
    def _is_web_address(cls, value: str | None) -> str | None:
        if value is not None:
            check_web_address(value)
        return value

    @property
    def resolved_database_url(self) -> str:
        """The database in force: the one set, else SQLite in the data folder."""
        # A URL: a folder's name may hold what means something else in one.
        return self.database_url or f"sqlite:///{quote(str(self.data_dir.absolute()))}/earmark.db"

    @property
    def resolved_objects_url(self) -> str:
        """The object store in force: the one set, else a folder in the data folder."""
        return self.objects_url or str(self.data_dir.absolute() / "objects")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence: arguments, environment, the settings file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        BadInputError: a setting is unknown, malformed, or the settings file is no TOML.
    """
    known = {f"EARMARK_{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(n for n in os.environ if n.startswith("EARMARK_") and n not in known)
    if unknown:
        raise BadInputError(
            f"environment: {unknown[0]} is not a setting; `earmark doctor --settings` lists them"
        )
    try:
        return Settings()
    except tomllib.TOMLDecodeError as exc:
        raise BadInputError(f"{SETTINGS_FILE}: not valid TOML: {exc}") from None
    except ValidationError as exc:
        first = exc.errors(include_input=False)[0]  # the input may be a secret
        name = ".".join(str(part) for part in first["loc"])
        raise BadInputError(f"setting {name}: {first['msg']}") from None
