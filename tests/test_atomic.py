"""A file is there whole or as it was, and a writer leaves nothing else behind."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from moola.atomic import write_json, write_text, written


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_new_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    for value in ({"epoch": 1}, {"epoch": 2, "word": "größer"}):
        write_json(path, value)
        assert json.loads(path.read_text(encoding="utf-8")) == value
    assert names(tmp_path) == ["run.json"]


@pytest.mark.parametrize("before", ["old", None])
def test_an_exception_leaves_all_as_it_was(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "notes.txt"
    if before is not None:
        path.write_text(before)

    def fail() -> None:
        with written(path) as temporary:
            temporary.write_text("half a")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert names(tmp_path) == ([] if before is None else ["notes.txt"])
    assert before is None or path.read_text() == before


def test_what_cannot_be_flushed_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "notes.txt", "old")

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "notes.txt", "new")
    assert (tmp_path / "notes.txt").read_text() == "old"
    assert names(tmp_path) == ["notes.txt"]


def test_a_missing_folder_is_named_by_the_error_alone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_json(tmp_path / "gone" / "run.json", {})


def test_writers_of_one_file_at_once_have_names_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with written(path) as first, written(path) as second:
        assert first != second
        first.write_text("1")
        second.write_text("2")
    assert path.read_text() == "1"  # the last to end
    assert names(tmp_path) == ["run.json"]


def test_a_reader_beside_many_writers_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    values = [{"rows": [number] * 500} for number in range(40)]
    write_json(path, values[0])
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(write_json, path, value) for value in values]
        while not all(job.done() for job in writing):
            assert json.loads(path.read_text()) in values
    assert [job.result() for job in writing] == [None] * len(values)
    assert names(tmp_path) == ["run.json"]
