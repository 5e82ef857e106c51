"""Decisions of the store put in order: who, which window, which bars are shared, which hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from moola import agreement, comparing
from moola.bars import BarStore
from moola.schema import ReviewState
from moola.second_look import GOLD
from moola.store import Judgement, LabelStore, Series, StoredSpan
from tests.store.store_desk import FEED
from tests.toy_bars import toy_bars


def judged(
    window: int,
    layer: str,
    state: ReviewState,
    spans: Sequence[tuple[int, int]] = (),
    *,
    series_id: str = FEED.series_id,
) -> Judgement:
    return Judgement(
        window_uid=f"w{window}",
        series_id=series_id,
        bar_start=window,
        layer=layer,
        state=state,
        reason="chop" if state == "rejected" else None,
        mode="normal",
        seconds=None,
        note="",
        updated_at=datetime(2024, 3, 5, tzinfo=UTC),
        spans=tuple(
            StoredSpan(
                span_id=f"{layer}-{window}-{start}",
                start=start,
                end=end,
                type="reversal",
                origin="human",
                start_range=(start, start),
                end_range=(end, end),
            )
            for start, end in spans
        ),
    )


PEOPLE = comparing.arrange(
    [
        judged(0, "anna", "edited", [(50, 65)]),
        judged(0, "ben", "rejected"),
        judged(60, "anna", "edited", [(10, 20)]),
        judged(60, "ben", "verified", [(11, 20)]),
        judged(60, "anna~repeat", "rejected"),
        judged(300, "anna", "rejected"),
        judged(300, "ben", "deferred"),
        judged(400, "anna", "rejected"),
        judged(400, "ben", "flagged"),
        judged(400, GOLD, "rejected"),
    ]
)


@pytest.fixture
def bars(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "bars")


def store_with(tmp_path: Path, bars: BarStore, frame: pd.DataFrame, **changes) -> LabelStore:
    store = LabelStore.open(f"sqlite:///{tmp_path / 'moola.db'}")
    series = {"content_hash": bars.write(frame), "n_bars": len(frame), **changes}
    store.add_series(replace(FEED, **series), op_id="series")
    return store


def test_people_come_by_their_number_of_decisions_without_repeats_and_gold() -> None:
    assert PEOPLE.persons == ("anna", "ben")
    assert comparing.partners(PEOPLE) == ["anna", "ben", GOLD]
    assert [item.window_uid for item in PEOPLE.repeats("anna")] == ["w60"]


def test_every_judged_window_stands_somewhere() -> None:
    assert PEOPLE.standing == {
        "w0": "disputed", "w60": "agreed", "w300": "single", "w400": "adjudicated",
    }  # fmt: skip
    assert PEOPLE.standing_at("disputed") == ["w0"]
    assert list(PEOPLE.versions("w400")) == ["anna", "ben"]


def test_differences_are_named_once_however_many_people_differ() -> None:
    three = comparing.arrange(
        [judged(0, name, "rejected") for name in ("anna", "ben")]
        + [judged(0, "cleo", "edited", [(1, 9)])]
    )
    assert three.differences("w0") == ["rejected against kept"]


def test_windows_that_share_bars_have_one_group(tmp_path: Path, bars: BarStore) -> None:
    store = store_with(tmp_path, bars, toy_bars(600))
    groups = comparing.groups_of(PEOPLE, store, bars)
    assert set(groups) == {"w0", "w60", "w400"}  # only these have been decided by two layers
    assert groups["w0"] == groups["w60"] != groups["w400"]
    pair = comparing.compare_layers(PEOPLE, "anna", "ben", groups)
    assert agreement.score(pair)["decision_share"].n_groups == 2
    assert comparing.groups_of(comparing.arrange([]), store, bars) == {}


@pytest.mark.parametrize(
    ("changes", "hours"),
    [
        # 14:30 UTC is 9:30 in New York: bar 52 is in the first hour, bar 112 is not
        ({"tz_exchange": "America/New_York"}, ("open", "midday")),
        ({"tz_exchange": "UTC"}, ("london + new york", "london + new york")),
        ({}, (comparing.NO_ZONE,) * 2),
        ({"start_ts": None, "end_ts": None, "tz_exchange": "America/New_York"}, ("no time",) * 2),
    ],
)
def test_a_window_has_the_hours_of_its_middle_bar(
    tmp_path: Path, bars: BarStore, changes, hours
) -> None:
    store = store_with(tmp_path, bars, toy_bars(600), **changes)
    found = comparing.hours_of(PEOPLE, store, bars)
    assert (found["w0"], found["w60"]) == hours
    assert set(found) == set(PEOPLE.by_window)


def test_letters_are_dealt_by_the_window_and_not_by_the_person() -> None:
    orders = {tuple(comparing.shuffled(["anna", "ben"], f"w{i}")) for i in range(20)}
    assert orders == {("anna", "ben"), ("ben", "anna")}
    assert comparing.shuffled(["ben", "anna"], "w1") == comparing.shuffled(["anna", "ben"], "w1")


def test_trials_are_found_in_the_layer_of_their_own() -> None:
    people = comparing.arrange([judged(0, "ben~catch", "verified", [(1, 9)])])
    assert [item.layer for item in comparing.trials(people, "ben")] == ["ben~catch"]


def test_the_series_of_a_window_may_be_any(tmp_path: Path, bars: BarStore) -> None:
    store = store_with(tmp_path, bars, toy_bars(600))
    other: Series = replace(
        FEED, series_id="ES-00000000", symbol="ES", content_hash=bars.write(toy_bars(600, seed=2)),
        n_bars=600,
    )  # fmt: skip
    store.add_series(other, op_id="es")
    people = comparing.arrange(
        [
            judged(at, who, "rejected", series_id=series)
            for at, series in ((0, FEED.series_id), (5, other.series_id))
            for who in ("anna", "ben")
        ]
    )
    groups = comparing.groups_of(people, store, bars)
    assert groups["w0"] != groups["w5"]
