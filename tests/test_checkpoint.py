from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from moola.checkpoint import (
    Checkpoint,
    load_weights,
    random_state,
    read_tensors,
    restore_random_state,
)
from moola.dropout import Masks
from moola.exceptions import CheckpointError
from moola.model import JadeCompact


def fresh(**changes: object) -> Checkpoint:
    model = JadeCompact()
    parts = {"model": model.state_dict(), "meta": {"model": model.options}, "training": None}
    return Checkpoint(**{**parts, **changes})


def test_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    saved = fresh(meta={"epoch": 3, "countdown": "clip20"}, training={"state": {"step": 7}})
    saved.save(tmp_path / "last.pt")
    loaded = Checkpoint.load(tmp_path / "last.pt")
    assert loaded.meta == saved.meta
    assert loaded.training == saved.training
    assert all(torch.equal(loaded.model[name], saved.model[name]) for name in saved.model)


def test_saving_again_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    for epoch in (1, 2):
        fresh(meta={"epoch": epoch}).save(tmp_path / "last.pt")
    assert Checkpoint.load(tmp_path / "last.pt").meta["epoch"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_a_crash_while_saving_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh(meta={"epoch": 1}).save(tmp_path / "last.pt")

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(CheckpointError, match="No space left"):
        fresh(meta={"epoch": 2}).save(tmp_path / "last.pt")
    assert Checkpoint.load(tmp_path / "last.pt").meta["epoch"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


class Trap:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple:
        return (os.mkdir, ("sprung",))


def test_code_in_a_file_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"format": "moola checkpoint 1", "model": Trap()}, "trap.pt")
    with pytest.raises(CheckpointError, match="tensors and plain values only"):
        Checkpoint.load(Path("trap.pt"))
    assert not Path("sprung").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"not a checkpoint", b"PK\x03\x04 cut short", bytes(range(256))],
    ids=["empty", "text", "cut zip", "noise"],
)
def test_a_damaged_file_is_one_clear_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"last\.pt should be a PyTorch file"):
        Checkpoint.load(path)


def test_half_a_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    fresh().save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError, match=r"last\.pt should be a PyTorch file"):
        Checkpoint.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"best\.pt\. Found none"):
        read_tensors(tmp_path / "best.pt")


def test_a_checkpoint_of_another_program_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"should say 'moola checkpoint 1'\. Found None"):
        Checkpoint.load(tmp_path / "other.pt")


def test_a_tensor_that_does_not_fit_is_named_with_both_shapes() -> None:
    weights = JadeCompact().state_dict() | {"type_head.weight": torch.zeros(2, 64)}
    with pytest.raises(
        CheckpointError, match=r"type_head\.weight .* \(3, 64\)\. Found \(2, 64\) \(last\.pt\)"
    ):
        load_weights(JadeCompact(), weights, source="last.pt")


def test_missing_and_surplus_tensors_are_named() -> None:
    without_sequence = JadeCompact(predict_expansion_sequence=False)
    with pytest.raises(CheckpointError, match=r"log_sigma|binary_head\.weight\. Found none"):
        load_weights(JadeCompact(), without_sequence.state_dict(), source="x")
    surplus = JadeCompact().state_dict() | {"extra": torch.zeros(1)}
    with pytest.raises(CheckpointError, match="no tensor extra"):
        load_weights(JadeCompact(), surplus, source="x")


def test_generators_survive_a_checkpoint(tmp_path: Path) -> None:
    masks, cpu = Masks(5), torch.device("cpu")
    masks.draw((33,), 0.5)
    fresh(training={"random": random_state(masks, cpu)}).save(tmp_path / "last.pt")
    expected = masks.draw((9,), 0.3)
    other = Masks(0)
    training = Checkpoint.load(tmp_path / "last.pt").training
    assert training is not None
    restore_random_state(training["random"], other, cpu)
    assert np.array_equal(other.draw((9,), 0.3), expected)
