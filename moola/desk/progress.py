"""How far a person has come, how fast, and how far his accepts can be trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest
from statistics import mean
from typing import Any

from moola.agreement import FAST_S
from moola.audit import Sent
from moola.desk import trials
from moola.schema import LABELLED_STATES, REVIEW_STATES, ReviewState
from moola.store import Judgement, WindowView

N_RECENT = 50
HASTY_SHARE = 0.2
FEWEST_ACCEPTS = 5
"""Of fewer accepts nothing is said."""


def counts(views: Iterable[WindowView]) -> dict[ReviewState, int]:
    """Return how many windows are in each state."""
    found = Counter(view.state for view in views)
    return {state: found[state] for state in REVIEW_STATES}


def progress(states: dict[ReviewState, int]) -> dict[str, int]:
    """Return windows decided, all of them, and how many were rejected and kept."""
    kept = sum(states[state] for state in LABELLED_STATES)
    done = kept + states["rejected"] + states["flagged"]
    return {
        "done": done,
        "total": sum(states.values()),
        "rejected": states["rejected"],
        "kept": kept,
    }


def second_look(
    sent: Sent | None, views: Iterable[WindowView], wanted: Iterable[str], *, is_blind: bool
) -> dict[str, Any] | None:
    """Return which of the doubtful labels were looked at since they were sent, and each doubt.

    Whoever judges blind is told of no doubt.
    """
    if sent is None:
        return None
    shown = {view.window_uid for view in views}
    doubts = {uid: reason for uid, reason in sent.windows.items() if uid in shown}
    is_told, left = not (is_blind or sent.blind), frozenset(wanted)
    return {
        "sent_at": sent.sent_at,
        "looked": [uid for uid in doubts if uid not in left],
        "doubts": doubts if is_told else dict.fromkeys(doubts),
    }


def recent(views: Iterable[WindowView]) -> list[WindowView]:
    """Return the windows decided last, newest first, whose time was taken."""
    timed = (view for view in views if view.updated_at is not None and view.seconds is not None)
    return nlargest(N_RECENT, timed, key=lambda view: view.updated_at or 0)


def pace(last: Sequence[WindowView], n_left: int) -> dict[str, float | None]:
    """Return the mean seconds of the windows decided last and the seconds that the others need."""
    seconds = [view.seconds for view in last if view.seconds is not None]
    if not seconds:
        return {"last50_s": None, "left_s": None}
    each = mean(seconds)
    return {"last50_s": round(each, 2), "left_s": round(each * n_left, 1)}


@dataclass(frozen=True)
class Trust:
    """What speaks for or against a person's accepts."""

    n_caught: int
    """Catch trials in which the moved proposal was accepted as it stood."""
    n_trials: int
    n_hasty: int
    """Accepts of the last ones that took less than `FAST_S`."""
    n_accepts: int

    @property
    def is_hasty(self) -> bool:
        """Whether so many accepts were that fast that somebody should say so."""
        return self.n_accepts >= FEWEST_ACCEPTS and self.n_hasty > HASTY_SHARE * self.n_accepts

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as the browser gets them."""
        return {
            "caught": self.n_caught,
            "trials": self.n_trials,
            "hasty": self.n_hasty,
            "accepts": self.n_accepts,
            "warn": self.is_hasty,
        }


def trust(last: Sequence[WindowView], caught: Iterable[Judgement]) -> Trust:
    """Return the trust numbers of the windows decided last and of all catch trials."""
    accepts = [view for view in last if view.state == "verified"]
    tried = list(caught)
    return Trust(
        n_caught=sum(trials.was_taken(item) for item in tried),
        n_trials=len(tried),
        n_hasty=sum((view.seconds or 0.0) < FAST_S for view in accepts),
        n_accepts=len(accepts),
    )
