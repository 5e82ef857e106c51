"""The Review page's calibration view: is the run as sure as it is right?"""

from __future__ import annotations

import streamlit as st

from moola import confidence, evaluate, figures_detection, review_curves
from moola.desk.overlay import RunResult
from moola.exceptions import RunError
from moola.metrics import score
from moola.review_tables import Reading
from moola.runs import RunFolder
from moola.ui import components
from moola.ui.review.result import held_out

WANTED = (0.6, 0.7, 0.8, 0.9)


def draw(run: RunFolder, result: RunResult) -> None:
    """Draw reliability of spans and bars, what abstaining wins, and hits by tolerance."""
    rows = held_out(result)
    left, right = st.columns(2, gap="medium")
    with left:
        components.chart(
            figures_detection.reliability(
                review_curves.span_reliability(rows),
                title="Confidence of the span",
                stated="stated confidence",
                true="both edges within 3 bars",
            ),
            key="review_reliability",
        )
    with right:
        inside = dict(zip(result.examples.window_uid.tolist(), result.examples.inside, strict=True))
        components.chart(
            figures_detection.reliability(
                review_curves.edge_reliability(rows, result.curves, inside),
                title=f"Bars within {confidence.NEAR_BARS} of an edge",
                stated="stated probability of being inside",
                true="bars labelled inside",
            ),
            key="review_edges",
        )
    left, right = st.columns(2, gap="medium")
    with left:
        _abstaining(rows)
        _kept_threshold(run)
    with right:
        curves = {
            "both edges": review_curves.tolerance_curve(rows),
            "start": review_curves.tolerance_curve(rows, edges="start"),
        }
        components.chart(
            figures_detection.tolerance(curves, _floors(run, result)), key="review_tolerance"
        )


def _abstaining(rows: list[Reading]) -> None:
    place = st.container()  # above the choice, level with the figure beside it
    wanted = st.segmented_control(
        "Speak only where hits reach",
        list(WANTED),
        default=0.8,
        format_func=lambda share: f"{share:.0%}",
        key="review_wanted",
        required=True,
        persist_state="session",
    )
    chosen = review_curves.abstention(rows, wanted=wanted)
    points = review_curves.kept_hits(rows)
    with place:
        components.chart(figures_detection.risk_coverage(points, chosen), key="review_coverage")
    if chosen is None:
        st.caption(f"{confidence.none_offered(wanted)} So none is offered: few windows flatter.")
        return
    low = "" if chosen.low is None else f" (95% interval from {chosen.low:.0%})"
    st.caption(
        f"From a confidence of **{chosen.threshold:.2f}** on it speaks of {chosen.n} of "
        f"{chosen.n_windows} windows and hits {chosen.share:.0%} of them{low}. That threshold was "
        f"chosen on these very windows. {_judged(chosen)}"
    )


def _kept_threshold(run: RunFolder) -> None:
    """Say which confidence the command line takes, where the run keeps one."""
    try:
        kept = confidence.stored_abstention(run.path)
    except RunError:
        return
    st.caption(
        f"`--abstain` of predict, scan and export-spans takes **{kept.threshold:.2f}**, which "
        f"the run keeps for hits of {kept.wanted:.0%}."
    )


def _judged(chosen: confidence.Abstention) -> str:
    if chosen.judged_share is None:
        return "Chosen on four fifths of them, none kept a window of the rest."
    return (
        f"Chosen on four fifths of them and judged on the rest, it speaks of "
        f"{chosen.judged_coverage:.0%} and hits {chosen.judged_share:.0%}."
    )


def _floors(run: RunFolder, result: RunResult) -> dict[str, float]:
    """Return the best constant's hits on the same windows; of folds each has its own."""
    val = result.examples.take(result.examples.is_val)
    found = score(val, evaluate.read_floor(run, result.examples))
    return {"both edges": found["hit_at_3"].value, "start": found["start_at_3"].value}
