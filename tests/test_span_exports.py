"""A run's spans on their way out: placed in their series, once per expansion, whole or refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from moola import cli, span_exports
from moola.bars import BarStore
from moola.collect import collect
from moola.config import FinetuneConfig
from moola.examples import NO_SPAN
from moola.exceptions import RunError, SchemaError
from moola.runs import EXAMPLES_FILE, RunFolder, create_run
from moola.schema import SPAN_TYPES, WINDOW_LENGTH
from moola.store import CATCH, GOLD, LOCAL, REPEAT, Decision
from tests.desk.conftest import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path / "work")
    office.add_windows(50)
    for bar_start in (210, 630, 945):
        office.draw(uid_at(office, bar_start), 10, 20, annotator=LOCAL)
    yield office
    office.store.close()


@pytest.fixture
def bar_store(office: Office) -> BarStore:
    return BarStore(office.workspace.bars_dir)


def uid_at(office: Office, bar_start: int) -> str:
    return next(row.window_uid for row in office.store.windows() if row.bar_start == bar_start)


@pytest.fixture
def run(office: Office, bar_store: BarStore) -> RunFolder:
    """A run that sees 60..70 of the first window, and the same bars from the window at bar 50."""
    config = FinetuneConfig(device="cpu")
    run = create_run(office.workspace.runs_dir, config, name="made")
    collect(config, store=office.store, bar_store=bar_store).save(run.path / EXAMPLES_FILE)
    said = {0: (60, 70, 0.9), 50: (11, 20, 0.8), 105: (NO_SPAN, NO_SPAN, 0.7), 210: (12, 21, 0.6)}
    tables = [predicted(uid_at(office, at), *values) for at, values in said.items()]
    pd.concat(tables).to_parquet(run.path / "predictions.parquet", index=False)
    return run


def predicted(uid: str, start: int, end: int, confidence: float) -> pd.DataFrame:
    values = {
        "window_uid": uid, "split": "val", "bar": range(WINDOW_LENGTH), "start": start, "end": end,
        "confidence": confidence, "p_no_span": 0.1,
        **{f"prob_{name}": float(name == "reversal") for name in SPAN_TYPES},
    }  # fmt: skip
    return pd.DataFrame(values)


def test_spans_stand_at_their_bars_in_the_series(office: Office, run: RunFolder) -> None:
    spans = span_exports.spans_of(run, office.store)
    assert [(s.seq_start, s.seq_end) for s in spans if s.has_span] == [
        (60, 70),
        (61, 70),
        (222, 231),
    ]
    assert {span.type for span in spans} == {"reversal"}


def test_an_expansion_seen_from_two_windows_is_one_and_the_surer_stays(
    office: Office, run: RunFolder
) -> None:
    kept = span_exports.disjoint(span_exports.spans_of(run, office.store))
    assert [(span.seq_start, span.confidence) for span in kept] == [(60, 0.9), (222, 0.6)]


def test_spans_below_a_confidence_are_windows_without_a_span(
    office: Office, run: RunFolder
) -> None:
    spans = span_exports.spans_of(run, office.store)
    least = sorted(span.confidence for span in spans)[1]
    sure = span_exports.sure_spans(spans, least)
    assert [span.window_uid for span in sure] == [span.window_uid for span in spans]
    assert [s.has_span for s in sure] == [s.has_span and s.confidence >= least for s in spans]
    assert not all(span.has_span for span in sure)


def test_proposals_name_their_run_keep_off_labels_and_come_once(
    office: Office, run: RunFolder, bar_store: BarStore
) -> None:
    spans = span_exports.spans_of(run, office.store)
    first = span_exports.propose(run, spans, office.store, bar_store)
    again = span_exports.propose(run, spans, office.store, bar_store)
    # bars 220..230 carry a label already
    assert (first.n_proposals, first.n_new, first.n_labelled) == (2, 1, 1)
    assert again == first
    views = office.store.views(uids=[uid_at(office, 50)], annotator=LOCAL)
    (found,) = views[0].proposals
    assert (found.run_id, found.source, found.score) == (run.id, "model", 0.9)
    assert (found.start, found.end, found.type) == (10, 20, "reversal")


@pytest.mark.parametrize(
    ("layer", "n_new"), [("anna", 0), (GOLD, 0), (f"anna{REPEAT}", 1), (f"anna{CATCH}", 1)]
)
def test_proposals_keep_off_the_labels_of_every_person(
    layer: str, n_new: int, office: Office, run: RunFolder, bar_store: BarStore
) -> None:
    uid = uid_at(office, 0)
    drawn = Decision(
        op_id=office.op(), kind="save_span", window_uid=uid,
        rev=office.store.window(uid, annotator=layer).rev,
        args={"start": 62, "end": 66, "type": "reversal"},
    )  # fmt: skip
    (answer,) = office.store.apply([drawn], annotator="anna", layer=layer)
    assert answer.status == "done"
    spans = span_exports.spans_of(run, office.store)
    found = span_exports.propose(run, spans, office.store, bar_store)
    assert (found.n_new, found.n_labelled) == (n_new, 2 - n_new)


def test_the_table_has_every_window_with_times_of_its_span(
    office: Office, run: RunFolder, bar_store: BarStore, tmp_path: Path
) -> None:
    path = tmp_path / "spans.parquet"
    spans = span_exports.spans_of(run, office.store)
    assert span_exports.write_table(run, spans, path, office.store, bar_store) == 4
    table = pd.read_parquet(path)
    assert list(table.columns) == list(span_exports.COLUMNS)
    first, empty = table.iloc[0], table[table["start"] == NO_SPAN].iloc[0]
    assert first["start_ts"] == office.times[60]
    assert first["end_ts"] == office.times[70]
    assert first["run_id"] == run.id
    assert pd.isna(empty["start_ts"])
    assert empty["seq_start"] == NO_SPAN


def test_the_script_draws_one_box_an_expansion(
    office: Office, run: RunFolder, bar_store: BarStore, tmp_path: Path
) -> None:
    path = tmp_path / "spans.pine"
    spans = span_exports.spans_of(run, office.store)
    assert span_exports.write_script(spans, path, office.store, bar_store) == []
    text = path.read_text()
    assert text.startswith("//@version=5")
    assert "2 predicted expansions of NQ" in text
    assert f"span({int(office.times[60].timestamp() * 1000)}," in text


def test_a_script_of_nothing_is_refused(
    office: Office, bar_store: BarStore, tmp_path: Path
) -> None:
    with pytest.raises(SchemaError, match="one series with times"):
        span_exports.write_script([], tmp_path / "x.pine", office.store, bar_store)


def test_predictions_of_unknown_windows_are_refused(office: Office, run: RunFolder) -> None:
    with pytest.raises(SchemaError, match="of the run or of the store"):
        span_exports.spans_of(run, office.store, predicted("elsewhere", 1, 2, 0.5))


def test_a_run_without_predictions_is_refused(office: Office, run: RunFolder) -> None:
    (run.path / "predictions.parquet").unlink()
    with pytest.raises(RunError, match="predictions to export"):
        span_exports.spans_of(run, office.store)


def test_the_verb_exports_and_asks_for_a_file_where_one_is_written(
    office: Office, run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = ["--workspace", str(office.workspace.root)]
    assert cli.main(["export-spans", run.id, "--to", "parquet", *ours]) == 2
    assert "--out should name the file" in capsys.readouterr().err
    out = tmp_path / "spans.parquet"
    assert cli.main(["export-spans", run.id, "--to", "parquet", "--out", str(out), *ours]) == 0
    assert "4 windows" in capsys.readouterr().out
    assert cli.main(["export-spans", run.id, "--to", "proposals", *ours]) == 0
    assert len(pd.read_parquet(out)) == 4
