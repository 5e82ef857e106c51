"""What the leak meter measures before a start is what the run will do."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from moola.bars import BarStore
from moola.collect import collect
from moola.config import FinetuneConfig, SplitRule
from moola.planned import planned_rows, planned_split
from moola.store import LabelStore
from moola.workspace import Workspace
from tests.sample_workspace import sample_copy


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return sample_copy(tmp_path_factory, tmp_path_factory.mktemp("sample"))


@pytest.mark.parametrize("split", ["blocks", "groups"])
def test_the_planned_split_is_the_one_that_a_run_makes(
    workspace: Workspace, split: SplitRule
) -> None:
    config = FinetuneConfig(split=split, seed=3)
    with closing(LabelStore.open(workspace.store_url)) as store:
        bar_store = BarStore(workspace.bars_dir)
        examples = collect(config, store=store, bar_store=bar_store)
        rows = planned_rows(None, config.labels, store=store, bar_store=bar_store)
    planned = planned_split(rows, config)
    held_out = examples.take(examples.is_val)
    held_out = held_out.take(held_out.first_of_each_window())
    assert rows.window_uid[planned.held_out].tolist() == held_out.window_uid.tolist()
    assert planned.n_train == len(set(examples.window_uid[~examples.is_val].tolist()))
    assert planned.n_sharing == 0


def test_a_held_out_window_with_bars_of_training_is_counted(
    workspace: Workspace,
) -> None:
    """Groups that are told wrongly stand for a split that is."""
    config = FinetuneConfig(split="groups")
    with closing(LabelStore.open(workspace.store_url)) as store:
        rows = planned_rows(
            None, config.labels, store=store, bar_store=BarStore(workspace.bars_dir)
        )
    alone = replace(rows, group=np.arange(len(rows.group)))
    planned = planned_split(alone, config)
    starts, series = rows.places.bar_start, rows.places.series_id
    held = set(planned.held_out.tolist())
    near = [
        i
        for i in held
        if any(
            j not in held and series[i] == series[j] and abs(starts[i] - starts[j]) < 105
            for j in range(len(starts))
        )
    ]
    assert planned.n_sharing == len(near) > 0
