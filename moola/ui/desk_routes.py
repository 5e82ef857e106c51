"""The desk over HTTP, beside the pages: ``/desk/*``, JSON, for the browser that shows the app.

A local tool has no login, so the browser's own rules are what keeps other sites out: a request must
name a host that this server answers to, may not come from a page of another origin, and a writing
one must carry a header that no foreign form can set.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from moola.desk import Desk, Filters, Query
from moola.exceptions import (
    ConflictError,
    MoolaError,
    SchemaError,
    StoreUnavailable,
    UnknownWindow,
)
from moola.schema import REVIEW_MODES
from moola.store import LOCAL
from moola.store.people import check_name
from moola.ui import bootstrap, cache
from moola.workspace import Workspace

LOOPBACK = ("localhost", "127.0.0.1", "::1")
WRITING = ("POST", "PUT")
HEADER = "x-moola"
MOST_BYTES = 2_000_000

Params = dict[str, Any]
Work = Callable[[Desk, Params], dict[str, Any]]
"""What a route does, in a thread of its own; its parameters come from path, address and body."""


class Forbidden(Exception):
    """A request that may not be answered: its sentence and its status."""

    def __init__(self, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.status = status


def routes(workspace: Workspace) -> list[Route]:
    """Return the routes of the desk of one workspace."""
    table: list[tuple[str, str, Work]] = [
        ("GET", "/desk/queue", _queue),
        ("GET", "/desk/window/{name}", _window),
        ("GET", "/desk/context/{name}", _context),
        ("POST", "/desk/ops", _ops),
        ("GET", "/desk/preferences", lambda desk, asked: desk.preferences(_annotator(asked))),
        ("PUT", "/desk/preferences", _set_preferences),
        ("GET", "/desk/rule", lambda desk, asked: desk.rule()),
    ]
    return [
        Route(path, _endpoint(workspace, work), methods=[method]) for method, path, work in table
    ]


def _queue(desk: Desk, asked: Params) -> dict[str, Any]:
    filters = Filters(
        series_id=asked.get("series"),
        states=_names(asked, "states"),  # type: ignore[arg-type]
        types=_names(asked, "types"),  # type: ignore[arg-type]
        month=asked.get("month"),
        hours=asked.get("hours"),
        volatility=asked.get("volatility"),
    )
    query = Query(
        annotator=_annotator(asked),
        mode=asked.get("mode", "unlabelled"),
        n=_number(asked, "n", 25),
        cursor=asked.get("after"),
        filters=filters,
        run=asked.get("run"),
        skip=_names(asked, "skip"),
        client_id=asked.get("client_id"),
    )
    return desk.queue(query)


def _window(desk: Desk, asked: Params) -> dict[str, Any]:
    mode = asked.get("mode", "normal")
    if mode not in REVIEW_MODES:
        raise SchemaError(f"mode should be one of {', '.join(REVIEW_MODES)}. Found {mode!r}.")
    return desk.window(asked["name"], _annotator(asked), mode=mode, run=asked.get("run"))


def _context(desk: Desk, asked: Params) -> dict[str, Any]:
    before, after = _number(asked, "before", 200), _number(asked, "after", 200)
    return desk.context(asked["name"], _annotator(asked), before=before, after=after)


def _ops(desk: Desk, asked: Params) -> dict[str, Any]:
    sent = asked["body"]
    return desk.perform(
        sent.get("ops"),
        annotator=_annotator(sent),
        layer=_text(sent, "layer"),
        client_id=_text(sent, "client_id"),
        together=sent.get("together") is True,
    )


def _set_preferences(desk: Desk, asked: Params) -> dict[str, Any]:
    return desk.set_preferences(_annotator(asked), asked["body"])


def _annotator(asked: Params) -> str:
    return check_name(_text(asked, "annotator") or LOCAL)


def _text(asked: Params, name: str) -> str | None:
    value = asked.get(name)
    if value is not None and not isinstance(value, str):
        raise SchemaError(f"{name} should be text. Found {value!r:.60}.")
    return value


def _names(asked: Params, name: str) -> frozenset[str]:
    return frozenset(filter(None, asked.get(name, "").split(",")))


def _number(asked: Params, name: str, default: int) -> int:
    text = asked.get(name, str(default))
    if not text.isdecimal():
        raise SchemaError(f"{name} should be a whole number. Found {text!r:.60}.")
    return int(text)


def _endpoint(workspace: Workspace, work: Work) -> Callable[[Request], Awaitable[Response]]:
    """Return a route's handler: it checks the request and keeps the event loop free."""

    async def answer(request: Request) -> Response:
        try:
            check_origin(request)
            asked: Params = {**request.query_params, **request.path_params}
            if request.method in WRITING:
                asked["body"] = await _json_body(request)
            done = await run_in_threadpool(_work_on, workspace, work, asked)
        except Forbidden as error:
            return JSONResponse({"error": str(error)}, error.status)
        except MoolaError as error:
            return JSONResponse({"error": str(error)}, _status(error))
        return JSONResponse(done, headers={"Cache-Control": "no-store"})

    return answer


def _work_on(workspace: Workspace, work: Work, asked: Params) -> dict[str, Any]:
    if bootstrap.is_empty(workspace):
        # Opening its store now would make it look used, and it would never get its sample.
        raise StoreUnavailable("The workspace should have been opened in the app. Found it empty.")
    return work(cache.desk(workspace), asked)


def _status(error: MoolaError) -> int:
    """Return the status of an error; a client sends again what is neither 400 nor 404."""
    if isinstance(error, UnknownWindow):
        return 404
    if isinstance(error, ConflictError):
        return 409
    return 503 if isinstance(error, StoreUnavailable) else 400


def check_origin(request: Request) -> None:
    """Raise `Forbidden` unless the request comes from a page of this server."""
    host = urlsplit(f"//{request.headers.get('host', '')}")
    if host.hostname not in _own_names(request):
        # A name that only points here is how a foreign page would get past the rule of origins.
        raise Forbidden(
            f"The host should be {' or '.join(_own_names(request))}. Found {host.hostname!r}."
        )
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host.netloc:
        raise Forbidden(f"Requests should come from the app's own page. Found {origin!r}.")
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise Forbidden("Requests should come from the app's own page. Found another site.")
    if request.method in WRITING and request.headers.get(HEADER) != "1":
        raise Forbidden("A writing request should carry the header X-Moola. Found none.")


def _own_names(request: Request) -> list[str]:
    """Return the host names that mean this server: those configured, and its own machine's."""
    configured = (st.get_option("server.address"), st.get_option("browser.serverAddress"))
    served = (request.scope.get("server") or (None,))[0]
    return list(dict.fromkeys(filter(None, (*LOOPBACK, *configured, served))))


async def _json_body(request: Request) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise Forbidden(f"The body should be application/json. Found {kind!r}.", 415)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise Forbidden(f"The body should have at most {MOST_BYTES:,} bytes.", 413)
    try:
        sent = json.loads(body)
    except ValueError as error:
        raise SchemaError(f"The body should be JSON. Found: {error}.") from error
    if not isinstance(sent, dict):
        raise SchemaError(f"The body should be a JSON object. Found {type(sent).__name__}.")
    return sent
