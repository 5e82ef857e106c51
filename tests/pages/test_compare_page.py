"""The Compare page: which runs are offered, what is said to differ, groups of strategies."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from moola import strategies
from moola.config import FinetuneConfig
from moola.runs import RunFolder, create_run, list_runs
from moola.strategies import Cell
from moola.workspace import Workspace
from tests.pages.conftest import OpenPage, history_row, shown_text


def write_run(workspace: Workspace, name: str, data_hash: str = "d1", **options: Any) -> RunFolder:
    run = create_run(workspace.runs_dir, FinetuneConfig(**{"epochs": 5, **options}), name=name)
    run.save_config(run.config(), {"data_hash": data_hash})
    for epoch in range(1, 6):
        run.append_history(history_row(epoch))
    run.write_status(state="finished", epoch=5)
    return run


def copy_of(run: RunFolder, suffix: str, **options: Any) -> RunFolder:
    """A second run on the same windows with the same predictions."""
    folder = run.path.with_name(f"{run.id}{suffix}")
    shutil.copytree(run.path, folder)
    twin = RunFolder(folder)
    twin.save_config(FinetuneConfig(**{**run.config().to_dict(), **options}), run.resolved())
    return twin


def chosen(app: AppTest) -> list[str]:
    return app.multiselect(key="compare_runs").value


def compare(open_page: OpenPage, workspace: Workspace, *runs: RunFolder) -> AppTest:
    app = open_page(workspace, "compare")
    app.session_state["compare_runs"] = [run.id for run in runs]
    return app.run()


def test_the_newest_run_is_compared_with_others_on_its_data_and_seed(
    open_page: OpenPage, empty: Workspace
) -> None:
    for name in ("aa", "bb"):
        write_run(empty, name)
    for name, options in (("data", {"data_hash": "d2"}), ("seed", {"seed": 1})):
        write_run(empty, name, **options)
    write_run(empty, "zz-newest")
    app = open_page(empty, "compare")
    assert not app.exception
    names = [run_id[16:] for run_id in chosen(app)]
    assert names == ["zz-newest", "bb", "aa"]
    offered = app.multiselect(key="compare_runs").options
    assert [" (" in name for name in offered] == [False, False, False, True, True]
    assert "Same data, same seed. They differ in nothing" in shown_text(app)


def test_runs_on_other_data_can_be_compared_and_that_is_said(
    open_page: OpenPage, empty: Workspace
) -> None:
    one = write_run(empty, "one")
    two = write_run(empty, "two", data_hash="d2", seed=1, balance="raw")
    app = compare(open_page, empty, one, two)
    warnings = " ".join(box.value for box in app.warning)
    assert "do not learn from the same windows" in warnings
    assert "Their seeds differ" in warnings
    assert "They differ in data hash, seed, balance." in shown_text(app)
    assert "Same data" not in shown_text(app)


def test_one_run_alone_has_its_figures_and_scores_and_no_difference(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample, "compare")
    assert len(app.get("plotly_chart")) == 2
    assert "Scores on held-out windows" in shown_text(app)
    assert "Differences from" not in shown_text(app)


def test_several_runs_have_paired_differences_from_the_first(
    open_page: OpenPage, sample: Workspace
) -> None:
    (run,) = list_runs(sample.runs_dir)
    twin = copy_of(run, "-twin", balance="raw")
    app = compare(open_page, sample, run, twin)
    assert not app.exception
    text = shown_text(app)
    assert "Differences from made" in text
    held_out = run.examples().take(run.examples().is_val)
    n_windows = len(held_out.first_of_each_window())
    assert f"paired on the same {n_windows} held-out windows" in text
    assert "They differ in balance" in text
    spec = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert len(spec["data"]) == 2 * 2 * 4


def test_a_link_names_the_runs_to_compare(open_page: OpenPage, empty: Workspace) -> None:
    one, two = write_run(empty, "one"), write_run(empty, "two", data_hash="d2")
    app = open_page(empty, "compare")
    assert chosen(app) == [two.id], "the newest one, since nothing is like it"
    app.query_params["runs"] = f"{one.id},{two.id},gone"
    app.run()
    assert chosen(app) == [one.id, two.id]
    app.run()
    assert app.query_params["runs"] == f"{one.id},{two.id}"


def test_a_run_that_has_only_been_queued_can_be_looked_at(
    open_page: OpenPage, empty: Workspace
) -> None:
    create_run(empty.runs_dir, FinetuneConfig(), name="queued")
    app = open_page(empty, "compare")
    assert not app.exception
    assert "Scores and differences come when" in shown_text(app)


def strategies_view(open_page: OpenPage, workspace: Workspace) -> AppTest:
    app = open_page(workspace, "compare")
    app.session_state["compare_view"] = "Strategies"
    return app.run()


def test_a_group_is_started_with_the_chosen_balances_and_seeds(
    open_page: OpenPage, sample: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[strategies.Plan] = []
    monkeypatch.setattr(strategies, "launch", lambda plan, _workspace: started.append(plan))
    app = strategies_view(open_page, sample)
    app.multiselect(key="strategies_names").set_value(["raw", "epoch+guard"])
    app.multiselect(key="strategies_seeds").set_value([0, 3])
    app.text_input(key="strategies_name").set_value("mine")
    app.run()
    assert app.button(key="strategies_start").label == "Train 4 runs"
    app.button(key="strategies_start").click().run()
    assert not app.exception
    (plan,) = started
    assert (plan.group, plan.strategies, plan.seeds) == ("mine", ("raw", "epoch+guard"), (0, 3))
    assert "0 of 4 runs finished, nobody carries it on" in app.get("progress")[0].proto.text


def test_a_group_shows_its_table_and_can_go_on(
    open_page: OpenPage, sample: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = list_runs(sample.runs_dir)
    plan = strategies.make_plan(
        sample, run.config(), group="g", strategies=["epoch", "raw"], seeds=[0]
    )
    strategies._write(strategies.replace(plan, runs={Cell("epoch", 0): run.id}), sample)
    app = strategies_view(open_page, sample)
    assert not app.exception
    text = shown_text(app)
    assert "| epoch | 1 | 70% :small[:gray[70%–70%]] | 8 of 8 |" in text
    gone_on: list[str] = []
    monkeypatch.setattr(strategies, "launch", lambda plan, _workspace: gone_on.append(plan.group))
    app.button(key="strategies_continue").click().run()
    assert gone_on == ["g"]
    assert (strategies.groups_dir(sample) / "g" / "table.parquet").exists()


def test_the_runs_of_a_seed_are_set_side_by_side(open_page: OpenPage, sample: Workspace) -> None:
    (run,) = list_runs(sample.runs_dir)
    twin = copy_of(run, "-twin", balance="raw")
    plan = strategies.make_plan(
        sample, run.config(), group="g", strategies=["raw", "epoch"], seeds=[0]
    )
    runs = {Cell("epoch", 0): run.id, Cell("raw", 0): twin.id}
    strategies._write(strategies.replace(plan, runs=runs), sample)
    app = strategies_view(open_page, sample)
    app.button(key="strategies_seed_0").click().run()
    assert not app.exception
    assert chosen(app) == [twin.id, run.id]
