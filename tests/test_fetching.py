"""yfinance itself fetches, from a recorded answer of Yahoo; what it gives is then imported."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from moola import fetching
from moola.cli import main
from moola.exceptions import ConfigError, ImportRefused
from moola.store import LabelStore
from tests.vendors.yahoo_chart import FIRST, N_MINUTES, NOT_FOUND, NULL_AT, Recorded, chart, session

yfinance = pytest.importorskip("yfinance", reason="the extra fetch is not installed")

LATER = datetime.fromtimestamp(FIRST, UTC) + timedelta(days=1)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep yfinance's cache of zones and cookies out of the home folder and of other tests."""
    yfinance.set_tz_cache_location(str(tmp_path / "cache"))
    monkeypatch.setattr(yfinance.data.YfData, "_instances", {})
    yfinance.data.YfData.cache_get.cache_clear()


def test_bars_of_yahoo_become_a_file_of_plain_columns(tmp_path: Path) -> None:
    recorded = Recorded(chart())
    found = fetching.fetch("NQ=F", folder=tmp_path, session=session(recorded), now=LATER)
    bars = pd.read_parquet(found.path)
    assert (found.n_bars, found.tz_exchange) == (N_MINUTES - 1, "America/New_York")
    assert bars["timestamp"].iloc[0] == pd.Timestamp(FIRST, unit="s", tz="UTC")
    assert bars.iloc[0, 1:].tolist() == [18_200.0, 18_201.0, 18_198.5, 18_200.5, 100.0]
    missing = pd.Timestamp(FIRST + 60 * NULL_AT, unit="s", tz="UTC")
    assert missing not in set(bars["timestamp"]), "a minute without a trade is no bar"
    assert recorded.asked[-1]["interval"] == ["1m"]
    assert recorded.asked[-1]["range"] == ["7d"]


def test_the_bar_that_still_runs_is_left_out(tmp_path: Path) -> None:
    now = datetime.fromtimestamp(FIRST + 60 * (N_MINUTES - 1) + 20, UTC)
    found = fetching.fetch("NQ=F", folder=tmp_path, session=session(Recorded(chart())), now=now)
    assert found.n_bars == N_MINUTES - 2


def test_a_symbol_that_yahoo_does_not_know_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match=r"Yahoo should .*XX=F") as caught:
        fetching.fetch("XX=F", folder=tmp_path, session=session(Recorded(NOT_FOUND, 404)))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.parquet"))


def test_a_limit_on_requests_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="Yahoo should give bars of NQ=F"):
        fetching.fetch("NQ=F", folder=tmp_path, session=session(Recorded({}, 429)))


@pytest.mark.parametrize("options", [{"interval": "7m"}, {"period": "a week"}])
def test_options_that_yahoo_has_not_are_refused(tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="should be"):
        fetching.fetch("NQ=F", folder=tmp_path, **options)  # pyright: ignore


def test_without_yfinance_the_way_to_install_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(ImportRefused, match="pip install 'yfinance"):
        fetching.fetch("NQ=F", folder=tmp_path)


def test_fetching_again_extends_the_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = Recorded(chart())
    ticker = yfinance.Ticker
    monkeypatch.setattr(yfinance, "Ticker", lambda name, session: ticker(name, session=opened))
    opened = session(recorded)
    command = ["fetch", "NQ=F", "--name", "NQ", "--workspace", str(tmp_path)]
    assert main(command) == 0
    assert "199 bars as series NQ-" in capsys.readouterr().out
    recorded.answer = chart(N_MINUTES + 30)
    assert main(command) == 0
    assert "30 bars added" in capsys.readouterr().out
    assert main(command) == 0
    assert "there already" in capsys.readouterr().out
    (series,) = LabelStore.open(f"sqlite:///{(tmp_path / 'moola.db').resolve()}").series()
    assert (series.n_bars, series.tz_exchange, series.bar) == (229, "America/New_York", "1min")
