"""One label a window, for training and export, of all that people have said about it.

Gold counts where an adjudicator has spoken; else the one person who judged the window; of people
who agree the one whose decision is the oldest, by name if they are equally old. A disputed window
has no label. A layer of repeats or of catch trials never counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from moola.schema import LABELLED_STATES
from moola.second_look import GOLD, decision_of, is_person, standing_of
from moola.store import queries
from moola.store.bar_rows import BarRows, as_dicts, by_series, lies_inside, places_of
from moola.store.changes import Row
from moola.store.queries import Seen, as_span, as_view
from moola.store.records import StoredSpan, WindowView
from moola.store.tables import reviews, spans

Reviews = Mapping[str, Row]
"""What the layers decided about one window."""


@dataclass(frozen=True, slots=True)
class Standings:
    """The windows that have one label or none yet, and the ids of those that people dispute."""

    views: list[WindowView]
    """By series and bar. ``cut_spans`` also holds bars that another layer marks and that the
    chosen one has not judged: they are neither an expansion nor the lack of one."""
    disputed: list[str]


@dataclass(frozen=True, slots=True)
class _Judged:
    """A decision with the spans of its window."""

    state: str
    spans: tuple[StoredSpan, ...]


def load_standings(connection: Connection, *, nobody: str) -> Standings:
    """Return every window as those who judged it have it, in a few queries.

    A window that nobody has decided is seen as the person sees it who decided most, or `nobody`.
    """
    rows = queries.window_rows(connection)
    proposed = by_series(queries.proposal_rows(connection, places_of(rows)))
    names = queries.load_aliases(connection, rows)
    known, live = _reviews(connection), _live_spans(connection)
    main = _main_layer(known, nobody)
    found = Standings([], [])
    for row in rows:
        uid, bar_start = row["window_uid"], row["bar_start"]
        near = {
            layer: of_layer[row["series_id"]].near(bar_start)
            for layer, of_layer in live.items()
            if row["series_id"] in of_layer
        }
        own = {layer: row for layer, row in known[uid].items() if row["state"]}
        if (layer := _chosen(own, near, bar_start, main)) is None:
            found.disputed.append(uid)
            continue
        there = proposed.get(row["series_id"])
        seen = Seen(
            row,
            known[uid].get(layer),
            names[uid],
            near.get(layer, []),
            there.near(bar_start) if there else [],
        )
        view = as_view(seen, layer)
        others = tuple(_others(view, own, near))
        found.views.append(replace(view, cut_spans=view.cut_spans + others) if others else view)
    return found


def _chosen(own: Reviews, near: Mapping[str, list[Row]], bar_start: int, main: str) -> str | None:
    """Return the layer whose decision is the window's label; None if people dispute it."""
    if len(own) <= 1:
        return next(iter(own), main)
    judged = {
        layer: _Judged(review["state"], _spans(near.get(layer, []), bar_start))
        for layer, review in own.items()
        if decision_of(review["state"]) is not None
    }
    standing = standing_of(judged)
    if standing == "disputed":
        return None
    if standing == "adjudicated":
        return GOLD
    return min(judged or own, key=lambda layer: (own[layer]["updated_at"], layer))


def _others(view: WindowView, own: Reviews, near: Mapping[str, list[Row]]) -> Iterator[StoredSpan]:
    """Return bars that other layers mark in the view and that its label does not speak of.

    Who judged the window himself is overruled inside it, but not where he marks a span beyond it.
    """
    kept = view.spans if view.state in LABELLED_STATES else ()
    for layer, rows in near.items():
        is_overruled = layer in own and decision_of(own[layer]["state"]) is not None
        for row in rows:
            if layer == view.annotator or (is_overruled and lies_inside(row, view.bar_start)):
                continue
            span = as_span(row, view.bar_start)
            if not any(span.start <= other.end and other.start <= span.end for other in kept):
                yield span


def _spans(rows: list[Row], bar_start: int) -> tuple[StoredSpan, ...]:
    return tuple(as_span(row, bar_start) for row in rows if lies_inside(row, bar_start))


def _counts(layer: str) -> bool:
    return layer == GOLD or is_person(layer)


def _reviews(connection: Connection) -> defaultdict[str, dict[str, Row]]:
    """Return the rows about windows by window and layer, undecided ones too."""
    found: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    for row in as_dicts(connection.execute(select(reviews))):
        if _counts(row["annotator"]):
            found[row["window_uid"]][row["annotator"]] = row
    return found


def _live_spans(connection: Connection) -> dict[str, dict[str, BarRows]]:
    """Return live spans by layer and series, by their first bar."""
    query = (
        select(spans)
        .where(spans.c.deleted_at.is_(None))
        .order_by(spans.c.annotator, spans.c.series_id, spans.c.seq_start, spans.c.seq_end)
    )
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in as_dicts(connection.execute(query)):
        if _counts(row["annotator"]):
            found[row["annotator"]].append(row)
    return {layer: by_series(rows) for layer, rows in found.items()}


def _main_layer(known: Mapping[str, Reviews], nobody: str) -> str:
    n_decided = Counter(
        layer
        for of_window in known.values()
        for layer, row in of_window.items()
        if is_person(layer) and row["state"]
    )
    return min(n_decided, key=lambda layer: (-n_decided[layer], layer), default=nobody)
