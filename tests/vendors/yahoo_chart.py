"""Yahoo's chart endpoint as recorded: the shape of its JSON, answered without a network.

The keys, their order and their quirks (nulls where nothing traded, a last entry off the minute for
the bar that still runs) are those of ``/v8/finance/chart/NQ=F?interval=1m``; prices are made up.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import BaseAdapter

FIRST = 1_709_562_600  # 2024-03-04 14:30 UTC
N_MINUTES = 200
NULL_AT = 7


def chart(n_minutes: int = N_MINUTES, first: int = FIRST) -> dict[str, Any]:
    """Return the answer for some minutes of NQ=F."""
    stamps = [first + 60 * i for i in range(n_minutes)]
    opens: list[float | None] = [18_200.0 + 0.25 * (i % 40) for i in range(n_minutes)]
    opens[NULL_AT] = None

    def shifted(by: float) -> list[float | None]:
        return [None if value is None else value + by for value in opens]

    day = {"timezone": "EST", "start": first - 52_200, "end": first + 30_540, "gmtoffset": -18_000}
    meta = {
        "currency": "USD", "symbol": "NQ=F", "exchangeName": "CME", "fullExchangeName": "CME",
        "instrumentType": "FUTURE", "firstTradeDate": 969_249_600, "regularMarketTime": stamps[-1],
        "hasPrePostMarketData": False, "gmtoffset": -18_000, "timezone": "EST",
        "exchangeTimezoneName": "America/New_York", "regularMarketPrice": opens[-1],
        "chartPreviousClose": 18_180.25, "priceHint": 2,
        "currentTradingPeriod": {"pre": day, "regular": day, "post": day},
        "tradingPeriods": [[day]], "dataGranularity": "1m", "range": "7d",
        "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
    }  # fmt: skip
    quote = {
        "open": opens, "high": shifted(1.0), "low": shifted(-1.5), "close": shifted(0.5),
        "volume": [None if value is None else 100 + i for i, value in enumerate(opens)],
    }  # fmt: skip
    result = {"meta": meta, "timestamp": stamps, "indicators": {"quote": [quote]}}
    return {"chart": {"result": [result], "error": None}}


NOT_FOUND = {
    "chart": {
        "result": None,
        "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"},
    }
}


class Recorded(BaseAdapter):
    """Answers requests with recorded JSON and keeps what was asked."""

    def __init__(self, answer: dict[str, Any], status: int = 200) -> None:
        super().__init__()
        self.answer, self.status = answer, status
        self.asked: list[dict[str, list[str]]] = []

    def send(self, request: Any, **_options: Any) -> requests.Response:  # pyright: ignore
        response = requests.Response()
        response.request, response.url = request, request.url
        response.status_code, response.encoding = 200, "utf-8"
        path = urlsplit(request.url)
        if "/chart/" in path.path:
            self.asked.append(parse_qs(path.query))
            response.status_code = self.status
            response._content = json.dumps(self.answer).encode()
        else:
            response._content = b"crumb"  # the cookie and the crumb that yfinance asks for first
        return response

    def close(self) -> None:
        """Close nothing."""


def session(recorded: Recorded) -> requests.Session:
    """Return a session whose every request is answered from the record."""
    opened = requests.Session()
    opened.mount("https://", recorded)
    return opened
