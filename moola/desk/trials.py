"""Chance that can be repeated, and proposals moved on purpose to see who is looking.

A window's lot depends on nothing but its id and a purpose, so an order by lot is the same for
everybody and at every start: whoever labels its first k windows has a fair sample of all of them,
whatever else was labelled in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from moola.schema import WINDOW_LENGTH
from moola.store import Judgement, Proposal

LEAST_SHIFT, MOST_SHIFT = 6, 12
"""Bars that a proposal of a catch trial is moved: well outside any doubt about an edge."""


@lru_cache(maxsize=200_000)
def lot(purpose: str, window_uid: str) -> int:
    """Return the number that a window has drawn, evenly spread over 0..2^64 - 1."""
    digest = hashlib.sha1(f"{purpose}|{window_uid}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def shift_bars(window_uid: str, proposals: Sequence[Proposal]) -> int:
    """Return by how many bars a catch trial moves a window's proposals; 0 where there is no room.

    >>> shift_bars("0123456789abcdef", [])
    0
    """
    if not proposals:
        return 0
    number = lot("shift", window_uid)
    wanted = LEAST_SHIFT + number % (MOST_SHIFT - LEAST_SHIFT + 1)
    left = min(found.start for found in proposals)
    right = WINDOW_LENGTH - 1 - max(found.end for found in proposals)
    sides = [(-1, left), (1, right)] if number // 16 % 2 else [(1, right), (-1, left)]
    for side, room in sides:
        if room >= LEAST_SHIFT:
            return side * min(wanted, room)
    return 0


def shifted(window_uid: str, proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """Return the proposals of a catch trial: all of them moved alike, inside the window."""
    by = shift_bars(window_uid, proposals)
    return tuple(replace(found, start=found.start + by, end=found.end + by) for found in proposals)


def lure_id(window_uid: str, number: int) -> str:
    """Return the id that a moved proposal has as a span once it is accepted."""
    return hashlib.sha1(f"lure|{window_uid}|{number}".encode()).hexdigest()[:16]


def was_taken(judgement: Judgement) -> bool:
    """Return whether the moved proposals of a catch trial were accepted as they stood."""
    lures = {lure_id(judgement.window_uid, number) for number in range(len(judgement.spans))}
    ids = {span.span_id for span in judgement.spans}
    return judgement.state == "verified" and bool(ids) and ids == lures
