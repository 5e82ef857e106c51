"""What the browser draws of a run at its newest epoch, as JSON made once for all tabs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from plotly.io.json import to_json_plotly

from moola import epoch_parts as parts
from moola import figures, figures_monitor
from moola.criteria import SCORED_GOALS, Goal
from moola.epoch_parts import Row, Spec
from moola.figures_monitor import marks_of
from moola.history import N_TAIL, HistoryDigest
from moola.run_book import Judgement, RunBook
from moola.run_news import epochs_of, rows_of
from moola.runs import RunFolder
from moola.schema import TASK_NAMES

N_DRAWN = 200
"""Rows in a figure at most; a browser draws them without a stutter."""
NAMES = ("loss", "gradient", "skill", "raw", "metrics", "lr", "boosts", "sigmas")
WHOLE, NEWEST = "whole", "newest"
N_KEPT = 6
Figures = Mapping[str, Spec | None]

_lock = threading.Lock()
_made: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()


def answer(book: RunBook, run: RunFolder, span: str = WHOLE) -> bytes:
    """Return ``{rows, share, tiles, figures}`` of a run as JSON, as of its newest row.

    `rows` is that of `moola.run_news.News`. Figures are plotly's, without a template: the page's
    theme colours them.
    """
    history, judged = book.history(run), book.judge(run)
    epochs = epochs_of(book, run, book.status(run))
    alerts = tuple((a.alert.task, a.alert.code, a.alert.since_epoch) for a in judged.advice)
    key = (run.path, rows_of(history), epochs, span, alerts)
    with _lock:  # several tabs ask at the same moment
        if key not in _made:
            _made[key] = _encoded(history, judged, epochs, span)
            while len(_made) > N_KEPT:
                _made.popitem(last=False)
        return _made[key]


def _encoded(history: HistoryDigest, judged: Judgement, epochs: int, span: str) -> bytes:
    told = {
        "rows": rows_of(history),
        "share": _share(history.last),
        "tiles": [tile for goal in SCORED_GOALS if (tile := _tile(goal, history.last))],
        "figures": figures_of(history, judged, epochs=epochs, span=span),
    }
    return str(to_json_plotly(told, engine="json")).encode()


def figures_of(
    history: HistoryDigest, judged: Judgement, *, epochs: int, span: str = WHOLE
) -> Figures:
    """Return the figures of a run by name; None where there is nothing to tell."""
    rows: Sequence[Row] = history.evenly(N_DRAWN) if span == WHOLE else history.newest(N_TAIL)
    marks = marks_of(history.rows, [item.alert for item in judged.advice])
    if span == NEWEST and rows:
        marks = [mark for mark in marks if mark.epoch >= rows[0]["epoch"]]
    shown = {"epochs": epochs, "marks": marks}
    made: dict[str, Spec | None] = {
        "loss": figures_monitor.loss_shares(rows, **shown),
        "gradient": figures_monitor.gradient_shares(rows, **shown),
    }
    if not rows:
        return made
    made |= {
        "skill": figures_monitor.skill(rows, **shown),
        "raw": figures_monitor.raw_losses(rows, **shown),
        "metrics": figures_monitor.metrics(rows, SCORED_GOALS, epochs=epochs),
        "lr": figures_monitor.learning_rate(rows, **shown),
        "boosts": figures_monitor.boosts(rows, **shown),
        "sigmas": figures_monitor.sigmas(rows, **shown),
    }
    if span == NEWEST:
        limits = [rows[0]["epoch"] - 0.5, rows[-1]["epoch"] + 0.5]
        for figure in filter(None, made.values()):
            parts.limit_epochs(figure, limits)
    return made


def _share(last: Row | None) -> dict[str, Any] | None:
    """Return what the pointers take of the loss at the newest epoch, in words around a chip."""
    share = (last or {}).get("loss_share") or {}
    if last is None or "ptr" not in share:
        return None
    low, high = figures.POINTER_BAND
    shares = ", ".join(f"{TASK_NAMES[task]} {value:.0%}" for task, value in share.items())
    return {
        "before": f"Pointers take {share['ptr']:.0%} of the loss",
        "is_inside": low <= share["ptr"] <= high,
        "after": f"at epoch {last['epoch']} ({shares}).",
    }


def _tile(goal: Goal, last: Row | None) -> dict[str, Any] | None:
    """Return a metric's newest value, its interval if the row holds one, and its target."""
    value = ((last or {}).get("metrics") or {}).get(goal.key)
    if value is None:
        return None
    show = goal.line().show
    interval = ((last or {}).get("metrics_95") or {}).get(goal.key)
    low, high = interval or (value, value)
    return {
        "name": goal.name,
        "value": show(value),
        "interval": f"{show(low).removesuffix(' bars')} to {show(high)}" if interval else None,
        "target": f"target {goal.target}",
        "verdict": goal.verdict(low, high),
    }
