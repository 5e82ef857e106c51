"""The Review page's error view: where a run goes wrong, by what the windows have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from moola import coverage, diagnostics, figures, figures_detection, market_hours, review_tables
from moola.desk.facts import facts_of
from moola.desk.overlay import RunResult
from moola.draw_groups import HOW_DRAWN
from moola.review_tables import LENGTH_KINDS, POSITION_KINDS, Bucket, Reading
from moola.ui import cache, components
from moola.ui.review.result import held_out
from moola.workspace import Workspace

CLOCK = (*market_hours.DAY_BUCKETS, *market_hours.CENTRE_BUCKETS, market_hours.UNKNOWN)
NOBODY = "not in the store"


def draw(workspace: Workspace, result: RunResult) -> None:
    """Draw the confusion of types, the countdown's error, and hits by five properties."""
    rows = held_out(result)
    errors = [row.error for row in rows]
    left, right = st.columns(2, gap="medium")
    with left:
        counts = diagnostics.type_confusion(errors)
        components.chart(figures.confusion_matrix(counts), key="review_confusion")
    with right:
        found = diagnostics.countdown_errors(errors, result.curves)
        components.chart(figures.countdown_error(found), key="review_countdown")
    labelled = [row for row in rows if row.error.is_labelled]
    overall = sum(row.is_hit for row in labelled) / len(labelled) if labelled else None
    cells = _cells(workspace, result)
    people = _people(workspace)
    kinds: list[tuple[str, Callable[[Reading], str | None], Sequence[str]]] = [
        ("By market hours", lambda row: _hours(cells, row), CLOCK),
        ("By volatility", lambda row: _volatility(cells, row), coverage.VOLATILITIES),
        ("By length of the label", review_tables.length_kind, LENGTH_KINDS),
        ("By first bar of the label", review_tables.position_kind, POSITION_KINDS),
        ("By annotator", lambda row: people.get(row.window_uid, NOBODY), ()),
    ]
    columns = st.columns(2, gap="medium")
    for place, (title, kind_of, order) in enumerate(kinds):
        buckets = _in_order(review_tables.grouped(rows, kind_of), order)
        with columns[place % 2]:
            figure = figures_detection.hits_by(buckets, title=title, overall=overall)
            components.chart(figure, key=f"review_by_{place}")
    st.caption(
        "Hits: both edges within 3 bars, on held-out windows. Intervals (95%) are drawn over "
        f"{HOW_DRAWN}. Five splits of the same windows will show some "
        "difference by chance: read the intervals."
    )


def _in_order(buckets: Sequence[Bucket], order: Sequence[str]) -> list[Bucket]:
    """Return the buckets in a given order; those that it does not name by size, behind."""
    place = {name: at for at, name in enumerate(order)}
    return sorted(buckets, key=lambda item: (place.get(item.name, len(place)), -item.n_windows))


def _hours(cells: Mapping[str, coverage.Cell], row: Reading) -> str:
    cell = cells.get(row.window_uid)
    return cell.hours if cell else market_hours.UNKNOWN


def _volatility(cells: Mapping[str, coverage.Cell], row: Reading) -> str | None:
    cell = cells.get(row.window_uid)
    return cell.volatility if cell else None


def _cells(workspace: Workspace, result: RunResult) -> dict[str, coverage.Cell]:
    """Return hours and volatility of every window whose series is in the store."""
    known = {item.series_id: item for item in cache.store(workspace.store_url).series()}
    examples = result.examples
    first = examples.first_of_each_window()
    return {
        str(examples.window_uid[at]): facts_of(workspace.bars_dir, known[series]).cell(
            int(examples.bar_start[at])
        )
        for at in first.tolist()
        if (series := str(examples.series_id[at])) in known
    }


def _people(workspace: Workspace) -> dict[str, str]:
    """Return whose label stands for each window of the store."""
    views = cache.standing_views(workspace.store_url)
    return {view.window_uid: view.annotator for view in views}
