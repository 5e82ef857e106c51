from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from moola.config import FinetuneConfig
from moola.criteria import CENTER, HIT, PTR_SHARE, Goal, targets_met
from moola.evaluate import align_predictions, evaluate_run, format_success, read_success
from moola.examples import Examples
from moola.exceptions import RunError
from moola.labels import encode_pointers
from moola.runs import RunFolder, create_run
from moola.schema import SPAN_TYPES, TASKS
from tests.hand_labels import hand_labelled

KEYS = [
    "hit_at_3",
    "countdown_mae_bars",
    "center_mae_norm",
    "type_f1_macro",
    "type_recall_min",
    "ptr_loss_share",
    "type_loss_share",
    "n_silenced",
]
N_TRAIN, N_VAL = 60, 60


@pytest.fixture
def examples() -> Examples:
    """Spans all over the window, three types in turn, the second half for validation."""
    rng = np.random.default_rng(0)
    n = N_TRAIN + N_VAL
    start = rng.integers(10, 80, n)
    spans = list(zip(start, start + rng.integers(3, 20, n), strict=True))
    return hand_labelled(
        spans, types=(np.arange(n) % 3).tolist(), is_val=[row >= N_TRAIN for row in range(n)]
    )


def table(examples: Examples, *, off_bars: int = 0, heads: bool = True) -> pd.DataFrame:
    """Predictions that put every span `off_bars` too late."""
    n = len(examples)
    start, end = examples.start + off_bars, examples.end + off_bars
    pointers = encode_pointers(start, end)
    countdown = (start[:, None] - np.arange(105)).astype(np.float32)
    per_window = {
        "ptr_center_norm": pointers[:, 0],
        "start": start,
        "end": end,
        **{f"prob_{name}": examples.type_id == i for i, name in enumerate(SPAN_TYPES)},
    }
    frame = pd.DataFrame(
        {
            "window_uid": np.repeat(examples.window_uid, 105),
            "bar": np.tile(np.arange(105, dtype=np.int16), n),
            "countdown_bars": countdown.ravel() if heads else np.nan,
            **{key: np.repeat(value, 105) for key, value in per_window.items()},
        }
    )
    return frame.drop_duplicates(["window_uid", "bar"])


def make_run(
    folder: Path,
    examples: Examples,
    predictions: pd.DataFrame | None,
    *,
    n_epochs: int = 12,
    shares: tuple[float, ...] = (0.7, 0.1, 0.1, 0.1),
    **options: object,
) -> RunFolder:
    run = create_run(folder, FinetuneConfig.from_dict(options))
    examples.save(run.path / "dataset.npz")
    if predictions is not None:
        predictions.to_parquet(run.path / "predictions.parquet")
    by_task = dict(zip(TASKS, shares, strict=False))
    for epoch in range(1, n_epochs + 1):
        row = {"epoch": epoch, "strategy": "epoch", "loss_share": by_task, "grad_share": by_task}
        run.append_history(row)
    return run


def lines(run: RunFolder) -> dict:
    return {line.key: line for line in evaluate_run(run)}


def test_a_perfect_run_meets_all_eight_targets(tmp_path: Path, examples: Examples) -> None:
    criteria = evaluate_run(make_run(tmp_path, examples, table(examples)))
    assert [line.key for line in criteria] == KEYS
    assert {line.verdict for line in criteria} == {"met"}
    assert [line.n_windows for line in criteria] == [N_VAL] * 5 + [None] * 3


def test_only_validation_windows_count(tmp_path: Path, examples: Examples) -> None:
    wrong_in_training = table(examples)
    is_training = wrong_in_training["window_uid"] < examples.window_uid[N_TRAIN]
    wrong_in_training.loc[is_training, ["start", "end"]] = 0
    assert lines(make_run(tmp_path, examples, wrong_in_training))["hit_at_3"].value == 1


def test_a_late_run_misses_what_it_should(tmp_path: Path, examples: Examples) -> None:
    found = lines(make_run(tmp_path, examples, table(examples, off_bars=4)))
    hit, countdown, center = (found[key] for key in KEYS[:3])
    assert (hit.value, hit.low, hit.high, hit.verdict) == (0, 0, 0, "not met")
    assert "No better than the best constant predictor." in hit.note
    assert 0 < countdown.value < 4
    assert countdown.verdict == "met"
    assert center.value == pytest.approx(4 / 104)
    assert center.verdict == "not met"


def test_half_of_the_windows_hit_is_undecided(tmp_path: Path, examples: Examples) -> None:
    predictions = table(examples)
    missed = predictions["window_uid"].isin(examples.window_uid[::5].tolist())
    missed |= predictions["window_uid"].isin(examples.window_uid[1::5].tolist())
    predictions.loc[missed, "start"] = predictions.loc[missed, "end"] = -1
    hit = lines(make_run(tmp_path, examples, predictions))["hit_at_3"]
    assert hit.value == pytest.approx(0.6)
    assert hit.low < 0.6 < hit.high
    assert hit.verdict == "undecided"


def test_an_undecided_line_says_how_many_windows_would_decide(
    tmp_path: Path, examples: Examples
) -> None:
    predictions = table(examples)
    missed = predictions["window_uid"].isin(examples.window_uid[::3].tolist())
    predictions.loc[missed, ["start", "end"]] = 0
    hit = lines(make_run(tmp_path, examples, predictions))["hit_at_3"]
    assert hit.verdict == "undecided"
    needed = int(hit.note.partition("About ")[2].partition(" windows")[0])
    assert needed == pytest.approx(N_VAL * ((hit.value - hit.low) / (hit.value - 0.6)) ** 2, abs=1)


def test_what_the_table_has_no_line_for_is_kept_beside_it(
    tmp_path: Path, examples: Examples
) -> None:
    predictions = table(examples, off_bars=2)
    predictions["confidence"] = 0.9
    run = make_run(tmp_path, examples, predictions)
    evaluate_run(run)
    stored = json.loads((run.path / "measures.json").read_text())
    assert [point["value"] for point in stored["tolerance_curve"]] == [0, 0, 1, 1, 1, 1]
    assert stored["ece_span"]["value"] == pytest.approx(0.1)
    assert stored["event_f1"]["value"] == 1


def test_stored_rules_and_boosting_stand_beside_each_line(
    tmp_path: Path, examples: Examples
) -> None:
    run = make_run(tmp_path, examples, table(examples, off_bars=4))
    first = {"hit_at_3": 0.2, "countdown_mae_bars": 9.0}
    second = {"hit_at_3": 0.3, "countdown_mae_bars": 8.0}
    stored = {"rules": {"a": first, "b": second}, "boosting": {"c": first}}
    (run.path / "baselines.json").write_text(json.dumps(stored))
    found = lines(run)
    assert (found["hit_at_3"].rules, found["hit_at_3"].boosting) == (0.3, 0.2)
    assert (found["countdown_mae_bars"].rules, found["countdown_mae_bars"].boosting) == (8, 9)
    assert "No better than rules. No better than boosting." in found["hit_at_3"].note
    assert "No better than rules" not in found["countdown_mae_bars"].note
    assert found["type_f1_macro"].rules is None
    (shown,) = [row for row in format_success(list(found.values())).splitlines() if "Hit@" in row]
    assert shown.split()[-5:-2] == ["30.0%", "20.0%", "60"]


def test_floors_are_fitted_on_training_rows_and_scored_on_validation_rows(tmp_path: Path) -> None:
    # In training nearly everything sits at 40..50, in validation half of it does.
    spans = [(40, 50)] * 20 + [(80, 90)] + [(40, 50)] * 10 + [(10, 20)] * 10
    examples = hand_labelled(spans, types=[1] * 21 + [1, 0] * 10, is_val=[False] * 21 + [True] * 20)
    found = lines(make_run(tmp_path, examples, table(examples)))
    assert found["hit_at_3"].floor == 0.5
    assert found["center_mae_norm"].floor == pytest.approx(30 / 104 / 2)
    assert found["type_f1_macro"].floor == pytest.approx(1 / 3)
    assert found["type_recall_min"].floor == 0
    # The profile of start 40 against start 10: the clipped countdowns differ most between them.
    difference = np.abs(
        np.clip(40 - np.arange(105), -20, 20) - np.clip(10 - np.arange(105), -20, 20)
    )
    assert found["countdown_mae_bars"].floor == pytest.approx(difference.mean() / 2)


def test_a_constant_run_says_that_it_is_no_better_than_a_constant(tmp_path: Path) -> None:
    examples = hand_labelled([(40, 50)] * 40, is_val=[False] * 20 + [True] * 20)
    found = lines(make_run(tmp_path, examples, table(examples)))
    for key in ("hit_at_3", "countdown_mae_bars", "center_mae_norm"):
        assert "No better than the best constant predictor." in found[key].note


def test_a_floor_that_reaches_the_target_is_told(tmp_path: Path, examples: Examples) -> None:
    close = hand_labelled([(40 + i % 2, 50) for i in range(40)], is_val=[False] * 20 + [True] * 20)
    countdown = lines(make_run(tmp_path, close, table(close)))["countdown_mae_bars"]
    assert "The best constant predictor reaches the target too." in countdown.note


def test_the_countdown_note_shows_skill_and_the_bars_near_the_start(
    tmp_path: Path, examples: Examples
) -> None:
    line = lines(make_run(tmp_path, examples, table(examples, off_bars=2)))["countdown_mae_bars"]
    skill = 1 - line.value / line.floor
    assert f"skill {skill:.0%} over one profile for all windows; 2.0 bars" in line.note


def with_start_posterior(predictions: pd.DataFrame, *, off_bars: int) -> pd.DataFrame:
    """Nine tenths of the start's posterior stand `off_bars` after the predicted start."""
    at_start = predictions["bar"] == predictions["start"] + off_bars
    return predictions.assign(start_prob=np.where(at_start, 0.9, 0.1 / 104).astype(np.float32))


class TestCountdownReadOffTheStart:
    KEY = "countdown_from_start_mae_bars"

    def test_it_stands_beside_the_heads_own_with_interval_floor_and_skill(
        self, tmp_path: Path, examples: Examples
    ) -> None:
        said = with_start_posterior(table(examples, off_bars=6), off_bars=-4)
        found = lines(make_run(tmp_path, examples, said, pointer_head="bar"))
        assert list(found) == [*KEYS[:2], self.KEY, *KEYS[2:]]
        head, read_off = found["countdown_mae_bars"], found[self.KEY]
        true = examples.start[N_TRAIN:, None] - np.arange(105)
        expected = np.abs(np.clip(true + 2, -20, 20) - np.clip(true, -20, 20)).mean()
        assert read_off.value == pytest.approx(expected)
        assert read_off.low <= read_off.value <= read_off.high
        assert read_off.floor == head.floor
        assert f"skill {1 - read_off.value / head.floor:.0%} over one profile" in read_off.note
        assert f"the countdown head says {head.value:.2f} bars" in read_off.note

    def test_it_is_no_target_that_a_run_could_meet(
        self, tmp_path: Path, examples: Examples
    ) -> None:
        said = with_start_posterior(table(examples), off_bars=0)
        run = make_run(tmp_path, examples, said, pointer_head="bar")
        criteria = evaluate_run(run)
        assert {line.key: line.verdict for line in criteria}[self.KEY] == "no target"
        assert targets_met(criteria) == "8 of 8 targets met"
        stored = read_success(run)
        assert stored is not None
        assert targets_met(stored) == "8 of 8 targets met"

    def test_rules_are_judged_by_their_start_too(self, tmp_path: Path, examples: Examples) -> None:
        said = with_start_posterior(table(examples), off_bars=0)
        run = make_run(tmp_path, examples, said, pointer_head="bar")
        scores = {"one": {"countdown_mae_bars": 4.5}, "none": {}}
        (run.path / "baselines.json").write_text(json.dumps({"rules": scores}))
        found = lines(run)
        assert found[self.KEY].rules == found["countdown_mae_bars"].rules == 4.5

    @pytest.mark.parametrize("head", ["mean", "bar"])
    def test_runs_without_a_bar_head_or_its_posterior_have_no_such_line(
        self, tmp_path: Path, examples: Examples, head: str
    ) -> None:
        said = table(examples)
        if head == "mean":
            said = with_start_posterior(said, off_bars=0)
        assert self.KEY not in lines(make_run(tmp_path, examples, said, pointer_head=head))


def test_windows_without_a_span_are_reported_as_false_alarms(tmp_path: Path) -> None:
    spans = [(40, 50)] * 40 + [None] * 4
    examples = hand_labelled(spans, is_val=[False] * 20 + [True] * 24)
    predictions = table(examples)
    alarm = predictions["window_uid"] == examples.window_uid[-1]
    predictions.loc[alarm, ["start", "end"]] = [3, 9]
    hit = lines(make_run(tmp_path, examples, predictions))["hit_at_3"]
    assert hit.n_windows == 20
    assert "False alarms: 25% of 4 windows without a span." in hit.note


def test_a_window_of_two_spans_is_one_window(tmp_path: Path) -> None:
    spans = [(40, 50)] * 20 + [(40, 50), (70, 80)] * 12
    uids = [f"t{i}" for i in range(20)] + [f"v{i // 2}" for i in range(24)]
    groups = [*range(20), *(20 + i // 2 for i in range(24))]
    examples = hand_labelled(spans, windows=uids, groups=groups, is_val=[False] * 20 + [True] * 24)
    hit = lines(make_run(tmp_path, examples, table(examples)))["hit_at_3"]
    assert (hit.n_windows, hit.value) == (12, 1)


def test_a_few_groups_decide_nothing(tmp_path: Path) -> None:
    groups = [*range(20), *(20 + i // 4 for i in range(20))]
    examples = hand_labelled([(40, 50)] * 40, groups=groups, is_val=[False] * 20 + [True] * 20)
    hit = lines(make_run(tmp_path, examples, table(examples)))["hit_at_3"]
    assert (hit.value, hit.verdict) == (1, "undecided")
    assert "5 groups of neighbouring windows" in hit.note


class TestRareTypes:
    TYPES = (0, 1) * 10 + (0,) * 12 + (1,) * 12 + (2,) * 3

    def run(self, folder: Path, *, blind_to: int | None) -> dict:
        n = len(self.TYPES)
        examples = hand_labelled(
            [(40, 50)] * n, types=self.TYPES, is_val=[False] * 20 + [True] * (n - 20)
        )
        predictions = table(examples)
        if blind_to is not None:
            columns = [f"prob_{name}" for name in SPAN_TYPES]
            missed = predictions[columns[blind_to]].to_numpy(bool)
            predictions.loc[missed, columns] = np.roll([True, False, False], (blind_to + 1) % 3)
        return lines(make_run(folder, examples, predictions))

    def test_three_windows_of_a_type_do_not_prove_its_recall(self, tmp_path: Path) -> None:
        recall = self.run(tmp_path, blind_to=None)["type_recall_min"]
        assert (recall.value, recall.verdict) == (1, "undecided")
        assert "fewer than 10 windows of reversal" in recall.note

    def test_nor_disprove_it(self, tmp_path: Path) -> None:
        recall = self.run(tmp_path, blind_to=2)["type_recall_min"]
        assert (recall.value, recall.verdict) == (0, "undecided")

    def test_a_common_type_that_is_never_found_decides(self, tmp_path: Path) -> None:
        recall = self.run(tmp_path, blind_to=1)["type_recall_min"]
        assert (recall.value, recall.verdict) == (0, "not met")
        assert "consolidation 1.00 (12), retracement 0.00 (12), reversal 1.00 (3)" in recall.note


def test_without_the_expansion_heads_the_countdown_line_says_so(
    tmp_path: Path, examples: Examples
) -> None:
    run = make_run(tmp_path, examples, table(examples, heads=False), use_expansion_heads=False)
    found = lines(run)
    assert list(found) == KEYS
    assert found["countdown_mae_bars"].value is None
    assert found["countdown_mae_bars"].verdict == "not measured"
    assert targets_met(list(found.values())).endswith(" of 7 targets met")
    assert "no countdown head" in found["countdown_mae_bars"].note
    assert found["hit_at_3"].value == 1
    assert "Spans come from the pointers" in found["hit_at_3"].note


def test_before_predictions_and_epochs_every_line_says_not_yet(
    tmp_path: Path, examples: Examples
) -> None:
    criteria = evaluate_run(make_run(tmp_path, examples, None, n_epochs=0))
    assert [line.key for line in criteria] == KEYS
    assert all(line.value is None and line.note.startswith("Not computed") for line in criteria)
    assert {line.verdict for line in criteria} == {"undecided"}


def test_without_validation_labels_the_scores_are_not_computed(tmp_path: Path) -> None:
    examples = hand_labelled([(40, 50)] * 5 + [None], is_val=[False] * 5 + [True])
    hit = lines(make_run(tmp_path, examples, table(examples)))["hit_at_3"]
    assert (hit.value, hit.n_windows, hit.verdict) == (None, 0, "undecided")
    assert "no labelled validation window" in hit.note


def test_predictions_that_are_not_finite_are_not_scored(tmp_path: Path, examples: Examples) -> None:
    predictions = table(examples)
    predictions["ptr_center_norm"] = np.nan
    center = lines(make_run(tmp_path, examples, predictions))["center_mae_norm"]
    assert (center.value, center.verdict) == (None, "undecided")
    assert "not finite" in center.note


class TestShares:
    def test_the_last_third_of_the_epochs_is_judged(
        self, tmp_path: Path, examples: Examples
    ) -> None:
        run = make_run(tmp_path, examples, None, n_epochs=0)
        for epoch in range(1, 10):
            pointers = 0.2 if epoch <= 6 else 0.6 + 0.02 * (epoch - 6)
            run.append_history({"epoch": epoch, "loss_share": {"ptr": pointers, "type": 0.05}})
        line = lines(run)["ptr_loss_share"]
        assert (line.low, line.value, line.high) == pytest.approx((0.62, 0.64, 0.66))
        assert line.verdict == "met"
        assert "Epochs 7–9" in line.note

    @pytest.mark.parametrize(
        ("shares", "pointers", "type_"),
        [
            ((0.7, 0.1, 0.1, 0.1), "met", "met"),
            ((0.036, 0.291, 0.25, 0.423), "not met", "not met"),
            ((0.9, 0.04, 0.03, 0.03), "not met", "met"),
        ],
    )
    def test_a_share_is_in_its_band_or_not(
        self,
        tmp_path: Path,
        examples: Examples,
        *,
        shares: tuple[float, ...],
        pointers: str,
        type_: str,
    ) -> None:
        found = lines(make_run(tmp_path, examples, None, shares=shares))
        assert (found["ptr_loss_share"].verdict, found["type_loss_share"].verdict) == (
            pointers,
            type_,
        )

    def test_the_gradient_share_stands_beside_what_is_on_target_by_construction(
        self, tmp_path: Path, examples: Examples
    ) -> None:
        note = lines(make_run(tmp_path, examples, None))["ptr_loss_share"].note
        assert "by construction" in note
        assert "Gradient share 70%." in note

    def test_five_epochs_decide_nothing(self, tmp_path: Path, examples: Examples) -> None:
        found = lines(make_run(tmp_path, examples, None, n_epochs=5))
        assert {found[key].verdict for key in KEYS[5:]} == {"undecided"}

    def test_a_silenced_task_is_named(self, tmp_path: Path, examples: Examples) -> None:
        run = make_run(tmp_path, examples, None, shares=(0.036, 0.291, 0.25, 0.423))
        line = lines(run)["n_silenced"]
        assert (line.value, line.verdict) == (1, "not met")
        assert "Pointers silent since epoch 4: loss share 3.6%" in line.note


def test_the_stored_table_is_read_back(tmp_path: Path, examples: Examples) -> None:
    run = make_run(tmp_path, examples, table(examples, off_bars=2))
    assert read_success(run) is None
    assert evaluate_run(run) == read_success(run)
    assert json.loads((run.path / "success.json").read_text())["schema"] == 1


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"criteria": [{"key": "x"}]}'])
def test_a_damaged_table_is_a_clear_error(tmp_path: Path, examples: Examples, text: str) -> None:
    run = make_run(tmp_path, examples, None)
    (run.path / "success.json").write_text(text)
    with pytest.raises(RunError, match="should hold a success table"):
        read_success(run)


def test_predictions_are_matched_by_window_whatever_their_order(examples: Examples) -> None:
    shuffled = table(examples).sample(frac=1, random_state=0)
    predicted = align_predictions(shuffled, examples)
    np.testing.assert_array_equal(predicted.start, examples.start)
    np.testing.assert_array_equal(predicted.type_id, examples.type_id)
    assert predicted.countdown_bars is not None
    np.testing.assert_array_equal(predicted.countdown_bars[:, 0], examples.start)


def test_missing_windows_or_columns_are_a_clear_error(tmp_path: Path, examples: Examples) -> None:
    whole = table(examples)
    with pytest.raises(RunError, match="Found 0 windows missing and 1 incomplete"):
        evaluate_run(make_run(tmp_path, examples, whole.iloc[:-1]))
    with pytest.raises(RunError, match="Found 1 windows missing"):
        evaluate_run(make_run(tmp_path, examples, whole.iloc[:-105]))
    with pytest.raises(RunError, match="cannot be used: 'start'"):
        evaluate_run(make_run(tmp_path, examples, whole.drop(columns="start")))


def test_the_text_table_has_a_line_for_each_criterion(tmp_path: Path, examples: Examples) -> None:
    criteria = evaluate_run(make_run(tmp_path, examples, table(examples, off_bars=2)))
    text = format_success(criteria)
    assert all(line.name in text and line.note in text for line in criteria)
    first = text.splitlines()[1].split("  ")
    assert [cell.strip() for cell in first if cell.strip()][:3] == [
        "Hit@±3 (both edges)",
        "> 60%",
        "100.0%",
    ]


@pytest.mark.parametrize(
    ("goal", "interval", "verdict"),
    [
        (HIT, (0.61, 0.9), "met"),
        (HIT, (0.6, 0.9), "undecided"),
        (HIT, (0.2, 0.6), "not met"),
        (CENTER, (0.01, 0.019), "met"),
        (CENTER, (0.02, 0.03), "not met"),
        (PTR_SHARE, (0.65, 0.75), "met"),
        (PTR_SHARE, (0.75, 0.85), "undecided"),
        (PTR_SHARE, (0.82, 0.85), "not met"),
        (PTR_SHARE, (0.1, 0.3), "not met"),
        (HIT, (float("nan"), float("nan")), "undecided"),
    ],
)
def test_the_whole_interval_decides(
    goal: Goal, interval: tuple[float, float], verdict: str
) -> None:
    assert goal.verdict(*interval) == verdict
