"""One model in training: its steps, the end of an epoch, and what a checkpoint of it holds.

`Trainer.run_epoch` does batches, `Trainer.train_step` one batch; `moola.train` does epochs and
knows the run folder.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moola.alarms import Watch, answers
from moola.augment import Augment, Moves
from moola.balancing import Guard, StepContext, make_balancer
from moola.checkpoint import Checkpoint, load_weights, random_state, restore_random_state
from moola.config import FinetuneConfig
from moola.dataset import Batch, spread
from moola.decode import IDENTITY, Calibration
from moola.density import feature_density
from moola.device import resolve_device, use_one_thread
from moola.dropout import Masks
from moola.encoder import open_forget_gates
from moola.examples import Examples
from moola.exceptions import CheckpointError, SchemaError
from moola.features import FEATURE_NAMES
from moola.length_prior import fit_length_prior
from moola.loop import LoopState, epoch_row
from moola.losses import Constants, counted_entries, start_at_constants, task_losses
from moola.optimizer import load_optimizer, lr_factor, make_optimizer
from moola.predict import run_model
from moola.probe import N_PROBE_WINDOWS, is_probed, probe_gradients
from moola.shares import TaskGradients
from moola.tally import EpochTally
from moola.training_model import make_model, reached_heads, training_output, with_hidden
from moola.validation import calibrate, mean_losses, validate
from moola.window_losing import losses_of_windows

N_CALIBRATION_WINDOWS = 58
"""Training windows that the decoder's two numbers are fitted on after every epoch."""


class Trainer:
    """The model of one run with all that training needs and changes."""

    def __init__(self, config: FinetuneConfig, examples: Examples) -> None:
        self.config, self.examples = config, examples
        self.device = resolve_device(config.device)
        use_one_thread(self.device)
        torch.manual_seed(config.seed)

        train, self.val_examples = examples.take(~examples.is_val), examples.take(examples.is_val)
        if not len(train) or not len(self.val_examples):
            raise SchemaError(
                "A run should have windows on both sides of the split. "
                f"Found {len(train)} for training and {len(self.val_examples)} for validation."
            )
        self.constants = Constants.fit(train, config.countdown, config.pointer_head)
        spans = train.take(train.has_span)
        self.prior = fit_length_prior(spans.end - spans.start + 1, len(train) - len(spans))
        self.train_batch = Batch.from_examples(train, self.device)
        self.augment = Augment(config.augment, examples, seed=config.seed)
        self.val_batch = Batch.from_examples(self.val_examples, self.device)
        self.probe_batch = self.train_batch.take(spread(len(train), N_PROBE_WINDOWS, self.device))
        fitted = spread(len(train), N_CALIBRATION_WINDOWS, self.device)
        self.fit_batch, self.fit_examples = (
            self.train_batch.take(fitted),
            train.take(fitted.cpu().numpy()),
        )
        self.calibration = IDENTITY

        self.masks = Masks(config.seed)
        self.model = make_model(config, self.masks).to(self.device)
        self.optimizer = make_optimizer(self.model, config)
        self.balancer = make_balancer(config, self.constants.losses, log_sigma=self.model.log_sigma)
        self.feature_density = feature_density(train.features, FEATURE_NAMES)
        self.state = LoopState()
        self.watch = Watch()
        self.clock = time.monotonic()

    @property
    def n_steps_per_epoch(self) -> int:
        """Batches that hold every training window once."""
        return math.ceil(len(self.train_batch) / self.config.batch_size)

    @property
    def n_steps(self) -> int:
        """Steps of the whole run."""
        return self.config.epochs * self.n_steps_per_epoch

    def begin(self) -> None:
        """Start a fresh run: pretrained encoder, heads at the constants, losses before training."""
        if self.config.pretrained_encoder:
            self.model.load_encoder(self.config.pretrained_encoder)
        else:
            open_forget_gates(self.model.encoder, self.config.forget_bias)
            if self.config.standardize:
                self.model.fit_scale(self.train_batch.features)
        start_at_constants(self.model, self.constants)
        self._keep_encoder_output()
        untrained = mean_losses(self.model, self.train_batch, self.config.countdown)
        self.balancer.begin(untrained.mean_losses())

    def _keep_encoder_output(self) -> None:
        """Run a frozen encoder over the windows once for all epochs, if that is asked for."""
        if self.config.cache_encoder:
            self.train_batch = with_hidden(self.model, self.train_batch)
            self.val_batch = with_hidden(self.model, self.val_batch)
            self.fit_batch = with_hidden(self.model, self.fit_batch)
            self.probe_batch = with_hidden(self.model, self.probe_batch)

    def run_epoch(self, *, stop: Callable[[], bool], on_step: Callable[[int, int], None]) -> bool:
        """Train on every window once, or go on with a half-done epoch; False if stopped."""
        self.model.train()
        epoch = self.state.epoch + 1
        moves = self.augment.draw(epoch)
        for rows in self.batches(epoch)[self.state.tally.n_batches :]:
            if stop():
                return False
            self.train_step(self.train_windows(rows, moves))
            on_step(self.state.step, self.n_steps)
        return True

    def train_windows(self, rows: Tensor, moves: Moves) -> Batch:
        """Return the training windows at `rows` as this epoch shows them."""
        if self.config.augment == "none":
            return self.train_batch.take(rows)
        return Batch.moved(self.augment, rows, moves)

    def batches(self, epoch: int) -> list[Tensor]:
        """Return the rows of each step; the order follows from seed and epoch alone.

        Batches differ by at most one window, so that no small last one steps as far as the rest.
        """
        n = len(self.train_batch)
        order = np.random.default_rng([self.config.seed, epoch]).permutation(n)
        parts = np.array_split(order, self.n_steps_per_epoch)
        return [torch.from_numpy(part).to(self.device) for part in parts]

    def train_step(self, batch: Batch) -> None:
        """Go one step: a loss per task, one loss to go backward from, one update."""
        state = self.state
        output = training_output(self.model, batch, self.config.precision)
        losses = task_losses(output, batch, self.config.countdown)
        context = StepContext(
            epoch=state.epoch + 1,
            step=state.step,
            hidden=output.hidden,
            shared=tuple(self.model.encoder.parameters()),
        )
        self.optimizer.zero_grad()  # before the balancer, which may write gradients
        decision = self.balancer.step(losses, context)
        state.tally.add(losses, counted_entries(batch), decision.weights)

        if decision.loss is not None:
            decision.loss.backward()
        state.tally.reach(reached_heads(self.model))
        # The log-sigmas are left out: they have a learning rate, bounds and a size of their own.
        trained = [p for p in self.model.parameters() if p is not self.model.log_sigma]
        norm = nn.utils.clip_grad_norm_(trained, self.config.clip_norm)
        state.tally.n_clipped += int(norm.item() > self.config.clip_norm)
        for group in self.optimizer.param_groups:
            factor = lr_factor(state.step, self.n_steps) if group["scheduled"] else 1.0
            group["lr"] = group["peak_lr"] * factor
        self.optimizer.step()
        self.balancer.after_step()
        state.step += 1

    def end_epoch(self) -> tuple[dict[str, Any], bool]:
        """Evaluate, set the next weights and advance; return the row and whether it is the best."""
        state, tally = self.state, self.state.tally
        self.calibration = calibrate(
            self.model,
            self.fit_examples,
            self.fit_batch,
            prior=self.prior,
            initial=self.calibration,
        )
        validation = validate(
            self.model,
            self.val_examples,
            self.val_batch,
            countdown=self.config.countdown,
            baselines=self.constants.losses,
            prior=self.prior,
            calibration=self.calibration,
        )
        is_probed = self._is_probed()
        gradients, probe_s = self._probe() if is_probed else (None, None)
        self._take_time()
        row = epoch_row(
            self.config,
            state,
            lr=self.optimizer.param_groups[0]["lr"],
            balancer=self.balancer.state_dict(),
            validation=validation,
            gradients=gradients,
            probe_s=probe_s,
        )
        if state.epoch == 0:  # once: the data does not change
            row["feature_density"] = self.feature_density
        row["alarms"] = self._alarms() if is_probed else None

        self.balancer.end_epoch(tally.mean_losses(), gradients)
        is_best = state.best_skill is None or validation.mean_skill > state.best_skill
        if is_best:
            state.best_skill = validation.mean_skill
        state.epoch += 1
        state.wall_s_before = state.wall_s
        state.tally = EpochTally()
        return row, is_best

    def _is_probed(self) -> bool:
        """Return whether the epoch ends with a probe.

        A guard answers every epoch, so that one at work is told every epoch.
        """
        first = int((self.config.restart_from or "@0").rpartition("@")[2]) + 1
        is_watched = isinstance(self.balancer, Guard) and self.balancer.is_active
        every = 1 if is_watched else self.config.probe_every
        return is_probed(self.state.epoch + 1, first=first, every=every)

    def _probe(self) -> tuple[TaskGradients | None, float | None]:
        """Return the tasks' gradients and the seconds they took, both None if it is frozen."""
        start = time.monotonic()
        gradients = probe_gradients(self.model, self.probe_batch, self.config.countdown)
        return gradients, None if gradients is None else time.monotonic() - start

    def _alarms(self) -> list[str]:
        """Return what is odd about the outputs for the probe's windows."""
        batch = self.probe_batch
        found = run_model(self.model, batch.features, self.config.countdown, hidden=batch.hidden)
        return self.watch.look(answers(found), unreached=self.state.tally.unreached())

    def window_losses(self) -> NDArray[np.float32]:
        """Return (N, K) unweighted losses of all windows, in the order of the run's examples."""
        is_val = self.examples.is_val
        losses = np.empty((len(is_val), len(self.model.tasks)), np.float32)
        for rows, batch in ((~is_val, self.train_batch), (is_val, self.val_batch)):
            losses[rows] = losses_of_windows(self.model, batch, self.config.countdown)
        return losses

    def wake_guard(self) -> None:
        """Let the guard raise silent tasks from now on; the next checkpoint remembers it."""
        if isinstance(self.balancer, Guard):
            self.balancer.is_active = True

    def _take_time(self) -> None:
        """Add the seconds since the last call to those spent training, pauses left out."""
        now = time.monotonic()
        self.state.wall_s += now - self.clock
        self.clock = now

    def checkpoint(self, *, to_continue: bool = True) -> Checkpoint:
        """Return the model with what is needed to use it and, if wanted, to continue from here."""
        self._take_time()
        training = {
            "optimizer": self.optimizer.state_dict(),
            "balancer": self.balancer.state_dict(),
            "state": asdict(self.state),
            "random": random_state(self.masks, self.device),
        }
        meta = {
            "model": self.model.options,
            "countdown": self.config.countdown,
            "length_prior": self.prior.to_dict(),
            "calibration": self.calibration.to_dict(),
            "baselines": dict(self.constants.losses),
            "epoch": self.state.epoch,
            "config": self.config.to_dict(),
        }
        return Checkpoint(
            model=self.model.state_dict(), meta=meta, training=training if to_continue else None
        )

    def load(self, checkpoint: Checkpoint, *, source: str, with_balancer: bool = True) -> None:
        """Continue where `checkpoint` was made, which may be the middle of an epoch.

        The learning rate and the decay are the run's own: a restart may have changed them.
        """
        if checkpoint.training is None:
            raise CheckpointError(
                f"A checkpoint to continue from holds more than weights ({source})."
            )
        load_weights(self.model, checkpoint.model, source=source)
        load_optimizer(self.optimizer, checkpoint.training["optimizer"])
        if with_balancer:
            self.balancer.load_state_dict(checkpoint.training["balancer"])
        self.calibration = Calibration(**checkpoint.meta["calibration"])
        self.state = LoopState.from_dict(checkpoint.training["state"])
        restore_random_state(checkpoint.training["random"], self.masks, self.device)
        self._keep_encoder_output()
