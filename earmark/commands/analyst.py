"""`earmark analyst`: the worker that makes something of a call's records."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console

from earmark.errors import BadInputError, ServiceMissingError
from earmark.logs import setup_logging
from earmark.settings import Settings, load_settings
from earmark.wiring import livekit_access

if TYPE_CHECKING:
    from realtime.analyst_llm import LlmConfig


@click.command
@click.option(
    "--port",
    default=8083,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Loopback port of the health page; 0 takes a free one.",
)
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
    help="What is logged.",
)
def command(port: int, log_level: str) -> None:
    """Run the worker that analyses calls from their records.

    It goes where `earmark dispatch ROOM --agent analyst` sends it, or into every observed room with
    EARMARK_RECORDS_AGENT=analyst. There it asks the observer for the call's records and tells the
    supervisors, as records of the type `analysis`, the mood of each side, topics, intents and what
    the alerts suggest. It hears no audio. With EARMARK_ANALYST_LLM_URL and
    EARMARK_ANALYST_LLM_MODEL, a language model adds its opinion.

    \b
    Example:
      earmark observe &
      earmark analyst &
      earmark dispatch support-42
      earmark dispatch support-42 --agent analyst
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    access = livekit_access(settings)
    if settings.signing_secret is None:
        raise BadInputError(
            "EARMARK_SIGNING_SECRET not set; the analyst proves by it that it may have records"
        )
    if (settings.analyst_llm_url is None) != (settings.analyst_llm_model is None):
        raise BadInputError(
            "EARMARK_ANALYST_LLM_URL and EARMARK_ANALYST_LLM_MODEL: set both, or none of them"
        )
    setup_logging(log_level.upper())
    console = Console(stderr=True)
    # livekit takes seconds to import: not before the settings are known to be good.
    from earmark.record_wiring import record_config, room_access
    from realtime.analyst_worker import AnalystConfig, AnalystWorker
    from realtime.dispatch import check_livekit
    from storage.database import open_database

    config = AnalystConfig(
        access=room_access(settings, access),
        records=record_config(settings),
        database_url=settings.resolved_database_url,
        llm=_llm(settings),
        every_s=settings.analyst_every_s,
        max_rooms=settings.max_rooms,
        http_port=port,
    )
    with console.status("Checking database and server"):
        open_database(config.database_url).close()
        asyncio.run(check_livekit(access.url, access.api_key, access.api_secret))
    how = "with a language model" if config.llm is not None else "locally"
    console.print(f"Calls are analysed {how}.")
    try:
        asyncio.run(
            AnalystWorker(config).run(
                on_registered=lambda: console.print("Ready: waiting for rooms. Ctrl-C ends.")
            )
        )
    except (OSError, RuntimeError) as exc:
        raise ServiceMissingError(f"the worker stopped: {type(exc).__name__}") from None
    sys.exit(0)


def _llm(settings: Settings) -> LlmConfig | None:
    from realtime.analyst_llm import LlmConfig

    if settings.analyst_llm_url is None or settings.analyst_llm_model is None:
        return None
    key = settings.analyst_llm_api_key
    return LlmConfig(
        base_url=settings.analyst_llm_url,
        model=settings.analyst_llm_model,
        api_key=key.get_secret_value() if key is not None else None,
        timeout_s=settings.analyst_llm_timeout_s,
    )
