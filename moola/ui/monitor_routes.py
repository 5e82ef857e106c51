"""``/monitor/*``: what a page that follows a run gets without being drawn anew.

A page that follows a run would have to draw itself several times a second to be quick. Instead the
browser leaves a request at ``/monitor/wait``; the server looks at the time stamps of a few files,
for all tabs at once, and answers when one has changed, or after some seconds. What a new epoch
changes in the figures the browser then gets from ``/monitor/figures`` and draws by itself, with
the plotly from ``/monitor/plotly.js``.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import plotly
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from moola import launching
from moola.exceptions import MoolaError
from moola.run_book import RunBook
from moola.run_news import Glance, News, statuses
from moola.ui import cache, live_figures
from moola.ui.desk_routes import Forbidden, check_origin
from moola.ui.watching import Watch
from moola.workspace import Workspace

HOLD_S = 5.0
"""An answer comes after this at the latest: a server that is asked to end waits for it."""
LOOK_AFTER_S = 5.0
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
PLOTLY_URL = f"/monitor/plotly.js?v={plotly.__version__}"
NO_STORE = {"Cache-Control": "no-store"}
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
# An answer that names its encoding is not packed anew for every tab: 0.3 s for plotly.
UNPACKED = {"Content-Encoding": "identity"}
Answer = Callable[[Request], Awaitable[Response]]


def routes(workspace: Workspace) -> list[Route]:
    """Return the routes of the monitor of one workspace."""
    watches: dict[str | None, Watch] = {}

    async def wait(request: Request) -> Response:
        asked = request.query_params
        run_id = asked.get("run") or None
        seen = tuple(asked.get(name) for name in ("states", "rows", "judged"))
        for other in [known for known, watch in watches.items() if watch.is_idle]:
            if other != run_id:
                del watches[other]
        if run_id not in watches:
            watches[run_id] = Watch(_Look(workspace, run_id))
        news = await watches[run_id].until(
            lambda news: (news.states, news.rows, news.judged) != seen, hold_s=HOLD_S
        )
        return JSONResponse(news.to_dict(), headers=NO_STORE)

    async def figures(request: Request) -> Response:
        asked = request.query_params
        return await run_in_threadpool(
            _figures, workspace, asked.get("run", ""), asked.get("span", live_figures.WHOLE)
        )

    async def library(request: Request) -> Response:
        return FileResponse(PLOTLY, media_type="text/javascript", headers=FOREVER | UNPACKED)

    return [
        Route(f"/monitor/{name}", _guarded(answer), methods=["GET"])
        for name, answer in (("wait", wait), ("figures", figures), ("plotly.js", library))
    ]


def _guarded(answer: Answer) -> Answer:
    async def guarded(request: Request) -> Response:
        try:
            check_origin(request)
        except Forbidden as error:
            return JSONResponse({"error": str(error)}, error.status)
        return await answer(request)

    return guarded


def _figures(workspace: Workspace, run_id: str, span: str) -> Response:
    book = cache.run_book(workspace.runs_dir)
    run = next((run for run in book.runs() if run.id == run_id), None)
    if run is None:
        return JSONResponse({"error": "There is no such run."}, 404)
    try:
        made = live_figures.answer(book, run, span)
    except MoolaError as error:
        return JSONResponse({"error": str(error)}, 422)
    return Response(made, media_type="application/json", headers=NO_STORE | UNPACKED)


class _Look:
    """Looks for news, and now and then has a cluster asked about its live runs.

    One of them may have ended without a word.
    """

    def __init__(self, workspace: Workspace, run_id: str | None) -> None:
        self._book: RunBook = cache.run_book(workspace.runs_dir)
        self._glance = Glance(self._book, run_id)
        self._asked_at = 0.0

    def __call__(self) -> News:
        now = time.monotonic()
        if now >= self._asked_at + LOOK_AFTER_S:
            self._asked_at = now
            for run, status in statuses(self._book):
                if status.is_live:
                    launching.look_after(run)
        return self._glance.news()
