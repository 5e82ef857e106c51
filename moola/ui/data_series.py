"""The series of the workspace: what is in them, windows to cut, proposals to find."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import streamlit as st

from moola import homes, market_hours, proposing
from moola.cutting import CutOptions, CutReport, cut_series
from moola.exceptions import MoolaError
from moola.schema import LABELLED_STATES, WINDOW_LENGTH
from moola.store import LabelStore, Series, WindowRow
from moola.ui import cache, components, jobs, own_windows, state
from moola.workspace import Workspace

DECIDED = (*LABELLED_STATES, "rejected")
CLOCKS = [item.zone for item in market_hours.EXCHANGES] + [market_hours.AROUND_THE_CLOCK]


def draw(workspace: Workspace, store: LabelStore) -> None:
    """List the series with what is in them and what can be done with them."""
    known = store.series()
    feeds = [item for item in known if item.kind == "feed"]
    alone = [item for item in known if item.kind == "window"]
    st.markdown("##### Series in this workspace")
    if not known:
        st.caption("None yet.")
    tallies = _tallies(own_windows.rows(workspace))
    for item in sorted(feeds, key=lambda item: item.symbol):
        _series_row(item, tallies[item.series_id])
    if alone:
        n_decided = sum(tallies[item.series_id].n_decided for item in alone)
        st.caption(
            f"And {components.counted(len(alone), 'window')} that came alone, without time or the "
            f"bars around; {n_decided:,} of them decided."
        )
        if feeds:
            _homes(workspace, store, known)


def _homes(workspace: Workspace, store: LabelStore, known: Sequence[Series]) -> None:
    """Offer to move windows that came alone into the feeds that hold their bars."""
    bars = cache.bar_store(workspace.bars_dir)
    contents = hashlib.sha1("".join(sorted(s.series_id + s.content_hash for s in known)).encode())
    key = f"homes|{workspace.root.resolve()}|{contents.hexdigest()}"
    job = jobs.start(key, lambda tell: homes.find_homes(store, bars, progress=tell))
    try:
        found: list[homes.Home] = jobs.finish(job, "Looking for lone windows in the feeds")
    except MoolaError:
        jobs.forget(key)  # bars may be back at the next look
        raise
    if not found:
        return
    feeds = sorted({home.feed.symbol for home in found})
    with st.container(border=True):
        st.markdown(
            f"**{components.counted(len(found), 'window')} that came alone "
            f"{'stands' if len(found) == 1 else 'stand'} in {', '.join(feeds)}.**  \n"
            ":small[Their bars are there, all 105 of them, in one place only. Moved there they get "
            "a time and the bars around; spans, decisions and names go along.]"
        )
        with st.expander("Which, and where"):
            st.dataframe(
                pd.DataFrame(
                    {
                        "window": [f"{home.name} ({home.series_id})" for home in found],
                        "feed": [home.feed.symbol for home in found],
                        "shift (bars)": [home.bar_start for home in found],
                        "start (UTC)": [
                            f"{home.start_ts:%Y-%m-%d %H:%M}" if home.start_ts else ""
                            for home in found
                        ],
                    }
                ),
                hide_index=True,
            )
        st.button(
            "Move them",
            key="data_move_home",
            icon=":material/move_down:",
            on_click=partial(_move, found, state.new_op()),
        )


def _move(found: Sequence[homes.Home], op: str) -> None:
    with state.reporting():
        report = homes.move_home(found, cache.store(state.workspace().store_url), op_id=op)
        state.say(str(report).replace("\n", " · "))


@dataclass(slots=True)
class Tally:
    """How many windows a series has, how many of them are decided and how many were kept."""

    n: int = 0
    n_decided: int = 0
    n_kept: int = 0


def _tallies(rows: Sequence[WindowRow]) -> defaultdict[str, Tally]:
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for row in rows:
        tally = tallies[row.series_id]
        tally.n += 1
        tally.n_decided += row.state in DECIDED
        tally.n_kept += row.state in LABELLED_STATES
    return tallies


def _series_row(item: Series, tally: Tally) -> None:
    with st.container(border=True):
        left, right = st.columns([3, 2], vertical_alignment="center")
        with left:
            windows = (
                f"{components.counted(tally.n, 'window')}, {tally.n_decided:,} decided, "
                f"{tally.n_kept:,} kept"
                if tally.n
                else ":orange[no window cut yet]"
            )
            st.markdown(
                f"**{item.symbol}** :gray[{item.bar or 'bars without time'}]  \n"
                f":small[{_range_text(item)}]  \n"
                f":small[{components.counted(item.n_bars, 'bar')}{_tick_text(item)} · from "
                f"{item.source}]  \n"
                f":small[{windows}]"
            )
        with (
            right,
            st.container(
                horizontal=True, horizontal_alignment="right", vertical_alignment="center"
            ),
        ):
            if item.start_ts is not None:
                cut_popover(item)
            propose_button(item)
            if tally.n:
                st.page_link(
                    "pages/coverage.py",
                    label="Coverage",
                    icon=":material/grid_on:",
                    query_params={"series": item.series_id},
                )


def _range_text(item: Series) -> str:
    if item.start_ts is None or item.end_ts is None:
        return "no time"
    return f"{item.start_ts:%-d %b %Y %H:%M} – {item.end_ts:%-d %b %Y %H:%M} UTC"


def _tick_text(item: Series) -> str:
    return f" · tick {components.decimal(item.tick_size)}" if item.tick_size else ""


def propose_button(item: Series, place: str = "list") -> None:
    """Draw the search for expansions by the written rule."""
    st.button(
        "Find proposals",
        key=f"data_propose_{place}_{item.series_id}",
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


def cut_popover(item: Series, place: str = "list") -> None:
    """Draw the options of a cut and its button."""
    key = f"data_cut_{place}_{item.series_id}"
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
    own = item.tz_exchange
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


def _cut_text(done: CutReport) -> str:
    return str(done).split(": ", 1)[1].replace("\n", ". ")
