"""The shared book of runs says what the folders say, without reading them again."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from moola import run_book as module
from moola.config import FinetuneConfig
from moola.discarding import discard, take_back
from moola.exceptions import RunError
from moola.judging import judge_run
from moola.run_book import RunBook
from moola.runs import RunFolder, create_run, list_runs
from tests.epoch_rows import POINTERS_STARVED, epochs


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = create_run(tmp_path, FinetuneConfig(epochs=20, balance="raw"), name="a")
    for row in epochs(7, loss=POINTERS_STARVED):
        run.append_history(row)
    run.write_status(state="stopped", epoch=7)
    return run


def backdate(folder: Path) -> None:
    """A folder that changed a moment ago is listed anew whatever its time stamp says."""
    os.utime(folder, (1e9, 1e9))


def test_a_run_that_appears_is_listed_and_one_that_goes_is_not(
    tmp_path: Path, run: RunFolder
) -> None:
    book = RunBook(tmp_path)
    backdate(tmp_path)
    assert [found.id for found in book.runs()] == [run.id]
    newer = create_run(tmp_path, FinetuneConfig(), name="b")
    pretrained = create_run(tmp_path, FinetuneConfig(), name="c", kind="pretrain")
    assert [found.id for found in book.runs()] == [newer.id, run.id]
    assert next(found.id for found in book.runs(None)) == pretrained.id
    discard(run)
    assert [found.id for found in book.runs()] == [newer.id]


def test_an_unchanged_folder_is_not_listed_again(
    tmp_path: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = RunBook(tmp_path)
    backdate(tmp_path)
    book.runs()
    monkeypatch.setattr(module, "list_runs", lambda *_: pytest.fail("listed again"))
    assert [found.id for found in book.runs()] == [run.id]


def test_a_state_follows_its_file_and_the_process(tmp_path: Path, run: RunFolder) -> None:
    book = RunBook(tmp_path)
    assert book.status(run).state == "stopped"
    run.claim("running", epoch=7)
    assert book.status(run).state == "running"
    gone = max(psutil.pids()) + 100_000
    run.write_status(pid=gone)
    assert book.status(run).state == "crashed"
    run.write_status(state="finished")
    assert book.status(run).state == "finished"


def test_the_file_of_a_settled_run_is_read_once(
    tmp_path: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = RunBook(tmp_path)
    first = book.status(run)
    monkeypatch.setattr(RunFolder, "status", lambda _: pytest.fail("read again"))
    again = book.status(run)
    assert (again.state, again.epoch) == (first.state, first.epoch)
    assert again.heartbeat_age_s is not None


def test_it_judges_as_the_command_line_does_and_again_only_after_a_new_epoch(
    tmp_path: Path, run: RunFolder
) -> None:
    book = RunBook(tmp_path)
    judged = book.judge(run)
    assert (judged.badges, judged.advice, judged.blind_spot) == judge_run(run, list_runs(tmp_path))
    assert book.judge(run) is judged
    run.append_history(epochs(8)[-1])
    assert [found.alert.code for found in book.judge(run).advice] == []


def test_the_best_skill_of_runs_on_the_same_data_is_the_reference(
    tmp_path: Path, run: RunFolder
) -> None:
    better = create_run(tmp_path, FinetuneConfig(epochs=20), name="b")
    other_data = create_run(tmp_path, FinetuneConfig(epochs=20), name="c")
    for row in epochs(8, skill={"ptr": 0.9}):
        better.append_history(row)
        other_data.append_history(row | {"skill": {"ptr": 0.99}})
    for found, data in ((run, "x"), (better, "x"), (other_data, "y")):
        found.save_config(found.config(), {"data_hash": data})
    assert RunBook(tmp_path).reference_skill(run)["ptr"] == 0.9


def test_a_run_goes_to_the_trash_and_comes_back(tmp_path: Path, run: RunFolder) -> None:
    thrown = discard(run)
    assert list_runs(tmp_path) == []
    assert (tmp_path / ".trash" / run.id / "history.jsonl").exists()
    assert take_back(thrown).history() == run.history()


def test_a_live_run_is_never_thrown_away(run: RunFolder) -> None:
    run.claim("running")
    with pytest.raises(RunError, match=r"should be stopped to be deleted\. It is running"):
        discard(run)
    assert run.path.exists()


def test_a_run_is_not_taken_back_over_another(tmp_path: Path, run: RunFolder) -> None:
    thrown = discard(run)
    run.path.mkdir()
    with pytest.raises(RunError, match="Found another run"):
        take_back(thrown)
