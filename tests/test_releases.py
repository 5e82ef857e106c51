"""A release never changes, and a run on it trains on exactly it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moola import collect
from moola.cli import main
from moola.config import FinetuneConfig
from moola.exceptions import ConfigError, ImportRefused, SchemaError, StoreError
from moola.exports import gather
from moola.exports.dataset import write_folder
from moola.releases import check_release, make_release, read_release, release_id
from tests.label_room import LabelRoom, empty_room, full_room


@pytest.fixture
def room(tmp_path: Path) -> LabelRoom:
    return full_room(tmp_path)


def make(room: LabelRoom, name: str = "v1") -> Path:
    folder = room.folder / "releases"
    release = make_release(name, room.store, room.bars, folder=folder)
    assert release.release_id == release_id(folder / name)
    return folder / name


def examples(room: LabelRoom, path: Path | None) -> str:
    """Return the hash of what a run would train on."""
    config = FinetuneConfig(release=str(path) if path else None, split="groups")
    return collect.collect(config, store=room.store, bar_store=room.bars).content_hash()


def test_a_run_trains_on_the_release_whatever_became_of_the_labels(room: LabelRoom) -> None:
    now = examples(room, None)
    path = make(room)
    assert examples(room, path) == now
    room.decide(300, "reject", reason="chop")
    assert examples(room, None) != now
    assert examples(room, path) == now


def test_a_release_that_came_meanwhile_is_not_written_over(room: LabelRoom) -> None:
    path = make(room)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    labels = gather(room.store, room.bars)
    with pytest.raises(StoreError, match="should be a folder one can write to"):
        write_folder(labels, path, more={"name": "other"}, replace=False)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert [folder.name for folder in path.parent.iterdir()] == [path.name]


def test_a_release_still_has_its_bars_when_its_series_has_grown(room: LabelRoom) -> None:
    path = make(room)
    before = read_release(path, room.store, room.bars)
    feed = room.store.find_series("NQ")
    frame = room.bars.read(feed.content_hash)
    grown = room.bars.write(_longer(frame))
    bigger = replace(feed, content_hash=grown, n_bars=feed.n_bars + 1)
    room.store.extend_series(feed.series_id, bigger, op_id="grow")
    room.bars.path(feed.content_hash).unlink()
    after = read_release(path, room.store, room.bars)
    assert after.windows == before.windows
    np.testing.assert_array_equal(after.bars[feed.series_id], before.bars[feed.series_id])


def _longer(frame: object) -> object:
    import pandas as pd

    assert isinstance(frame, pd.DataFrame)
    last = frame.tail(1).assign(timestamp=frame["timestamp"].iloc[-1] + pd.Timedelta("1min"))
    return pd.concat([frame, last], ignore_index=True)


@pytest.mark.parametrize("name", ["windows.parquet", "spans.parquet", "manifest.json"])
def test_a_changed_file_is_refused_with_both_hashes(room: LabelRoom, name: str) -> None:
    path = make(room)
    file = path / name
    file.chmod(0o644)
    if name == "manifest.json":
        file.write_text(json.dumps({**json.loads(file.read_text()), "layer": "ann"}))
    else:
        file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ImportRefused, match=r"should have the hash [0-9a-f]{64}.* Found"):
        check_release(path, room.store)
    with pytest.raises(ImportRefused):
        examples(room, path)


def test_a_name_is_given_once(room: LabelRoom) -> None:
    path = make(room)
    before = release_id(path)
    with pytest.raises(StoreError, match=r"never changes\. Found v1 already"):
        make(room)
    shutil.rmtree(path)
    with pytest.raises(StoreError, match="never changes"):
        make(room)
    assert [item.release_id for item in room.store.releases()] == [before]


@pytest.mark.parametrize("name", ["", "a/b", "..", "list", "verify", "x" * 81])
def test_a_name_is_a_plain_word(room: LabelRoom, name: str) -> None:
    with pytest.raises(ConfigError, match="A release should be named"):
        make(room, name)


def test_a_release_without_labels_leaves_nothing_behind(tmp_path: Path) -> None:
    room = empty_room(tmp_path)
    with pytest.raises(SchemaError, match="Found none"):
        make(room)
    assert not (tmp_path / "releases" / "v1").exists()
    assert room.store.releases() == []


def test_a_release_that_cannot_be_registered_is_taken_away(
    room: LabelRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(type(room.store), "add_release", fail)
    with pytest.raises(StoreError, match="disk full"):
        make(room)
    assert list((room.folder / "releases").iterdir()) == []


def test_windows_that_people_dispute_are_in_no_release(room: LabelRoom) -> None:
    path = make(room)  # ann drew in the window at 420, which local rejected
    starts = {item.bar_start for item in read_release(path, room.store, room.bars).windows}
    assert 420 not in starts
    assert 300 in starts


def test_the_command_line_makes_lists_shows_and_verifies(
    room: LabelRoom, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--workspace", str(room.folder)]
    assert main(["release", "v1", *where]) == 0
    assert main(["release", "list", *where]) == 0
    assert "v1: 7 windows" in capsys.readouterr().out
    assert main(["release", "show", "v1", *where]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "v1"
    assert main(["release", "verify", "v1", *where]) == 0
    assert "files and bars are those of the release" in capsys.readouterr().out
    assert main(["release", "verify", "v2", *where]) == 2
    assert main(["release", "show", *where]) == 2
    assert main(["finetune", "--release", "v9", *where]) == 2


def test_a_run_has_one_source(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Found both"):
        FinetuneConfig(data="a.parquet", release="v1")
