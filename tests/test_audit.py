"""The label audit: planted errors rise to the top, reasons are true, labels stay untouched."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from moola import audit
from moola.bars import BarStore
from moola.collect import collect_folds
from moola.config import FinetuneConfig
from moola.examples import NO_SPAN, Examples
from moola.exceptions import RunError
from moola.schema import SPAN_TYPES, WINDOW_LENGTH
from moola.span_shapes import shape_log_odds
from moola.store import LabelStore
from tests.benchmarks import audit_curve
from tests.hand_labels import moved_away
from tests.toy import toy_examples, toy_run

BAR = np.arange(WINDOW_LENGTH)


def moving(examples: Examples, *, seed: int = 3) -> Examples:
    """Give windows bars in which the span is a straight move and all else a quiet walk."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 1, (len(examples), WINDOW_LENGTH))
    steps = np.where(examples.inside, 1.5 + 0.5 * steps, steps)
    close = 1000 + steps.cumsum(axis=1)
    opened = close - steps
    high, low = np.maximum(opened, close) + 0.3, np.minimum(opened, close) - 0.3
    return replace(examples, ohlc=np.stack([opened, high, low, close], axis=2))


def guesses(truth: Examples, *, n_wrong: int, seed: int = 5) -> pd.DataFrame:
    """Return what a fair model says: right within two bars, and elsewhere in `n_wrong` windows.

    It is unsure where it is wrong: the true span keeps a part of its evidence.
    """
    rng = np.random.default_rng(seed)
    wrong = set(rng.choice(len(truth), n_wrong, replace=False).tolist())
    tables = []
    for row, uid in enumerate(truth.window_uid.tolist()):
        start, end = int(truth.start[row]), int(truth.end[row])
        logit = np.where((start <= BAR) & (end >= BAR), 1.5, -2.5) + rng.normal(0, 1, WINDOW_LENGTH)
        first, last = start + int(rng.integers(-2, 3)), end
        if row in wrong:
            first = int(rng.integers(0, 80))
            last = first + 8
            logit[first : last + 1] += 4
        tables.append(
            pd.DataFrame(
                {
                    "window_uid": uid, "split": "val", "bar": BAR, "binary_logit": logit,
                    "binary_prob": 1 / (1 + np.exp(-logit)), "countdown_bars": start - BAR,
                    "start": max(first, 0), "end": last, "confidence": 0.6, "p_no_span": 0.02,
                    "ptr_start": start, **{f"prob_{name}": 1 / 3 for name in SPAN_TYPES},
                }
            )
        )  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def labelled_edges(table: pd.DataFrame, truth: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last bar of the label of every row's window."""
    of_uid = {uid: row for row, uid in enumerate(truth.window_uid.tolist())}
    rows = [of_uid[uid] for uid in table["window_uid"]]
    return truth.start[rows], truth.end[rows]


@pytest.fixture
def truth() -> Examples:
    return moving(replace(toy_examples(150, seed=1), is_val=np.ones(150, bool)))


def test_four_in_five_of_ten_percent_wrong_labels_are_in_the_first_fifth(truth: Examples) -> None:
    bad = np.random.default_rng(0).choice(150, 15, replace=False)
    found = audit.rank(moved_away(truth, bad), guesses(truth, n_wrong=50))
    wrong = set(truth.window_uid[bad].tolist())
    first = {item.window_uid for item in found[:30]}
    assert len(found) == 150
    assert len(first & wrong) >= 12


def test_a_cross_validation_of_the_sample_finds_four_in_five_wrong_labels(tmp_path: Path) -> None:
    """On the predictions that ``make bench-audit`` kept, made in the folds that are cut today."""
    workspace = audit_curve.sample(tmp_path)
    with closing(LabelStore.open(workspace.store_url)) as store:
        examples, (splits,) = collect_folds(
            FinetuneConfig(), audit_curve.FOLDS, [0], store=store,
            bar_store=BarStore(workspace.bars_dir),
        )  # fmt: skip
    table = audit_curve.kept()
    for fold, split in enumerate(splits):
        held_out = set(examples.window_uid[split.is_val].tolist())
        assert held_out == set(table.loc[table["fold"] == fold, "window_uid"])
    spoiled, wrong = audit_curve.with_wrong_labels(examples, seed=0)
    ranked = [item.window_uid for item in audit.rank(spoiled, table)]
    assert len(ranked) == 174
    assert audit_curve.found_within(ranked, wrong, 0.2) >= 0.8


def test_a_label_that_the_model_finds_likely_is_no_suspect_though_its_best_guess_is_elsewhere(
    truth: Examples,
) -> None:
    table = guesses(truth, n_wrong=0)
    bar = table["bar"].to_numpy()
    first, last = labelled_edges(table, truth)
    table["start_prob"] = np.where(bar == first, 0.45, 0.0) + np.where(bar == 3, 0.55, 0.0)
    table["end_prob"] = np.where(bar == last, 0.45, 0.0) + np.where(bar == 9, 0.55, 0.0)
    table["start"], table["end"] = 3, 9
    likely = audit.rank(truth, table)
    # One edge leads the other: of two places the label's is one, with all its start's posterior.
    assert max(item.posterior for item in likely) == pytest.approx(0.45 * 0.98)
    table["start_prob"] = np.where(bar == 3, 1.0, 0.0)
    unlikely = audit.rank(truth, table)
    before = {item.window_uid: item.score for item in likely}
    assert all(item.score > before[item.window_uid] + 5 for item in unlikely)


def test_reasons_name_the_distance_the_confidence_and_what_was_seen(truth: Examples) -> None:
    table = guesses(truth, n_wrong=0)
    uids = truth.window_uid.tolist()
    start = int(truth.start[0])
    for uid, values in (
        (uids[0], {"start": start - 12, "end": start - 6, "confidence": 0.93}),
        (uids[1], {"start": NO_SPAN, "end": NO_SPAN, "p_no_span": 0.8}),
        (uids[2], {"start": int(truth.start[2]), "end": int(truth.end[2]) + 7}),
    ):
        for name, value in values.items():
            table.loc[table["window_uid"] == uid, name] = value
    reasons = {item.window_uid: item.reason for item in audit.rank(truth, table)}
    assert "model 12 bars earlier at 0.93 confidence" in reasons[uids[0]]
    assert "model sees no span (P 0.80)" in reasons[uids[1]]
    assert "model ends 7 bars later" in reasons[uids[2]]
    assert reasons[uids[3]].startswith("model agrees")


def test_a_window_labelled_empty_is_doubted_by_the_probability_that_it_is(truth: Examples) -> None:
    start, end, inside = truth.start.copy(), truth.end.copy(), truth.inside.copy()
    start[:10], end[:10], inside[:10] = NO_SPAN, NO_SPAN, False
    empty = replace(truth, start=start, end=end, inside=inside)
    table = guesses(truth, n_wrong=0).assign(start_prob=0.0, end_prob=0.0)
    found = {item.window_uid: item for item in audit.rank(empty, table)}
    item = found[str(truth.window_uid[0])]
    assert item.posterior == pytest.approx(0.02)
    assert item.reason.startswith("labelled empty, model sees")


def test_the_posterior_is_the_mean_over_repeats(truth: Examples) -> None:
    table = guesses(truth, n_wrong=0)
    bar = table["bar"].to_numpy()
    first, last = labelled_edges(table, truth)
    sure = table.assign(start_prob=bar == first, end_prob=bar == last, repeat=0)
    never = table.assign(start_prob=bar == 0, end_prob=bar == 104, repeat=1)
    one = audit.rank(truth, table, sure)
    both = audit.rank(truth, table, pd.concat([sure, never]))
    by_uid = {item.window_uid: item.posterior for item in one}
    assert all(item.posterior == pytest.approx(by_uid[item.window_uid] / 2) for item in both)
    assert "mean of 2 models" in both[0].reason


def test_windows_that_the_run_trained_on_are_no_suspects(truth: Examples) -> None:
    table = guesses(truth, n_wrong=0)
    table.loc[table["window_uid"] != truth.window_uid[7], "split"] = "train"
    assert [item.window_uid for item in audit.rank(truth, table)] == [truth.window_uid[7]]


def test_shapes_tell_moves_from_quiet_stretches_without_having_seen_them(truth: Examples) -> None:
    right = shape_log_odds(truth)
    wrong = shape_log_odds(moved_away(truth, np.arange(0, 150, 10)))[::10]
    assert np.median(right) > 2
    assert np.median(wrong) < 0
    assert (shape_log_odds(truth.take(np.arange(10))) == 0).all()


def test_a_run_without_predictions_is_refused_in_one_sentence(tmp_path) -> None:
    with pytest.raises(RunError, match="predictions to audit labels by"):
        audit.suspects(toy_run(tmp_path))


def test_what_is_sent_is_read_back_and_a_damaged_file_is_named(tmp_path) -> None:
    run = toy_run(tmp_path)
    assert audit.read_sent(run.path) is None
    one = audit.Suspect(window_uid="w", score=1, posterior=0, shape=0, reasons=("a", "b"))
    sent = audit.send(run, [one], blind=True)
    assert audit.read_sent(run.path) == sent
    assert dict(sent.windows) == {"w": "a; b"}
    (run.path / audit.SENT_FILE).write_text("{")
    with pytest.raises(RunError, match="should hold suspects"):
        audit.read_sent(run.path)
