"""Pages of a queue: the next wanted windows after a key, in an order that stands still."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from moola.desk.modes import Key
from moola.exceptions import SchemaError

Order = Sequence[tuple[Key, str]]
"""Every window with its key, the smallest key first."""


def after(order: Order, key: Key | None) -> Iterator[tuple[Key, str]]:
    """Go through an order from the first key greater than `key` on; from its start without one."""
    at = 0 if key is None else bisect_right(order, key, key=lambda entry: entry[0])
    for place in range(at, len(order)):
        yield order[place]


def take(
    entries: Iterator[tuple[Key, str]], n: int, is_wanted: Callable[[str], bool]
) -> tuple[list[str], Key | None]:
    """Return the next `n` wanted windows and the key of the last; None once there are no more."""
    found: list[str] = []
    for key, uid in entries:
        if is_wanted(uid):
            found.append(uid)
            if len(found) == n:
                return found, key
    return found, None


def write_cursor(queue: str, place: Any) -> str:
    """Return a place in a queue as text for an address.

    >>> read_cursor("all", write_cursor("all", ["NQ", 105]))
    ['NQ', 105]
    """
    return base64.urlsafe_b64encode(json.dumps([queue, place]).encode()).decode()


def read_cursor(queue: str, text: str) -> Any:
    """Return the place that `write_cursor` wrote for this queue."""
    try:
        owner, place = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, TypeError):
        owner, place = None, None
    if owner != queue:
        raise SchemaError(
            f"The place in the queue should be one that {queue!r} gave out. Found {text!r:.60}."
        )
    return place
