"""What differs between runs, and how far apart they are on the same windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moola.criteria import CENTER, COUNTDOWN, HIT
from moola.examples import NO_SPAN
from moola.metrics import Predicted
from moola.resampling import Interval
from moola.run_comparing import (
    Facts,
    HeldOut,
    compare,
    difference,
    divergences,
    facts_of,
    held_out,
    is_gain,
    is_like,
)
from tests.toy import toy_examples, toy_run


def facts(run_id: str = "a", **changes: Any) -> Facts:
    options = {"balance": "epoch", "guard": False, "lr": 2e-3, "val_fraction": 0.2}
    values: dict[str, Any] = {
        "run_id": run_id,
        "data_hash": "d1",
        "seed": 0,
        "options": options | changes.pop("options", {}),
        "versions": {"torch": "2.13", "moola": "0.1"},
    }
    return Facts(**values | changes)


def test_runs_that_are_alike_differ_in_nothing() -> None:
    assert divergences([facts("a"), facts("b")]) == []
    assert is_like(facts("a"), facts("b"))


def test_every_divergence_is_named_data_first() -> None:
    other = facts(
        "b",
        data_hash="d2",
        seed=3,
        options={"balance": "raw", "lr": 1e-3, "val_fraction": 0.3, "weights": (50.0, 1.0, 1, 0.1)},
        versions={"torch": "2.12", "moola": "0.1"},
    )
    found = [(item.kind, item.name, item.values) for item in divergences([facts(), other])]
    assert found == [
        ("data", "data hash", ("d1", "d2")),
        ("data", "val fraction", ("0.2", "0.3")),
        ("seed", "seed", ("0", "3")),
        ("option", "balance", ("epoch", "raw")),
        ("option", "lr", ("0.002", "0.001")),
        ("option", "weights", ("–", "50/1/1/0.1")),
        ("version", "torch", ("2.13", "2.12")),
    ]


@pytest.mark.parametrize(
    ("changes", "alike"),
    [({}, True), ({"seed": 1}, False), ({"data_hash": "d2"}, False), ({"data_hash": ""}, False)],
)
def test_runs_are_alike_by_data_and_seed(changes: dict[str, Any], alike: bool) -> None:
    assert is_like(facts(**changes), facts(**(changes if alike else {}))) == alike


def test_a_run_that_recorded_no_data_says_so() -> None:
    (found,) = divergences([facts(), facts("b", data_hash="")])
    assert found.values == ("d1", "not recorded")


def test_facts_come_from_the_run_folder(tmp_path: Path) -> None:
    run = toy_run(tmp_path, balance="raw", seed=4)
    run.save_config(run.config(), {"data_hash": "abc", "versions": {"torch": "2"}})
    found = facts_of(run)
    assert (found.run_id, found.data_hash, found.seed) == (run.id, "abc", 4)
    assert found.options["balance"] == "raw"


def test_a_run_without_predictions_holds_nothing_out(tmp_path: Path) -> None:
    assert held_out(toy_run(tmp_path)) is None


def said(n: int = 24, *, off: np.ndarray | int = 0, rows: np.ndarray | None = None) -> HeldOut:
    """A run on `n` toy windows whose spans lie `off` bars behind the labels."""
    examples = toy_examples(n)
    start, end = examples.start + off, examples.end + off
    found = HeldOut(
        examples,
        Predicted(
            start=start,
            end=end,
            center_norm=(start + end) / 2 / 104,
            type_id=examples.type_id,
            countdown_bars=None,
        ),
    )
    if rows is None:
        return found
    return HeldOut(found.examples.take(rows), found.predicted.take(rows))


def test_the_difference_of_two_runs_is_that_of_their_hits() -> None:
    worse = np.where(np.arange(24) < 6, 10, 0)
    found = compare({"good": said(), "worse": said(off=worse)})
    good, other = found
    assert good.scores["hit_at_3"].value == 1.0
    assert good.differences == {}
    assert other.differences["hit_at_3"].value == pytest.approx(-0.25)
    assert other.differences["hit_at_3"].high < 0
    assert other.basis == "paired on the same 24 held-out windows"
    assert "countdown_mae_bars" not in other.differences, "neither run has a countdown head"


def test_the_order_of_the_windows_does_not_matter() -> None:
    off = np.where(np.arange(24) < 6, 10, 0)
    shuffled = np.random.default_rng(0).permutation(24)
    straight, _ = difference(said(), said(off=off))
    mixed, _ = difference(said(), said(off=off, rows=shuffled))
    assert mixed == straight


def test_only_common_windows_are_paired_and_that_is_said() -> None:
    found, basis = difference(said(rows=np.arange(0, 18)), said(rows=np.arange(6, 24)))
    assert basis == "paired on 12 common windows; held out are 18 and 18, which differ"
    assert found["hit_at_3"] == Interval(0.0, 0.0, 0.0)


def test_without_enough_common_windows_the_difference_is_unpaired() -> None:
    half = np.where(np.arange(24) % 2 == 0, 10, 0)
    found, basis = difference(said(rows=np.arange(0, 12)), said(off=half, rows=np.arange(12, 24)))
    assert basis == "unpaired: 0 held-out windows in common are too few"
    assert found["hit_at_3"].value == pytest.approx(-0.5)
    assert found["hit_at_3"].low < -0.5 < found["hit_at_3"].high


def test_windows_without_a_span_do_not_count() -> None:
    examples = toy_examples(24, n_without_span=3)
    silent = Predicted(
        start=np.full(24, NO_SPAN),
        end=np.full(24, NO_SPAN),
        center_norm=np.full(24, 0.5),
        type_id=np.zeros(24, np.int64),
        countdown_bars=None,
    )
    (found,) = compare({"a": HeldOut(examples, silent)})
    assert found.n_windows == 21


@pytest.mark.parametrize(
    ("goal", "change", "gain"),
    [
        (HIT, Interval(0.1, 0.02, 0.2), True),
        (HIT, Interval(-0.1, -0.2, -0.02), False),
        (COUNTDOWN, Interval(-1.0, -2.0, -0.1), True),
        (CENTER, Interval(0.1, 0.02, 0.2), False),
        (HIT, Interval(0.1, -0.02, 0.2), None),
    ],
)
def test_a_clear_difference_is_a_gain_or_a_loss_by_its_goal(goal, change, gain) -> None:
    assert is_gain(goal, change) is gain
