"""`earmark observe`: the worker that listens to rooms."""

from __future__ import annotations

import asyncio
import errno
import sys
from pathlib import Path

import click
from rich.console import Console

from earmark.errors import ServiceMissingError
from earmark.keeping_settings import lock_rules
from earmark.logs import setup_logging
from earmark.settings import Settings, load_settings
from earmark.wiring import (
    RULES_OPTION,
    LiveKitAccess,
    egress_options,
    livekit_access,
    rule_source,
)
from realtime.metrics_folder import metrics_folder


@click.command
@RULES_OPTION
@click.option(
    "--port",
    default=8081,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port of the page with health and metrics; 0 takes a free one.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address of that page. It holds no personal data, and asks nobody who they are.",
)
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
    help="What is logged.",
)
def command(rules: tuple[Path, ...], port: int, host: str, log_level: str) -> None:
    """Run the worker that listens to LiveKit rooms.

    The worker registers as `earmark-observer` and goes where `earmark watch` or `earmark dispatch
    ROOM` sends it. In a room it is hidden and publishes no media. It needs LIVEKIT_URL,
    LIVEKIT_API_KEY and LIVEKIT_API_SECRET. The first signal (Ctrl-C) lets calls end, a second one
    does not wait. Its page answers / with its health and /metrics for Prometheus.

    Whoever is monitored must know: see docs/lawful-use.md before you point this at real calls.

    \b
    Example:
      export LIVEKIT_URL=ws://127.0.0.1:7880 LIVEKIT_API_KEY=... LIVEKIT_API_SECRET=...
      earmark observe
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    access = livekit_access(settings)
    setup_logging(log_level.upper())
    # Before anything that counts is imported, and livekit is: it takes seconds to import, too.
    with metrics_folder() as folder:
        _observe(settings, access, rules=rules, host=host, port=port, metrics_dir=folder)
    sys.exit(0)


def _observe(
    settings: Settings,
    access: LiveKitAccess,
    *,
    rules: tuple[Path, ...],
    host: str,
    port: int,
    metrics_dir: Path,
) -> None:
    console = Console(stderr=True)
    from earmark.alert_wiring import alert_targets, allowed_targets, check_addresses
    from earmark.record_wiring import record_config, role_patterns
    from realtime.dispatch import check_livekit
    from realtime.live_recogniser import BUILT_IN
    from realtime.observer_config import ObserverConfig
    from realtime.plugins import load_plugin
    from realtime.recognition import LIVE_MODEL_ID, SECOND_MODEL_ID
    from realtime.worker import ObserverWorker
    from speech.models import find_model

    source = rule_source(rules, settings)
    config = ObserverConfig(
        livekit_url=access.url,
        livekit_api_key=access.api_key,
        livekit_api_secret=access.api_secret,
        rules=source.paths,
        published_rules=source.is_published,
        models_dir=settings.models_dir.absolute(),
        database_url=settings.resolved_database_url,
        objects_url=settings.resolved_objects_url,
        s3_endpoint_url=settings.s3_endpoint_url,
        locks=lock_rules(settings),
        spool_dir=settings.data_dir.absolute() / "spool",
        supervisors=frozenset(settings.supervisors),
        roles=role_patterns(settings),
        records=record_config(settings),
        signing_secret=_secret(settings, "signing_secret"),
        targets=alert_targets(settings),
        allowed=allowed_targets(settings),
        recorder=settings.recorder.value,
        egress=egress_options(settings),
        max_rooms=settings.max_rooms,
        live_stt=settings.live_stt,
        second_ear=settings.second_ear,
        http_host=host,
        http_port=port,
        metrics_dir=metrics_dir,
        drain_timeout_s=settings.drain_timeout_s,
        job_memory_limit_mb=settings.job_memory_limit_mb,
    )
    # Everything that a job would fail on is tried before the worker says it is there.
    with console.status("Checking rules, models, database, object store and server"):
        database = config.database()
        try:
            rulebook = config.rulebook(database)
        finally:
            database.close()
        posted_to = [target.url for target in config.targets]
        if config.records.webhook_url is not None:
            posted_to.append(config.records.webhook_url)
        check_addresses(posted_to, config.allowed)
        find_model("silero-vad", config.models_dir)
        if config.live_stt == BUILT_IN:
            find_model(LIVE_MODEL_ID, config.models_dir)
            if config.second_ear:
                find_model(SECOND_MODEL_ID, config.models_dir)
        else:
            load_plugin(config.live_stt)
        config.embedder(rulebook)
        if config.recorder != "none":
            config.objects().check()
        asyncio.run(check_livekit(access.url, access.api_key, access.api_secret))
    for target in config.targets:
        for name in target.idle_filters(rulebook.for_live().rules):
            console.print(
                f"The alert target {target.name} asks for {name!r}, which no live rule has.",
                style="yellow", highlight=False, markup=False,
            )  # fmt: skip
    if config.signing_secret is None:
        console.print("No signing secret is set: data messages will not be signed.", style="yellow")
    console.print(f"{len(rulebook.rules)} rules in force. Loading the speech model …")
    try:
        asyncio.run(
            ObserverWorker(config).run(
                on_registered=lambda: console.print("Ready: waiting for rooms. Ctrl-C ends."),
                on_page=lambda port: console.print(f"Health and metrics: http://{host}:{port}/"),
            )
        )
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise ServiceMissingError(
                f"--port: {port} is taken on this machine; give another, or 0 for a free one"
            ) from None
        raise ServiceMissingError(f"the worker stopped: {type(exc).__name__}") from None
    except RuntimeError as exc:
        raise ServiceMissingError(f"the worker stopped: {type(exc).__name__}") from None


def _secret(settings: Settings, name: str) -> str | None:
    value = getattr(settings, name)
    return value.get_secret_value() if value is not None else None
