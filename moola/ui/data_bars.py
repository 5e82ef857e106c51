"""The Data page's bars: bring a file in, see what is there, cut windows out of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from moola import market_hours, proposing
from moola.cutting import CutOptions, cut_series
from moola.schema import LABELLED_STATES, WINDOW_LENGTH
from moola.store import LabelStore, Series, WindowRow
from moola.ui import bar_import, cache, components, incoming, jobs, state
from moola.workspace import Workspace

DONE, N_DONE = "data_imported", "data_n_imported"
DECIDED = (*LABELLED_STATES, "rejected")
CLOCKS = [item.zone for item in market_hours.EXCHANGES] + [market_hours.AROUND_THE_CLOCK]


def draw(workspace: Workspace) -> None:
    """Draw the section."""
    store = cache.store(workspace.store_url)
    with components.problems():
        _follow_imports(workspace)
    state.show_notice()
    if DONE in st.session_state:
        _say_what_was_imported(store)
    with st.container(border=True), components.problems():
        _bring_in(workspace)
    _series_list(workspace, store)


def _bring_in(workspace: Workspace) -> None:
    """Draw where bars can come from, and then the steps of their import."""
    n_done = st.session_state.get(N_DONE, 0)  # each import leaves empty fields behind
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("##### Bring a file in", width="content")
        source = st.segmented_control(
            "From",
            [incoming.UPLOAD, incoming.PATH],
            default=incoming.UPLOAD,
            required=True,
            key="data_source",
            label_visibility="collapsed",
        )
    if source == incoming.PATH:
        path = incoming.path_on_machine(
            key=f"data_path_{n_done}", placeholder="/home/me/exports/NQ_1min.csv"
        )
    else:
        path = incoming.upload(workspace, key=f"data_upload_{n_done}")
    if path is None:
        st.caption(
            "Exports of TradingView, NinjaTrader, MetaTrader, Databento, Binance, Dukascopy and "
            "others, or any table with time, open, high, low and close; packed ones too. Large "
            "files are read fastest by their path."
        )
        return
    bar_import.draw(workspace, path)


def _follow_imports(workspace: Workspace) -> None:
    """Wait for an import that is under way, whichever tab began it, and keep its report."""
    prefix = bar_import.job_prefix(workspace)
    for key, job in jobs.begun(prefix).items():
        try:
            report = jobs.finish(job, f"Importing {key.removeprefix(prefix)}")
        finally:
            jobs.forget(key)
        st.session_state[DONE] = (report.series_ids[0], str(report))
        st.session_state[N_DONE] = st.session_state.get(N_DONE, 0) + 1


def _say_what_was_imported(store: LabelStore) -> None:
    """Tell the import's report and offer what comes next."""
    series_id, text = st.session_state[DONE]
    found = [item for item in store.series() if item.series_id == series_id]
    if not found:
        return
    with st.container(border=True):
        first, *notes = text.splitlines()
        st.markdown(f":green[:material/check_circle:] **Imported** {first}")
        for note in notes:
            st.markdown(f":small[{note}]")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**Next:**", width="content")
            cut_popover(found[0], place="next")
            propose_button(found[0], place="next")
            st.page_link("pages/windows.py", label="Label", icon=":material/candlestick_chart:")
            st.button("Done", key="data_done_close", type="tertiary", on_click=_close_report)


def _close_report() -> None:
    st.session_state.pop(DONE, None)


def _series_list(workspace: Workspace, store: LabelStore) -> None:
    known = store.series()
    feeds = [item for item in known if item.kind == "feed"]
    alone = [item for item in known if item.kind == "window"]
    st.markdown("##### Series in this workspace")
    if not known:
        st.caption("None yet.")
    tallies = _tallies(cache.window_rows(workspace.store_url))
    for item in sorted(feeds, key=lambda item: item.symbol):
        _series_row(item, tallies[item.series_id])
    if alone:
        n_decided = sum(tallies[item.series_id].n_decided for item in alone)
        st.caption(
            f"And {components.counted(len(alone), 'window')} that came alone, without time or the "
            f"bars around; {n_decided:,} of them decided."
        )


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


def _cut_text(done) -> str:
    return str(done).split(": ", 1)[1].replace("\n", ". ")
