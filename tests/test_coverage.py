"""The coverage map counts what is there, with denominators that could be counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from moola import market_hours
from moola.coverage import (
    VOLATILITIES,
    Cell,
    Survey,
    count,
    in_cell,
    relative_range,
    survey,
)
from moola.schema import WINDOW_LENGTH, ReviewState
from moola.store import WindowRow

NEW_YORK = "America/New_York"


def bars(n: int, start: str = "2022-01-31 12:00", *, seed: int = 0) -> pd.DataFrame:
    """Return minute bars whose range grows with time, so that volatility does too."""
    rng = np.random.default_rng(seed)
    close = 100 + np.cumsum(rng.normal(0, 0.01, n))
    half = np.linspace(0.1, 2, n)
    times = pd.date_range(start, periods=n, freq="1min", tz="UTC")
    return pd.DataFrame(
        {"timestamp": times, "open": close, "high": close + half, "low": close - half,
         "close": close}
    )  # fmt: skip


def window(
    start: int, state: ReviewState = "unseen", *, series: str = "S", score: float | None = None
) -> WindowRow:
    values: dict = dict.fromkeys(WindowRow.__dataclass_fields__)
    return WindowRow(
        **values
        | {
            "window_uid": f"{series}-{start}",
            "series_id": series,
            "bar_start": start,
            "state": state,
            "types": (),
            "score": score,
        }
    )


def test_every_bar_that_fits_into_the_middle_of_a_window_is_counted_once() -> None:
    frame = bars(1440)
    found = count([survey("S", frame, NEW_YORK)], [])
    assert found.looked_at().of == 1440 - 104
    middle = pd.DatetimeIndex(frame["timestamp"])[52:-52].tz_convert(NEW_YORK)
    half_hour = (middle.hour * 60 + middle.minute) // 30
    opening = int(((half_hour == 19) | (half_hour == 20)).sum())
    assert found.hours == market_hours.DAY_BUCKETS
    assert found.n_bars[:, found.hours.index("open")].sum() == opening == 60


def test_no_window_over_a_pause_counts_as_possible() -> None:
    frame = bars(400)
    late = frame.assign(
        timestamp=frame["timestamp"].where(
            frame.index < 150, frame["timestamp"] + pd.Timedelta("1h")
        )
    )
    assert count([survey("S", late, NEW_YORK)], []).looked_at().of == (150 - 104) + (250 - 104)


def test_months_are_those_of_the_exchange_and_empty_ones_are_left_out() -> None:
    one, other = bars(400, "2022-02-01 00:00"), bars(400, "2023-05-10 00:00")
    first = survey("A", one, NEW_YORK)
    found = count([first, survey("B", other, NEW_YORK)], [])
    assert found.months == ("2022-01", "2022-02", "2023-05")  # 19:00 in New York, 31 January


def test_volatility_is_a_third_of_the_series_each() -> None:
    found = count([survey("S", bars(1440), NEW_YORK)], [])
    np.testing.assert_allclose(found.n_bars.sum(axis=(0, 1)), (1440 - 104) / 3, atol=1)
    order = survey("S", bars(1440), NEW_YORK).code % len(VOLATILITIES)
    assert (np.diff(order) >= 0).all()  # the range only grows


def test_relative_range_is_the_mean_true_range_over_the_mean_close() -> None:
    frame = bars(300)
    high, low, close = (frame[name].to_numpy() for name in ("high", "low", "close"))
    true_range = [high[0] - low[0]] + [
        max(high[i], close[i - 1]) - min(low[i], close[i - 1]) for i in range(1, 300)
    ]
    found = relative_range(frame[["high", "low", "close"]].to_numpy())
    assert len(found) == 300 - 104
    for start in (0, 77, 195):
        view = slice(start, start + WINDOW_LENGTH)
        assert found[start] == pytest.approx(np.mean(true_range[view]) / close[view].mean())


def test_overlapping_decided_windows_cover_their_bars_once() -> None:
    item = survey("S", bars(1440), NEW_YORK)
    rows = [window(200, "verified"), window(210, "rejected"), window(600), window(700, "flagged")]
    found = count([item], rows)
    # bars 200..314 can all be the middle of a window
    assert found.looked_at().n == 115
    assert (found.kept().n, found.kept().of) == (1, 2)
    assert found.n_windows.sum() == 4


def test_windows_with_and_without_a_proposal_are_counted_apart() -> None:
    item = survey("S", bars(1440), NEW_YORK)
    rows = [window(200, "verified", score=2.0), window(500, "rejected"), window(800, "edited")]
    counts = {arm: count([item], rows, arm=arm).kept() for arm in ("all", "proposed", "unproposed")}
    assert {arm: (found.n, found.of) for arm, found in counts.items()} == {
        "all": (2, 3),
        "proposed": (1, 1),
        "unproposed": (1, 2),
    }


def test_windows_of_other_series_are_left_out() -> None:
    item = survey("S", bars(1440), NEW_YORK)
    assert count([item], [window(0, "verified", series="other")]).kept().of == 0


def test_the_cell_to_label_next_is_the_one_looked_at_least_with_most_left() -> None:
    item = survey("S", bars(1440), NEW_YORK)
    found = count([item], [])
    cell, place = found.thinnest(1)[0]
    assert found.n_bars[place] == found.n_bars.max()
    every = [window(start, "rejected") for start in range(0, 1440 - 104)]
    assert count([item], every).thinnest(5) == []
    assert isinstance(cell, Cell)


def test_a_cell_knows_its_waiting_windows_and_where_others_could_be_cut() -> None:
    item = survey("S", bars(1440), NEW_YORK)
    found = count([item], [])
    cell, place = found.thinnest(1)[0]
    starts = np.flatnonzero(item.code == np.ravel_multi_index(place, item.shape))
    waits, decided = int(starts[0]), int(starts[5])
    rows = [window(waits), window(decided, "verified")]
    waiting, free = in_cell([item], rows, cell)
    assert [row.bar_start for row in waiting] == [waits]
    new = np.array(free["S"])
    assert (item.code[new] == item.code[waits]).all()
    assert (np.diff(new) >= WINDOW_LENGTH).all()
    assert not item.shown(np.array([waits, decided]))[new].any()


def test_windows_cut_for_a_cell_do_not_all_begin_with_it() -> None:
    days = [bars(1380, f"2022-01-{day} 23:00", seed=day) for day in range(17, 21)]
    item = survey("S", pd.concat(days, ignore_index=True), NEW_YORK)
    cells = [cell for cell, _ in count([item], []).cells() if cell.hours == "open"]
    starts = [start for cell in cells for start in in_cell([item], [], cell)[1].get("S", [])]
    opening = np.flatnonzero((item.code // 3) % 6 == 2)
    first_of_day = opening[np.r_[True, np.diff(opening) > 1]]
    assert len(starts) >= 3
    assert len(set(starts) & set(first_of_day.tolist())) < len(starts) / 2


def test_a_cell_that_no_series_has_is_empty() -> None:
    item = survey("S", bars(1440), NEW_YORK)
    assert in_cell([item], [window(0)], Cell("1999-01", "open", "calm")) == ([], {})
    assert in_cell([item], [window(0)], Cell("2022-01", "asia", "calm")) == ([], {})


def test_long_bars_have_no_part_of_the_day() -> None:
    frame = bars(300).assign(timestamp=pd.bdate_range("2020-01-01", periods=300, tz="UTC"))
    item = survey("S", frame, NEW_YORK)
    assert item.hours == ("all day",)
    assert count([item], [window(3, "edited")]).kept().n == 1


def test_no_series_gives_an_empty_map() -> None:
    found = count([], [window(0)])
    assert list(found.cells()) == []
    assert found.kept().of == found.looked_at().of == 0


@pytest.mark.real_bars
def test_a_real_series_is_shared_out_over_its_day(real_bars_dir: Path) -> None:
    frame = pd.read_parquet(real_bars_dir / "nq_1min_2022jan.parquet")
    item: Survey = survey("NQ", frame, NEW_YORK)
    found = count([item], [])
    per_hours = dict(zip(found.hours, found.n_bars.sum(axis=(0, 2)).tolist(), strict=True))
    assert (per_hours["pre-open"], per_hours["open"]) == (10 * 90, 10 * 60)  # ten sessions
    assert per_hours["close"] == 9 * 60  # on Martin Luther King's day CME stops at 13:00
    assert per_hours["after"] == 9 * 8  # a window around 16:08 would cross the break at 17:00
    assert found.looked_at().of == 12_520
    # the opening hour is among the wildest third far more often than the night
    wild = found.n_bars[..., 2].sum(axis=0) / found.n_bars.sum(axis=(0, 2))
    assert wild[found.hours.index("open")] > 2 * wild[found.hours.index("overnight")]
