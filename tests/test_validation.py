from __future__ import annotations

import pytest
import torch

from moola.dataset import Batch
from moola.length_prior import LengthPrior
from moola.losses import Constants, task_losses
from moola.model import JadeCompact
from moola.validation import Validation, mean_losses, validate
from tests.toy import toy_examples

CPU = torch.device("cpu")


def test_skill_compares_with_the_constant_predictor_of_the_training_labels() -> None:
    examples = toy_examples(8)
    batch = Batch.from_examples(examples, CPU)
    constants = Constants.fit(toy_examples(20, seed=1), "clip20")
    found = validate(
        JadeCompact(),
        examples,
        batch,
        countdown="clip20",
        baselines=constants.losses,
        prior=LengthPrior(2.0, 5.0, 0.1),
    )
    for task, loss in found.losses.items():
        assert found.skill[task] == pytest.approx(1 - loss / constants.losses[task])


def test_the_mean_skill_weighs_tasks_by_their_targets() -> None:
    skill = {"ptr": 1.0, "binary": 0.5, "countdown": 0.0, "type": -1.0}
    assert Validation(losses={}, skill=skill, metrics={}).mean_skill == pytest.approx(0.65)
    assert Validation(losses={}, skill={"binary": 0.4}, metrics={}).mean_skill == pytest.approx(0.4)


def test_tasks_without_labels_are_left_out_rather_than_perfect() -> None:
    examples = toy_examples(4, n_without_span=4)
    found = validate(
        JadeCompact(),
        examples,
        Batch.from_examples(examples, CPU),
        countdown="clip20",
        baselines=Constants.fit(toy_examples(8), "clip20").losses,
        prior=LengthPrior(2.0, 5.0, 0.1),
    )
    assert list(found.losses) == list(found.skill) == ["binary"]


def test_losses_of_many_windows_are_those_of_one_large_batch() -> None:
    batch = Batch.from_examples(toy_examples(70, n_without_span=9), CPU)
    model = JadeCompact().eval()
    whole = task_losses(model(batch.features), batch, "raw")
    parts = mean_losses(model, batch, "raw").mean_losses()
    assert parts == pytest.approx({t: loss.item() for t, loss in whole.items()}, rel=1e-4)
