"""Looks at every edge: what is there, what works, and what would be used."""

from __future__ import annotations

import asyncio
import os
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

from pydantic import SecretStr

from earmark.audit_look import look_at_executor, look_at_nights
from earmark.cli import exit_code_of
from earmark.console_look import look_at_console
from earmark.keeping_settings import lock_rules, retention_policy
from earmark.look import Look, State
from earmark.settings import Recorder, Settings
from earmark.shown import shown_address
from earmark.trail_look import look_at_trail
from earmark.wiring import egress_options, livekit_access, rule_source, rules_in_force
from rules.rulebook import RuleStatus

if TYPE_CHECKING:
    from storage.versions import KeepingStore, Locking

# Standard Webhooks asks for 24 to 64 bytes.
_MIN_SECRET_BYTES = 24
_PACKAGES = (
    "earmark",
    "livekit-agents",
    "livekit",
    "faster-whisper",
    "onnxruntime",
    "av",
    "sqlalchemy",
)


def examine(settings: Settings) -> Mapping[str, Look]:
    """Look at every edge, one after the other; a look that fails is a result too."""
    checks: Mapping[str, Callable[[Settings], Look]] = {
        "room": _room,
        "speech detection": _speech_detection,
        "live speech to text": _live_stt,
        "second ear for numbers": _second_ear,
        "audit transcription": _audit_stt,
        "sentence similarity": _similarity,
        "diarization": _diarization,
        "watch": _watch,
        "recorder": _recorder,
        "objects": _objects,
        "retention": _retention,
        "evidence bundles": _bundles,
        "database": _database,
        "audit trail": look_at_trail,
        "executor": look_at_executor,
        "nightly audit": look_at_nights,
        "rules": _rules,
        "signing secret": _signing,
        "alert targets": _alert_targets,
        "records": _records,
        "analyst": _analyst,
        "console": look_at_console,
    }
    return {edge: _looked(check, settings) for edge, check in checks.items()}


def _looked(check: Callable[[Settings], Look], settings: Settings) -> Look:
    try:
        return check(settings)
    except ImportError as exc:
        mend = f"{exc.name or 'a package'} cannot be imported; install Earmark anew"
    except Exception as exc:  # one edge that fails must not hide the others
        # The text of an error that was not raised on purpose may hold anything.
        mend = (
            _shareable(str(exc), settings)
            if exit_code_of(exc) is not None
            else f"see that its settings are well formed ({type(exc).__name__})"
        )
    return _broken("cannot be used", mend)


def versions() -> Mapping[str, str]:
    """Versions of Python and of the packages that decide what is heard and stored."""
    found = {"python": python_version()}
    for package in _PACKAGES:
        found[package] = _version_of(package) or "not installed"
    return found


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


# The edges, in the order of the way of the data.


def _ok(uses: str) -> Look:
    return Look(state=State.OK, uses=uses)


def _default(uses: str, mend: str = "") -> Look:
    return Look(state=State.DEFAULT, uses=uses, mend=mend)


def _broken(uses: str, mend: str) -> Look:
    return Look(state=State.BROKEN, uses=uses, mend=mend)


def _room(settings: Settings) -> Look:
    if not (settings.livekit_url or settings.livekit_api_key or settings.livekit_api_secret):
        return _default(
            "no LiveKit server; `earmark replay FILE` needs none",
            "for rooms, set LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET",
        )
    access = livekit_access(settings)
    # livekit takes seconds to import: not where no server is set.
    from realtime.dispatch import check_livekit

    asyncio.run(check_livekit(access.url, access.api_key, access.api_secret))
    return _ok(f"LiveKit at {shown_address(access.url)}; it answers and takes the keys")


def _speech_detection(settings: Settings) -> Look:
    look = _model("silero-vad", settings)
    # See that what runs the model can be loaded. Not before `speech`, which keeps it from gathering
    # usage data.
    import onnxruntime  # noqa: F401

    return look


def _live_stt(settings: Settings) -> Look:
    from realtime.live_recogniser import BUILT_IN

    if settings.live_stt != BUILT_IN:
        from realtime.plugins import load_plugin

        plugin = load_plugin(settings.live_stt)
        how = "as speech grows" if plugin.capabilities.streaming else "a piece of speech at a time"
        return _ok(f"{plugin.label}, {how}; nothing was sent to try it")
    import faster_whisper  # noqa: F401 - see that what runs the model can be loaded

    from realtime.recognition import LIVE_MODEL_ID

    return _model(LIVE_MODEL_ID, settings)


def _second_ear(settings: Settings) -> Look:
    from realtime.live_recogniser import BUILT_IN
    from realtime.recognition import SECOND_MODEL_ID

    if not settings.second_ear:
        return _default("off; numbers that are not whole stay as they were heard")
    if settings.live_stt != BUILT_IN:
        return _default("off; it goes with the built-in recogniser")
    return _model(SECOND_MODEL_ID, settings)


def _audit_stt(settings: Settings) -> Look:
    import faster_whisper  # noqa: F401 - see that what runs the model can be loaded

    from offline.engines import DEFAULT_TRANSCRIBER

    return _model(DEFAULT_TRANSCRIBER, settings)


def _model(model_id: str, settings: Settings) -> Look:
    from speech.models import how_to_get, list_models

    # Not find_model: it would put a model together that lies in pieces.
    found = next(s for s in list_models(settings.models_dir) if s.model.id == model_id)
    if found.problem is not None:
        return _broken(f"{model_id}, which is not the pinned one", found.problem)
    if found.source is None:
        return Look(
            state=State.MISSING,
            uses=f"{model_id}, which is not here",
            mend=how_to_get(found.model),
        )
    uses = f"{model_id} from {found.source}, sha256 verified"
    if "package" in found.source and any(file.parts for file in found.model.files):
        uses += f", to be put together in {settings.models_dir}"
        if not _can_be_made(settings.models_dir):
            return _broken(uses, "make that folder writable, or set EARMARK_MODELS_DIR")
    return _ok(uses)


def _similarity(settings: Settings) -> Look:
    from rules.errors import RuleLoadError
    from rules.similarity import rules_with_similarity
    from speech.embedding import MODEL_ID
    from storage.errors import StorageError

    if rule_source((), settings).is_published and not _has_schema(settings):
        return _default("not known, because no rules are published")
    try:
        book = rules_in_force((), settings).rulebook
    except (RuleLoadError, StorageError):
        return _default("not known, because the rules do not load")  # told of under `rules`
    asking = rules_with_similarity(book, (RuleStatus.ACTIVE,))
    if not asking:
        return _default("none: no rule has a `similar` condition")
    if find_spec("tokenizers") is None:
        return Look(
            state=State.MISSING,
            uses="the package `tokenizers`, which is not here",
            mend="install the extra `earmark[similarity]`",
        )
    look = _model(MODEL_ID, settings)
    return replace(look, uses=f"{look.uses}; for {', '.join(asking)}")


def _diarization(settings: Settings) -> Look:
    installed = _version_of("pyannote.audio")
    return _default(
        "none: one recording a participant, or one channel, names its speaker; a mixed recording "
        "is heard as one unnamed speaker"
        + (f" (pyannote.audio {installed} is installed and not used yet)" if installed else "")
    )


def _watch(settings: Settings) -> Look:
    names = ", ".join(settings.watch_include) or "every room"
    if settings.watch_exclude:
        names += f" but {', '.join(settings.watch_exclude)}"
    n_people = settings.watch_min_participants
    people = "one person" if n_people == 1 else f"{n_people} people"
    uses = f"`earmark watch` keeps {names} observed, from {people} on"
    is_set = {"watch_include", "watch_exclude"} & settings.model_fields_set
    return (_ok if is_set else _default)(uses)


def _recorder(settings: Settings) -> Look:
    if settings.recorder is Recorder.NONE:
        return _default("none: switched off, so Egress must record what the audit is to read")
    if settings.recorder is Recorder.EGRESS:
        options = egress_options(settings)
        how = "with the account that each request carries" if options.account else "its own account"
        return _ok(
            f"LiveKit Egress, one file for each audio track, {how}; whether an Egress is there "
            "shows with the first track"
        )
    import av

    av.Codec("libopus", "w")
    spool = settings.data_dir.absolute() / "spool"
    uses = f"built-in, Ogg Opus a participant, by way of {spool}"
    if not _can_be_made(spool):
        return _broken(uses, "the folder cannot be written: set EARMARK_DATA_DIR to another")
    is_set = bool({"record", "recorder"} & settings.model_fields_set)
    return (_ok if is_set else _default)(uses + _would_be_made(spool))


def _objects(settings: Settings) -> Look:
    from storage.objects import open_objects

    url = settings.resolved_objects_url
    store = open_objects(url, s3_endpoint_url=settings.s3_endpoint_url)
    store.check()
    locking = _locking(store)
    if locking is None:
        return (_ok if settings.objects_url else _default)(
            f"{store.describe()}; it lets us in; it does not say whether it has versions and locks"
        )
    if "://" in url:
        versions = "with versions" if locking.has_versions else "without versions"
        lock = "Object Lock on" if locking.can_lock else "Object Lock off"
        if locking.default_mode is not None:
            lock += f" (by default {locking.default_mode}, {locking.default_days} days)"
        more = f"; it lets us in; {versions}, {lock}"
    else:
        more = f"{_would_be_made(Path(url))}; holds and locks are kept by Earmark alone"
    uses = store.describe() + more
    wants_locks = lock_rules(settings) is not None
    if wants_locks and not locking.can_lock:
        return _broken(
            uses,
            "lock_..._days are set and the bucket cannot lock: make one with Object Lock, which "
            "can only be turned on when a bucket is made or by its provider, or unset them",
        )
    return (_ok if settings.objects_url else _default)(uses)


def _locking(store: KeepingStore) -> Locking | None:
    from storage.errors import StorageUnavailableError

    try:
        return store.locking()
    except StorageUnavailableError:
        # An account that may read and write need not be allowed to ask; retention needs it.
        return None


def _retention(settings: Settings) -> Look:
    from storage.retention_policy import Kind

    policy = retention_policy(settings)
    times = {kind: policy.days(kind) for kind in Kind if kind is not Kind.WORK}
    told = ", ".join(f"{kind} {days} days" for kind, days in times.items() if days is not None)
    unset = ", ".join(kind for kind, days in times.items() if days is None)
    locks = lock_rules(settings)
    if locks is not None:
        told += "".join(
            f"; {prefix.rstrip('/')} locked {days} days ({locks.mode})"
            for prefix, days in locks.days_by_prefix.items()
        )
    if not told:
        return _default(
            "no time is set: everything is kept", "decide with counsel; see docs/retention.md"
        )
    more = f"; kept until a time is set: {unset}" if unset else ""
    return _ok(f"{told.lstrip('; ')}{more}; `earmark retention apply` deletes")


def _bundles(settings: Settings) -> Look:
    if settings.bundle_key_file is None:
        return _default(
            "no key: bundles cannot be signed", "`earmark bundle key --out FILE` makes one"
        )
    from storage.signing_keys import fingerprint, load_private_key

    key = load_private_key(settings.bundle_key_file)
    return _ok(f"signed by the key {fingerprint(key.public_key())[:16]}")


def _database(settings: Settings) -> Look:
    from storage.database import schema_status

    where, schema = schema_status(settings.resolved_database_url)
    uses = f"{where}, schema {schema.current or 'empty'}"
    if not schema.is_current:
        if not where.startswith("SQLite"):
            return _broken(f"{uses}; {schema.head} is needed", "run `earmark db upgrade`")
        path = Path(where.removeprefix("SQLite "))
        if not _can_be_made(path):
            return _broken(
                where, "it cannot be written: set EARMARK_DATA_DIR or EARMARK_DATABASE_URL"
            )
        uses = where + (_would_be_made(path) or " (would be brought up to date)")
    return (_ok if settings.database_url else _default)(uses)


def _has_schema(settings: Settings) -> bool:
    """Whether the database can be opened without making or changing anything."""
    from storage.database import schema_status

    return schema_status(settings.resolved_database_url)[1].is_current


def _rules(settings: Settings) -> Look:
    source = rule_source((), settings)
    if source.is_published and not _has_schema(settings):
        return _broken(
            "published rules, of which the database has none",
            "run `earmark rules published import`",
        )
    loaded = rules_in_force((), settings)
    book = loaded.rulebook
    packs = ", ".join(f"{pack.id} {pack.version}" for pack in book.packs)
    where = ", ".join(map(str, source.paths)) or "built-in book"
    if loaded.version is not None:
        where = f"published version {loaded.version}"
    n_live = sum(rule.scope.live for rule in book.rules)
    uses = f"{where}: {len(book.rules)} rules, {n_live} of them live; packs {packs}"
    return (_ok if settings.rules else _default)(uses)


def _signing(settings: Settings) -> Look:
    return _secret(
        settings.signing_secret,
        variable="EARMARK_SIGNING_SECRET",
        used="data messages in the room are signed",
        unused="none: data messages in the room are not signed",
    )


def _alert_targets(settings: Settings) -> Look:
    from earmark.alert_wiring import alert_targets, allowed_targets, check_addresses
    from realtime.targets import TargetKind

    targets = alert_targets(settings)
    if not targets:
        return _default("none: alerts are posted nowhere")
    check_addresses([each.url for each in targets], allowed_targets(settings))
    shown = ", ".join(
        f"{each.name} ({each.kind}, {shown_address(each.url)}"
        + (f", {'signed' if each.secrets else 'unsigned'})" if each.kind == "webhook" else ")")
        for each in targets
    )
    uses = f"{shown}; nothing was posted to try it, `earmark alerts test TARGET` does"
    webhooks = [each for each in targets if each.kind is TargetKind.WEBHOOK]
    how = "`whsec_` and 24 random bytes in base64 (`openssl rand -base64 24`)"
    for each in webhooks:
        if any(_n_bytes(secret) < _MIN_SECRET_BYTES for secret in each.secrets):
            return _broken(f"{each.name} has a short secret", f"give it {how}")
    unsigned = [each.name for each in webhooks if not each.secrets]
    if unsigned:
        return _default(
            uses,
            f"give {', '.join(unsigned)} a secret, {how}: without one, the receiver cannot tell a "
            "forged alert from a real one",
        )
    return _ok(uses)


def _records(settings: Settings) -> Look:
    if not settings.records:
        return _default("none: EARMARK_RECORDS is off")
    if settings.records_webhook_url is not None:
        from earmark.alert_wiring import allowed_targets, check_addresses

        check_addresses([settings.records_webhook_url], allowed_targets(settings))
    ways = {
        "the database": settings.records_database,
        "another room": settings.records_room,
        "a webhook": settings.records_webhook_url,
        "another agent": settings.records_agent,
    }
    to = ", ".join(["supervisors in the room", *(way for way, is_set in ways.items() if is_set)])
    how = "; supervisors in the room get them unmasked" if settings.records_unmasked else ""
    return (_ok if any(ways.values()) else _default)(f"masked, to {to}{how}")


def _analyst(settings: Settings) -> Look:
    if settings.analyst_llm_url is None and settings.analyst_llm_model is None:
        return _default("local: lexicons and the rules' alerts")
    if settings.analyst_llm_url is None or settings.analyst_llm_model is None:
        return _broken(
            "half a language model",
            "set EARMARK_ANALYST_LLM_URL and EARMARK_ANALYST_LLM_MODEL, or none of them",
        )
    where = shown_address(settings.analyst_llm_url)
    return _ok(f"a language model at {where}; nothing was asked to try it")


def _secret(secret: SecretStr | None, *, variable: str, used: str, unused: str) -> Look:
    how = f"set {variable} to `whsec_` and 24 random bytes in base64 (`openssl rand -base64 24`)"
    if secret is None:
        return _default(unused, how)
    return (
        _ok(used)
        if _n_bytes(secret.get_secret_value()) >= _MIN_SECRET_BYTES
        else _broken("a short secret", how)
    )


def _n_bytes(secret: str) -> int:
    return len(b64decode(secret.removeprefix("whsec_")))


def _can_be_made(path: Path) -> bool:
    """Whether `path` can be written, or made where it is missing; nothing is made."""
    path = path.absolute()
    if path.exists():
        return os.access(path, os.W_OK)
    parent = next(p for p in path.parents if p.exists())
    return parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)


def _would_be_made(path: Path) -> str:
    return "" if path.exists() else " (would be created)"


def _shareable(message: str, settings: Settings) -> str:
    """The message with addresses as they may be shown."""
    for url in (
        settings.livekit_url,
        settings.s3_endpoint_url,
        settings.webhook_url,
        settings.records_webhook_url,
        settings.analyst_llm_url,
    ):
        if url:
            message = message.replace(url, shown_address(url))
    return message
