from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from moola.dataset import Batch
from moola.exceptions import RunError
from moola.losses import task_losses
from moola.model import JadeCompact
from moola.schema import TASKS
from moola.train import finetune
from moola.validation import mean_losses
from moola.window_losing import losses_of_windows
from moola.window_losses import WindowLosses, recorded_epochs
from tests.toy import toy_examples, toy_run
from tests.training import after_steps

CPU = torch.device("cpu")


def test_a_window_loses_what_a_batch_of_it_alone_would() -> None:
    batch, model = Batch.from_examples(toy_examples(5), CPU), JadeCompact().eval()
    found = losses_of_windows(model, batch, "clip20")
    with torch.no_grad():
        for row in range(5):
            alone = batch.take(torch.tensor([row]))
            expected = task_losses(model(alone.features), alone, "clip20").values()
            assert found[row].tolist() == pytest.approx(
                [loss.item() for loss in expected], rel=1e-4
            )


def test_their_mean_is_the_loss_of_all_where_every_window_counts_the_same() -> None:
    batch, model = Batch.from_examples(toy_examples(70), CPU), JadeCompact()
    means = mean_losses(model, batch, "clip20").mean_losses()
    found = losses_of_windows(model, batch, "clip20").mean(axis=0)
    assert dict(zip(TASKS, found.tolist(), strict=True)) == pytest.approx(means, rel=1e-4)


def test_a_window_without_a_span_loses_nothing_but_on_its_bars() -> None:
    batch = Batch.from_examples(toy_examples(3, n_without_span=1), CPU)
    found = losses_of_windows(JadeCompact(), batch, "clip20")
    assert np.isnan(found[0]).tolist() == [True, False, True, True]
    assert np.isfinite(found[1:]).all()


def test_a_run_keeps_them_for_all_its_windows_and_epochs(tmp_path: Path) -> None:
    run = toy_run(tmp_path, epochs=3)
    finetune(run)
    kept = run.window_losses()
    assert kept is not None
    assert kept.epoch.tolist() == [1, 2, 3]
    assert kept.window_uid.tolist() == run.examples().window_uid.tolist()
    assert kept.task.tolist() == list(TASKS)
    assert kept.loss.shape == (3, 12, 4)
    validated = run.history()[-1]["val_raw"]["ptr"]
    assert kept.loss[-1, kept.is_val, 0].mean() == pytest.approx(validated, rel=1e-2)


def test_a_resumed_run_has_the_same_as_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, parts = toy_run(tmp_path / "whole"), toy_run(tmp_path / "parts")
    finetune(whole)
    finetune(parts, stop=after_steps(7))
    stopped = parts.window_losses()
    assert stopped is not None
    assert stopped.epoch.tolist() == [1, 2]
    finetune(parts)
    own, other = parts.window_losses(), whole.window_losses()
    assert own is not None
    assert other is not None
    assert own.epoch.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(own.loss, other.loss)


def test_losses_that_a_crash_left_ahead_of_the_checkpoint_are_computed_anew(tmp_path: Path) -> None:
    run = toy_run(tmp_path)
    finetune(run, stop=after_steps(6))
    kept = run.window_losses()
    assert kept is not None
    kept.with_epoch(3, np.full((12, 4), 9.0, np.float32)).save(run.path / "window_losses.npz")
    finetune(run)
    again = run.window_losses()
    assert again is not None
    assert again.epoch.tolist() == [1, 2, 3, 4]
    assert float(again.loss[2].max()) < 9


def test_at_most_sixty_epochs_are_kept_evenly_and_the_last_one_always() -> None:
    assert recorded_epochs(60) == set(range(1, 61))
    assert len(recorded_epochs(200)) == 60
    assert max(recorded_epochs(199)) == 199
    steps = np.diff(sorted(recorded_epochs(199)))
    assert set(steps.tolist()) == {3, 4}


def test_a_loss_beyond_half_precision_is_its_largest_number() -> None:
    kept = WindowLosses.empty(np.array(["w"]), np.array([False]), ("ptr",))
    assert float(kept.with_epoch(1, np.array([[1e6]], np.float32)).loss[0, 0, 0]) == 65504


def test_a_run_without_them_says_none_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    run = toy_run(tmp_path)
    assert run.window_losses() is None
    (run.path / "window_losses.npz").write_bytes(b"half a file")
    with pytest.raises(RunError, match=r"window_losses\.npz should hold"):
        run.window_losses()
