"""The Compare page's runs side by side: what differs, shares, skill, scores, differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import streamlit as st

from moola import figures_runs, run_comparing
from moola.criteria import SCORED_GOALS, Goal
from moola.draw_groups import HOW_DRAWN
from moola.figures_runs import MOST_POINTS, MOST_RUNS, Course
from moola.resampling import Interval
from moola.run_comparing import Compared, Facts
from moola.runs import RunFolder
from moola.ui import components, export_menu, run_cache, run_parts

KEY = "compare_runs"
N_DEFAULT = 4
TICK_S = 3.0
DIVERGENCES = {
    "data": "They do not learn from the same windows",
    "seed": "Their seeds differ, and with them split, first weights and order",
}
HOW_TO_READ = (
    f"Held-out windows only, 95 % intervals drawn by {HOW_DRAWN}. A paired "
    "difference draws the same windows for both runs, so that what is hard for both cancels. Bold: "
    "the whole interval lies on one side of 0. One seed says little: the Strategies view repeats "
    "a comparison over several."
)


def draw(found: Sequence[RunFolder]) -> None:
    """Draw the choice of runs and what is known of the chosen ones."""
    chosen = _choose(found)
    if not chosen:
        st.info("Choose the runs to compare; the first one is what the others are held against.")
        return
    known = [made for run in chosen if (made := run_cache.facts(run)) is not None]
    _what_differs(known)
    is_live = any(run.status().is_live for run in chosen)

    @st.fragment(run_every=TICK_S if is_live else None)
    def body() -> None:
        with components.problems():
            _charts(chosen)
        if is_live and not any(run.status().is_live for run in chosen):
            st.rerun()  # one full run ends the timer

    body()
    with components.problems():
        _scores(chosen)
    export_menu.row(chosen)


def _choose(found: Sequence[RunFolder]) -> list[RunFolder]:
    """Draw the list, the runs on the same data and seed as the first chosen one at its top."""
    by_id = {run.id: run for run in found}
    link = st.query_params.get("runs", "")
    chosen = [name for name in st.session_state.get(KEY, ()) if name in by_id]
    if link and link != st.session_state.get(f"{KEY}_linked"):
        chosen = [name for name in link.split(",") if name in by_id]
    chosen = chosen or _like_the_newest(found)
    base = run_cache.facts(by_id[chosen[0]])
    likeness = {run.id: _likeness(run_cache.facts(run), base) for run in found}
    st.session_state[KEY] = chosen
    picked = st.multiselect(
        "Runs",
        sorted(by_id, key=lambda name: list(LIKENESS).index(likeness[name])),
        format_func=lambda name: run_parts.name_of(by_id[name]) + LIKENESS[likeness[name]],
        key=KEY,
        max_selections=MOST_RUNS,
        placeholder="runs to compare",
        help="The first one is the base. Runs on the same data with the same seed come first.",
        persist_state="session",
    )
    st.session_state[f"{KEY}_linked"] = st.query_params["runs"] = ",".join(picked)
    return [by_id[name] for name in picked]


LIKENESS = {
    "same": "",
    "seed": " (another seed)",
    "data": " (other data)",
    "unknown": " (not started)",
    "damaged": " (damaged)",
}


def _likeness(one: Facts | None, base: Facts | None) -> str:
    if one is None:
        return "damaged"
    if base is None or run_comparing.is_like(one, base):
        return "same"
    if not one.data_hash:
        return "unknown"
    return "seed" if one.seed != base.seed else "data"


def _like_the_newest(found: Sequence[RunFolder]) -> list[str]:
    """Return the newest run that has started, and the newest others on its data and seed."""
    known = [made for run in found if (made := run_cache.facts(run)) is not None]
    started = [made for made in known if made.data_hash] or known
    if not started:
        return [found[0].id]
    like = [made for made in started if run_comparing.is_like(made, started[0])]
    return [made.run_id for made in like[:N_DEFAULT]] or [started[0].run_id]


def _names(chosen: Sequence[RunFolder]) -> dict[str, str]:
    """Return a short name of every run; those that share one get the time they were made."""
    short = {run.id: run.about().title or run.id[16:] or run.id for run in chosen}
    taken = list(short.values())
    return {
        run.id: short[run.id] if taken.count(short[run.id]) == 1 else run_parts.name_of(run)
        for run in chosen
    }


def _what_differs(known: Sequence[Facts]) -> None:
    if len(known) < 2:
        return
    found = run_comparing.divergences(known)
    kinds = dict.fromkeys(item.kind for item in found)
    for kind, words in DIVERGENCES.items():
        if kind in kinds:
            st.warning(f"{words}: differences are of both.", icon=":material/call_split:")
    same = "" if "data" in kinds or "seed" in kinds else "Same data, same seed. "
    names = ", ".join(item.name for item in found) or "nothing: they should agree"
    st.markdown(f":small[{same}They differ in {names}.]")
    if found:
        with st.expander(f"What differs: {components.counted(len(found), 'thing')}"):
            heads = [made.run_id[16:] or made.run_id for made in known]
            rows = [[item.kind, item.name, *item.values] for item in found]
            st.markdown(components.table(["", "", *heads], rows))


def _charts(chosen: Sequence[RunFolder]) -> None:
    names = _names(chosen)
    courses = [_course(run, names[run.id]) for run in chosen]
    key = "-".join(run.id for run in chosen)
    for kind, draw_all in (
        ("shares", figures_runs.share_panels),
        ("skill", figures_runs.skill_lines),
    ):
        components.chart(draw_all(courses), key=f"compare_{kind}_{key}", name=f"compared-{kind}")


def _course(run: RunFolder, name: str) -> Course:
    book = run_parts.book()
    history = book.history(run).evenly(MOST_POINTS)
    planned = book.status(run).epochs or (history[-1]["epoch"] if history else 1)
    return Course(name, planned, history)


def _scores(chosen: Sequence[RunFolder]) -> None:
    found = run_cache.compared(chosen)
    if not found:
        st.caption("Scores and differences come when a run has ended and predicted.")
        return
    names = _names(chosen)
    st.markdown("##### Scores on held-out windows", anchors=False)
    heads = ["Run", *(f"{goal.name} ({goal.target})" for goal in SCORED_GOALS), "Windows"]
    st.markdown(components.table(heads, [_score_row(item, names) for item in found]))
    others = found[1:]
    if others:
        st.markdown(f"##### Differences from {names[found[0].run_id]}", anchors=False)
        heads = ["Run", *map(_difference_head, SCORED_GOALS), "Basis"]
        st.markdown(components.table(heads, [_difference_row(item, names) for item in others]))
    st.caption(HOW_TO_READ)


def _score_row(item: Compared, names: Mapping[str, str]) -> list[str]:
    cells = [_score(goal, item.scores.get(goal.key)) for goal in SCORED_GOALS]
    return [names[item.run_id], *cells, f"{item.n_windows:,}"]


def _score(goal: Goal, found: Interval | None) -> str:
    if found is None or math.isnan(found.value):
        return "–"
    return f"**{_number(goal, found.value)}** {_edges(goal, found)}"


def _difference_row(item: Compared, names: Mapping[str, str]) -> list[str]:
    cells = [_difference(goal, item.differences.get(goal.key)) for goal in SCORED_GOALS]
    return [names[item.run_id], *cells, item.basis]


def _difference(goal: Goal, found: Interval | None) -> str:
    """Return a difference with its sign; a clear one bold, green where it is a gain."""
    if found is None or math.isnan(found.value):
        return "–"
    text = f"{'+' if found.value > 0 else ''}{_number(goal, found.value)}".rstrip("%")
    gain = run_comparing.is_gain(goal, found)
    if gain is not None:
        text = f"**:{'green' if gain else 'red'}[{text}]**"
    return f"{text} {_edges(goal, found).replace('%', '')}"


def _difference_head(goal: Goal) -> str:
    """Return a metric's name with its unit; two shares differ by points, not by per cent."""
    units = {"share": " (points)", "bars": " (bars)"}
    return goal.name.removesuffix(" (both edges)") + units.get(goal.unit, "")


def _edges(goal: Goal, found: Interval) -> str:
    if math.isnan(found.low):
        return ":small[:gray[no interval]]"
    return f":small[:gray[{_number(goal, found.low)} to {_number(goal, found.high)}]]"


def _number(goal: Goal, number: float) -> str:
    return goal.line().show(number).removesuffix(" bars").replace("-", "−")
