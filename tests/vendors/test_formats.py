"""The same bars come out of every vendor's layout, and nothing but the unknown is asked."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from moola.exceptions import ImportRefused
from moola.vendors import Answers, default_name, preview, recognise
from tests.vendors.made import SHAPES, Shape
from tests.vendors.reading import read_bars, refusal

SHAPE_IDS = [f"{shape.format}-{shape.name}" for shape in SHAPES]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=SHAPE_IDS)


def written(shape: Shape, folder: Path) -> Path:
    path = folder / shape.name
    shape.write(path)
    return path


def given(answers: Answers) -> dict[str, str]:
    names = ("tz", "stamp", "symbol", "bar", "date_order")
    return {name: value for name in names if (value := getattr(answers, name)) is not None}


@each_shape
def test_a_vendors_layout_is_recognised_and_read(shape: Shape, tmp_path: Path) -> None:
    path = written(shape, tmp_path)
    found = recognise(path)
    assert found.format == shape.format
    assert {question.name for question in found.questions} == set(shape.asks)
    read = read_bars(path, **given(shape.answers))
    pd.testing.assert_frame_equal(read, shape.bars(), check_exact=False, rtol=1e-12)
    if shape.symbol:
        assert default_name(path, found, shape.answers) == shape.symbol


@each_shape
def test_each_open_question_refuses_and_names_its_flag(shape: Shape, tmp_path: Path) -> None:
    path = written(shape, tmp_path)
    for question in recognise(path).questions:
        rest = {
            name: value for name, value in given(shape.answers).items() if name != question.name
        }
        message = str(refusal(path, **rest))
        assert question.flag in message
        assert question.text in message


@each_shape
def test_a_preview_shows_the_rows_as_understood(shape: Shape, tmp_path: Path) -> None:
    found = preview(written(shape, tmp_path), shape.answers)
    pd.testing.assert_frame_equal(found.head, shape.bars().head(20), check_exact=False, rtol=1e-12)
    assert (found.n_rows, found.n_ok, found.bar) == (150, 150, shape.bar)
    assert found.tick_size == 0.25
    assert len(found.sample) == 150


def test_ninjatrader_and_histdata_are_named_together_and_both_hinted_at(tmp_path: Path) -> None:
    shape = next(item for item in SHAPES if item.format == "ninjatrader_histdata")
    found = recognise(written(shape, tmp_path))
    assert found.title == "NinjaTrader or HistData"
    for question in found.questions:
        assert "NinjaTrader" in question.text
        assert "HistData" in question.text
        assert any("NinjaTrader" in hint for hint in question.hints.values())


def test_an_instrument_that_is_not_in_the_file_is_named(tmp_path: Path) -> None:
    shape = next(item for item in SHAPES if item.asks == ("symbol",))
    with pytest.raises(ValueError, match=r"ESM4, NQM4.*Found 'CLM4'"):
        read_bars(written(shape, tmp_path), symbol="CLM4")


@pytest.mark.parametrize(
    ("answers", "message"),
    [({"stamp": "end"}, "stamp should be start"), ({"bar": "5min"}, "bar should be 1min")],
)
def test_an_answer_against_what_the_file_says_is_refused(
    tmp_path: Path, answers: dict[str, str], message: str
) -> None:
    shape = next(item for item in SHAPES if item.format == "binance")
    with pytest.raises(ValueError, match=message):
        read_bars(written(shape, tmp_path), **answers)


def test_without_databento_a_dbn_file_is_refused_with_the_way_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "databento", None)
    (tmp_path / "es.dbn").write_bytes(b"DBN\x01" + bytes(100))
    with pytest.raises(ImportRefused, match="pip install"):
        recognise(tmp_path / "es.dbn")
