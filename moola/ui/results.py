"""The Review page's parts: success table, list of windows, one window, two figures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from moola import diagnostics, evaluate, figures
from moola.bars import tick_size
from moola.criteria import Criterion, Verdict
from moola.desk import name_of
from moola.desk.overlay import RunResult, run_result
from moola.diagnostics import WindowError
from moola.examples import NO_SPAN
from moola.exceptions import RunError
from moola.runs import RunFolder
from moola.schema import SPAN_TYPES, WINDOW_LENGTH
from moola.ui import cache, components, picker, span_chart
from moola.ui.picker import Tone
from moola.workspace import Workspace

VERDICT_TONES: dict[Verdict, Tone] = {"met": "good", "not met": "bad", "undecided": "none"}
OUTCOME_TONES: dict[diagnostics.Outcome, Tone] = {
    "hit": "good",
    "off": "warn",
    "missed": "bad",
    "false alarm": "bad",
    "quiet": "none",
}
SPLITS = {"held-out": "val", "training": "train", "all": None}
WINDOW, QUEUE = "review_window", "review_queue"
PROBABILITY = replace(span_chart.BINARY_TARGET, name="Probability of being inside (dashed: label)")
COUNTDOWN = replace(
    span_chart.COUNTDOWN_TARGET, name="Countdown to the start, in bars (dashed: label)"
)


def reviewable(runs: Sequence[RunFolder]) -> list[RunFolder]:
    """Return the runs that have predictions."""
    return [run for run in runs if (run.path / "predictions.parquet").exists()]


def load(run: RunFolder) -> RunResult:
    """Return the run's predictions beside its labels."""
    result = run_result(run)
    if result is None:
        raise RunError(f"Run {run.id} should hold predictions. Found none in {run.path}.")
    return result


def success_table(run: RunFolder) -> None:
    """Draw the targets with value, interval, floor and verdict, and the notes to them."""
    lines = evaluate.read_success(run)
    if lines is None:
        lines = evaluate.evaluate_run(run)
    n_met = sum(line.verdict == "met" for line in lines)
    st.markdown(f"##### {n_met} of {len(lines)} targets met", anchors=False)
    st.markdown("\n".join([TABLE_HEAD, *map(_table_row, lines)]))
    with st.expander("How to read it, and notes to each target"):
        st.markdown(HOW_TO_READ)
        st.markdown("\n".join(f"- **{line.name}**: {line.note}" for line in lines if line.note))


TABLE_HEAD = (
    "| Measure | Verdict | Reached | Target | 95% interval | Best constant | Windows |\n"
    "|:--|:--|--:|:--|:-:|--:|--:|"
)
HOW_TO_READ = (
    "Held-out windows only. The interval is drawn by groups of windows that share bars. The best "
    "constant says the same of every window and was fitted on the training windows: a model "
    "should beat it. Undecided: the interval holds the target, so more windows are needed."
)


def _table_row(line: Criterion) -> str:
    # The verdict stands far left: a narrow screen shows the first columns and scrolls the others.
    cells = [
        line.name,
        components.badge(line.verdict, VERDICT_TONES[line.verdict]),
        f"**{line.show(line.value)}**",
        line.target,
        "–" if line.low is None else f"{_bare(line, line.low)} – {_bare(line, line.high)}",
        line.show(line.floor),
        "–" if line.n_windows is None else f"{line.n_windows:,}",
    ]
    return f"| {' | '.join(cells)} |"


def _bare(line: Criterion, number: float | None) -> str:
    return line.show(number).removesuffix(" bars")


def filtered(errors: Sequence[WindowError]) -> list[WindowError]:
    """Draw the filters of the window list; return the rows that pass, worst first."""
    split = st.segmented_control(
        "Windows", list(SPLITS), default="held-out", key="review_split", required=True,
        persist_state="session",
    )  # fmt: skip
    wanted = SPLITS[split or "all"]
    of_split = [error for error in errors if wanted in (None, error.split)]
    counts = Counter(error.outcome for error in of_split)
    outcomes = st.pills(
        "Outcome",
        [name for name in diagnostics.OUTCOME_HELP if counts[name]],
        selection_mode="multi",
        format_func=lambda name: f"{name} {counts[name]}",
        help=". ".join(f"{k}: {v}" for k, v in diagnostics.OUTCOME_HELP.items()),
        key="review_outcome",
        persist_state="session",
    )
    return [error for error in of_split if not outcomes or error.outcome in outcomes]


def choose_window(errors: Sequence[WindowError], names: Mapping[str, str]) -> str | None:
    """Draw the list of windows, worst first; return the chosen one."""
    rows = {error.window_uid: error for error in errors}
    ids = st.session_state[QUEUE] = list(rows)
    if not ids:
        st.caption("No window passes these filters.")
        return None
    if st.session_state.get(WINDOW) not in rows:
        st.session_state[WINDOW] = ids[0]
    picker.mount(
        ids,
        lambda uid: _as_row(rows[uid], names),
        current=st.session_state[WINDOW],
        label="Windows of the run, worst first",
        key="review_window_list",
        on_pick=_pick,
    )
    return st.session_state[WINDOW]


def names_of(workspace: Workspace) -> dict[str, str]:
    """Return how a reader calls each window of the store."""
    return {row.window_uid: name_of(row) for row in cache.window_rows(workspace.store_url)}


def disagreement_link(run: RunFolder, result: RunResult) -> None:
    """Draw the way to the queue of windows that the run reads otherwise, if there are any."""
    if n_windows := len(result.disagreements()):
        st.page_link(
            "pages/windows.py",
            label=f"Label {components.counted(n_windows, 'window')} it reads otherwise",
            icon=":material/arrow_forward:",
            query_params={"mode": "run", "run": run.id},
        )


def _as_row(error: WindowError, names: Mapping[str, str]) -> picker.Row:
    bars = f"{error.error_bars} bars" if error.outcome in ("hit", "off") else ""
    detail = " · ".join(filter(None, [error.outcome, bars, error.type]))
    uid = error.window_uid
    return picker.Row(uid, names.get(uid, uid), detail, OUTCOME_TONES[error.outcome])


def _pick(window_uid: str) -> None:
    st.session_state[WINDOW] = window_uid


def _step(direction: int) -> None:
    ids: list[str] = st.session_state[QUEUE]
    at = ids.index(st.session_state[WINDOW])
    _pick(ids[max(0, min(len(ids) - 1, at + direction))])


def window(
    workspace: Workspace, result: RunResult, window_uid: str, names: Mapping[str, str]
) -> None:
    """Draw one window with label and prediction, per span and per bar."""
    error = next(e for e in result.errors if e.window_uid == window_uid)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        chip = components.badge(error.outcome, OUTCOME_TONES[error.outcome])
        st.markdown(f"**{names.get(window_uid, window_uid)}** {chip}", width="content")
        st.space("stretch")
        st.button("Previous", key="review_previous", shortcut="Left", on_click=_step, args=(-1,))
        st.button("Next", key="review_next", shortcut="Right", on_click=_step, args=(1,))
        open_it = st.button("Open for labelling", key="review_open", icon=":material/edit:")
    if open_it:
        st.switch_page("pages/windows.py", query_params={"window": window_uid})
    st.caption(_sentence(error))
    row = int(np.flatnonzero(result.examples.window_uid == window_uid)[0])
    place = str(result.examples.series_id[row]), int(result.examples.bar_start[row])
    data = _chart_data(result, error, times=cache.window_times(workspace, *place))
    span_chart.mount(data, key="review_chart")


def _sentence(error: WindowError) -> str:
    def span(start: int, end: int, kind: str) -> str:
        return "no span" if start == NO_SPAN else f"{start} – {end} {kind}"

    label = span(error.start, error.end, error.type)
    predicted = span(error.predicted_start, error.predicted_end, error.predicted_type)
    sure = "" if math.isnan(error.confidence) else f" (confidence {error.confidence:.0%})"
    side = "held out" if error.split == "val" else "used for training"
    return f"Labelled **{label}** · predicted **{predicted}**{sure} · {side}"


def _chart_data(
    result: RunResult, error: WindowError, *, times: list[int] | None
) -> span_chart.ChartData:
    examples = result.examples
    rows = np.flatnonzero(examples.window_uid == error.window_uid).tolist()
    spans = tuple(
        span_chart.ChartSpan(
            key=str(row),
            start=int(examples.start[row]),
            end=int(examples.end[row]),
            type=SPAN_TYPES[examples.type_id[row]],
        )
        for row in rows
        if examples.has_span[row]
    )
    predicted = span_chart.Outline(
        start=error.predicted_start, end=error.predicted_end, name="predicted"
    )
    ohlc = examples.ohlc[rows[0]]
    return span_chart.ChartData(
        id=error.window_uid,
        label="Window with its labelled and its predicted span",
        bars=span_chart.price_columns(ohlc),
        times=times,
        tick=tick_size(ohlc),
        spans=spans,
        active=next((s.key for s in spans if s.start == error.start), None),
        refs=() if predicted.start == NO_SPAN else (predicted,),
        panes=_panes(result.curves[error.window_uid], error, examples.inside[rows[0]]),
        hint="Filled: labelled. Dashed: predicted. Point at a bar to read its numbers.",
    )


def _panes(
    curves: diagnostics.Curves, error: WindowError, inside: NDArray[np.bool_]
) -> tuple[span_chart.Pane, ...]:
    """Return the per-bar heads with their targets; none if the run has no such heads."""
    panes = []
    if curves.binary_prob is not None:
        values, target = curves.binary_prob.round(4).tolist(), inside.astype(int).tolist()
        panes.append(replace(PROBABILITY, values=values, target=target))
    if curves.countdown_bars is not None:
        target = (error.start - np.arange(WINDOW_LENGTH)).tolist() if error.is_labelled else None
        values = curves.countdown_bars.round(2).tolist()
        panes.append(replace(COUNTDOWN, values=values, target=target))
    return tuple(panes)


def summary_figures(result: RunResult) -> None:
    """Draw the type confusion and the countdown's error on the held-out windows."""
    held_out = [error for error in result.errors if error.split == "val"]
    left, right = st.columns(2, gap="medium")
    with left:
        counts = diagnostics.type_confusion(held_out)
        components.chart(figures.confusion_matrix(counts), key="review_confusion")
    with right:
        errors = diagnostics.countdown_errors(held_out, result.curves)
        components.chart(figures.countdown_error(errors), key="review_countdown")
