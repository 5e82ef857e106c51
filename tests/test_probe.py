from __future__ import annotations

import numpy as np
import pytest
import torch

from moola.config import FinetuneConfig
from moola.dataset import Batch
from moola.dropout import Masks
from moola.losses import task_losses
from moola.model import JadeCompact
from moola.probe import probe_gradients
from moola.trainer import Trainer
from tests.toy import toy_examples

BATCH = Batch.from_examples(toy_examples(6), torch.device("cpu"))


def plain_gradient(model: JadeCompact, task: str) -> torch.Tensor:
    """Return the encoder's gradient of one task the long way."""
    model.zero_grad()
    task_losses(model(BATCH.features), BATCH, "clip20")[task].backward()
    return torch.cat([p.grad.flatten() for p in model.encoder.parameters() if p.grad is not None])


def test_agrees_with_one_backward_pass_per_task() -> None:
    """Pitfall 11: what all four tasks share, and so what is measured, is the encoder."""
    model = JadeCompact().eval()
    probed = probe_gradients(model, BATCH, "clip20")
    assert probed is not None
    flat = torch.stack([plain_gradient(model, task) for task in model.tasks]).double()
    np.testing.assert_allclose(probed.gram, (flat @ flat.T).numpy(), rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_leaves_mode_rates_gradients_and_generators_as_they_were(training: bool) -> None:
    """Pitfall 13: a probe must not disturb the training that it looks at."""
    masks = Masks(0)
    model = JadeCompact(masks=masks).train(training)
    marks = {name: torch.full_like(p, 7.0) for name, p in model.named_parameters()}
    for name, parameter in model.named_parameters():
        parameter.grad = marks[name].clone()
    before = (torch.get_rng_state(), masks.state_dict(), model.dense_dropout.p)
    probe_gradients(model, BATCH, "clip20")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (masks.state_dict(), model.dense_dropout.p) == before[1:]
    assert all(module.training is training for module in model.modules())
    assert all(torch.equal(p.grad, marks[name]) for name, p in model.named_parameters())


def test_sees_the_same_with_and_without_training_mode() -> None:
    model = JadeCompact()
    in_training = probe_gradients(model.train(), BATCH, "clip20")
    in_eval = probe_gradients(model.eval(), BATCH, "clip20")
    assert in_training is not None
    assert in_eval is not None
    assert np.array_equal(in_training.gram, in_eval.gram)


def test_is_float32_under_autocast_and_in_train_mode_without_dropout() -> None:
    """Pitfall 13: cuDNN's LSTM goes backward in train mode only, and all tasks see one model."""
    model = JadeCompact(masks=Masks(0)).eval()
    plain = probe_gradients(model, BATCH, "clip20")
    modes: list[tuple[bool, float, torch.dtype]] = []
    model.encoder.register_forward_hook(
        lambda module, _inputs, out: modes.append(
            (module.training, model.dense_dropout.p, out[0].dtype)
        )
    )
    with torch.autocast("cpu", torch.bfloat16):
        rounded = probe_gradients(model, BATCH, "clip20")
    assert modes == [(True, 0.0, torch.float32)]  # one pass for all tasks
    assert plain is not None
    assert rounded is not None
    assert np.array_equal(rounded.gram, plain.gram)


def test_the_windows_of_a_probe_are_the_same_in_every_epoch() -> None:
    """Pitfall 13: neither the order of batches nor augmentation changes what is looked at."""
    trainer = Trainer(FinetuneConfig(device="cpu", batch_size=9), toy_examples(24))
    trainer.begin()
    before = trainer.probe_batch.features.clone()
    for _ in range(2):
        trainer.run_epoch(stop=lambda: False, on_step=lambda _done, _planned: None)
        trainer.end_epoch()
    assert torch.equal(trainer.probe_batch.features, before)


def test_a_task_without_labels_pulls_at_nothing() -> None:
    batch = Batch.from_examples(toy_examples(4, n_without_span=4), torch.device("cpu"))
    probed = probe_gradients(JadeCompact(), batch, "clip20")
    assert probed is not None
    assert probed.norms()["ptr"] == probed.norms()["type"] == 0
    assert probed.shares(dict.fromkeys(probed.tasks, 1.0))["binary"] == 1


def test_a_frozen_encoder_has_nothing_to_probe() -> None:
    model = JadeCompact()
    model.freeze_encoder()
    assert probe_gradients(model, BATCH, "clip20") is None
