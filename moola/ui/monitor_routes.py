"""``/monitor/wait``: answers when something is new of the runs, so that no page has to ask again.

A page that follows a run would have to draw itself several times a second to be quick. Instead the
browser leaves a request here; the server looks at the time stamps of a few files, and answers when
one has changed, or after some seconds. Only then is the page drawn anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from moola import launching
from moola.run_book import RunBook
from moola.run_news import News, news_of, statuses
from moola.ui import cache
from moola.ui.desk_routes import Forbidden, check_origin
from moola.workspace import Workspace

LIVE_POLL_S, IDLE_POLL_S = 0.15, 1.0
HOLD_S = 5.0
"""An answer comes after this at the latest: a server that is asked to end waits for it."""


def routes(workspace: Workspace) -> list[Route]:
    """Return the routes of the monitor of one workspace."""

    async def wait(request: Request) -> Response:
        try:
            check_origin(request)
        except Forbidden as error:
            return JSONResponse({"error": str(error)}, error.status)
        asked = request.query_params
        run_id, states, rows = asked.get("run") or None, asked.get("states"), asked.get("rows")

        def look() -> News:
            return news_of(cache.run_book(workspace.runs_dir), run_id)

        await run_in_threadpool(_look_after, cache.run_book(workspace.runs_dir))
        news = await _until_new(look, lambda news: (news.states, news.rows) != (states, rows))
        return JSONResponse(news.to_dict(), headers={"Cache-Control": "no-store"})

    return [Route("/monitor/wait", wait, methods=["GET"])]


def _look_after(book: RunBook) -> None:
    """Have a cluster asked about its live runs: one may have ended without a word."""
    for run, status in statuses(book):
        if status.is_live:
            launching.look_after(run)


async def _until_new(look: Callable[[], News], is_new: Callable[[News], bool]) -> News:
    """Look again and again until something is new, or it has taken long enough."""
    until = time.monotonic() + HOLD_S
    while True:
        news = await run_in_threadpool(look)
        if is_new(news) or time.monotonic() >= until:
            return news
        await asyncio.sleep(LIVE_POLL_S if news.is_live else IDLE_POLL_S)
