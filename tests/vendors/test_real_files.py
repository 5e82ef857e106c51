"""Untouched files of vendors hold the bars that were read out of them by other means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from moola.vendors import preview, recognise
from moola.vendors.answers import Answers
from tests.vendors.reading import read_bars, refusal

pytestmark = pytest.mark.real_bars

ANSWERS: dict[str, dict[str, Any]] = {
    "ninjatrader_SPY_1min.txt": {"tz": "UTC", "stamp": "end"},
    "histdata_EURUSD_M1_201702.csv": {"tz": "America/New_York", "stamp": "start"},
    "tradingview_NQ_1min_indicators.csv": {},
    "lean_SPY_20131007_trade.zip": {},
    "lean_EURUSD_20140507_quote.zip": {"tz": "Etc/GMT+5"},
}


@pytest.mark.parametrize(
    ("raw", "normalised", "n_bars"),
    [
        ("ninjatrader_SPY_1min.txt", "spy_1min_2011", 17_577),
        ("histdata_EURUSD_M1_201702.csv", "eurusd_1min_2017h1", 28_779),
        ("tradingview_NQ_1min_indicators.csv", "nq_1min_2022feb04", 1_055),
        ("lean_SPY_20131007_trade.zip", "spy_1min_2013_lean", 828),
        ("lean_EURUSD_20140507_quote.zip", "eurusd_1min_2014_fxcm_lean", 1_428),
    ],
)
def test_a_real_file_holds_the_bars_of_its_series(
    real_bars_dir: Path, raw: str, normalised: str, n_bars: int
) -> None:
    read = read_bars(real_bars_dir / "raw" / raw, **ANSWERS[raw])
    assert len(read) == n_bars
    whole = pd.read_parquet(real_bars_dir / f"{normalised}.parquet")
    first, last = read["timestamp"].iloc[0], read["timestamp"].iloc[-1]
    part = whole[whole["timestamp"].between(first, last)].reset_index(drop=True)
    if part["volume"].isna().all():  # the series have no volume where the vendor only writes 0
        read["volume"] = float("nan")
    pd.testing.assert_frame_equal(read, part, check_exact=False, rtol=1e-12, check_dtype=False)


@pytest.mark.parametrize(
    ("name", "key", "asks", "n_rows", "bar"),
    [
        ("backtesting_EURUSD_1h_unnamed_index.csv", "pandas", "tz stamp", 5_000, "1h"),
        ("backtrader_5min_zero_volume.txt", "plain", "tz stamp", 2_142, "5min"),
        ("binance_klines_ADABTC_1m_ms_headerless.csv", "binance", "", 10, "1min"),
        ("binance_klines_ADABTC_1m_day2.csv", "binance", "", 11, "1min"),
        ("databento_ohlcv-1m_ESU4_NQU4.dbn.zst", "databento_dbn", "symbol", 30, "1min"),
        ("dukascopy_EURUSD_1H_ASK.csv", "dukascopy", "tz", 6_225, "1h"),
        ("googlefinance_ORCL_1d_newest_first.csv", "google", "tz", 252, "1d"),
        ("histdata_EURUSD_M1_201702.csv", "ninjatrader_histdata", "tz stamp", 28_779, "1min"),
        ("ib_bars.json.gz", "ib_json", "tz", 405, "1min"),
        ("lean_EURUSD_20140507_quote.zip", "lean", "tz", 1_428, "1min"),
        ("lean_SPY_20131007_trade.zip", "lean", "", 828, "1min"),
        ("ninjatrader_SPY_1min.txt", "ninjatrader_histdata", "tz stamp", 17_577, "1min"),
        ("quandl_GORO_1d.csv", "quandl", "tz", 75, "1d"),
        ("tradingview_NQ_1min_indicators.csv", "tradingview", "", 1_055, "1min"),
        ("yahoo_KO_1d_oldlayout.csv", "yahoo", "tz", 356, "1d"),
        ("yahoo_ORCL_1d.csv", "yahoo", "tz", 252, "1d"),
    ],
)
def test_every_real_file_is_recognised_and_wholly_read(
    real_bars_dir: Path, name: str, key: str, asks: str, n_rows: int, bar: str
) -> None:
    path = real_bars_dir / "raw" / name
    found = recognise(path)
    assert (found.format, " ".join(q.name for q in found.questions)) == (key, asks)
    usual: dict[str, Any] = {question.name: question.options[0] for question in found.questions}
    shown = preview(path, Answers(**usual))
    assert (shown.n_rows, shown.n_ok, shown.bar) == (n_rows, n_rows, bar)
    assert not shown.looks_synthetic
    assert shown.tick_size is not None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("backtrader_bidask_not_ohlc.csv", "Found quotes, bid and ask"),
        ("freqtrade_empty.json", "Found an empty list"),
    ],
)
def test_real_files_without_bars_are_refused(real_bars_dir: Path, name: str, message: str) -> None:
    assert message in str(refusal(real_bars_dir / "raw" / name))


def test_databento_keeps_two_contracts_apart(real_bars_dir: Path) -> None:
    path = real_bars_dir / "raw" / "databento_ohlcv-1m_ESU4_NQU4.dbn.zst"
    es, nq = read_bars(path, symbol="ESU4"), read_bars(path, symbol="NQU4")
    assert (len(es), len(nq)) == (30, 30)
    assert es["close"].between(5_400, 5_700).all()
    assert nq["close"].between(19_500, 20_500).all()


def test_days_come_before_months_at_dukascopy(real_bars_dir: Path) -> None:
    read = read_bars(real_bars_dir / "raw" / "dukascopy_EURUSD_1H_ASK.csv", tz="UTC")
    steps = read["timestamp"].diff().dropna()
    assert steps.max() <= pd.Timedelta(days=3), "months taken for days would jump by weeks"
    assert read["timestamp"].iloc[2] == pd.Timestamp("2017-01-02", tz="UTC")


@pytest.mark.parametrize(
    ("name", "zone", "found"),
    [
        ("nq_1min_2022jan", "America/New_York", ["17:00-18:00"]),
        ("es_5min_2021dec_2022jan", "America/Chicago", ["16:00-17:00"]),
        ("spy_1min_2011", "America/New_York", ["20:00-04:00"]),
        ("btcperp_1min_2022jan", "UTC", []),
    ],
)
def test_regular_breaks_are_found_in_the_exchanges_time(
    real_bars_dir: Path, name: str, zone: str, found: list[str]
) -> None:
    shown = preview(real_bars_dir / f"{name}.parquet", tz_exchange=zone)
    assert [f"{item.start}-{item.end}" for item in shown.breaks] == found
