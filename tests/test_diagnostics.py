"""Tables for the pages, on windows whose answers can be read off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from moola import diagnostics
from moola.config import FinetuneConfig
from moola.examples import NO_SPAN, Examples
from moola.runs import RunFolder, create_run
from moola.schema import WINDOW_LENGTH


def examples_of(labels: list[tuple[str, int, int, int]]) -> Examples:
    """Examples of (window_uid, start, end, type_id)."""
    n = len(labels)
    uid, start, end, type_id = (np.array(column) for column in zip(*labels, strict=True))
    return Examples(
        window_uid=uid,
        series_id=np.array(["NQ"] * n),
        bar_start=np.arange(n),
        ohlc=np.ones((n, WINDOW_LENGTH, 4)),
        features=np.zeros((n, WINDOW_LENGTH, 12), np.float32),
        start=start,
        end=end,
        type_id=type_id,
        inside=np.zeros((n, WINDOW_LENGTH), bool),
        ignore=np.zeros((n, WINDOW_LENGTH), bool),
        cold=np.zeros(n, bool),
        group=np.arange(n),
        is_val=np.ones(n, bool),
    )


def predicted(uid: str, start: int, end: int, **changes: Any) -> pd.DataFrame:
    """One window's rows; the countdown is exact for `start` unless given."""
    bar = np.arange(WINDOW_LENGTH)
    values = {
        "window_uid": uid,
        "split": "val",
        "bar": bar,
        "binary_prob": 0.5,
        "countdown_bars": (start - bar).astype(float),
        "start": start,
        "end": end,
        "confidence": 0.5,
        "prob_consolidation": 0.2,
        "prob_retracement": 0.7,
        "prob_reversal": 0.1,
    }
    return pd.DataFrame(values | changes)


CASES = [
    ("exact", (50, 65), (50, 65), 0, "hit"),
    ("three bars off", (50, 65), (53, 62), 3, "hit"),
    ("one edge four bars off", (50, 65), (50, 69), 4, "off"),
    ("nothing decoded", (50, 65), (NO_SPAN, NO_SPAN), WINDOW_LENGTH, "missed"),
    ("nothing labelled", (NO_SPAN, NO_SPAN), (50, 65), WINDOW_LENGTH, "false alarm"),
    ("nothing at all", (NO_SPAN, NO_SPAN), (NO_SPAN, NO_SPAN), 0, "quiet"),
]


@pytest.mark.parametrize(("label", "decoded", "error_bars", "outcome"), [c[1:] for c in CASES])
def test_every_outcome_has_its_error(label, decoded, error_bars, outcome) -> None:
    type_id = 1 if label[0] != NO_SPAN else NO_SPAN
    errors = diagnostics.window_errors(
        examples_of([("w", *label, type_id)]), predicted("w", *decoded)
    )
    assert [(e.error_bars, e.outcome) for e in errors] == [(error_bars, outcome)]


def test_a_window_with_two_spans_is_compared_with_the_nearer_one() -> None:
    examples = examples_of([("w", 10, 15, 0), ("w", 80, 90, 2)])
    (error,) = diagnostics.window_errors(examples, predicted("w", 79, 90))
    assert (error.start, error.end, error.type, error.error_bars) == (80, 90, "reversal", 1)


def test_windows_are_listed_worst_first() -> None:
    examples = examples_of([("good", 50, 65, 0), ("bad", 50, 65, 0), ("lost", 50, 65, 0)])
    predictions = pd.concat(
        [predicted("good", 50, 65), predicted("bad", 40, 65), predicted("lost", -1, -1)]
    )
    errors = diagnostics.window_errors(examples, predictions)
    assert [e.window_uid for e in errors] == ["lost", "bad", "good"]
    assert diagnostics.disagreements(errors) == {"lost": WINDOW_LENGTH, "bad": 10}


def test_windows_without_prediction_are_left_out() -> None:
    examples = examples_of([("a", 50, 65, 0), ("b", 50, 65, 0)])
    errors = diagnostics.window_errors(examples, predicted("a", 50, 65))
    assert [e.window_uid for e in errors] == ["a"]


def test_confusion_counts_labelled_windows_by_most_probable_type() -> None:
    examples = examples_of([("a", 5, 9, 0), ("b", 5, 9, 1), ("c", NO_SPAN, NO_SPAN, NO_SPAN)])
    predictions = pd.concat([predicted(uid, 5, 9) for uid in "abc"])
    table = diagnostics.type_confusion(diagnostics.window_errors(examples, predictions))
    assert table.tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_countdown_error_is_measured_at_the_distance_to_the_labelled_start() -> None:
    examples = examples_of([("w", 50, 65, 0)])
    predictions = predicted("w", 52, 65)  # the countdown points two bars too late
    errors = diagnostics.window_errors(examples, predictions)
    found = diagnostics.countdown_errors(errors, diagnostics.curves_by_window(predictions))
    assert found is not None
    by_distance = dict(zip(found.distance_bars.tolist(), found.mae_bars.tolist(), strict=True))
    assert list(by_distance) == list(range(-20, 21))
    assert [by_distance[d] for d in (-20, 0, 18)] == [2.0, 2.0, 2.0]
    assert by_distance[20] == 0  # beyond 20 bars the countdown is cut, so nothing is wrong there


def test_a_run_without_countdown_head_has_no_countdown_error() -> None:
    examples = examples_of([("w", 50, 65, 0)])
    predictions = predicted("w", 50, 65, countdown_bars=np.nan)
    errors = diagnostics.window_errors(examples, predictions)
    assert diagnostics.countdown_errors(errors, diagnostics.curves_by_window(predictions)) is None


def test_curves_are_in_bar_order_whatever_the_order_of_the_table() -> None:
    shuffled = predicted("w", 50, 65).sample(frac=1, random_state=0)
    countdown = diagnostics.curves_by_window(shuffled)["w"].countdown_bars
    assert countdown is not None
    assert countdown[[0, 50, 104]].tolist() == [50, 0, -54]


def test_an_epoch_is_as_long_as_the_median_one() -> None:
    history = [
        {"epoch": e, "wall": wall} for e, wall in ((1, 9.0), (2, 11.0), (3, 13.0), (4, 15.0))
    ]
    assert diagnostics.epoch_seconds(history) == 2.0
    assert diagnostics.time_left_s(history, epochs=10) == 12.0


def test_before_the_first_epoch_there_is_no_time_left_to_tell() -> None:
    assert diagnostics.epoch_seconds([]) is None
    assert diagnostics.time_left_s([], epochs=5) is None


def test_the_pace_is_that_of_the_newest_run_on_the_device(tmp_path: Path) -> None:
    run = create_run(tmp_path, FinetuneConfig(), name="measured")
    run.save_config(FinetuneConfig(), {"device": "cpu", "n_train": 100})
    run.append_history({"epoch": 1, "wall": 2.0})
    pace = diagnostics.measured_pace([run], device="cpu")
    assert pace.s_per_window == pytest.approx(0.02)
    assert run.id in pace.source
    assert "no run" in diagnostics.measured_pace([run], device="cuda").source


def test_a_broken_run_folder_does_not_spoil_the_estimate(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    broken = RunFolder(tmp_path / "broken")
    pace = diagnostics.measured_pace([broken], device="auto")
    assert pace.s_per_window == diagnostics.DEFAULT_S_PER_WINDOW


@pytest.mark.parametrize("n_rows", [0, 1, 199, 200, 201, 5000])
def test_thinning_keeps_the_newest_row_and_the_order(n_rows: int) -> None:
    history = [{"epoch": epoch} for epoch in range(1, n_rows + 1)]
    kept = [row["epoch"] for row in diagnostics.thinned(history, n_max=200)]
    assert len(kept) <= 200
    assert kept == sorted(kept)
    assert kept[-1:] == [n_rows][: n_rows and 1]


def test_metrics_of_epochs_that_lack_them_are_left_out() -> None:
    history = [{"metrics": {"hit_at_3": 0.2}}, {}, {"metrics": {"hit_at_3": None}}]
    assert diagnostics.series_of(history, "hit_at_3").tolist() == [0.2]
