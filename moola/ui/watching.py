"""One look at the runs for all tabs that wait for news of the same one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.concurrency import run_in_threadpool

from moola.run_news import News

LIVE_POLL_S, IDLE_POLL_S = 0.2, 1.0


class Watch:
    """Looks for news while somebody waits for it; belongs to one event loop."""

    def __init__(self, look: Callable[[], News]) -> None:
        self._look = look
        self._news: News | None = None
        self._n_waiting = 0
        self.looking: asyncio.Task[None] | None = None
        """The looking, which goes on for a moment after the last who waited is told."""
        self._looked = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits."""
        return self._n_waiting == 0

    async def until(self, is_new: Callable[[News], bool], *, hold_s: float) -> News:
        """Return the news as soon as it is new, or as it is after `hold_s` seconds."""
        if self.looking is None or self.looking.done():
            self._news = None
            self.looking = asyncio.create_task(self._keep_looking())
        self._n_waiting += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(hold_s):
                    while self._news is None or not is_new(self._news):
                        await self._next_look()
        finally:
            self._n_waiting -= 1
        return self._news or await run_in_threadpool(self._look)

    async def _next_look(self) -> None:
        if self.looking and self.looking.done():
            self.looking.result()  # raises what ended it
        await self._looked.wait()

    async def _keep_looking(self) -> None:
        try:
            while True:
                news = await run_in_threadpool(self._look)
                if news is not self._news:
                    self._news = news
                    self._wake()
                await asyncio.sleep(LIVE_POLL_S if news.is_live else IDLE_POLL_S)
                if self.is_idle:
                    return
        finally:
            self._wake()

    def _wake(self) -> None:
        self._looked.set()
        self._looked = asyncio.Event()
