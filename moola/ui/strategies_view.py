"""The Compare page's strategies: start a group, follow it, read its table."""

from __future__ import annotations

from functools import partial

import streamlit as st

from moola import strategies, strategy_table
from moola.config import FinetuneConfig
from moola.runs import RunFolder
from moola.strategies import Plan
from moola.ui import compare_view, components, run_cache, state
from moola.workspace import Workspace

TICK_S = 2.0
NEW = "a new group"
HOW_TO_READ = (
    "Shares and gradient shares are means over the last third of the epochs and all seeds, the "
    "range beside the pointers' share is of single epochs. Scores are means over seeds with 95 % "
    "intervals over seeds and held-out windows; the difference of Hit is paired by seed and window."
)


def draw(workspace: Workspace) -> None:
    """Draw the choice of a group, and the chosen one or the form of a new one."""
    groups = strategies.list_groups(workspace)
    linked = st.query_params.get("group")
    if linked in groups and "compare_group" not in st.session_state:
        st.session_state["compare_group"] = linked
    group = st.selectbox(
        "Group", [*groups, NEW], key="compare_group", label_visibility="collapsed", width=420
    )
    state.show_notice()
    if group == NEW or group is None:
        _form(workspace)
        return
    st.query_params["group"] = group
    _follow(strategies.read_plan(group, workspace), workspace)


def _form(workspace: Workspace) -> None:
    st.markdown(
        "Trains every chosen balance with every seed on the same windows, one run after another, "
        "and sets them side by side. The runs are ordinary ones: stop, resume and review them as "
        "any other."
    )
    left, right = st.columns([3, 2], gap="medium")
    left.multiselect(
        "Balances", list(strategies.STRATEGIES), list(strategies.STRATEGIES), key="strategies_names"
    )
    right.multiselect("Seeds", list(range(10)), list(strategies.SEEDS), key="strategies_seeds")
    left.text_input("Name", key="strategies_name", placeholder="Name of the group (optional)")
    columns = right.columns(2)
    columns[0].number_input("Epochs", 1, 1000, 60, key="strategies_epochs")
    columns[1].selectbox(
        "Which windows",
        FinetuneConfig.choices()["labels"],
        key="strategies_labels",
        help=FinetuneConfig.__dataclass_fields__["labels"].metadata["help"],
    )
    n_runs = len(st.session_state["strategies_names"]) * len(st.session_state["strategies_seeds"])
    st.button(
        f"Train {components.counted(n_runs, 'run')}",
        key="strategies_start",
        type="primary",
        icon=":material/play_arrow:",
        disabled=not n_runs,
        on_click=partial(_start, workspace),
    )


def _start(workspace: Workspace) -> None:
    with state.reporting():
        config = FinetuneConfig(
            epochs=st.session_state["strategies_epochs"],
            labels=st.session_state["strategies_labels"],
        )
        plan = strategies.make_plan(
            workspace,
            config,
            group=st.session_state["strategies_name"] or None,
            strategies=st.session_state["strategies_names"],
            seeds=st.session_state["strategies_seeds"],
        )
        strategies.launch(plan, workspace)
        st.session_state["compare_group"] = plan.group
        state.say(f"Started {plan.group}", timed=False)


def _continue(plan: Plan, workspace: Workspace) -> None:
    with state.reporting():
        strategies.launch(plan, workspace)
        state.say(f"{plan.group} goes on", timed=False)


def _follow(plan: Plan, workspace: Workspace) -> None:
    """Draw a group; look for news while a process carries it."""
    is_carried = strategies.is_carried(plan.group, workspace)

    @st.fragment(run_every=TICK_S if is_carried else None)
    def body() -> None:
        now = strategies.read_plan(plan.group, workspace)
        runs = [run for cell in now.cells() if (run := now.run_of(cell, workspace)) is not None]
        _progress(now, runs, workspace, is_carried=is_carried)
        with components.problems():
            _table(now, runs, workspace)
        if is_carried != strategies.is_carried(plan.group, workspace):
            st.rerun()

    body()


def _progress(plan: Plan, runs: list[RunFolder], workspace: Workspace, *, is_carried: bool) -> None:
    states = [run.status().state for run in runs]
    n_runs, n_done = len(plan.cells()), states.count("finished")
    if n_done < n_runs:
        live = next((run for run in runs if run.status().is_live), None)
        doing = f", now {live.id[16:]}" if live else "" if is_carried else ", nobody carries it on"
        st.progress(n_done / n_runs, text=f"{n_done} of {n_runs} runs finished{doing}")
        if not is_carried:
            st.button(
                "Go on",
                key="strategies_continue",
                icon=":material/play_arrow:",
                on_click=partial(_continue, plan, workspace),
                help="Makes the runs that are missing and resumes those that were stopped",
            )


def _table(plan: Plan, runs: list[RunFolder], workspace: Workspace) -> None:
    written = tuple(run_cache.stamp(run.path / run_cache.PREDICTIONS) for run in runs)
    table = _as_table(plan.group, workspace, written)
    if table.empty:
        st.caption("The table begins when the first run has finished.")
        return
    rows = [list(map(_small, cells)) for cells in strategy_table.shown_rows(table)]
    heads = [f"{head[:1].upper()}{head[1:]}" for head in strategy_table.HEAD]
    st.markdown(components.table(heads, rows))
    st.caption(f"{HOW_TO_READ} {strategy_table.note_on(table)}")
    with st.container(horizontal=True):
        for seed in plan.seeds:
            st.button(
                f"Seed {seed} side by side",
                key=f"strategies_seed_{seed}",
                icon=":material/compare:",
                on_click=partial(_side_by_side, plan, seed),
            )
        st.download_button(
            "Parquet",
            lambda: table.to_parquet(index=False),
            f"{plan.group}.parquet",
            key="strategies_parquet",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            "Markdown",
            lambda: strategy_table.as_markdown(table),
            f"{plan.group}.md",
            key="strategies_markdown",
            on_click="ignore",
            icon=":material/download:",
        )


def _side_by_side(plan: Plan, seed: int) -> None:
    runs = [plan.runs[cell] for cell in plan.cells() if cell.seed == seed and cell in plan.runs]
    st.session_state[compare_view.KEY] = runs[: compare_view.MOST_RUNS]
    st.session_state["compare_view"] = "Runs"


def _small(cell: str) -> str:
    """Set what stands in brackets behind a number in small grey type."""
    number, _, rest = cell.replace(" (", " [").partition(" [")
    return f"{number} :small[:gray[{rest[:-1].replace(',', ' to')}]]" if rest else number


@st.cache_resource(max_entries=8, show_spinner="Setting the runs side by side")
def _as_table(group: str, workspace: Workspace, _written: tuple[run_cache.Stamp, ...]):
    plan = strategies.read_plan(group, workspace)
    table = strategy_table.table_of(plan, workspace)
    strategy_table.save(table, plan, workspace)
    return table
