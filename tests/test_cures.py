"""What the cure of an alert starts, and where."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from moola.config import FinetuneConfig
from moola.cures import cure, restart_point
from moola.restarting import checkpoint_path
from moola.runs import RunFolder, create_run


def made(runs_dir: Path, *kept: int, **options) -> RunFolder:
    run = create_run(runs_dir, FinetuneConfig(**{"epochs": 20, "balance": "raw"} | options))
    for epoch in kept:
        path = checkpoint_path(run, epoch)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return run


def test_it_restarts_from_the_last_checkpoint_before_the_silence(tmp_path: Path) -> None:
    run = made(tmp_path, 2, 4, 8, lr=1e-3)
    found = cure(run, {"balance": "epoch"}, since_epoch=6)
    assert found.where == "Restart from epoch 4"
    wanted = replace(run.config(), balance="epoch", restart_from=f"{run.id}@4")
    assert found.config == wanted


def test_without_a_checkpoint_so_early_it_is_a_new_run(tmp_path: Path) -> None:
    run = made(tmp_path, 8)
    found = cure(run, {"guard": True}, since_epoch=4)
    assert (found.where, found.config) == ("New run", replace(run.config(), guard=True))


def test_another_model_needs_a_new_run(tmp_path: Path) -> None:
    run = made(tmp_path, 3)
    found = cure(run, {"pointer_head": "mean"}, since_epoch=4)
    assert found.point is None
    assert found.config.pointer_head == "mean"


def test_a_restarted_run_goes_back_to_the_checkpoints_of_its_parent(tmp_path: Path) -> None:
    parent = made(tmp_path, 3, 6, lr=5e-3)
    child = made(tmp_path, 7, 9, balance="epoch", restart_from=f"{parent.id}@6")
    point = restart_point(child, 5)
    assert point is not None
    assert (point.run.id, point.epoch) == (parent.id, 3)
    found = cure(child, {"guard": True}, since_epoch=6)
    assert found.config.restart_from == f"{parent.id}@3"
    assert found.config.lr == child.config().lr, "the options are the child's, but for the cure"
    assert found.config.balance == "epoch"


@pytest.mark.parametrize("epoch", [1, 5])
def test_where_the_parent_is_gone_there_is_no_point(tmp_path: Path, epoch: int) -> None:
    parent = made(tmp_path, 3)
    child = made(tmp_path, 7, restart_from=f"{parent.id}@6")
    shutil.rmtree(parent.path)
    assert restart_point(child, epoch) is None
