"""The detection benchmark measures what it says: no shared bars, exact rules, paired intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from moola.config import FinetuneConfig
from moola.decode import Calibration
from moola.length_prior import LengthPrior
from moola.predict import Outputs
from moola.seen_bars import fingerprints, print_set
from moola.trainer import Trainer
from tests.benchmarks.detection import report
from tests.benchmarks.detection.cells import CELLS, Cell, chosen
from tests.benchmarks.detection.finding import FINDERS, RULES
from tests.benchmarks.detection.goals import goal_rows
from tests.benchmarks.detection.means import Mean, difference
from tests.benchmarks.detection.scoring import span_scores
from tests.benchmarks.detection.work import Trained, learn, train
from tests.benchmarks.detection.worlds import unlabelled, world

REAL = [pytest.param(name, marks=pytest.mark.real_bars) for name in ("rweak", "rplant0.7")]


@pytest.mark.parametrize("name", ["s0.9", *REAL])
def test_training_and_test_windows_share_no_bar(name: str, request: pytest.FixtureRequest) -> None:
    if name != "s0.9":
        request.getfixturevalue("real_bars_dir")
    data = world(name, 0, 60)
    seen = print_set(data.train.ohlc)
    assert len(data.test) == 60
    assert not any(np.isin(fingerprints(ohlc), seen).any() for ohlc in data.test.ohlc)
    assert (~data.train.is_val).sum() == 174
    few = data.with_labels(50)
    assert ((~few.is_val).sum(), few.is_val.sum()) == (50, data.train.is_val.sum())


def test_bars_to_pretrain_on_are_not_those_of_the_test() -> None:
    seen = print_set(stretch.ohlc for stretch in unlabelled("s0.9"))
    data = world("s0.9", 0, 60)
    for ohlc in (*data.test.ohlc, *data.train.ohlc):
        assert not np.isin(fingerprints(ohlc), seen).any()


@pytest.mark.parametrize("name", RULES)
def test_rules_find_more_than_a_constant_does(name: str) -> None:
    data = world("s1.2", 0, 120)
    scores = span_scores(data.test, FINDERS[name](data.train)(data.test))
    assert scores["start_at_3"] > 0.3, "a constant hits 0.1"
    assert scores["start_at_3@0.25"] >= scores["start_at_3"]


def test_what_was_trained_is_read_back(tmp_path: Path) -> None:
    outputs = Outputs(
        np.ones((2, 3), np.float32),
        np.ones((2, 2), np.float32),
        np.zeros((2, 105), np.float32),
        None,
    )
    trained = Trained(outputs, LengthPrior(3.0, 2.0, 0.1), Calibration(0.4, 1.0), 12.5)
    trained.save(tmp_path / "cell.npz")
    again = Trained.load(tmp_path / "cell.npz")
    assert np.array_equal(again.outputs.pointers, outputs.pointers)
    assert again.outputs.countdown_bars is None
    assert (again.prior, again.calibration, again.cpu_s) == (
        trained.prior,
        trained.calibration,
        12.5,
    )


def test_a_cell_trains_and_is_scored(tmp_path: Path) -> None:
    cell = Cell(name="bar head", n_labels=30, epochs=1, n_test=20)
    rows = list(report.rows_of_run(cell, 0, train(cell, 0, tmp_path)))
    assert {"edge", "start"} <= {row["decoder"] for row in rows}
    assert all(0 <= row["start_at_3"] <= 1 for row in rows)
    text = report.markdown(pd.DataFrame(rows), title="One cell")
    assert "| bar head | start | 1 |" in text


def test_the_short_cut_through_the_epochs_leads_to_the_same_weights() -> None:
    examples = world("s0.9", 0, 60).with_labels(30)
    short, long = (Trainer(FinetuneConfig(epochs=3, device="cpu"), examples) for _ in range(2))
    learn(short)
    long.begin()
    for _ in range(3):
        long.run_epoch(stop=lambda: False, on_step=lambda _done, _planned: None)
        long.end_epoch()
    weights = long.model.state_dict()
    assert all(torch.equal(w, weights[name]) for name, w in short.model.state_dict().items())
    assert short.state.epoch == 3


def test_other_options_are_kept_under_another_name() -> None:
    runs = list(chosen(quick=False, with_real_bars=True))
    assert len({cell.key(seed) for cell, seed in runs}) == len(runs)
    assert [seed for _, seed in runs] == sorted(seed for _, seed in runs)
    assert not any(c.needs_real_bars for c, _ in chosen(quick=True, with_real_bars=False))
    assert CELLS[0].key(0) != Cell(name="bar head", options={"lr": 1e-3}).key(0)


def test_means_and_differences_by_hand() -> None:
    found = Mean.of([0.6, 0.7, 0.8])
    assert found.value == pytest.approx(0.7)
    assert found.half == pytest.approx(4.3027 * 0.1 / np.sqrt(3), rel=1e-3)
    assert str(Mean.of([0.6, 0.7])) == "0.650", "two seeds have no interval worth printing"
    rows = [
        {"model": model, "seed": seed, "start_at_3": value}
        for model, values in {"a": (0.5, 0.9, 0.4, 0.2), "b": (0.4, 0.8, 0.3)}.items()
        for seed, value in enumerate(values)
    ]
    gap = difference(pd.DataFrame(rows), {"model": "a"}, {"model": "b"}, "start_at_3")
    assert gap.value == pytest.approx(0.1), "seed 3 has no partner"
    assert gap.half == pytest.approx(0, abs=1e-9)


def test_a_goal_needs_its_lower_bound_too() -> None:
    def verdict(values: list[float]) -> str:
        rows = [
            {"data": "s0.9", "model": "bar head", "decoder": "start", "seed": seed,
             "start_at_3": value}
            for seed, value in enumerate(values)
        ]  # fmt: skip
        return next(iter(goal_rows(pd.DataFrame(rows))))[3]

    assert verdict([0.65, 0.66, 0.64]) == "met"
    assert verdict([0.55, 0.80, 0.60]) == "missed"
    assert verdict([0.65]) == "reached, too few seeds for an interval"
    assert verdict([0.55]) == "missed"
