"""Clients that write to a store from processes of their own, to be killed or to race.

They do what the desk does: an operation names the one before it on its window, is sent until it is
acknowledged, and is acknowledged only after the commit. The processes are forked from one that has
imported everything, so that two hundred of them take seconds.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any
from zlib import crc32

from moola.exceptions import StoreUnavailable
from moola.schema import REJECT_REASONS, SPAN_TYPES
from moola.store import Answer, Decision, LabelStore, WindowView

STARTS = range(0, 90, 12)
"""First bars of the spans that are drawn in a window before it is rejected and begun anew."""


def plan(uids: Sequence[str], person: str) -> Iterator[Decision]:
    """Yield a person's operations without end, the same ones whenever they are asked for.

    Every kind is among them. An operation that is lost or done twice shows: each counts one
    revision of its window, and an undo takes back whatever comes before it.
    """
    newest: dict[str, str] = {}  # operation on each window
    for n in range(1_000_000):
        uid, cycle = uids[n % len(uids)], n // len(uids)
        start = STARTS[cycle % len(STARTS)]
        span_id = f"{crc32(person.encode()):08x}{n:08x}"
        span = {"start": start, "end": start + 4 + n % 7, "type": SPAN_TYPES[n % 3]}
        steps: list[tuple[Any, dict[str, Any]]] = [
            ("set_note", {"note": f"looked at {n}"}),
            ("save_span", {"span_id": span_id, "new": True, **span}),
            ("set_span", {"span_id": span_id, "grade": "B", "confidence": 1 + n % 3}),
            ("undo", {}),
            ("redo", {}),
            ("accept", {}),
            ("flag", {}),
            ("undo", {}),
        ]
        if start == STARTS[0]:
            steps.insert(0, ("reject", {"reason": REJECT_REASONS[cycle % len(REJECT_REASONS)]}))
        for number, (kind, args) in enumerate(steps):
            op_id, after = f"{person}-{n}-{number}", newest.get(uid)
            newest[uid] = op_id
            if kind in ("undo", "redo"):
                yield Decision(op_id=op_id, kind=kind)
            else:
                rev = 0 if after is None else None
                yield Decision(
                    op_id=op_id, kind=kind, window_uid=uid, rev=rev, after=after, args=args
                )


def send(
    store: LabelStore, decisions: Iterable[Decision], person: str, *, at_once: int = 3
) -> Iterator[list[Answer]]:
    """Send operations a few at a time, each until the store has answered, as the desk does."""
    waiting = iter(decisions)
    while some := list(islice(waiting, at_once)):
        while True:
            try:
                yield store.apply(some, annotator=person)
                break
            except StoreUnavailable:
                time.sleep(0.05)


def write(
    url: str, uids: Sequence[str], person: str, acks: Connection, first: int, last: int | None
) -> None:
    """Do the operations ``first..last`` of a plan and say of each when it is acknowledged."""
    store = LabelStore.open(url)
    for answers in send(store, islice(plan(uids, person), first, last), person):
        for answer in answers:
            acks.send_bytes(f"{answer.op_id} {answer.status} {answer.message}".encode())
    store.close()


@contextmanager
def writer(
    url: str, uids: Sequence[str], person: str, *, first: int = 0, last: int | None = None
) -> Iterator[tuple[BaseProcess, Connection]]:
    """Run a client; its acknowledgements come through the connection."""
    receiving, sending = _forkserver().Pipe(duplex=False)
    args = (url, uids, person, sending, first, last)
    process = _forkserver().Process(target=write, args=args, daemon=True)
    process.start()
    sending.close()
    try:
        yield process, receiving
    finally:
        process.kill()
        process.join()
        receiving.close()


@contextmanager
def opener(url: str) -> Iterator[BaseProcess]:
    """Run a process that opens a store, and upgrades it if it is old."""
    process = _forkserver().Process(target=LabelStore.open, args=(url,), daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def acknowledged(receiving: Connection) -> list[str]:
    """Return the ids of the operations acknowledged so far; all must be done."""
    found = []
    while True:
        try:
            op_id, status, message = receiving.recv_bytes().decode().split(" ", 2)
        except EOFError:
            return found
        assert status == "done", message
        found.append(op_id)


def content(store: LabelStore, layer: str) -> list[tuple[object, ...]]:
    """Return everything that a plan writes of each window."""
    return [
        (view.window_uid, view.state, view.reason, view.note, view.rev, _spans(view))
        for view in store.views(annotator=layer)
    ]


def _spans(view: WindowView) -> list[tuple[object, ...]]:
    return [(s.start, s.end, s.type, s.grade, s.confidence, s.origin) for s in view.spans]


@cache
def _forkserver() -> Any:
    context = multiprocessing.get_context("forkserver")
    drivers = ["sqlalchemy.dialects.postgresql.psycopg", "alembic.op", "alembic.script"]
    context.set_forkserver_preload([__name__, *drivers])
    return context
