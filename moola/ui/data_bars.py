"""The Data page's bars: bring a file in, see what is there, cut windows out of it."""

from __future__ import annotations

from collections import Counter
from functools import partial

import streamlit as st

from moola import market_hours, proposing
from moola.cutting import CutOptions, cut_series
from moola.schema import WINDOW_LENGTH
from moola.store import LabelStore, Series
from moola.ui import cache, components, state
from moola.workspace import Workspace

CLOCKS = [item.zone for item in market_hours.EXCHANGES] + [market_hours.AROUND_THE_CLOCK]


def draw(workspace: Workspace) -> None:
    """Draw the section."""
    store = cache.store(workspace.store_url)
    state.show_notice()
    _series_list(workspace, store)


def _series_list(workspace: Workspace, store: LabelStore) -> None:
    known = store.series()
    feeds = [item for item in known if item.kind == "feed"]
    alone = [item for item in known if item.kind == "window"]
    st.markdown("##### Series in this workspace")
    if not known:
        st.caption("None yet. Bring a file in above.")
    rows = cache.window_rows(workspace.store_url)
    by_series = Counter(row.series_id for row in rows)
    labelled = Counter(row.series_id for row in rows if row.state not in ("unseen", "proposed"))
    for item in feeds:
        _series_row(item, by_series[item.series_id], labelled[item.series_id])
    if alone:
        ids = {item.series_id for item in alone}
        n_decided = sum(labelled[series_id] for series_id in ids)
        st.caption(
            f"And {components.counted(len(alone), 'window')} that came alone, without time or the "
            f"bars around; {n_decided:,} of them decided."
        )


def _series_row(item: Series, n_windows: int, n_decided: int) -> None:
    with st.container(border=True):
        left, right = st.columns([3, 2], vertical_alignment="center")
        with left:
            st.markdown(
                f"**{item.symbol}** :small[:gray[{item.bar or 'bars without time'}]]  \n"
                f":small[{_range_text(item)} · {components.counted(item.n_bars, 'bar')}"
                f"{_tick_text(item)} · from {item.source}]"
            )
            st.markdown(
                f":small[{components.counted(n_windows, 'window')}, {n_decided:,} decided]"
                if n_windows
                else ":small[:orange[no window cut yet]]"
            )
        with right, st.container(horizontal=True, horizontal_alignment="right"):
            if item.start_ts is not None:
                cut_popover(item)
            propose_button(item)
            if n_windows:
                st.page_link("pages/coverage.py", label="Coverage", icon=":material/grid_on:")


def _range_text(item: Series) -> str:
    if item.start_ts is None or item.end_ts is None:
        return "no time"
    return f"{item.start_ts:%-d %b %Y %H:%M} – {item.end_ts:%-d %b %Y %H:%M} UTC"


def _tick_text(item: Series) -> str:
    return f" · tick {item.tick_size:g}" if item.tick_size else ""


def propose_button(item: Series) -> None:
    """Draw the search for expansions by the written rule."""
    st.button(
        "Find proposals",
        key=f"data_propose_{item.series_id}",
        icon=":material/search:",
        on_click=partial(_propose, item.series_id, state.new_op()),
    )


def _propose(series_id: str, op: str) -> None:
    workspace = state.workspace()
    store = cache.store(workspace.store_url)
    with state.reporting():
        series = store.get_series(series_id)
        done = proposing.propose_series(
            series, store, cache.bar_store(workspace.bars_dir), op_id=op
        )
        state.say(f"{series.symbol}: {done}")


def cut_popover(item: Series) -> None:
    """Draw the options of a cut and its button."""
    key = f"data_cut_{item.series_id}"
    with st.popover("Cut windows", icon=":material/content_cut:"):
        st.caption(
            f"A window is {WINDOW_LENGTH} bars. The same cut twice adds nothing; windows that a "
            "pause longer than allowed would split are left out."
        )
        left, right = st.columns(2)
        with left:
            st.number_input(
                "One every … bars", 1, 100_000, WINDOW_LENGTH, key=f"{key}_stride",
                help=f"{WINDOW_LENGTH}: side by side; fewer: they overlap",
            )  # fmt: skip
        with right:
            st.number_input(
                "Longest pause (minutes)", 0.0, None, _usual_gap(item), key=f"{key}_gap",
                step=1.0, format="%g", help="0: not one missing bar",
            )  # fmt: skip
        zone = _zone_choice(item, key)
        st.multiselect(
            "Only windows whose middle is in",
            market_hours.bucket_names(zone),
            key=f"{key}_hours_{zone}",
            placeholder="any part of the day",
        )
        st.text_input(
            "Only windows wholly inside", key=f"{key}_session", placeholder="such as 09:30-16:00"
        )
        st.toggle(
            "Take a pause with a jump in price for a roll",
            key=f"{key}_rolls",
            help="A guess: news over a weekend looks the same. Rolls that the series lists are "
            "never crossed.",
        )
        st.button(
            "Cut",
            key=f"{key}_go",
            type="primary",
            width="stretch",
            on_click=partial(_cut, item.series_id, key, zone, state.new_op()),
        )


def _usual_gap(item: Series) -> float:
    return 5760.0 if (item.bar or "").endswith("d") else 5.0


def _zone_choice(item: Series, key: str) -> str:
    own = getattr(item, "tz_exchange", None)
    if own:
        st.caption(f"Hours by the clock of {market_hours.clock_name(own)}.")
        return own
    return st.selectbox(
        "Hours by the clock of", CLOCKS, format_func=market_hours.clock_name, key=f"{key}_zone"
    )


def _cut(series_id: str, key: str, zone: str, op: str) -> None:
    workspace, chosen = state.workspace(), st.session_state
    store = cache.store(workspace.store_url)
    with state.reporting():
        how = CutOptions(
            stride_bars=int(chosen[f"{key}_stride"]),
            max_gap_min=float(chosen[f"{key}_gap"]),
            hours=tuple(chosen[f"{key}_hours_{zone}"]),
            session=chosen[f"{key}_session"].strip() or None,
            zone=zone,
            guess_rolls=bool(chosen[f"{key}_rolls"]),
        )
        series = store.get_series(series_id)
        done = cut_series(series, store, cache.bar_store(workspace.bars_dir), how, op_id=op)
        state.say(f"{series.symbol}: {_cut_text(done)}")


def _cut_text(done) -> str:
    return str(done).split(": ", 1)[1].replace("\n", ". ")
