"""The page on which a process tells how it is: health for whoever restarts it, and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

# A look at something that does not answer must not keep the one who asks.
_CHECK_TIMEOUT_S = 5.0

# Says what is wrong in a few words of ours, or None.
Check = Callable[[], Awaitable[str | None]]


class StatusPage:
    """Answers `/` (health), `/live` and `/metrics`.

    Args:
        checks: What must be right for the process to do its work, by name.
        vital: Which of them a restart would mend.
        render: Gives the metrics; called in a thread.
    """

    def __init__(
        self, *, checks: Mapping[str, Check], vital: frozenset[str], render: Callable[[], bytes]
    ) -> None:
        self._checks = dict(checks)
        self._vital = vital
        self._render = render

    @asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve while the block lasts.

        Args:
            host: Address to listen on.
            port: 0 takes a free one.

        Yields:
            The port.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._health),
                web.get("/live", self._liveness),
                web.get("/metrics", self._metrics),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            yield int(runner.addresses[0][1])
        finally:
            await runner.cleanup()

    async def problems(self) -> Mapping[str, str]:
        """What is wrong, by the name of its check."""
        found = await asyncio.gather(*(self._look(check) for check in self._checks.values()))
        return {
            name: problem
            for name, problem in zip(self._checks, found, strict=True)
            if problem is not None
        }

    async def _look(self, check: Check) -> str | None:
        try:
            return await asyncio.wait_for(check(), _CHECK_TIMEOUT_S)
        except TimeoutError:
            return "no answer in time"
        except Exception as exc:  # a check that breaks is a problem, not the end of the page
            return type(exc).__name__

    async def _health(self, _: web.Request) -> web.Response:
        return _answer(await self.problems())

    async def _liveness(self, _: web.Request) -> web.Response:
        problems = await self.problems()
        return _answer({name: what for name, what in problems.items() if name in self._vital})

    async def _metrics(self, _: web.Request) -> web.Response:
        body = await asyncio.to_thread(self._render)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _answer(problems: Mapping[str, str]) -> web.Response:
    if not problems:
        return web.Response(text="OK\n")
    text = "".join(f"{name}: {what}\n" for name, what in sorted(problems.items()))
    return web.Response(status=503, text=text)
