"""The look at some bars: every candle, a seam at every hole, and a note where there is nothing."""

from __future__ import annotations

import pandas as pd

from moola import figures_bars
from tests.toy_bars import toy_bars


def n_seams(figure) -> int:
    return len(figure.layout.shapes)


def test_every_bar_is_a_candle_with_its_time() -> None:
    bars = toy_bars(50)
    (trace,) = figures_bars.candles(bars).data
    assert list(trace.high) == bars["high"].tolist()
    assert trace.text[0] == "4 Mar 2024 14:30"
    assert len(trace.x) == 50


def test_a_hole_in_time_is_a_seam_between_two_candles() -> None:
    bars = toy_bars(50)
    late = bars.assign(
        timestamp=bars["timestamp"].where(bars.index < 20, bars["timestamp"] + pd.Timedelta("3h"))
    )
    assert n_seams(figures_bars.candles(bars)) == 0
    figure = figures_bars.candles(late)
    assert [shape.x0 for shape in figure.layout.shapes] == [19.5]


def test_a_file_full_of_holes_shows_only_the_longest() -> None:
    bars = toy_bars(600)
    holes = pd.Series(pd.to_timedelta([i // 4 * 10 for i in range(600)], unit="min"))
    bars["timestamp"] = bars["timestamp"] + holes
    assert n_seams(figures_bars.candles(bars)) == figures_bars.MAX_SEAMS


def test_prices_are_written_out_and_the_same_bars_give_the_same_figure() -> None:
    one, other = (figures_bars.candles(toy_bars(50)) for _ in range(2))
    assert one.to_json() == other.to_json()
    assert one.layout.yaxis.exponentformat == "none"


def test_no_bar_gives_a_note() -> None:
    figure = figures_bars.candles(toy_bars(1).iloc[:0])
    assert not figure.data
    assert figure.layout.annotations[0].text == "No bar to show."
    assert len(figures_bars.candles(toy_bars(1)).data) == 1
