from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from moola.config import CountdownScale, PointerHead
from moola.dataset import Batch
from moola.examples import Examples
from moola.exceptions import SchemaError
from moola.losses import (
    Constants,
    constant_edge_logits,
    countdown_delta,
    countdown_in_bars,
    countdown_target,
    counted_entries,
    edge_divergence,
    edge_log_target,
    start_at_constants,
    task_losses,
)
from moola.model import JadeCompact, ModelOutput
from moola.schema import TARGET_SHARES, TASKS
from tests.toy import toy_examples

CPU = torch.device("cpu")


def constant_output(constants: Constants, n: int) -> ModelOutput:
    """Return what a model says that knows nothing but the constants."""
    return ModelOutput(
        hidden=torch.zeros(n, 105, 192),
        type_logits=torch.tensor(constants.type_frequencies).log().expand(n, 3),
        pointer_logits=torch.tensor(constants.pointers).logit().expand(n, 2),
        binary_logits=torch.tensor(constants.base_rate).logit().expand(n, 105),
        countdown=torch.tensor(constants.countdown).expand(n, 105),
    )


def constant_bar_output(examples: Examples) -> ModelOutput:
    """Return what a bar head says that knows only where the spans of `examples` usually are."""
    n, logits = len(examples), constant_edge_logits(examples.take(examples.has_span)).float()
    return ModelOutput(
        hidden=torch.zeros(n, 105, 192),
        type_logits=torch.zeros(n, 3),
        start_logits=logits[0].expand(n, 105),
        end_logits=logits[1].expand(n, 105),
    )


def one_window() -> Batch:
    return Batch.from_examples(toy_examples(1), CPU)


def test_worked_values_of_one_window() -> None:
    batch = replace(
        one_window(),
        pointers=torch.tensor([[0.5, 0.5]]),
        inside=torch.zeros(1, 105),
        countdown_bars=torch.full((1, 105), 10.0),
    )
    output = ModelOutput(
        hidden=torch.zeros(1, 105, 192),
        type_logits=torch.zeros(1, 3),
        pointer_logits=torch.logit(torch.tensor([[0.54, 0.7]])),
        binary_logits=torch.zeros(1, 105),
        countdown=torch.full((1, 105), 0.4),
    )
    losses = task_losses(output, batch, "clip20")
    # Centre off by 0.04 < 0.08: half its square. Length off by 0.2: 0.08 * (0.2 - 0.04).
    assert losses["ptr"].item() == pytest.approx((0.0008 + 0.0128) / 2, rel=1e-5)
    assert losses["binary"].item() == pytest.approx(math.log(2))
    # The target is 10 / 20 = 0.5; 0.1 too little are 2 bars: (2 - 0.5) / 400.
    assert losses["countdown"].item() == pytest.approx(1.5 / 400)
    assert losses["type"].item() == pytest.approx(math.log(3))


@given(st.floats(-200, 200), st.floats(-20, 20))
def test_dividing_the_countdown_by_20_divides_its_huber_loss_by_400(
    emitted_bars: float, target_bars: float
) -> None:
    bars = torch.tensor([emitted_bars, target_bars], dtype=torch.float64)
    in_bars = functional.huber_loss(bars[0], bars[1], delta=1.0)
    scaled = functional.huber_loss(bars[0] / 20, bars[1] / 20, delta=countdown_delta("clip20"))
    assert scaled.item() == pytest.approx(in_bars.item() / 400, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("scale", "expected"), [("clip20", [-1, 0.25, 1]), ("raw", [-50, 5, 20])])
def test_countdown_scales_and_their_way_back(scale: CountdownScale, expected: list[float]) -> None:
    target = countdown_target(torch.tensor([-50.0, 5, 20]), scale)
    assert target.tolist() == expected
    assert countdown_in_bars(target.numpy(), scale)[1:].tolist() == [5, 20]


def test_windows_without_a_span_count_for_the_binary_task_only() -> None:
    """Pitfall 16: windows may hold no span."""
    examples = toy_examples(6, n_without_span=6)
    losses = task_losses(
        JadeCompact()(torch.randn(6, 105, 12)), Batch.from_examples(examples, CPU), "clip20"
    )
    assert [losses[task].item() for task in ("ptr", "countdown", "type")] == [0, 0, 0]
    assert losses["binary"].item() > 0


def test_an_empty_task_sends_a_zero_gradient_never_nan() -> None:
    model = JadeCompact()
    batch = Batch.from_examples(toy_examples(2, n_without_span=2), CPU)
    sum(task_losses(model(batch.features), batch, "clip20").values()).backward()
    gradients = [p.grad for name, p in model.named_parameters() if name != "log_sigma"]
    assert all(g is not None and g.isfinite().all() for g in gradients)


def test_ignored_bars_and_foreign_rows_change_nothing() -> None:
    examples = toy_examples(3)
    ignore = np.zeros_like(examples.ignore)
    ignore[:, :10] = True
    batch = Batch.from_examples(replace(examples, ignore=ignore), CPU)
    output = JadeCompact().eval()(batch.features)
    before = task_losses(output, batch, "raw")
    inside, bars = batch.inside.clone(), batch.countdown_bars.clone()
    inside[:, :10], bars[:, :10] = 1, 999
    after = task_losses(output, replace(batch, inside=inside, countdown_bars=bars), "raw")
    assert {task: loss.item() for task, loss in before.items()} == {
        task: loss.item() for task, loss in after.items()
    }
    assert counted_entries(batch)["countdown"].sum() == 3 * 95


@pytest.mark.parametrize("n_windows", [1, 3])
@pytest.mark.parametrize("pointer_head", ["mean", "bar"])
def test_every_head_and_the_encoder_get_a_gradient(
    n_windows: int, pointer_head: PointerHead
) -> None:
    model = JadeCompact(pointer_head=pointer_head)
    batch = Batch.from_examples(toy_examples(n_windows), CPU)
    sum(task_losses(model(batch.features), batch, "clip20").values()).backward()
    for name, parameter in model.named_parameters():
        # One bias for all bars moves no softmax over them.
        if name not in ("log_sigma", "edge_head.bias"):
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("countdown", ["clip20", "raw"])
def test_baselines_are_what_a_constant_prediction_loses(countdown: CountdownScale) -> None:
    examples = toy_examples(30, n_without_span=5)
    constants = Constants.fit(examples, countdown)
    batch = Batch.from_examples(examples, CPU)
    losses = task_losses(constant_output(constants, 30), batch, countdown)
    for task in TASKS:
        assert constants.losses[task] == pytest.approx(losses[task].item(), rel=1e-4)


def test_the_baseline_of_a_bar_head_is_what_a_constant_prediction_loses() -> None:
    examples = toy_examples(30, n_without_span=5)
    constants = Constants.fit(examples, "clip20", "bar")
    batch = Batch.from_examples(examples, CPU)
    loss = task_losses(constant_bar_output(examples), batch, "clip20")["ptr"].item()
    assert constants.losses["ptr"] == pytest.approx(loss, rel=1e-4)


def test_a_bar_head_that_emits_its_target_loses_nothing() -> None:
    batch = one_window()
    target = edge_log_target(batch.edges)
    output = ModelOutput(
        hidden=torch.zeros(1, 105, 192),
        type_logits=torch.zeros(1, 3),
        start_logits=target[:, 0],
        end_logits=target[:, 1],
    )
    assert task_losses(output, batch, "clip20")["ptr"].item() == pytest.approx(0, abs=1e-5)


def test_divergence_of_an_edge_that_may_be_anywhere() -> None:
    # log 105 less the entropy of a Gaussian of one bar, log(2 pi e) / 2.
    uniform = torch.zeros(1, 2, 105, dtype=torch.float64)
    found = edge_divergence(uniform, torch.tensor([[50.0, 60.0]], dtype=torch.float64))
    expected = math.log(105) - math.log(2 * math.pi * math.e) / 2
    assert found.tolist()[0] == pytest.approx([expected, expected], rel=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_no_other_constant_is_much_better(task: str) -> None:
    # The median is best for the absolute error; Huber's rounding of the corner changes little.
    examples = toy_examples(60)
    constants = Constants.fit(examples, "clip20")
    batch = Batch.from_examples(examples, CPU)
    best = task_losses(constant_output(constants, 60), batch, "clip20")[task].item()
    for shift in (-0.3, -0.1, 0.1, 0.3):
        moved = replace(
            constants,
            pointers=tuple(value * (1 + shift) for value in constants.pointers),
            base_rate=constants.base_rate * (1 + shift),
            countdown=constants.countdown + shift,
            type_frequencies=tuple(np.roll([1 / 3 + shift / 2, 1 / 3 - shift / 2, 1 / 3], 1)),
        )
        loss = task_losses(constant_output(moved, 60), batch, "clip20")[task].item()
        assert loss > 0.98 * best


def test_constant_labels_have_the_floor_as_their_baseline() -> None:
    """Pitfall 16: labels that are all the same leave nothing to divide by."""
    examples = toy_examples(6)
    alike = replace(examples, type_id=np.ones(6, int), start=np.full(6, 50), end=np.full(6, 60))
    losses = Constants.fit(alike, "clip20").losses
    assert losses["type"] == losses["ptr"] == 1e-8


def test_labels_without_any_span_are_refused() -> None:
    with pytest.raises(SchemaError, match="at least one labelled span"):
        Constants.fit(toy_examples(4, n_without_span=4), "clip20")


@pytest.mark.parametrize("countdown", ["clip20", "raw"])
def test_an_untrained_model_starts_at_the_constants(countdown: CountdownScale) -> None:
    examples = toy_examples(30)
    constants = Constants.fit(examples, countdown)
    model = JadeCompact().eval()
    start_at_constants(model, constants)
    for head in (model.type_head, model.pointer_head, model.binary_head, model.countdown_head):
        assert head is not None
        nn.init.zeros_(head.weight)
    batch = Batch.from_examples(examples, CPU)
    losses = task_losses(model(batch.features), batch, countdown)
    for task in TASKS:
        assert losses[task].item() == pytest.approx(constants.losses[task], rel=1e-3)


def test_an_untrained_model_is_a_bad_ruler_until_its_biases_stand_at_the_constants() -> None:
    """Pitfall 3: the first batch is a bad ruler.

    A sigmoid of 0 says that every span is 52 bars long, which one epoch of a bias mends: weights by
    that first loss would give pointers a third of what they should have, for the whole run.
    """
    examples = toy_examples(30)
    constants = Constants.fit(examples, "clip20", "mean")
    batch = Batch.from_examples(examples, CPU)
    torch.manual_seed(0)
    model = JadeCompact(pointer_head="mean").eval()

    def first_loss() -> float:
        return task_losses(model(batch.features), batch, "clip20")["ptr"].item()

    target = TARGET_SHARES["ptr"]
    right = target / constants.losses["ptr"]
    assert target / first_loss() < right / 2.5
    start_at_constants(model, constants)
    assert target / first_loss() == pytest.approx(right, rel=0.05)


def test_a_type_that_training_lacks_stays_possible() -> None:
    """Pitfall 16: a class may have no example in a fold."""
    examples = toy_examples(6)
    constants = Constants.fit(replace(examples, type_id=np.zeros(6, int)), "clip20")
    model = JadeCompact()
    start_at_constants(model, constants)
    assert model.type_head.bias.softmax(dim=0).min().item() > 0.005
