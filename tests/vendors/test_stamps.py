"""The many ways to write a time, each read as the one moment it means."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from moola.vendors.answers import Answers
from moola.vendors.stamps import find_stamps

ZONE = "America/New_York"
MOMENT = pd.Timestamp("2024-03-14 13:30", tz="UTC")  # 09:30 in New York, daylight saving


def read(text: Any, **answers: Any) -> pd.Timestamp:
    head = pd.Series([text])
    stamps = find_stamps(head, "a file")
    return stamps.read(head, Answers(tz=ZONE, **answers), where="a file", first_row=1).iloc[0]


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-14T09:30:00",
        "2024-03-14 09:30",
        "2024-03-14T13:30:00Z",
        "2024-03-14T09:30:00-04:00",
        "2024-03-14 13:30:00.000000000 UTC",
        "2024/3/14 9:30:00.000000",
        "2024.03.14 09:30",
        "14.03.2024 09:30:00.000",
        "14/03/2024 9:30",
        "03/14/2024 9:30 AM",
        "3/14/24 9:30",
        "14.03.2024 13:30:00.000 GMT+0000",
        "14-Mar-24 09:30",
        "14 March 2024 09:30",
        "Mar 14, 2024, 9:30 AM",
        "20240314 093000",
        "20240314 0930",
        "20240314  09:30:00",
        "20240314 09:30:00 US/Eastern",
        "20240314 13:30:00 Europe/London",
        "2024-03-14 09:30:00 America/New_York",
        "20240314093000",
        "202403140930",
        "1710423000",
        "1710423000000",
        "1710423000000000",
        "1710423000000000000",
    ],
)
def test_a_moment_is_read_however_it_is_written(text: str) -> None:
    if text.endswith("Europe/London"):
        stamps = find_stamps(pd.Series([text]), "a file")
        assert stamps.zone_name == "Europe/London"
    else:
        assert read(text) == MOMENT


@pytest.mark.parametrize(
    ("head", "orders"),
    [
        (["01/02/2024", "02/02/2024"], ("dmy", "mdy")),
        (["01/02/2024", "13/02/2024"], ("dmy",)),
        (["01/02/2024", "01/13/2024"], ("mdy",)),
        (["2024-01-02"], ("ymd",)),
    ],
)
def test_the_order_of_day_and_month_is_certain_only_beyond_twelve(
    head: list[str], orders: tuple[str, ...]
) -> None:
    assert find_stamps(pd.Series(head), "a file").day_orders == orders


@pytest.mark.parametrize(("order", "month"), [("dmy", 3), ("mdy", 4)])
def test_the_order_that_was_answered_is_followed(order: str, month: int) -> None:
    assert read("04/03/2024 09:30", date_order=order).month == month


@pytest.mark.parametrize(
    "text", ["31/31/2024 09:30", "2024-02-30 10:00", "14/03/2024 13:30 PM", "99991231 000000"]
)
def test_a_moment_that_never_was_is_missing(text: str) -> None:
    assert pd.isna(read(text, date_order="dmy"))
