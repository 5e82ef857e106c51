"""A session mixes five queues, so that labelling fast and finding out how well go together.

Of 50 windows 30 are uncertain proposals, 10 drawn by lot, 4 blind, 3 repeats and 3 catch trials,
in an order that is drawn anew for every 50 and every person: nobody can tell when he is tested.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from moola.desk.modes import ARMS, Arm, Key
from moola.desk.paging import Order, after

MIX: Mapping[Arm, int] = {"boundary": 30, "random": 10, "blind": 4, "repeats": 3, "catch": 3}
BLOCK = sum(MIX.values())
STAND_INS: tuple[Arm, ...] = ("boundary", "random")
"""Arms that fill a slot whose own arm has no window left."""


@lru_cache(maxsize=64)
def block_of(annotator: str, number: int) -> tuple[Arm, ...]:
    """Return which arm fills each of the 50 slots of a person's block."""
    slots: list[Arm] = [arm for arm, n in MIX.items() for _ in range(n)]
    random.Random(f"{annotator}|{number}").shuffle(slots)
    return tuple(slots)


@dataclass
class Place:
    """How far a pass through the session has come: the next slot, and the last key of each arm."""

    slot: int
    keys: dict[Arm, Key] = field(default_factory=dict)

    def to_json(self) -> Any:
        """Return what the cursor keeps."""
        return {"slot": self.slot, "keys": {arm: list(key) for arm, key in self.keys.items()}}

    @classmethod
    def from_json(cls, place: Any) -> Place:
        """Return the place of a cursor."""
        keys: dict[Arm, Key] = {
            arm: tuple(place["keys"][arm]) for arm in ARMS if arm in place["keys"]
        }
        return cls(place["slot"], keys)


@dataclass(frozen=True)
class Draw:
    """What a session is drawn from, for one page."""

    annotator: str
    orders: Mapping[Arm, Order]
    key_of: Callable[[Arm, str], Key | None]
    """The key of a window in an arm; None in one that does not want it."""
    is_free: Callable[[str], bool]
    """Whether a window passes the filters and is neither held here nor by somebody else."""

    def page(self, place: Place, n: int) -> tuple[list[tuple[str, Arm]], Place | None]:
        """Return the next `n` windows, each with its arm, and the place after them."""
        going: dict[Arm, Iterator[tuple[Key, str]]] = {
            arm: after(self.orders[arm], place.keys.get(arm)) for arm in ARMS
        }
        now = Place(place.slot, dict(place.keys))
        found: list[tuple[str, Arm]] = []
        while len(found) < n:
            own = block_of(self.annotator, now.slot // BLOCK)[now.slot % BLOCK]
            drawn = self._draw(own, going, now)
            if drawn is None:
                return found, None
            found.append(drawn)
            now.slot += 1
        return found, now

    def _draw(
        self, own: Arm, going: Mapping[Arm, Iterator[tuple[Key, str]]], now: Place
    ) -> tuple[str, Arm] | None:
        for arm in dict.fromkeys((own, *STAND_INS)):
            for key, uid in going[arm]:
                now.keys[arm] = key
                if self.key_of(arm, uid) is None or not self.is_free(uid):
                    continue
                if not self._was_shown(uid, arm, now):
                    return uid, arm
        return None

    def _was_shown(self, uid: str, arm: Arm, now: Place) -> bool:
        """Return whether another arm has come by a window in this pass."""
        for other, reached in now.keys.items():
            if other != arm:
                key = self.key_of(other, uid)
                if key is not None and key <= reached:
                    return True
        return False
