"""Which windows a queue holds and in which order: a mode is a rule about state, never a list.

Every mode orders *all* windows by a key that no decision changes, and then says which of them are
wanted now. A page of the queue is "the next 25 wanted ones after this key", so a window that
somebody decides, adds or gives back between two pages makes no other window come twice or not at
all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from moola.desk.trials import lot, shift_bars
from moola.schema import LABELLED_STATES, OPEN_STATES, ReviewMode, Standing
from moola.store import WindowView

QueueMode = Literal[
    "session",
    "unlabelled",
    "proposals",
    "flagged",
    "deferred",
    "disputed",
    "stale",
    "random",
    "blind",
    "repeats",
    "run",
    "audit",
    "audit-blind",
    "all",
]
QUEUE_MODES: tuple[QueueMode, ...] = get_args(QueueMode)
Arm = Literal["boundary", "random", "blind", "repeats", "catch"]
"""The queues that a session is mixed from."""
REPEAT_AFTER = timedelta(days=1)
"""A person judges a window again only after he has slept over it."""

Key = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a mode may ask about besides the window itself."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    standing: Mapping[str, Standing] = field(default_factory=dict)
    repeated: frozenset[str] = frozenset()
    """Windows that this person has judged a second time."""
    caught: frozenset[str] = frozenset()
    """Windows that this person has met in a catch trial."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """Bars between label and prediction of the windows that a run reads otherwise."""
    suspects: Mapping[str, int] = field(default_factory=dict)
    """Place among the doubtful labels that were sent for a second look, most doubtful first."""
    sent_at: datetime | None = None
    """When they were sent: what a person has judged since then is done."""
    again: Mapping[str, datetime] = field(default_factory=dict)
    """When this person judged a window a second time."""
    ranks: Mapping[str, int] = field(default_factory=dict)
    """Place of each proposed window among those of its cell of the market, least certain first."""


@dataclass(frozen=True)
class Mode:
    """One queue: what it is for, whom it wants and in which order."""

    title: str
    help: str
    wants: Callable[[WindowView, Scene], bool]
    key: Callable[[WindowView, Scene], Key]
    review: ReviewMode = "normal"
    first_review: ReviewMode | None = None
    """Instead, for a window that this person has not decided yet."""
    is_shared: bool = False
    """Whether several people draw from it: a window that one holds is then kept from the others."""

    def review_of(self, view: WindowView) -> ReviewMode:
        """Return how a window of this queue is judged."""
        first = self.first_review
        return first if first is not None and not is_decided(view) else self.review


def is_open(view: WindowView) -> bool:
    """Return whether a person has not decided about a window yet."""
    return view.state in OPEN_STATES


def is_decided(view: WindowView) -> bool:
    """Return whether a window carries a judgement: deferred and stale ones do not."""
    return view.state in LABELLED_STATES or view.state in ("rejected", "flagged")


def by_place(view: WindowView, scene: Scene) -> Key:
    """Order by series and bar."""
    return view.series_id, view.bar_start


def by_lot(purpose: str) -> Callable[[WindowView, Scene], Key]:
    """Order by the number that each window has drawn for a purpose."""
    return lambda view, scene: (lot(purpose, view.window_uid),)


def _by_score(view: WindowView, scene: Scene) -> Key:
    return (-(view.score or 0.0), *by_place(view, scene))


def _by_doubt(view: WindowView, scene: Scene) -> Key:
    """Order the least certain of every cell of the market before the second least of any."""
    rank = scene.ranks.get(view.window_uid, len(scene.ranks))
    return rank, lot("boundary", view.window_uid)


def _by_error(view: WindowView, scene: Scene) -> Key:
    return (-scene.errors.get(view.window_uid, 0), *by_place(view, scene))


def _by_suspicion(view: WindowView, scene: Scene) -> Key:
    return scene.suspects.get(view.window_uid, len(scene.suspects)), *by_place(view, scene)


def _is_suspect(view: WindowView, scene: Scene) -> bool:
    """Return whether a person has not judged a doubtful label since it was sent to him."""
    return view.window_uid in scene.suspects and not _since(scene, view.updated_at)


def _is_suspect_blind(view: WindowView, scene: Scene) -> bool:
    return _is_suspect(view, scene) and not _since(scene, scene.again.get(view.window_uid))


def _since(scene: Scene, when: datetime | None) -> bool:
    return when is not None and scene.sent_at is not None and when >= scene.sent_at


def _may_be_repeated(view: WindowView, scene: Scene) -> bool:
    is_own = is_decided(view) and all(span.origin != "import" for span in view.spans)
    rested = view.updated_at is not None and scene.now - view.updated_at >= REPEAT_AFTER
    return is_own and rested and view.window_uid not in scene.repeated


def _may_be_caught(view: WindowView, scene: Scene) -> bool:
    if view.window_uid in scene.caught or view.spans or not _is_proposed(view, scene):
        return False
    return bool(shift_bars(view.window_uid, view.proposals))


def _is_proposed(view: WindowView, scene: Scene) -> bool:
    """Return whether there is a proposal that no window beside this one has settled."""
    return view.state == "proposed" and bool(view.proposals)


def _in_state(state: str) -> Callable[[WindowView, Scene], bool]:
    return lambda view, scene: view.state == state


def _is_open(view: WindowView, scene: Scene) -> bool:
    return is_open(view)


BLIND = Mode(
    "Blind",
    "No proposal and no model is shown: how much do proposals pull?",
    _is_open,
    by_lot("blind"),
    review="blind",
    is_shared=True,
)
RANDOM = Mode(
    "Random",
    "The control arm: windows in an order drawn by lot, the same for everybody",
    _is_open,
    by_lot("random"),
    is_shared=True,
)
REPEATS = Mode(
    "Repeats",
    "Windows you judged a day ago or earlier, once more: how far do you agree with yourself?",
    _may_be_repeated,
    by_lot("repeat"),
    review="repeat",
)
MODES: dict[QueueMode, Mode] = {
    "session": Mode(
        "Session",
        "The recommended mix: of 50 windows 30 uncertain ones, 10 at random, 4 blind, 3 repeats "
        "and 3 with a proposal that was moved",
        _is_open,
        by_place,
        is_shared=True,
    ),
    "unlabelled": Mode(
        "Unlabelled", "What you have not decided, in the order of the bars", _is_open, by_place,
        is_shared=True,
    ),
    "proposals": Mode(
        "Proposals", "Proposed windows, the best score first", _is_proposed, _by_score,
        is_shared=True,
    ),
    "flagged": Mode("Flagged", "Kept for a second look", _in_state("flagged"), by_place),
    "deferred": Mode("Deferred", "Put off, not judged", _in_state("deferred"), by_place),
    "disputed": Mode(
        "Disputed",
        "Windows on which people disagree",
        lambda view, scene: scene.standing.get(view.window_uid) == "disputed",
        by_place,
    ),
    "stale": Mode(
        "Stale", "Decisions whose bars, spans or rule changed since", _in_state("stale"), by_place
    ),
    "random": RANDOM,
    "blind": BLIND,
    "repeats": REPEATS,
    "run": Mode(
        "Disagrees with a run",
        "Windows that a run reads otherwise than their label says, worst first",
        lambda view, scene: view.window_uid in scene.errors,
        _by_error,
    ),
    "audit": Mode(
        "Doubtful labels",
        "Labels that a run's audit doubts, most doubtful first: change one, or accept it as it is",
        _is_suspect,
        _by_suspicion,
    ),
    "audit-blind": Mode(
        "Doubtful labels, blind",
        "The same without your label and the model: your second judgement stands beside the first",
        _is_suspect_blind,
        _by_suspicion,
        review="repeat",
        first_review="blind",
    ),
    "all": Mode("All", "Every window, in the order of the bars", lambda v, s: True, by_place),
}  # fmt: skip
ARMS: dict[Arm, Mode] = {
    "boundary": Mode("Uncertain", "", _is_proposed, _by_doubt),
    "random": RANDOM,
    "blind": BLIND,
    "repeats": REPEATS,
    "catch": Mode("Catch", "", _may_be_caught, by_lot("catch"), review="catch"),
}


def ranks(views: Iterable[WindowView], cell_of: Callable[[WindowView], Hashable]) -> dict[str, int]:
    """Return the place of each proposed window among those of its cell, least certain first.

    A low score is the rule's own doubt. Going through the cells in turn keeps one busy hour of the
    market from filling a whole session.
    """
    by_cell: defaultdict[Hashable, list[WindowView]] = defaultdict(list)
    for view in views:
        if view.score is not None:
            by_cell[cell_of(view)].append(view)
    return {
        view.window_uid: place
        for cell in by_cell.values()
        for place, view in enumerate(sorted(cell, key=lambda view: view.score or 0.0))
    }
