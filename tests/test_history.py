"""A history of any length in bounded memory, read by its new bytes."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from moola.history import HistoryDigest
from moola.judgement import RunFacts, judge
from tests.epoch_rows import POINTERS_STARVED, epochs


def write(path: Path, rows: list[dict[str, Any]], mode: str = "a") -> None:
    with path.open(mode) as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def made(first: int, last: int) -> list[dict[str, Any]]:
    return [{"epoch": epoch, "val_raw": {"ptr": 1 / epoch}} for epoch in range(first, last + 1)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def digest(path: Path) -> HistoryDigest:
    return HistoryDigest(path, n_spread=10, n_tail=5)


def test_no_file_is_no_rows(path: Path) -> None:
    empty = digest(path)
    assert not empty.refresh()
    assert (empty.rows, empty.last, empty.n_rows) == ([], None, 0)


def test_a_short_history_is_kept_whole(path: Path) -> None:
    write(path, made(1, 20))
    found = digest(path)
    assert found.refresh()
    assert found.rows == made(1, 20)
    assert not found.refresh(), "nothing is new"


def test_only_complete_new_lines_are_read(path: Path) -> None:
    found = digest(path)
    write(path, made(1, 1))
    found.refresh()
    with path.open("a") as file:
        file.write('{"epoch": 2')
        file.flush()
        assert not found.refresh()
        file.write("}\n")
    assert found.refresh()
    assert [row["epoch"] for row in found.rows] == [1, 2]


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_long_history_keeps_even_rows_the_newest_and_the_best(path: Path, step: int) -> None:
    rows = made(1, 1000)
    rows[400]["val_raw"]["ptr"] = 0.0001
    found = digest(path)
    for first in range(0, 1000, step):
        write(path, rows[first : first + step])
        found.refresh()
    epochs_kept = [row["epoch"] for row in found.rows]
    assert found.n_rows == 1000
    assert len(epochs_kept) <= 2 * 10 + 5 + 2
    assert epochs_kept[-5:] == [996, 997, 998, 999, 1000]
    spread = [row["epoch"] for row in found.evenly(100)][:-1]
    assert {after - before for before, after in pairwise(spread)} == {64}
    if step < 5:  # a long backlog is not parsed whole, so a best inside of it may be missed
        assert 401 in epochs_kept


def test_a_restart_is_never_thinned_away(path: Path) -> None:
    rows = made(1, 500)
    rows[77]["restart"] = {"from_run": "a", "from_epoch": 77}
    write(path, rows)
    found = digest(path)
    found.refresh()
    assert [row["epoch"] for row in found.rows if row.get("restart")] == [78]


def test_a_history_put_in_place_of_another_is_read_anew_whatever_its_length(path: Path) -> None:
    write(path, made(1, 8))
    found = digest(path)
    found.refresh()
    other = path.with_name("other")
    write(other, [row | {"again": True} for row in made(1, 8)])
    other.replace(path)
    assert found.refresh()
    assert all(row["again"] for row in found.rows)
    assert found.n_rows == 8


def test_even_rows_end_with_the_newest_and_are_few(path: Path) -> None:
    write(path, made(1, 19))
    found = digest(path)
    found.refresh()
    assert [row["epoch"] for row in found.evenly(5)] == [1, 5, 9, 13, 17, 19]
    assert [row["epoch"] for row in found.newest(3)] == [17, 18, 19]


def test_a_judgement_of_the_digest_is_that_of_the_whole_history(path: Path) -> None:
    rows = epochs(300, loss=POINTERS_STARVED)
    write(path, rows)
    found = HistoryDigest(path, n_spread=40, n_tail=20)
    found.refresh()
    facts = RunFacts(epochs=300, balance="raw")
    assert len(found.rows) < 110
    whole, bounded = judge(rows, facts), judge(found.rows, facts)
    assert [(a.code, a.task, a.level) for a in bounded] == [
        (a.code, a.task, a.level) for a in whole
    ]
    assert abs(bounded[0].since_epoch - whole[0].since_epoch) <= 8, "to within the spacing"
