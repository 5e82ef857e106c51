from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from moola.checkpoint import Checkpoint
from moola.encoder import open_forget_gates
from moola.exceptions import CheckpointError
from moola.model import JadeCompact, ModelOutput


def count(model: nn.Module, *, trainable: bool = False) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)


@pytest.mark.parametrize(
    ("pointers", "sequence", "expected", "tasks"),
    [
        (True, True, 97_547, ("ptr", "binary", "countdown", "type")),
        (True, False, 97_159, ("ptr", "type")),
        (False, False, 97_027, ("type",)),
    ],
)
def test_parameter_counts_are_those_of_the_specification(
    pointers: bool, sequence: bool, expected: int, tasks: tuple[str, ...]
) -> None:
    model = JadeCompact(predict_pointers=pointers, predict_expansion_sequence=sequence)
    assert count(model) == expected
    assert model.tasks == tasks


def test_a_bar_head_has_256_parameters_more() -> None:
    model = JadeCompact(pointer_head="bar")
    assert count(model) == 97_547 + 256
    assert model.tasks == ("ptr", "binary", "countdown", "type")


def test_a_frozen_encoder_leaves_the_heads() -> None:
    model = JadeCompact()
    model.freeze_encoder()
    assert count(model, trainable=True) == 13_067
    assert model.encoder_is_frozen


@pytest.mark.parametrize("n_windows", [1, 2, 29])
def test_output_shapes(n_windows: int) -> None:
    output = JadeCompact()(torch.randn(n_windows, 105, 12))
    assert output.hidden.shape == (n_windows, 105, 192)
    assert output.type_logits.shape == output.type_probabilities.shape == (n_windows, 3)
    assert output.pointers.shape == (n_windows, 2)
    assert output.binary_logits.shape == output.binary_probabilities.shape == (n_windows, 105)
    assert output.countdown.shape == (n_windows, 105)


def test_probabilities_are_probabilities_of_the_logits() -> None:
    output = JadeCompact().eval()(torch.randn(3, 105, 12))
    assert torch.allclose(output.type_probabilities.sum(dim=1), torch.ones(3))
    assert torch.allclose(output.binary_probabilities.logit(), output.binary_logits, atol=1e-4)
    assert torch.allclose(output.pointers.logit(), output.pointer_logits, atol=1e-4)


def test_pointers_of_a_bar_head_are_those_of_the_expected_edges() -> None:
    start, end = torch.full((1, 105), -99.0), torch.full((1, 105), -99.0)
    start[0, [50, 52]], end[0, 65] = 0.0, 0.0
    output = ModelOutput(
        hidden=torch.zeros(1, 105, 192),
        type_logits=torch.zeros(1, 3),
        start_logits=start,
        end_logits=end,
    )
    # Expected start 51, end 65: centre 58 of 104, length 15 of 105.
    assert output.pointers is not None
    assert output.pointers[0].tolist() == pytest.approx([58 / 104, 15 / 105])


def test_a_bar_head_answers_for_every_bar() -> None:
    output = JadeCompact(pointer_head="bar")(torch.randn(2, 105, 12))
    assert output.start_logits.shape == output.end_logits.shape == (2, 105)
    assert output.pointers.shape == (2, 2)
    assert output.pointer_logits is None


def test_one_product_for_all_per_bar_heads_says_what_each_head_says() -> None:
    model = JadeCompact(pointer_head="bar").eval()
    output = model(torch.randn(3, 105, 12))
    assert model.edge_head
    assert model.binary_head
    assert model.countdown_head
    edges = model.edge_head(output.hidden)
    torch.testing.assert_close(output.start_logits, edges[..., 0])
    torch.testing.assert_close(output.end_logits, edges[..., 1])
    torch.testing.assert_close(output.binary_logits, model.binary_head(output.hidden)[..., 0])
    torch.testing.assert_close(output.countdown, model.countdown_head(output.hidden)[..., 0])


def test_features_are_scaled_by_mean_and_deviation_of_the_training_windows() -> None:
    model = JadeCompact(standardize=True)
    features = torch.randn(20, 105, 12) * 3 + 5
    features[..., 4] = 7.0  # never changes
    model.fit_scale(features)
    scaled = model.scaled(features).flatten(0, 1)
    assert torch.allclose(scaled.mean(dim=0), torch.zeros(12), atol=1e-4)
    assert torch.allclose(scaled.std(dim=0), torch.ones(12) - torch.eye(12)[4], atol=1e-3)


def test_a_scaled_model_sees_the_same_whatever_the_unit_of_its_features(tmp_path: Path) -> None:
    features = torch.randn(4, 105, 12)
    model = JadeCompact(standardize=True).eval()
    model.fit_scale(features)
    before = model(features).type_logits
    model.fit_scale(features * 100 + 3)
    assert torch.allclose(model(features * 100 + 3).type_logits, before, atol=1e-4)


def test_the_scale_travels_with_the_encoder(tmp_path: Path) -> None:
    trained = JadeCompact(standardize=True)
    trained.fit_scale(torch.randn(4, 105, 12) * 2 + 1)
    path = tmp_path / "best.pt"
    Checkpoint(model=trained.state_dict(), meta={"model": trained.options}).save(path)
    model = JadeCompact.from_pretrained(path, pointer_head="bar", standardize=True)
    assert torch.equal(model.feature_mean, trained.feature_mean)
    assert torch.equal(model.feature_deviation, trained.feature_deviation)
    with pytest.raises(CheckpointError, match="trained on standardised features"):
        JadeCompact.from_pretrained(path)


def test_heads_that_were_not_asked_for_answer_none() -> None:
    model = JadeCompact(predict_pointers=False, predict_expansion_sequence=False)
    output = model(torch.randn(1, 105, 12))
    assert output.pointers is output.binary_probabilities is output.countdown is None


def test_dropout_can_be_switched_off_in_train_mode_and_comes_back() -> None:
    model = JadeCompact().train()
    x = torch.randn(2, 105, 12)
    with model.without_dropout():
        assert model.training
        assert torch.equal(model(x).type_logits, model(x).type_logits)
    assert not torch.equal(model(x).type_logits, model(x).type_logits)


def encoder_file(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def prefixed(prefix: str, lstm: nn.LSTM) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in lstm.state_dict().items()}


LSTM = nn.LSTM(12, 96, batch_first=True, bidirectional=True)


@pytest.mark.parametrize(
    "content",
    [
        prefixed("encoder.", LSTM),
        prefixed("lstm.", LSTM),
        prefixed("module.encoder.lstm.", LSTM),
        {"model_state_dict": prefixed("encoder.", LSTM), "epoch": 3},
        {"encoder_state_dict": dict(LSTM.state_dict()), "loss": 0.1},
        prefixed("encoder.", LSTM) | prefixed("decoder.lstm.", nn.LSTM(192, 8)),
        prefixed("encoder.", LSTM) | {"encoder.projection.weight": torch.zeros(4, 192)},
    ],
    ids=["encoder", "lstm", "module", "nested", "whole", "beside a decoder", "with more"],
)
def test_an_encoder_is_found_under_its_usual_names(tmp_path: Path, content: dict) -> None:
    model = JadeCompact.from_pretrained(encoder_file(tmp_path / "encoder.pt", content))
    for name, tensor in LSTM.state_dict().items():
        assert torch.equal(model.encoder.state_dict()[name], tensor)
    assert model.encoder_is_frozen


def test_the_encoder_of_an_own_checkpoint_can_be_taken_and_trained_on(tmp_path: Path) -> None:
    trained = JadeCompact()
    Checkpoint(model=trained.state_dict(), meta={"model": trained.options}).save(
        tmp_path / "best.pt"
    )
    model = JadeCompact.from_pretrained(tmp_path / "best.pt", freeze_encoder=False)
    for own, taken in zip(model.encoder.parameters(), trained.encoder.parameters(), strict=True):
        assert torch.equal(own, taken)
    assert not model.encoder_is_frozen


def test_a_wrong_shape_is_named_with_both_shapes(tmp_path: Path) -> None:
    other = nn.LSTM(11, 96, bidirectional=True)
    path = encoder_file(tmp_path / "encoder.pt", prefixed("encoder.", other))
    with pytest.raises(CheckpointError, match=r"weight_ih_l0 .* \(384, 12\)\. Found \(384, 11\)"):
        JadeCompact.from_pretrained(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (prefixed("encoder.", nn.LSTM(12, 96)), "weight_ih_l0_reverse. Found none"),
        (prefixed("encoder.", nn.LSTM(12, 96, 2, bidirectional=True)), "no tensor .*_l1"),
        ({"head.weight": torch.zeros(3)}, "one LSTM under encoder.* Found head.weight"),
        (prefixed("encoder.", LSTM) | prefixed("old_encoder.", LSTM), "encoder., old_encoder."),
        ({}, "Found no tensors"),
        ([1, 2], "should be a dictionary. Found a list"),
    ],
    ids=["one direction", "two layers", "no LSTM", "two encoders", "empty", "a list"],
)
def test_what_is_no_such_encoder_is_refused(tmp_path: Path, content: object, message: str) -> None:
    path = encoder_file(tmp_path / "encoder.pt", content)
    with pytest.raises(CheckpointError, match=message):
        JadeCompact.from_pretrained(path)


def test_open_forget_gates_let_the_state_outlive_a_window() -> None:
    def kept_after(bars: int, bias: float) -> float:
        torch.manual_seed(0)
        lstm = nn.LSTM(12, 96, batch_first=True, bidirectional=True)
        open_forget_gates(lstm, bias)
        start = (torch.zeros(2, 1, 96), torch.ones(2, 1, 96))
        with torch.inference_mode():
            _, (_, cell) = lstm(torch.zeros(1, bars, 12), start)
            _, (_, rest) = lstm(torch.zeros(1, bars, 12), (start[0], torch.zeros(2, 1, 96)))
        return float((cell - rest).abs().mean())

    assert kept_after(5, 1.0) > 3 * kept_after(5, 0.0)
    lstm = nn.LSTM(12, 96, bidirectional=True)
    before = {name: w.clone() for name, w in lstm.named_parameters()}
    open_forget_gates(lstm, 1.0)
    after = dict(lstm.named_parameters())
    for name, w in after.items():
        total = (after["bias_ih_l0"] + after["bias_hh_l0"])[96:192]
        assert torch.equal(total, torch.ones(96))
        assert name.startswith("bias") or torch.equal(w, before[name])
        assert not name.startswith("bias") or torch.equal(w[:96], before[name][:96])
        assert not name.startswith("bias") or torch.equal(w[192:], before[name][192:])
