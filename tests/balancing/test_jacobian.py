"""The strategies of TorchJD, and what is used of it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from moola import extras
from moola.balancing import PCD, StepContext, UPGrad
from moola.balancing.jacobian import Jacobian
from moola.checkpoint import Checkpoint
from moola.config import FinetuneConfig
from moola.exceptions import ConfigError
from moola.extras import available_balances
from moola.losses import task_losses
from moola.schema import TASKS
from moola.train import finetune
from moola.trainer import Trainer
from tests.balancing.family import tasks
from tests.toy import toy_examples, toy_run
from tests.training import after_steps, without_time

FAMILY = (UPGrad, PCD)


def step(balancer: Jacobian, rows: list[list[float]]) -> tuple[dict, torch.Tensor, list]:
    """Do a step of losses whose scaled gradients on a shared vector are `rows`."""
    shared = torch.nn.Parameter(torch.zeros(len(rows[0])))
    heads = [torch.nn.Parameter(torch.ones(())) for _ in rows]
    hidden = shared * 1.0
    losses = {
        task.name: (torch.tensor(row) * hidden).sum() * head * task.scale / task.target
        for task, row, head in zip(balancer.tasks, rows, heads, strict=True)
    }
    context = StepContext(epoch=1, step=0, hidden=hidden, shared=(shared,))
    decision = balancer.step(losses, context)
    assert decision.loss is None
    assert shared.grad is not None
    return decision.weights, shared.grad, heads


def test_without_a_conflict_upgrad_is_the_sum_of_targets_over_constants() -> None:
    weights, gradient, _ = step(UPGrad(tasks()), torch.eye(4).tolist())
    assert gradient.tolist() == pytest.approx([1, 1, 1, 1], abs=1e-3)
    expected = {task.name: task.target / task.scale for task in tasks()}
    assert weights == pytest.approx(expected, rel=1e-3)


def test_in_a_conflict_upgrad_pushes_no_task_back() -> None:
    rows = [[4.0, 0, 0], [-3.0, 1, 0], [0, 1, 0], [0, 0, 1]]
    plain = torch.tensor(rows).sum(dim=0)
    _, gradient, _ = step(UPGrad(tasks()), rows)
    assert (torch.tensor(rows) @ plain).min() < 0
    assert (torch.tensor(rows) @ gradient).min() > -1e-2


def test_pcd_gives_every_other_task_a_tenth_and_keeps_the_pointers_length() -> None:
    rows = [[3.0, 0, 0], [-1.0, 1, 0], [0, 1, 0], [0, 0, 1]]
    _, gradient, _ = step(PCD(tasks()), rows)
    assert gradient.norm().item() == pytest.approx(3, rel=1e-4)
    unit = torch.nn.functional.normalize(torch.tensor(rows), dim=1)
    assert (unit[1:] @ gradient).min() > 0


@pytest.mark.parametrize("kind", FAMILY)
def test_the_state_survives_json_and_reset_forgets_it(kind: type[Jacobian]) -> None:
    rows, others = torch.eye(4).tolist(), (torch.eye(4) * torch.arange(1, 5)).tolist()
    balancer, other = kind(tasks()), kind(tasks())
    step(balancer, rows)
    other.load_state_dict(json.loads(json.dumps(balancer.state_dict())))
    assert step(other, others)[0] == step(balancer, others)[0]
    balancer.reset()
    assert balancer.state_dict() == kind(tasks()).state_dict()


@pytest.mark.parametrize("name", ["upgrad", "pcd"])
def test_gradients_reach_encoder_and_every_head(name: str) -> None:
    trainer = Trainer(FinetuneConfig.from_dict({"balance": name, "device": "cpu"}), toy_examples())
    trainer.begin()
    before = {key: p.clone() for key, p in trainer.model.named_parameters()}
    trainer.train_step(trainer.train_batch)
    still = {k for k, p in trainer.model.named_parameters() if torch.equal(p, before[k])}
    assert still <= {"log_sigma"}


def test_on_the_layer_that_two_heads_share_their_gradients_are_summed() -> None:
    """Pitfall 11: what all tasks share is the encoder; the projection serves two of them only."""
    options = {"balance": "upgrad", "device": "cpu", "pointer_head": "mean"}
    trainer = Trainer(FinetuneConfig.from_dict(options), toy_examples())
    trainer.begin()
    model, batch, balancer = trainer.model, trainer.train_batch, trainer.balancer
    fixed = {task.name: task.target / task.scale for task in balancer.tasks}

    def losses_and_hidden() -> tuple[dict, torch.Tensor]:
        output = model(batch.features)
        return task_losses(output, batch, "clip20"), output.hidden

    with model.without_dropout():
        losses, hidden = losses_and_hidden()
        shared = tuple(model.encoder.parameters())
        balancer.step(losses, StepContext(epoch=1, step=0, hidden=hidden, shared=shared))
        found = model.projection.weight.grad
        assert found is not None
        plain, _ = losses_and_hidden()
        total = fixed["ptr"] * plain["ptr"] + fixed["type"] * plain["type"]
        (expected,) = torch.autograd.grad(total, [model.projection.weight])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["upgrad", "pcd"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, name: str) -> None:
    whole, parts = (toy_run(tmp_path / part, balance=name, epochs=2) for part in ("a", "b"))
    finetune(whole)
    finetune(parts, stop=after_steps(4))
    finetune(parts)
    assert without_time(parts) == without_time(whole)
    assert Checkpoint.load(parts.path / "last.pt").meta["epoch"] == 2


def test_what_is_used_of_torchjd_is_there() -> None:
    """Pitfall 12: TorchJD changes its API in every minor version; this much of it is used."""
    import torchjd.aggregation
    import torchjd.autojac

    weighting = torchjd.aggregation.PCD(tau=0.1).gramian_weighting
    weighting(torch.eye(4))
    assert {name for name, _ in weighting.named_buffers()} == {"_sq_norm_ema", "_n_steps"}
    assert weighting._state_key == 4
    assert callable(torchjd.autojac.mtl_backward)
    assert callable(torchjd.autojac.jac_to_grad)


def test_without_torchjd_one_sentence_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "torchjd" else real(name))
    assert "upgrad" not in available_balances()
    assert "epoch" in available_balances()
    with pytest.raises(ConfigError, match=r"upgrad needs .* pip install .*torchjd"):
        UPGrad(tasks())


def test_the_guard_cannot_boost_what_has_no_total_loss() -> None:
    for options in ({"guard": True}, {"on_silence": "guard"}):
        with pytest.raises(ConfigError, match="writes gradients itself"):
            FinetuneConfig.from_dict({"balance": "pcd", **options})
    assert [task.name for task in tasks()] == list(TASKS)
