"""The Coverage page's parts: what to look at, the map, one cell of it, where to label next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from moola import coverage, market_hours
from moola.coverage import Coverage, Survey
from moola.store import LabelStore, Series, WindowRow
from moola.ui import cache, components, coverage_map, own_windows, state
from moola.ui.coverage_map import Place, Shown
from moola.workspace import Workspace

N_NEXT = 6
DEFAULT_ZONE = market_hours.EXCHANGES[0].zone
SHOWN: dict[Shown, str] = {"looked at": "Looked at", "kept": "Kept"}
SERIES, ZONE, ARM, SHOW, CELL = (
    f"coverage_{name}" for name in ("series", "zone", "arm", "shown", "cell")
)


@dataclass(frozen=True, eq=False)
class Chosen:
    """What the page looks at."""

    surveys: list[Survey]
    rows: list[WindowRow]
    zone: str
    arm: coverage.Arm
    shown: Shown
    is_own_clock: bool
    """Whether every series is read by its own clock, or by New York's if it names none."""
    left_out: tuple[str, ...]
    """Names of series whose bars are too long for parts of the day."""

    def map(self, arm: coverage.Arm | None = None) -> Coverage:
        """Return the counts of the chosen windows, or of another part of them."""
        return coverage.count(self.surveys, self.rows, arm=arm or self.arm)


@st.cache_resource(max_entries=32, show_spinner="Reading the bars")
def _survey(folder: Path, content_hash: str, series_id: str, zone: str) -> Survey:
    return coverage.survey(series_id, cache.bar_store(folder).read(content_hash), zone)


def choose(workspace: Workspace, store: LabelStore) -> Chosen | None:
    """Draw what can be chosen; return the choice, or None without a series that has times."""
    feeds = {item.series_id: item for item in store.series() if item.start_ts is not None}
    if not feeds:
        return None
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left, st.container(horizontal=True):
        series_id = _series_picker(list(feeds.values()))
        zone = _zone_picker(feeds.get(series_id or next(iter(feeds))))
    with right, st.container(horizontal=True, vertical_alignment="bottom"):
        arm = st.selectbox(
            "Windows",
            list(coverage.ARMS),
            format_func=lambda name: coverage.ARMS[name],
            key=ARM,
            persist_state="session",
            help="A proposal is there because something was seen, so its windows are kept more "
            "often. The rate of windows without one says how often expansions happen.",
        )
        shown = st.segmented_control(
            "Show",
            list(SHOWN),
            format_func=lambda name: SHOWN[name],
            default="looked at",
            required=True,
            key=SHOW,
            persist_state="session",
        )
    wanted = [feeds[series_id]] if series_id else list(feeds.values())
    found = [_survey(workspace.bars_dir, s.content_hash, s.series_id, zone) for s in wanted]
    names = market_hours.bucket_names(zone) if len(found) > 1 else found[0].hours
    surveys = [item for item in found if item.hours == names]
    kept_ids = {item.series_id for item in surveys}
    return Chosen(
        surveys=surveys,
        rows=own_windows.rows(workspace),
        zone=zone,
        arm=arm,
        shown="kept" if shown == "kept" else "looked at",
        is_own_clock=all((_own_zone(s) or DEFAULT_ZONE) == zone for s in wanted),
        left_out=tuple(s.symbol for s in wanted if s.series_id not in kept_ids),
    )


def _series_picker(feeds: Sequence[Series]) -> str | None:
    """Draw the series to choose from; None means all of them."""
    names = {item.series_id: f"{item.symbol} · {item.bar or 'bars'}" for item in feeds}
    linked = st.query_params.get("series")
    if linked in names and linked != st.session_state.get("coverage_linked"):
        st.session_state[SERIES] = linked
    st.session_state["coverage_linked"] = linked
    options = [*names] if len(names) == 1 else [None, *names]
    return st.selectbox(
        "Series",
        options,
        format_func=lambda name: names.get(name, f"All {len(names)} series"),
        key=SERIES,
        on_change=_forget_cell,
        persist_state="session",
    )


def _zone_picker(series: Series | None) -> str:
    own = _own_zone(series)
    zones = [item.zone for item in market_hours.EXCHANGES] + [market_hours.AROUND_THE_CLOCK]
    if own and own not in zones:
        zones.insert(0, own)
    first = own or DEFAULT_ZONE
    return st.selectbox(
        "Market hours by the clock of",
        zones,
        index=zones.index(first),
        format_func=market_hours.clock_name,
        key=f"{ZONE}_{first}",
        on_change=_forget_cell,
        help="The exchange's own clock, with its daylight saving."
        + ("" if own else " This series does not say its exchange, so New York is assumed."),
    )


def _own_zone(series: Series | None) -> str | None:
    return series.tz_exchange if series else None


def headline(found: Coverage, chosen: Chosen) -> None:
    """Say the counts of the whole map in one line."""
    n_windows = int(found.n_windows.sum())
    st.markdown(
        f"**{coverage_map.looked_at_text(found.looked_at())}** · "
        f"{components.counted(n_windows, 'window')} in the store · "
        f"**{coverage_map.kept_text(found.kept())}**"
    )
    if chosen.arm == "all" and found.kept().of:
        parts = (
            f"{coverage.ARMS[arm].lower()} {coverage_map.kept_text(chosen.map(arm).kept())}"
            for arm in ("proposed", "unproposed")
        )
        st.caption(f"Apart: {'; '.join(parts)}.")
    if chosen.left_out:
        st.caption(f"Not on this map, since their bars are too long: {', '.join(chosen.left_out)}.")


def draw_map(found: Coverage, chosen: Chosen) -> Place | None:
    """Draw the map; return the chosen cell, at first the one to label next."""
    place = st.session_state.get(CELL)
    places = {where for _, where in found.cells()}
    if place not in places:
        thin = found.thinnest(1)
        place = thin[0][1] if thin else None
    coverage_map.mount(found, shown=chosen.shown, current=place, key="coverage_map", on_pick=_pick)
    st.caption(
        "A window belongs to the month and the hours of its middle bar; calm, medium and wild are "
        "thirds of its series by range over price. Shade: the share "
        + (
            "of bars, of those that fit into the middle of a window, that a decided window shows."
            if chosen.shown == "looked at"
            else "of decided windows that were kept."
        )
    )
    return place


def _pick(place: Place) -> None:
    st.session_state[CELL] = place


def _forget_cell() -> None:
    st.session_state.pop(CELL, None)


def draw_cell(found: Coverage, chosen: Chosen, place: Place) -> None:
    """Draw one cell in words, with the way to label there."""
    cell = coverage.Cell(
        found.months[place[0]], found.hours[place[1]], coverage.VOLATILITIES[place[2]]
    )
    waiting, free = coverage.in_cell(chosen.surveys, chosen.rows, cell)
    with st.container(border=True):
        st.markdown(f"**{coverage_map.cell_text(cell)}**")
        st.markdown(
            f"- {coverage_map.looked_at_text(found.looked_at(place))}\n"
            f"- {coverage_map.kept_text(found.kept(place))}\n"
            f"- {components.counted(len(waiting), 'window')} in the queue, "
            f"{sum(map(len, free.values())):,} more could be cut"
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            if waiting:
                st.page_link(
                    "pages/windows.py",
                    label="Label here next",
                    icon=":material/arrow_forward:",
                    query_params=_desk_link(chosen, cell, waiting[0]),
                )
            n_free = sum(map(len, free.values()))
            if n_free:
                st.button(
                    f"Cut {components.counted(n_free, 'window')} here",
                    key="coverage_cut",
                    icon=":material/content_cut:",
                    on_click=partial(_cut, free, state.new_op()),
                )
        state.show_notice()


def _desk_link(chosen: Chosen, cell: coverage.Cell, first: WindowRow) -> dict[str, str]:
    """Return the address of the desk on this cell: its first window, and the filters behind it.

    The desk reads hours by each series' own clock, so the filters go along only with that one.
    """
    link = {"window": first.window_uid}
    if chosen.is_own_clock:
        link |= {"mode": "unlabelled", **cell._asdict()}
        if len(chosen.surveys) == 1:
            link["series"] = chosen.surveys[0].series_id
    return link


def _cut(free: dict[str, list[int]], op: str) -> None:
    """Add the windows of a cell that nobody has cut yet."""
    workspace = state.workspace()
    store = cache.store(workspace.store_url)
    n_new = 0
    with state.reporting():
        for series_id, starts in free.items():
            series = store.get_series(series_id)
            times = pd.DatetimeIndex(
                cache.bar_store(workspace.bars_dir).read(series.content_hash)["timestamp"]
            )
            moments = [moment.to_pydatetime() for moment in times[starts]]
            n_new += store.add_windows(series_id, starts, moments, op_id=f"{op}-{series_id}")
        state.say(f"Cut {components.counted(n_new, 'window')}")


def label_next(found: Coverage) -> None:
    """List the cells that were looked at least, to choose one."""
    st.markdown("**Looked at least**")
    thin = found.thinnest(N_NEXT)
    if not thin:
        st.caption("Every window that could be cut was looked at.")
    with st.container(gap=None):
        for cell, place in thin:
            looked_at = found.looked_at(place)
            st.button(
                f"{coverage_map.cell_text(cell)} :gray[{looked_at.share:.0%} of "
                f"{looked_at.of:,} bars]",
                key=f"coverage_next_{'_'.join(map(str, place))}",
                type="tertiary",
                on_click=partial(_pick, place),
            )
