from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from moola import evaluate, predict
from moola.augment import mirror_prices
from moola.diagnostics import curves_by_window
from moola.examples import NO_SPAN, Examples
from moola.exceptions import RunError
from moola.review_tables import STARTS, readings
from moola.runs import RunFolder
from moola.schema import SPAN_TYPES
from moola.train import finetune
from moola.type_stage import (
    FEATURES,
    LOOKBACK_BARS,
    STAGE_COLUMNS,
    TYPE_STAGE_FILE,
    TypeStage,
    decided_types,
    pre_features,
    series_columns,
    stage_of_checkpoint,
)
from tests.test_features import random_walk
from tests.toy import toy_examples, toy_run


def named(features: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(FEATURES, features, strict=True))


def market_states(n: int, *, seed: int) -> Examples:
    """Windows of calm, of a climb with a pull-back, of a fall; each before 10 bars upwards."""
    rng = np.random.default_rng(seed)
    examples = toy_examples(n, seed=seed)
    ohlc = np.empty((n, 105, 4))
    for row, (start, kind) in enumerate(zip(examples.start, examples.type_id, strict=True)):
        step = rng.normal(0, 1, 105) * (0.6 if kind == 0 else 1)
        step[max(start - 20, 0) : start] += (0, 0.6, -0.5)[kind]
        step[max(start - 5, 0) : start] -= (0, 1.2, 0)[kind]
        step[start : start + 10] += 2
        close = 1000 + step.cumsum()
        opened = close - step
        spread = np.abs(rng.normal(0, 0.3, (2, 105)))
        high, low = np.maximum(opened, close) + spread[0], np.minimum(opened, close) - spread[1]
        ohlc[row] = np.stack([opened, high, low, close], axis=1)
    return replace(examples, ohlc=ohlc, end=examples.start + 9)


TRAIN, TEST = market_states(120, seed=1), market_states(120, seed=2)


def test_a_straight_climb_before_the_start_reads_as_one() -> None:
    close = 100 + np.arange(105.0)
    ohlc = np.stack([close - 1, close, close - 1, close], axis=1)[None]
    features = named(pre_features(ohlc, [60], [70])[0])
    for n in (5, 10, 20, 40):
        assert features[f"efficiency_{n}"] == features[f"place_{n}"] == 1
        assert features[f"move_{n}"] == pytest.approx((n - 1) / np.sqrt(n))
        assert features[f"width_{n}"] == pytest.approx(n / np.sqrt(n))
    assert features["calm_5"] == features["since_high"] == features["pullback"] == 0
    assert features["since_low"] == 39 / 40
    assert features["turn"] == pytest.approx((10 - 20) / np.sqrt(40))


def test_before_a_fall_the_same_climb_reads_as_a_fall() -> None:
    close = 100 + np.arange(105.0)
    close[60:] = close[60] - np.arange(45)
    opened = np.r_[99, close[:-1]]
    ohlc = np.stack([opened, np.maximum(opened, close), np.minimum(opened, close), close], axis=1)
    features = named(pre_features(ohlc[None], [61], [75])[0])
    assert features["efficiency_40"] == -1
    assert features["since_low"] == 0


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 99),
    start=st.integers(5, 100),
    factor=st.sampled_from([0.125, 64]),
    shift=st.integers(-500, 500),
)
def test_price_scale_and_direction_change_nothing(
    seed: int, start: int, factor: float, shift: int
) -> None:
    ohlc = random_walk(105, seed=seed)[None]
    end = min(start + 8, 104)
    if ohlc[0, end, 3] == ohlc[0, start, 0]:  # an expansion without a direction counts as upwards
        ohlc[0, end, 1:] = ohlc[0, end].max() + 1, ohlc[0, end].min(), ohlc[0, end].max() + 1
    features = pre_features(ohlc, [start], [end])
    assert np.isfinite(features).all()
    scaled = pre_features(factor * (ohlc + shift), [start], [end])
    np.testing.assert_allclose(scaled, features, atol=1e-9)
    np.testing.assert_allclose(
        pre_features(mirror_prices(ohlc), [start], [end]), features, atol=1e-9
    )


def test_only_the_forty_bars_before_the_start_count() -> None:
    ohlc = random_walk(105, seed=3)[None]
    other = random_walk(105, seed=4)[None]
    changed = ohlc.copy()
    changed[:, : 70 - LOOKBACK_BARS] = other[:, : 70 - LOOKBACK_BARS]
    changed[:, 72:80] = other[:, 72:80]  # inside the expansion, whose first and last bar stay
    np.testing.assert_array_equal(pre_features(changed, [70], [80]), pre_features(ohlc, [70], [80]))
    changed[:, 70 - LOOKBACK_BARS] += 10
    assert (pre_features(changed, [70], [80]) != pre_features(ohlc, [70], [80])).any()


def test_the_types_of_windows_it_never_saw_are_named() -> None:
    stage = TypeStage.fit(TRAIN)
    assert stage is not None
    found = stage.probabilities(TEST.ohlc, TEST.start, TEST.end)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found.argmax(axis=1) == TEST.type_id).mean() > 0.8
    near = stage.probabilities(TEST.ohlc, TEST.start - 2, TEST.end)
    assert (near.argmax(axis=1) == TEST.type_id).mean() > 0.7


def test_without_a_span_or_bars_before_it_the_stage_knows_nothing() -> None:
    stage = TypeStage.fit(TRAIN)
    assert stage is not None
    found = stage.probabilities(TEST.ohlc[:3], [NO_SPAN, 4, 5], [NO_SPAN, 12, 12])
    assert np.isnan(found[0]).all()
    assert found[1].tolist() == pytest.approx([1 / 3] * 3)
    assert found[2].max() > 0.34


@pytest.mark.parametrize("kinds", [[0, 1], [0, 2], [1, 2]])
def test_with_two_types_the_third_has_no_probability(kinds: list[int]) -> None:
    stage = TypeStage.fit(TRAIN.take(np.isin(TRAIN.type_id, kinds)))
    assert stage is not None
    test = TEST.take(np.isin(TEST.type_id, kinds))
    found = stage.probabilities(test.ohlc, test.start, test.end)
    assert (found[:, 3 - sum(kinds)] == 0).all()
    assert (found.argmax(axis=1) == test.type_id).mean() > 0.8


def test_one_type_or_single_spans_are_nothing_to_learn_from() -> None:
    assert TypeStage.fit(TRAIN.take(TRAIN.type_id == 1)) is None
    assert TypeStage.fit(TRAIN.take(np.arange(3))) is None
    assert TypeStage.fit(toy_examples(8, n_without_span=8)) is None


def test_a_kept_stage_says_the_same_and_is_plain_json(tmp_path: Path) -> None:
    for kinds in ([0, 1, 2], [0, 2]):
        stage = TypeStage.fit(TRAIN.take(np.isin(TRAIN.type_id, kinds)))
        assert stage is not None
        stage.save(tmp_path)
        kept = TypeStage.load(tmp_path)
        assert kept is not None
        np.testing.assert_array_equal(
            kept.probabilities(TEST.ohlc, TEST.start, TEST.end),
            stage.probabilities(TEST.ohlc, TEST.start, TEST.end),
        )
    types = json.loads((tmp_path / TYPE_STAGE_FILE).read_text())["types"]
    assert list(types) == ["consolidation", "reversal"]
    assert list(types["reversal"]["coefficients"]) == list(FEATURES)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    assert TypeStage.load(tmp_path) is None
    (tmp_path / TYPE_STAGE_FILE).write_text('{"mean": {}}')
    with pytest.raises(RunError, match=r"type_stage\.json should hold the coefficients"):
        TypeStage.load(tmp_path)


def test_a_table_without_the_stage_is_read_by_the_head() -> None:
    head = pd.DataFrame([[0.2, 0.7, 0.1]] * 2, columns=[f"prob_{name}" for name in SPAN_TYPES])
    assert decided_types(head).tolist() == [1, 1]
    stage = pd.DataFrame([[0.6, 0.2, 0.2], [np.nan] * 3], columns=STAGE_COLUMNS)
    assert decided_types(pd.concat([head, stage], axis=1)).tolist() == [0, 1]


def test_a_span_of_a_series_is_named_as_in_a_window_with_forty_bars_before_it() -> None:
    stage = TypeStage.fit(TRAIN)
    assert stage is not None
    rng = np.random.default_rng(4)
    close = 100 + np.cumsum(rng.normal(size=400))
    ohlc = np.stack([close, close + 1, close - 1, close + rng.normal(size=400)], axis=1)
    start, end = np.array([120, 390, 20, 3]), np.array([130, 399, 110, 9])
    found = series_columns(stage, ohlc, start, end)
    begin = np.array([60, 295, 10, 0])  # the third holds ten bars before a span of 91
    windows = np.stack([ohlc[b : b + 105] for b in begin])
    expected = stage.probabilities(windows, start - begin, end - begin)
    np.testing.assert_allclose(np.stack([*found.values()], axis=1)[[0, 1, 3]], expected[[0, 1, 3]])
    long = stage.probabilities(ohlc[None, 6:111], [14], [104])  # as many as a window can hold
    np.testing.assert_allclose([column[2] for column in found.values()], long[0])
    assert [len(c) for c in series_columns(stage, ohlc, start[:0], end[:0]).values()] == [0] * 3


def test_the_checkpoint_of_an_epoch_has_the_stage_of_its_run(tmp_path: Path) -> None:
    stage = TypeStage.fit(TRAIN)
    assert stage is not None
    assert stage_of_checkpoint(tmp_path / "checkpoints" / "epoch-0003.pt") is None
    stage.save(tmp_path)
    for path in (tmp_path / "last.pt", tmp_path / "checkpoints" / "epoch-0003.pt"):
        found = stage_of_checkpoint(path)
        assert found is not None
        assert found.to_dict() == stage.to_dict()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = toy_run(tmp_path_factory.mktemp("staged"), market_states(40, seed=3), epochs=1)
    finetune(run)
    predict.predict_run(run)
    return run


def test_a_run_fits_the_stage_on_its_training_windows_alone(run: RunFolder) -> None:
    examples, kept = run.examples(), TypeStage.load(run.path)
    anew = TypeStage.fit(examples.take(~examples.is_val))
    with_val = TypeStage.fit(examples)
    assert kept is not None
    assert anew is not None
    assert with_val is not None
    assert kept.to_dict() == anew.to_dict()
    assert kept.to_dict() != with_val.to_dict()


def test_predictions_hold_the_types_at_the_predicted_spans(run: RunFolder) -> None:
    table, stage = run.predictions(), TypeStage.load(run.path)
    assert table is not None
    assert stage is not None
    rows = table[table["bar"] == 0].set_index("window_uid").loc[run.examples().window_uid]
    expected = stage.probabilities(run.examples().ohlc, rows["start"], rows["end"])
    np.testing.assert_allclose(rows[STAGE_COLUMNS], expected, atol=1e-6)


def test_the_success_table_says_who_named_the_types(run: RunFolder) -> None:
    lines = {line.key: line for line in evaluate.evaluate_run(run)}
    assert "the network's own head: " in lines["type_f1_macro"].note


def test_an_older_table_is_read_by_review_and_desk_as_before(run: RunFolder) -> None:
    table = run.predictions()
    assert table is not None
    new = [*STAGE_COLUMNS, "start_prob", "end_prob", "edge_entropy", *STARTS.values()]
    older, examples = table.drop(columns=new), run.examples()
    now, before = ({r.window_uid: r for r in readings(examples, t)} for t in (table, older))
    assert list(curves_by_window(older)) == list(curves_by_window(table))
    first = older.drop_duplicates("window_uid").set_index("window_uid")
    for uid, reading in before.items():
        assert reading.iou == pytest.approx(now[uid].iou, nan_ok=True)
        assert (reading.start_off, reading.end_off) == (now[uid].start_off, now[uid].end_off)
        head = first.loc[uid, [f"prob_{name}" for name in SPAN_TYPES]].to_numpy(float).argmax()
        assert reading.error.predicted_type == SPAN_TYPES[head]
    assert evaluate.align_predictions(older, examples).type_id.shape == (len(examples),)


def test_applying_a_stage_needs_no_scikit_learn(run: RunFolder) -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None; from pathlib import Path; import numpy as np; "
        "from moola.type_stage import TypeStage; s = TypeStage.load(Path(sys.argv[1])); "
        "p = s.probabilities(np.ones((1, 105, 4)), [50], [60]); sys.exit(p.shape != (1, 3))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, run.path],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
