"""Losses, skill and metrics of a model on the windows it does not train on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from moola.calibration import fit_calibration
from moola.config import CountdownScale
from moola.dataset import Batch
from moola.decode import IDENTITY, Calibration
from moola.epoch_metrics import intervals, summarise
from moola.examples import Examples
from moola.length_prior import LengthPrior
from moola.losses import counted_entries, task_losses
from moola.metrics import Predicted, score
from moola.model import JadeCompact
from moola.predict import BATCH_SIZE, run_model
from moola.schema import TARGET_SHARES, Task
from moola.tally import EpochTally


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What one epoch reports; a task with nothing to count among the windows is left out."""

    losses: dict[Task, float]
    skill: dict[Task, float]
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """95 % intervals of the metrics; none where the windows are too few."""

    @property
    def mean_skill(self) -> float:
        """Skill averaged with the target shares: what the best checkpoint is chosen by.

        The balanced total would not do, since its weights change from epoch to epoch.
        """
        total = sum(TARGET_SHARES[task] for task in self.skill)
        return sum(TARGET_SHARES[task] * skill / total for task, skill in self.skill.items())


def validate(
    model: JadeCompact,
    examples: Examples,
    batch: Batch,
    *,
    countdown: CountdownScale,
    baselines: Mapping[Task, float],
    prior: LengthPrior,
    calibration: Calibration = IDENTITY,
) -> Validation:
    """Evaluate `model`, which is left in eval mode.

    Parameters
    ----------
    batch
        `examples` as tensors on the model's device.
    baselines
        ``L_const``, fitted on the training labels. Skill is ``1 - loss / L_const``: 0 knows
        nothing, 1 everything, and below 0 is worse than a constant.
    """
    tally = mean_losses(model, batch, countdown)
    means = tally.mean_losses()
    counted: list[Task] = [task for task in means if tally.entries[task]]
    outputs = run_model(model, batch.features, countdown, hidden=batch.hidden)
    spans = outputs.decode(prior, calibration)
    predicted = Predicted(
        start=spans.start,
        end=spans.end,
        center_norm=outputs.pointers[:, 0],
        type_id=outputs.type_probabilities.argmax(axis=1),
        countdown_bars=outputs.countdown_bars,
    )
    scores = score(examples, predicted)
    return Validation(
        losses={task: means[task] for task in counted},
        skill={task: 1 - means[task] / baselines[task] for task in counted},
        metrics=summarise(scores),
        intervals=intervals(scores),
    )


def calibrate(
    model: JadeCompact,
    examples: Examples,
    batch: Batch,
    *,
    prior: LengthPrior,
    initial: Calibration,
) -> Calibration:
    """Return how the decoder should take the logits of `model` as it is now.

    Parameters
    ----------
    examples, batch
        Windows that `model` trains on, as arrays and as tensors.
    """
    outputs = run_model(model, batch.features, "raw", hidden=batch.hidden)
    if outputs.binary_logits is None and outputs.edge_logits is None:
        return IDENTITY
    return fit_calibration(
        outputs.binary_logits,
        examples.start,
        examples.end,
        prior,
        edge_logits=outputs.edge_logits,
        initial=initial,
    )


@torch.inference_mode()
def mean_losses(model: JadeCompact, batch: Batch, countdown: CountdownScale) -> EpochTally:
    """Return the losses over all windows of `batch` without dropout, each task weighing 1."""
    model.eval()
    tally = EpochTally()
    for rows in torch.arange(len(batch), device=batch.features.device).split(BATCH_SIZE):
        part = batch.take(rows)
        losses = task_losses(model(part.features, part.hidden), part, countdown)
        tally.add(losses, counted_entries(part), dict.fromkeys(losses, 1.0))
    return tally
