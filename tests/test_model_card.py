"""The model card says what a run is, what it reached, and what nobody measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moola import card_text, cli, lateness, model_card
from moola.atomic import write_json
from moola.bars import BarStore
from moola.card_text import Heading, Points, Table, Text
from moola.runs import RunFolder
from tests.desk.conftest import Office
from tests.test_review_tables import off_by, predicted
from tests.test_span_exports import bar_store, office
from tests.test_span_exports import run as run_without_heads

__all__ = ["bar_store", "office", "run_without_heads"]


@pytest.fixture
def run(run_without_heads: RunFolder) -> RunFolder:
    """The run with predictions of every head for every window of its own."""
    examples = run_without_heads.examples()
    table = predicted(examples, off_by(examples, 0, 1, 2), ptr_center_norm=0.5)
    held_out = examples.window_uid[examples.is_val].tolist()
    table["split"] = np.where(table["window_uid"].isin(held_out), "val", "train")
    table.to_parquet(run_without_heads.path / "predictions.parquet", index=False)
    return run_without_heads


def test_the_card_names_data_rule_split_results_and_limits(office: Office, run: RunFolder) -> None:
    bars = BarStore(office.workspace.bars_dir)
    text = card_text.markdown(model_card.card(run, office.store, bars))
    for heading in ("Data", "Rule", "Split", "Training", "Results", "Calibration", "Limits"):
        assert f"## {heading}" in text
    assert "3 windows of 1 series in 3 groups" in text
    assert run.examples().content_hash() in text
    assert "not a live signal" in text
    assert "Hit@±3 (both edges)" in text
    assert "No two people have decided the same windows" in text


def test_the_card_prints_how_late_calls_are_or_how_to_measure_it(
    office: Office, run: RunFolder
) -> None:
    bars = BarStore(office.workspace.bars_dir)
    text = card_text.markdown(model_card.card(run, office.store, bars))
    assert f"`moola as-of --run {run.id}` measures it" in text
    measured = {
        "threshold": 0.5, "n_windows": 40, "n_spans": 30, "n_called": 20,
        "n_called_without_span": 1, "start_hit_of_calls": 0.6, "start_hit_of_spans": 0.4,
        "start_hit_with_all_bars": 0.7,
        "lag_bars": {"p25": 3.0, "median": 5.0, "p75": 9.0, "p90": 12.0},
        "right_within_bars": {},
    }  # fmt: skip
    write_json(run.path / lateness.SUMMARY_FILE, measured)
    text = card_text.markdown(model_card.card(run, office.store, bars))
    assert "20 of 30 held-out spans were called, 60% of the calls name the start" in text
    assert "**5 bars after it** (half of them 3 to 9)" in text
    assert "Its calls find 40% of the starts, with all bars of the window in view it is 70%" in text


def test_two_peoples_agreement_is_the_ceiling(office: Office, run: RunFolder) -> None:
    bars = BarStore(office.workspace.bars_dir)
    uids = run.examples().window_uid.tolist()
    office.draw(uids[0], 11, 21, annotator="bob")
    office.draw(uids[1], 60, 70, annotator="bob")
    text = card_text.markdown(model_card.card(run, office.store, bars))
    assert "on 2 windows of this run that both decided" in text
    assert "| Both edges within 3 bars | 0.50 |" in text


def test_html_holds_no_markup_of_the_names_it_shows() -> None:
    html = card_text.page(
        [
            Heading("<b>Run</b>", 1),
            Text("**bold** and `code` <script>"),
            Points(["a < b"]),
            Table(("x",), [("1 | 2",)]),
        ]
    )
    assert "<h1>&lt;b&gt;Run&lt;/b&gt;</h1>" in html
    assert "<strong>bold</strong> and <code>code</code> &lt;script&gt;" in html
    assert "<li>a &lt; b</li>" in html
    assert "<td>1 | 2</td>" in html


def test_a_bar_in_a_cell_begins_no_cell_in_markdown() -> None:
    assert r"| 1 \| 2 |" in card_text.markdown([Table(("x",), [("1 | 2",)])])


def test_the_verb_writes_both_kinds_and_refuses_others(
    office: Office, run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = ["--workspace", str(office.workspace.root)]
    assert cli.main(["model-card", run.id, *ours]) == 0
    assert (run.path / "model_card.md").read_text().startswith(f"# Model card: {run.id}")
    page = tmp_path / "card.html"
    assert cli.main(["model-card", run.id, "--out", str(page), *ours]) == 0
    assert page.read_text().startswith("<!doctype html>")
    assert cli.main(["model-card", run.id, "--out", str(tmp_path / "card.pdf"), *ours]) == 2
    assert "should end in .md or .html" in capsys.readouterr().err
