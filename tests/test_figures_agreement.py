"""The Agreement page's figures show what the numbers say, and no numbers give a note."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from moola import agreement, figures_agreement
from tests.test_agreement import ANNA, BEN, Layer, compared, many

NAMES = ("anna", "ben")
PAIR = compared(ANNA, BEN)
NOTHING = compared(Layer(), Layer())


def notes(figure: Any) -> str:
    return " ".join(note.text for note in figure.layout.annotations)


def hours(pair: agreement.Pair) -> Any:
    names = ["open" if i < len(pair) // 2 else "close" for i in range(len(pair))]
    return figures_agreement.by_hours(agreement.by_bucket(pair, names))


def edges(pair: agreement.Pair) -> Any:
    return figures_agreement.edge_differences(pair, names=NAMES)


def decisions(pair: agreement.Pair) -> Any:
    return figures_agreement.decisions(agreement.decision_table(pair), names=NAMES)


@pytest.mark.parametrize("figure", [edges, decisions, hours])
def test_no_common_window_gives_a_note(figure: Callable[[agreement.Pair], Any]) -> None:
    empty = figure(NOTHING)
    assert not empty.data
    assert "by both" in notes(empty)


@pytest.mark.parametrize("figure", [edges, decisions, hours])
def test_the_same_pair_gives_the_same_figure(figure) -> None:
    assert figure(PAIR).to_json() == figure(PAIR).to_json()


def test_every_edge_difference_is_counted_and_far_ones_gather_at_the_sides() -> None:
    a, b = Layer().kept((0, 60)).kept((20, 40)), Layer().kept((0, 40)).kept((22, 41))
    start, end = edges(compared(a, b)).data
    counted = {
        trace.name: {int(bar): int(n) for bar, n in zip(trace.x, trace.y, strict=True) if n}
        for trace in (start, end)
    }
    assert counted == {"start": {0: 1, 2: 1}, "end": {-8: 1, 1: 1}}
    assert "ben later than anna" in edges(PAIR).layout.xaxis.title.text


def test_the_table_of_decisions_prints_every_count_with_the_first_in_rows() -> None:
    figure = decisions(PAIR)
    assert "<b>3</b><br>50%" in notes(figure)
    assert figure.data[0].customdata.tolist() == [[3, 0, 0], [1, 1, 0], [1, 0, 0]]
    assert (figure.layout.yaxis.title.text, figure.layout.xaxis.title.text) == NAMES


def test_hours_show_an_interval_only_where_there_is_one() -> None:
    few = hours(PAIR).data[0]
    assert set(few.customdata) == {"no interval"}
    assert not np.any(few.error_y.array)
    enough = hours(compared(*many(60))).data[0]
    assert "–" in " ".join(enough.customdata)
    assert np.any(enough.error_y.array)
