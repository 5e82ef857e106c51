"""What goes out comes back the same, and says what it could not take along."""

from __future__ import annotations

import csv
import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from moola import exports
from moola.exceptions import ImportRefused, SchemaError, StoreError
from moola.exports import dataset, export
from moola.importing import import_file
from moola.label_import import plan_labels
from moola.store import Decision
from tests.label_room import FEED, STARTS, LabelRoom, cut_windows, empty_room, full_room


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> LabelRoom:
    """A workspace that tests only read."""
    return full_room(tmp_path_factory.mktemp("full"))


def write(room: LabelRoom, key: str, path: Path) -> Path:
    export(key, path, room.store, room.bars)
    return path


def table(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a CSV or Parquet file."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def time_of(bar: int) -> datetime:
    return pd.Series(FEED["timestamp"]).iloc[bar].to_pydatetime()


def content(path: Path) -> dict[str, str]:
    """Return the hash of a file, or of every file of a folder."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return {
        file.relative_to(path.parent).name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


@pytest.mark.parametrize("key", ["dataset", "source", "label-studio"])
def test_export_import_export_is_identical(room: LabelRoom, tmp_path: Path, key: str) -> None:
    name = f"labels{exports.SUFFIXES[key]}"
    first = write(room, key, tmp_path / "one" / name)
    other = empty_room(tmp_path)
    other.store.add_rule("r1", "An expansion moves three ATR.", {"atr": 3}, author="ann",
                         op_id="rule")  # fmt: skip
    report = import_file(first, other.store, other.bars)
    assert report.n_windows > 3
    assert content(write(other, key, tmp_path / "two" / name)) == content(first)


def test_an_event_log_rebuilds_an_empty_store_bit_for_bit(room: LabelRoom, tmp_path: Path) -> None:
    first = write(room, "events", tmp_path / "log.jsonl")
    other = empty_room(tmp_path, with_feed=False)
    report = import_file(first, other.store, other.bars)
    assert report.n_rows == room.store.version()
    assert other.store.find_damage() == []
    for layer in room.store.layers():
        assert other.store.views(annotator=layer) == room.store.views(annotator=layer)
    assert (
        content(write(other, "events", tmp_path / "again.jsonl")).popitem()[1]
        == (content(first).popitem()[1])
    )
    other.store.add_windows(other.feed_id, [0], op_id="goes-on")
    assert other.store.version() == room.store.version() + 1


def test_an_event_log_goes_into_an_empty_store_only(room: LabelRoom, tmp_path: Path) -> None:
    path = write(room, "events", tmp_path / "log.jsonl")
    with pytest.raises(StoreError, match=r"empty store. Found [\d,]+ events"):
        import_file(path, room.store, room.bars)


@pytest.mark.parametrize("change", ["drop", "edit"])
def test_a_log_that_was_touched_is_refused(room: LabelRoom, tmp_path: Path, change: str) -> None:
    path = write(room, "events", tmp_path / "log.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    if change == "drop":
        del lines[3]
    else:
        lines[4] = lines[4].replace("local", "other", 1)
    path.write_text("".join(lines))
    other = empty_room(tmp_path, with_feed=False)
    with pytest.raises(StoreError, match="log should be whole"):
        import_file(path, other.store, other.bars)
    assert other.store.version() == 0
    assert other.store.series() == []


def test_a_dataset_restores_every_decision(room: LabelRoom, tmp_path: Path) -> None:
    path = write(room, "dataset", tmp_path / "set")
    other = empty_room(tmp_path)
    other.store.add_rule("r1", "x", {}, author="ann", op_id="rule")
    import_file(path, other.store, other.bars)
    decided = [view for view in room.store.views() if view.state not in ("unseen", "proposed")]
    found = {view.window_uid: view for view in other.store.views()}
    assert len(decided) == 8
    for view in decided:
        same = found[view.window_uid]
        for name in ("state", "reason", "note", "mode", "seconds", "updated_at", "aliases"):
            assert getattr(same, name) == getattr(view, name), name
        assert same.spans == view.spans
        assert same.cut_spans == view.cut_spans


def test_a_dataset_goes_into_a_store_without_its_feed(room: LabelRoom, tmp_path: Path) -> None:
    path = write(room, "dataset", tmp_path / "set")
    other = empty_room(tmp_path, with_feed=False)
    plan = plan_labels(path, other.store, other.bars)
    assert (plan.n_refused, plan.n_cold) == (0, len(plan.windows))
    assert import_file(path, other.store, other.bars).n_cold == len(plan.windows)


@pytest.mark.parametrize("name", ["windows.parquet", "spans.parquet"])
def test_a_changed_file_of_a_dataset_is_refused(room: LabelRoom, tmp_path: Path, name: str) -> None:
    path = write(room, "dataset", tmp_path / "set")
    data = bytearray((path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (path / name).write_bytes(data)
    with pytest.raises(
        ImportRefused, match=rf"{name} should have the hash [0-9a-f]{{64}} .* Found"
    ):
        import_file(path, room.store, room.bars)


def test_an_export_never_overwrites_what_it_did_not_write(room: LabelRoom, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="new folder or an older dataset"):
        write(room, "dataset", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").exists()
    write(room, "dataset", tmp_path / "set")
    write(room, "dataset", tmp_path / "set")


def test_the_manifest_counts_what_is_there(room: LabelRoom, tmp_path: Path) -> None:
    manifest = json.loads((write(room, "dataset", tmp_path / "set") / "manifest.json").read_text())
    assert manifest["counts"]["windows"] == 8
    assert manifest["counts"]["states"] == {
        "deferred": 1, "edited": 1, "flagged": 1, "rejected": 1, "verified": 4,
    }  # fmt: skip
    assert manifest["rule_versions"] == {"none": 3, "r1": 3}
    assert manifest["counts"]["alone"] == 2
    assert [item["symbol"] for item in manifest["series"]] == ["NQ"]


def test_rows_of_the_source_parquet_know_their_group(room: LabelRoom, tmp_path: Path) -> None:
    rows = table(write(room, "source", tmp_path / "s.parquet"))
    assert list(rows[0]) == [
        "window_id", "label", "expansion_start", "expansion_end", "features", "group_id",
    ]  # fmt: skip
    groups = {row["window_id"]: row["group_id"] for row in rows}
    assert {"0_exp_1", "window_123"} < set(groups)
    assert len(set(groups.values())) == 4, "of three windows of the feed two share bars"
    assert groups[uid(room, 100)] == groups[uid(room, 145)] != groups[uid(room, 300)]


def test_per_bar_rows_hold_both_ends_and_what_to_ignore(room: LabelRoom, tmp_path: Path) -> None:
    rows = table(write(room, "bars", tmp_path / "b.csv"))
    assert len(rows) == 8 * 105
    here = [row for row in rows if row["window_uid"] == uid(room, 100)]
    assert [int(row["bar"]) for row in here if row["type"] == "reversal"] == list(range(40, 51))
    assert (here[40]["bio"], here[41]["bio"]) == ("B-reversal", "I-reversal")
    assert here[0]["timestamp"] == time_of(100).isoformat()
    ignored = {state: {row["ignore"] for row in rows if row["state"] == state}
               for state in ("flagged", "deferred", "rejected")}  # fmt: skip
    assert ignored["flagged"] == ignored["deferred"] == {"1"}
    assert ignored["rejected"] == {"0"}, "chop is a true negative"
    beside = [row for row in rows if row["window_uid"] == uid(room, 145)]
    assert [int(row["bar"]) for row in beside if row["type"]] == list(range(25, 36))


def test_trainset_comes_back_to_the_bars_it_left(room: LabelRoom, tmp_path: Path) -> None:
    report = export("trainset", tmp_path / "t.csv", room.store, room.bars)
    assert "2 windows without times left out" in report.notes[0]
    other = empty_room(tmp_path)
    plan = plan_labels(tmp_path / "t.csv", other.store, other.bars)
    assert plan.n_refused == 0
    starts = sorted(window.place.bar_start for window in plan.windows)
    assert starts == [100, 145, 300]


def test_bio_has_a_line_a_bar_and_a_blank_line_between_windows(
    room: LabelRoom, tmp_path: Path
) -> None:
    blocks = write(room, "bio", tmp_path / "b.txt").read_text().split("\n\n")
    assert len(blocks) == 5
    assert all(len(block.strip().splitlines()) == 106 for block in blocks)


def test_arrays_say_what_is_inside_how_surely_and_what_counts(
    room: LabelRoom, tmp_path: Path
) -> None:
    with np.load(write(room, "npz", tmp_path / "a.npz"), allow_pickle=False) as arrays:
        row = int(np.flatnonzero(arrays["window_uid"] == uid(room, 100))[0])
        assert arrays["X"].shape == (8, 105, 12)
        assert np.flatnonzero(arrays["y"][row]).tolist() == [*range(40, 51), *range(70, 81)]
        soft = arrays["soft"][row]
        np.testing.assert_allclose(soft[37:44], [0, 0.2, 0.4, 0.6, 0.8, 1, 1], atol=1e-6)
        np.testing.assert_allclose(soft[49:55], [1, 1, 0.75, 0.5, 0.25, 0], atol=1e-6)
        assert set(soft[70:81]) == {1.0}
        assert arrays["ts"][row][0] == np.datetime64("2024-03-04T16:10:00")
        alone = arrays["cold"] & np.isnat(arrays["ts"]).all(axis=1)
        assert alone.sum() == 2, "a window without time has none"
        assert not np.isnan(arrays["X"]).any()


def test_a_pine_script_draws_each_span_at_its_times(room: LabelRoom, tmp_path: Path) -> None:
    text = write(room, "pine", tmp_path / "p.pine").read_text()
    start, end = (int(time_of(bar).timestamp() * 1000) for bar in (140, 150))
    assert text.startswith("//@version=5\n")
    assert f"span({start}, {end}, " in text
    assert text.count("    span(") == 3
    assert "xloc.bar_time" in text


def test_the_label_card_shows_every_rate_with_its_denominator(
    room: LabelRoom, tmp_path: Path
) -> None:
    text = write(room, "card", tmp_path / "card.md").read_text()
    assert "kept: 5 of 6 (83 %) of those kept or rejected" in text
    assert "0 of 1 (0 %) of the windows that two people or more decided" in text
    assert "rejected as chop: 1 of 1 (100 %)" in text
    assert "An expansion moves three ATR." in text
    assert "with an edge in doubt: 1 of 6 (17 %)" in text


def test_a_layer_holds_one_persons_labels(room: LabelRoom, tmp_path: Path) -> None:
    report = export("source", tmp_path / "ann.parquet", room.store, room.bars, layer="ann")
    assert [(row["expansion_start"], row["expansion_end"]) for row in table(report.path)] == [
        (5, 5)
    ]


@pytest.mark.parametrize("key", ["source", "bio", "npz", "trainset", "pine"])
def test_an_export_without_labels_says_so(tmp_path: Path, key: str) -> None:
    room = empty_room(tmp_path)
    with pytest.raises(SchemaError, match="Found none of local"):
        export(key, tmp_path / "out", room.store, room.bars)
    assert not (tmp_path / "out").exists()


SPANS = st.lists(
    st.tuples(
        st.integers(0, 104),
        st.integers(0, 20),
        st.sampled_from(["consolidation", "retracement", "reversal"]),
        st.sampled_from([None, "A", "B", "C"]),
        st.sampled_from([None, 1, 2, 3]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=8, phases=[Phase.explicit, Phase.generate])
@given(st.dictionaries(st.sampled_from(STARTS), SPANS, min_size=1, max_size=3))
def test_any_labels_make_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, drawn: dict[int, list[tuple[int, ...]]]
) -> None:
    folder = tmp_path_factory.mktemp("drawn")
    room = empty_room(folder)
    cut_windows(room)
    for bar_start, spans in drawn.items():
        for i, span in enumerate(spans):
            draw(room, bar_start, f"{bar_start}-{i}", span)
    if not any(view.spans for view in room.store.views()):
        return
    for key in ("dataset", "source", "label-studio", "events"):
        name = f"labels{exports.SUFFIXES[key]}"
        first = write(room, key, folder / "one" / key / name)
        (folder / key).mkdir()
        other = empty_room(folder / key, with_feed=key != "events")
        import_file(first, other.store, other.bars)
        again = write(other, key, folder / "two" / key / name)
        assert content(again) == content(first), key


def draw(room: LabelRoom, bar_start: int, op_id: str, span: tuple[int, ...]) -> None:
    """Draw a span where nothing stands yet; one that shares bars with another is not drawn."""
    start, more, kind, grade, confidence, doubt = span
    uid_here = uid(room, bar_start)
    args = {
        "span_id": hashlib.sha1(op_id.encode()).hexdigest()[:16],
        "new": True,
        "start": start,
        "end": min(start + more, 104),
        "type": kind,
        "grade": grade,
        "confidence": confidence,
        "start_range": [max(0, start - doubt), start + doubt],
    }
    rev = room.store.window(uid_here).rev
    decision = Decision(op_id=op_id, kind="save_span", window_uid=uid_here, rev=rev, args=args)
    room.store.apply([decision], annotator="local")


def uid(room: LabelRoom, bar_start: int) -> str:
    return next(
        view.window_uid
        for view in room.store.views(series_id=room.feed_id)
        if view.bar_start == bar_start
    )


def test_the_grouping_has_an_id_of_its_own(room: LabelRoom) -> None:
    labels = exports.gather(room.store, room.bars)
    one = exports.gather(room.store, room.bars, series="NQ")
    assert dataset.split_id(labels) == dataset.split_id(exports.gather(room.store, room.bars))
    assert dataset.split_id(labels) != dataset.split_id(one)
