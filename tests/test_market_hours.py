"""Parts of the day follow the exchange's own clock, also over the change to daylight saving."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from moola import market_hours
from moola.exceptions import ConfigError

NEW_YORK, CHICAGO = "America/New_York", "America/Chicago"
DAY = {
    "03:00": "overnight",
    "07:59": "overnight",
    "08:00": "pre-open",
    "09:29": "pre-open",
    "09:30": "open",
    "10:29": "open",
    "10:30": "midday",
    "14:59": "midday",
    "15:00": "close",
    "15:59": "close",
    "16:00": "after",
    "16:59": "after",
    "18:00": "overnight",
    "23:59": "overnight",
}


def names_of(times: pd.DatetimeIndex, zone: str) -> list[str]:
    names = market_hours.bucket_names(zone)
    return [names[index] for index in market_hours.buckets(times, zone)]


# The Fridays and Mondays around both changes of the clocks in the United States.
@pytest.mark.parametrize("day", ["2022-03-11", "2022-03-14", "2022-11-04", "2022-11-07"])
def test_the_parts_of_a_new_york_day_stay_on_its_clock_when_the_clocks_change(day: str) -> None:
    local = pd.DatetimeIndex([f"{day} {clock}" for clock in DAY]).tz_localize(NEW_YORK)
    assert names_of(local.tz_convert("UTC"), NEW_YORK) == list(DAY.values())


def test_the_opening_moves_by_an_hour_of_utc_between_winter_and_summer() -> None:
    winter, summer = pd.Timestamp("2022-03-11 14:30Z"), pd.Timestamp("2022-03-14 13:30Z")
    assert market_hours.bucket_of(winter, NEW_YORK) == "open"
    assert market_hours.bucket_of(summer, NEW_YORK) == "open"
    assert market_hours.bucket_of(summer + pd.Timedelta("1h"), NEW_YORK) == "midday"
    assert market_hours.bucket_of(winter - pd.Timedelta("1h"), NEW_YORK) == "pre-open"


def test_chicago_and_new_york_cut_the_same_day_in_the_same_places() -> None:
    times = pd.date_range("2022-03-01", "2022-04-01", freq="10min", tz="UTC")
    one, other = (market_hours.buckets(times, zone) for zone in (NEW_YORK, CHICAGO))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("time", "name"),
    [
        ("2022-01-18 03:00Z", "asia"),
        ("2022-01-18 09:00Z", "london"),
        ("2022-01-18 14:00Z", "london + new york"),
        ("2022-01-18 18:00Z", "new york"),
        # from 13 to 27 March New York has daylight saving and London has not
        ("2022-03-18 12:30Z", "london + new york"),
        ("2022-03-11 12:30Z", "london"),
        ("2022-03-28 11:59Z", "london"),
        ("2022-03-28 12:00Z", "london + new york"),
        # the week ends and begins at 17:00 in New York
        ("2022-01-21 21:59Z", "new york"),
        ("2022-01-21 22:00Z", "weekend"),
        ("2022-01-23 21:59Z", "weekend"),
        ("2022-01-23 22:00Z", "asia"),
    ],
)
def test_a_market_without_an_exchange_follows_the_centres(time: str, name: str) -> None:
    assert market_hours.bucket_of(pd.Timestamp(time), market_hours.AROUND_THE_CLOCK) == name


def test_seconds_and_times_say_the_same() -> None:
    times = pd.date_range("2022-10-28", "2022-11-09", freq="7min", tz="UTC")
    for zone in (NEW_YORK, "Europe/London", market_hours.AROUND_THE_CLOCK):
        seconds = times.as_unit("s").asi8
        np.testing.assert_array_equal(
            market_hours.buckets(seconds, zone), market_hours.buckets(times, zone)
        )


@pytest.mark.parametrize("zone", [NEW_YORK, market_hours.AROUND_THE_CLOCK])
def test_a_missing_time_is_in_no_part_of_the_day(zone: str) -> None:
    found = market_hours.buckets(pd.DatetimeIndex([pd.NaT, "2022-01-18 15:00"], tz="UTC"), zone)
    assert found[0] == -1
    assert found[1] >= 0
    assert market_hours.bucket_of(pd.NaT, zone) == market_hours.UNKNOWN


@pytest.mark.parametrize("exchange", market_hours.EXCHANGES, ids=lambda item: item.zone)
def test_every_exchange_opens_where_its_table_says(exchange: market_hours.Exchange) -> None:
    opening = pd.Timestamp("2022-07-05", tz=exchange.zone) + pd.Timedelta(exchange.opens, "min")
    assert market_hours.bucket_of(opening, exchange.zone) == "open"
    assert market_hours.bucket_of(opening - pd.Timedelta("1min"), exchange.zone) == "pre-open"
    closing = pd.Timestamp("2022-07-05", tz=exchange.zone) + pd.Timedelta(exchange.closes, "min")
    assert market_hours.bucket_of(closing - pd.Timedelta("1min"), exchange.zone) == "close"
    assert market_hours.bucket_of(closing, exchange.zone) == "after"


def test_an_unknown_zone_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match="Found 'Nowhere/Land'"):
        market_hours.buckets([pd.Timestamp("2022-01-18 15:00Z")], "Nowhere/Land")
