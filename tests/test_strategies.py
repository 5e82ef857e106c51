"""A group of runs: its plan, its carrying, its table."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from moola import launching, strategies, strategy_table
from moola.advice import Badge
from moola.config import FinetuneConfig
from moola.exceptions import ConfigError, RunError
from moola.extras import available_balances
from moola.resampling import Score
from moola.runs import EXAMPLES_FILE, RunFolder, list_runs
from moola.schema import TASKS, Task
from moola.strategies import Cell, Plan, carry_out, make_plan, read_plan
from moola.strategy_table import SeedResult, as_markdown, as_table
from moola.workspace import Workspace
from tests.epoch_rows import epochs
from tests.toy import toy_examples


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


def plan_of(workspace: Workspace, **options: Any) -> Plan:
    settings: dict[str, Any] = {"group": "g", "strategies": ("raw", "epoch+guard"), "seeds": (0, 1)}
    return make_plan(workspace, FinetuneConfig(epochs=5), **(settings | options))


def end_as(states: list[str]):
    """A launcher whose runs end at once, one after another, in the given states."""
    asked = iter(states)

    def launch(run: RunFolder, _workspace: Workspace) -> int:
        (run.path / EXAMPLES_FILE).exists() or toy_examples().save(run.path / EXAMPLES_FILE)
        run.save_config(run.config(), {"data_hash": "known"})
        run.write_status(state=next(asked))
        return 0

    return launch


def test_every_installed_balance_is_among_the_strategies_and_the_guard_is_one_more() -> None:
    assert set(strategies.STRATEGIES) == {*available_balances(), "epoch+guard"}


def test_a_strategy_decides_balance_and_guard_and_the_seed_is_its_own(
    workspace: Workspace,
) -> None:
    plan = plan_of(workspace)
    config = plan.config(Cell("epoch+guard", 1))
    assert (config.balance, config.guard, config.seed, config.epochs) == ("epoch", True, 1, 5)


def test_a_plan_is_read_back_as_it_was_made(workspace: Workspace) -> None:
    plan = plan_of(workspace)
    assert read_plan("g", workspace) == plan
    assert [str(cell) for cell in plan.cells()[:2]] == ["raw, seed 0", "epoch+guard, seed 0"]
    assert strategies.list_groups(workspace) == ["g"]


def test_a_group_that_exists_keeps_its_options_and_takes_more_seeds(workspace: Workspace) -> None:
    plan = plan_of(workspace)
    more = make_plan(workspace, FinetuneConfig(epochs=99), group="g", seeds=[1, 7])
    assert (more.strategies, more.seeds) == (plan.strategies, (0, 1, 7))
    assert more.options == plan.options
    assert read_plan("g", workspace) == more


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategies": ("dwa",)}, "A strategy should be one of .* Found 'dwa'"),
        ({"strategies": ()}, "strategies should name each one once"),
        ({"seeds": (1, 1)}, "seeds should name each one once"),
    ],
)
def test_a_wrong_plan_is_refused_before_anything_is_made(
    options: dict[str, Any], message: str, workspace: Workspace
) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_of(workspace, **options)
    assert strategies.list_groups(workspace) == []


def test_an_unknown_group_is_named_with_those_there_are(workspace: Workspace) -> None:
    plan_of(workspace)
    with pytest.raises(RunError, match=r"'h' should be a group .* Found: g\."):
        read_plan("h", workspace)


def test_all_strategies_of_a_seed_get_the_same_examples(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "launch", end_as(["finished"] * 4))
    plan = carry_out(plan_of(workspace), workspace, on_progress=lambda _: None)
    assert len(list_runs(workspace.runs_dir)) == 4
    one, other = (plan.run_of(Cell(name, 1), workspace) for name in plan.strategies)
    assert one is not None
    assert other is not None
    assert one.examples().content_hash() == other.examples().content_hash()
    assert one.about().note == "Group g: raw, seed 1."


def test_carrying_a_group_out_again_does_only_what_is_not_finished(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        launching, "launch", end_as(["finished", "failed", "finished", "finished", "finished"])
    )
    told: list[str] = []
    plan = carry_out(plan_of(workspace), workspace, on_progress=told.append)
    assert any("epoch+guard, seed 0 has failed" in line for line in told)
    told.clear()
    again = carry_out(read_plan("g", workspace), workspace, on_progress=told.append)
    assert told == ["2 of 4: epoch+guard, seed 0"]
    assert again.runs == plan.runs, "the failed run was taken up again, not made anew"


def test_a_group_is_carried_by_one_process_at_a_time(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(workspace)

    def launch(run: RunFolder, _workspace: Workspace) -> int:
        assert strategies.is_carried("g", workspace)
        with pytest.raises(RunError, match="already carried"):
            carry_out(plan, workspace)
        run.write_status(state="finished")
        return 0

    monkeypatch.setattr(launching, "launch", launch)
    carry_out(plan, workspace, on_progress=lambda _: None)
    assert not strategies.is_carried("g", workspace)


def result(hits: list[int], *, badge: Badge = "OK", boost: float = 1.0, **rows: Any) -> SeedResult:
    parts = np.stack([np.array(hits, float), np.ones(len(hits))], axis=1)
    score = Score(parts, np.arange(len(hits)), lambda sums: sums[:, 0] / sums[:, 1])
    badges: dict[Task, Badge] = dict.fromkeys(TASKS, "OK")
    badges["type"] = badge
    history = [row | {"boost": {"type": boost}} for row in epochs(6, **rows)]
    return SeedResult(history, {"hit_at_3": score}, badges)


def test_the_table_has_shares_of_the_last_third_and_scores_over_seeds() -> None:
    late = (0.04, 0.3, 0.3, 0.36)
    found = {
        Cell("raw", 0): result([1, 0] * 10, loss=late, badge="STARVED"),
        Cell("raw", 1): result([0, 0] * 10, loss=late, badge="STARVED"),
        Cell("epoch", 0): result([1, 1] * 10, boost=5.23),
        Cell("epoch", 1): result([0, 1] * 10),
    }
    table = as_table(found, ("raw", "epoch", "ema")).set_index("strategy")
    assert list(table.index) == ["raw", "epoch"]
    raw, epoch = table.loc["raw"], table.loc["epoch"]
    assert raw["ptr_loss_share"] == pytest.approx(0.04)
    assert (raw["epochs_in_band"], epoch["epochs_in_band"]) == (0, 6)
    assert raw["hit_at_3"] == pytest.approx(0.25)
    assert raw["hit_at_3_gain"] == pytest.approx(0.25 - 0.75)
    assert raw["verdict"] == "Type starved 2/2"
    assert epoch["verdict"] == "all heard"
    assert epoch["boost"] == "Type ×5.2"
    assert math.isnan(epoch["hit_at_3_gain"]), "the baseline is not compared with itself"
    assert math.isnan(raw["countdown_mae_bars"])


def test_the_table_is_shown_in_markdown_and_for_a_terminal() -> None:
    table = as_table({Cell("epoch", 0): result([1, 1, 1, 0] * 5)}, ("epoch",))
    head, rule, row = as_markdown(table).splitlines()
    assert head.count("|") == rule.count("|") == row.count("|")
    assert "70% (70%–70%)" in row
    assert "75.0% [" in row
    assert "70/10/10/10" in row
    assert strategy_table.as_text(table).splitlines()[1].startswith("epoch")


def test_scores_of_too_few_windows_say_why_they_have_no_interval() -> None:
    table = as_table({Cell("epoch", 0): result([1, 0, 1])}, ("epoch",))
    assert "| 66.7% |" in as_markdown(table)
    for text in (as_markdown(table), strategy_table.as_text(table)):
        assert text.strip().endswith("groups of neighbouring held-out windows.")


def test_a_frozen_encoder_has_no_gradients_to_show() -> None:
    table = as_table({Cell("epoch", 0): result([1] * 12, gradient=None)}, ("epoch",))
    assert "not measured" in strategy_table.as_text(table)


def test_the_table_is_kept_beside_the_plan(workspace: Workspace) -> None:
    plan = plan_of(workspace)
    table = as_table({Cell("raw", 0): result([1, 0] * 8)}, ("raw",))
    folder = strategy_table.save(table, plan, workspace)
    assert pd.read_parquet(folder / "table.parquet").loc[0, "strategy"] == "raw"
    assert (folder / "table.md").read_text(encoding="utf-8") == as_markdown(table)
    assert json.loads((folder / "plan.json").read_text(encoding="utf-8"))["seeds"] == [0, 1]
