"""Figures of several runs: one panel pair a run, tasks in their colours, the same axes."""

from __future__ import annotations

import numpy as np
import pytest

from moola.figures import TASK_COLORS
from moola.figures_runs import (
    MOST_RUNS,
    PER_ROW,
    RUN_COLORS,
    Course,
    share_panels,
    skill_lines,
)
from moola.schema import TASK_NAMES, TASKS
from tests.epoch_rows import POINTERS_STARVED, epochs
from tests.test_figures import PAGE_BACKGROUNDS, luminance, notes


def course(name: str = "a", n: int = 6, **rows) -> Course:
    return Course(name, 10, epochs(n, **rows))


def test_every_run_has_two_panels_of_four_tasks() -> None:
    figure = share_panels([course("a"), course("b"), course("c")])
    assert len(figure.data) == 3 * 2 * len(TASKS)
    assert {trace.yaxis for trace in figure.data} == {"y", "y2", "y3", "y4", "y5", "y6"}
    for trace in figure.data:
        task = next(task for task in TASKS if TASK_NAMES[task] == trace.name)
        assert trace.fillcolor == TASK_COLORS[task]
    assert all(name in notes(figure) for name in ("<b>a</b>", "<b>b</b>", "<b>c</b>"))


def test_an_epoch_is_a_step_of_its_own_share() -> None:
    figure = share_panels([course(n=2, loss=POINTERS_STARVED)])
    pointers, binary = figure.data[:2]
    assert pointers.x.tolist() == [0.5, 1.5, 1.5, 2.5]
    assert pointers.y.tolist() == pytest.approx([0.036] * 4)
    assert binary.y.tolist() == pytest.approx([0.327] * 4), "stacked on the pointers"
    assert binary.customdata.tolist() == pytest.approx([0.291] * 4), "the hover says its own share"


def test_all_panels_have_the_axes_of_the_longest_plan() -> None:
    figure = share_panels([Course("a", 5, epochs(3)), Course("b", 200, epochs(3))])
    for number in ("", 2, 3, 4):
        assert figure.layout[f"xaxis{number}"].range == (0.5, 200.5)
        assert figure.layout[f"yaxis{number}"].range == (0, 1)


def test_no_panel_overlaps_another() -> None:
    figure = share_panels([course(str(i)) for i in range(PER_ROW + 1)])
    boxes = []
    for number in ["", *range(2, 2 * (PER_ROW + 1) + 1)]:
        x, y = figure.layout[f"xaxis{number}"].domain, figure.layout[f"yaxis{number}"].domain
        assert 0 <= x[0] < x[1] <= 1
        assert 0 <= y[0] < y[1] <= 1
        boxes.append((*x, *y))
    for i, (left, right, low, high) in enumerate(boxes):
        for other in boxes[i + 1 :]:
            apart = right <= other[0] or other[1] <= left or high <= other[2] or other[3] <= low
            assert apart


def test_only_the_first_panel_feeds_the_legend() -> None:
    figure = share_panels([course("a"), course("b")])
    assert [trace.name for trace in figure.data if trace.showlegend] == list(TASK_NAMES.values())


def test_a_frozen_encoder_and_a_queued_run_say_why_a_panel_is_empty() -> None:
    figure = share_panels([course("frozen", gradient=None), Course("queued", 10, [])])
    assert notes(figure).count("not measured") == 1
    assert notes(figure).count("no epoch yet") == 2


def test_no_epoch_in_any_run_gives_a_note() -> None:
    for figure in (share_panels([Course("a", 10, [])]), skill_lines([Course("a", 10, [])])):
        assert not figure.data
        assert "No epoch has finished yet" in notes(figure)


def test_skill_has_a_panel_a_task_and_a_line_a_run() -> None:
    figure = skill_lines([course("a", skill={"type": 0.2}), course("b")])
    assert len(figure.data) == 2 * len(TASKS)
    (line,) = [t for t in figure.data if t.name == "a" and t.xaxis == "x4"]
    assert np.asarray(line.y).tolist() == pytest.approx([0.2] * 6)
    assert {trace.line.color for trace in figure.data if trace.name == "a"} == {RUN_COLORS[0]}


def test_runs_are_told_apart_by_colour_and_dash_and_from_tasks() -> None:
    figure = skill_lines([course(str(i)) for i in range(MOST_RUNS)])
    looks = {(trace.line.color, trace.line.dash) for trace in figure.data}
    assert len(looks) == MOST_RUNS
    assert not set(RUN_COLORS) & set(TASK_COLORS.values())


@pytest.mark.parametrize("color", RUN_COLORS)
def test_the_lines_of_runs_are_visible_on_both_pages(color: str) -> None:
    for background in PAGE_BACKGROUNDS:
        light, dark = sorted((luminance(color), luminance(background)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3


def test_a_long_title_is_cut_and_no_markup_of_the_figure() -> None:
    figure = share_panels([course("<i>" + "x" * 60), course("b")])
    assert "<b>&lt;i&gt;" + "x" * 32 + "…</b>" in notes(figure)


def test_the_same_runs_give_the_same_figure() -> None:
    runs = [course("a"), course("b")]
    assert share_panels(runs).to_json() == share_panels(runs).to_json()
