"""The recogniser of the live path by its name, for whoever runs without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from realtime.recognition import (
    AsyncRecogniser,
    ThreadRecogniser,
    load_live_recogniser,
    load_second_ear,
    second_recogniser,
)

BUILT_IN = "whisper"


@asynccontextmanager
async def open_recogniser(
    live_stt: str, models_dir: Path, *, second_ear: bool = False
) -> AsyncIterator[AsyncRecogniser]:
    """A recogniser in this process, for as long as the context lasts.

    Args:
        live_stt: `whisper` for the built-in one, else the name of a plugin.
        models_dir: Folder that is searched first for weights.
        second_ear: Whether the built-in one hears once more what holds a number that is not whole.

    Raises:
        SpeechError: the weights are missing or not the pinned ones.
        PluginError: the plugin is missing, or refuses to be set up.
    """
    if live_stt == BUILT_IN:
        second = None
        if second_ear:
            second = second_recogniser(load_second_ear(models_dir))
        built_in = ThreadRecogniser(load_live_recogniser(models_dir), second=second)
        try:
            yield built_in
        finally:
            await asyncio.to_thread(built_in.close)
        return
    # livekit takes seconds to import: not for who needs none of it.
    from livekit.agents.utils import http_context

    from realtime.plugins import PluginRecogniser, load_plugin

    async with http_context.open():  # what plugins connect with; in a job the worker has it
        plugin = PluginRecogniser(load_plugin(live_stt))
        try:
            yield plugin
        finally:
            await plugin.aclose()
