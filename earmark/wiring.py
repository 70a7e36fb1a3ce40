"""What several subcommands wire alike: settings into the rooms' own configurations."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.errors import BadInputError
from earmark.keeping_settings import lock_rules
from earmark.settings import PUBLISHED, Recorder, Settings, load_settings
from rules.loader import load_rulebook
from rules.rulebook import Rulebook, RuleStatus
from rules.similarity import Embedder, rules_with_similarity

if TYPE_CHECKING:
    from offline.redaction import RedactionOptions
    from realtime.egress_requests import EgressOptions, S3Account
    from storage.published_rules import RulesInForce
    from storage.versions import KeepingStore

RULES_OPTION = click.option(
    "--rules",
    "rules",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Rule file or folder; may be repeated. Default: the setting `rules`, else the book.",
)

SPEAKER_OPTION = click.option(
    "--speaker",
    "speakers",
    multiple=True,
    help="Name of a speaker, in the order of files and channels. Default: the file's name.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveKitAccess:
    """Where the LiveKit server is, and the keys to it."""

    url: str
    api_key: str
    api_secret: str = field(repr=False)


def livekit_access(settings: Settings) -> LiveKitAccess:
    """The LiveKit settings, all three.

    Raises:
        BadInputError: one of them is not set.
    """
    values = {
        "LIVEKIT_URL": settings.livekit_url,
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": (
            settings.livekit_api_secret.get_secret_value() if settings.livekit_api_secret else None
        ),
    }
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise BadInputError(
            f"{' and '.join(missing)} not set; set LIVEKIT_URL, LIVEKIT_API_KEY and "
            "LIVEKIT_API_SECRET, or try `earmark replay FILE`, which needs no server"
        )
    url, api_key, api_secret = (str(value) for value in values.values())
    return LiveKitAccess(url=url, api_key=api_key, api_secret=api_secret)


def embedder_for(*rulebooks: Rulebook, statuses: Collection[RuleStatus]) -> Embedder | None:
    """The model of sentences, where a rule with one of the statuses needs it; else None.

    Raises:
        SpeechError: it is needed, and not here or not the pinned one.
    """
    if not any(rules_with_similarity(book, statuses) for book in rulebooks):
        return None
    from speech import embedding  # numpy and onnxruntime: only where they are needed

    models_dir = load_settings().models_dir
    found = (embedding.embedder_for(book, models_dir, statuses=statuses) for book in rulebooks)
    return next(each for each in found if each is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSource:
    """Where the rules are that a command is to use."""

    paths: tuple[Path, ...] = ()  # empty = the built-in book
    is_published: bool = False  # the database has them, and paths mean nothing


def rule_source(given: tuple[Path, ...], settings: Settings) -> RuleSource:
    """The rules in force: the ones given, else those of the setting, else the built-in book."""
    if given:
        return RuleSource(paths=given)
    if settings.rules == PUBLISHED:
        return RuleSource(is_published=True)
    return RuleSource(paths=settings.rules)


def rules_in_force(given: tuple[Path, ...], settings: Settings) -> RulesInForce:
    """Load the rules that `rule_source` names.

    Raises:
        RuleLoadError: a file has a problem.
        StorageError: the database cannot be reached, or nothing is published.
    """
    from storage.database import open_database
    from storage.published_rules import RulesInForce, load_in_force

    source = rule_source(given, settings)
    if not source.is_published:
        return RulesInForce(rulebook=load_rulebook(source.paths), version=None)
    database = open_database(settings.resolved_database_url)
    try:
        return load_in_force(database)
    finally:
        database.close()


def redaction_options(settings: Settings) -> RedactionOptions:
    """Of which calls the audit makes redacted copies, and how."""
    from offline.redaction import RedactionOptions, Style, When

    return RedactionOptions(
        when=When(settings.redact_audio),
        style=Style(settings.redact_style),
        words=settings.redact_words,
        pad_s=settings.redact_pad_s,
    )


def open_store(settings: Settings) -> KeepingStore:
    """The object store of the settings, with what is locked when it is written.

    Raises:
        StorageUrlError: its address is malformed.
    """
    from storage.objects import open_objects

    return open_objects(
        settings.resolved_objects_url,
        s3_endpoint_url=settings.s3_endpoint_url,
        locks=lock_rules(settings),
    )


def egress_options(settings: Settings) -> EgressOptions:
    """Where Egress is told to put recordings, so that the audit finds them.

    Raises:
        BadInputError: the object store is no bucket, or there is no account to pass on.
    """
    from realtime.egress_requests import EgressOptions

    url = settings.resolved_objects_url
    if not url.startswith("s3://"):
        if settings.recorder is Recorder.EGRESS or settings.egress_auto:
            raise BadInputError(
                "recorder: egress needs a bucket; set EARMARK_OBJECTS_URL to s3://BUCKET/PREFIX"
            )
        return EgressOptions(filepath=settings.egress_filepath)
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return EgressOptions(
        prefix=prefix.strip("/"),
        filepath=settings.egress_filepath,
        account=_s3_account(settings, bucket) if settings.egress_send_account else None,
        is_auto=settings.egress_auto,
    )


def _s3_account(settings: Settings, bucket: str) -> S3Account:
    import boto3

    from realtime.egress_requests import S3Account

    session = boto3.session.Session()
    credentials = session.get_credentials()
    if credentials is None:
        raise BadInputError(
            "egress_send_account: there is no S3 account to pass on; set AWS_ACCESS_KEY_ID "
            "and AWS_SECRET_ACCESS_KEY, or give Egress an account of its own"
        )
    frozen = credentials.get_frozen_credentials()
    return S3Account(
        access_key=str(frozen.access_key),
        secret=str(frozen.secret_key),
        session_token=frozen.token,
        region=session.region_name or "us-east-1",
        endpoint_url=settings.s3_endpoint_url,
        bucket=bucket,
    )
