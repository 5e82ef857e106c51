"""The history of a run as a table, and the verbs that write files of a run."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from moola import report
from moola.cli import main
from moola.config import FinetuneConfig
from moola.run_exports import write_history
from moola.runs import EXAMPLES_FILE, RunFolder, create_run
from tests.epoch_rows import epochs
from tests.toy import toy_examples, toy_run


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = toy_run(tmp_path / "work" / "runs")
    for row in epochs(7):
        run.append_history(row | {"alarms": ["double_sigmoid"]})
    run.write_status(state="stopped", epoch=7)
    return run


def test_csv_and_parquet_hold_the_same_table(run: RunFolder) -> None:
    csv = pd.read_csv(io.BytesIO(write_history(run, "csv")))
    parquet = pd.read_parquet(io.BytesIO(write_history(run, "parquet")))
    assert csv["epoch"].tolist() == list(range(1, 8))
    assert csv["loss_share.ptr"].tolist() == [0.7] * 7
    assert csv["alarms"][0] == '["double_sigmoid"]'
    pd.testing.assert_frame_equal(csv, parquet, check_dtype=False)


def test_json_holds_the_rows_as_they_were_written(run: RunFolder) -> None:
    assert json.loads(write_history(run, "json")) == run.history()


def test_a_run_without_an_epoch_is_an_empty_table(tmp_path: Path) -> None:
    run = toy_run(tmp_path)
    assert pd.read_parquet(io.BytesIO(write_history(run, "parquet"))).empty
    assert json.loads(write_history(run, "json")) == []


def verb(run: RunFolder, *words: str | Path) -> int:
    root = run.path.parents[1]
    return main([str(word) for word in (words[0], "--workspace", root, *words[1:])])


@pytest.mark.parametrize("name", ["h.csv", "h.parquet", "h.json"])
def test_the_ending_of_the_file_decides_the_format(
    name: str, run: RunFolder, tmp_path: Path
) -> None:
    assert verb(run, "export-run", run.id, "--out", tmp_path / name) == 0
    written = (tmp_path / name).read_bytes()
    assert written == write_history(run, name.rsplit(".")[1])  # type: ignore[arg-type]


def test_an_unknown_ending_is_refused_in_one_sentence(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb(run, "export-run", run.id, "--out", tmp_path / "h.xlsx") == 2
    assert "--out should end with csv, parquet, json" in capsys.readouterr().err
    assert not (tmp_path / "h.xlsx").exists()


def test_a_report_holds_all_that_is_known_and_calls_no_network(
    run: RunFolder, tmp_path: Path
) -> None:
    out, figures = tmp_path / "r.html", tmp_path / "figures"
    assert verb(run, "report", run.id, "--out", out, "--figures", figures) == 0
    page = out.read_text(encoding="utf-8")
    assert len(page) < 6e6
    for part in (run.id, "Who is heard", "Configuration", "prefers-color-scheme: dark", "stopped"):
        assert part in page
    assert page.count('class="plotly-graph-div"') == 4, "no prediction, so four figures"
    written = sorted(path.name for path in figures.iterdir())
    assert len(written) == 4
    for name in (out, *figures.iterdir()):
        text = name.read_text(encoding="utf-8")
        assert "<script src=" not in text
        assert "<link" not in text.split("<script>")[0]


def test_the_report_of_a_cross_validation_speaks_of_folds(tmp_path: Path) -> None:
    run = create_run(tmp_path, FinetuneConfig(device="cpu"), kind="crossval")
    toy_examples(8).save(run.path / EXAMPLES_FILE)
    run.write_status(state="finished", epoch=2, epochs=2)
    page = report.as_html(run)
    assert "Report of a cross-validation" in page
    assert "finished, fold 2 of 2" in page
    assert "No epoch has finished" not in page


def test_a_report_escapes_what_a_run_says(run: RunFolder, tmp_path: Path) -> None:
    run.write_status(message="<script>alert(1)</script>")
    assert verb(run, "report", run.id, "--out", tmp_path / "r.html") == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_table_of_a_group_is_printed_without_training(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb(run, "strategies", "--table", "nothing") == 2
    assert "should be a group of runs" in capsys.readouterr().err
