from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from moola.about import About
from moola.config import FinetuneConfig
from moola.exceptions import RunError
from moola.history import HistoryCursor
from moola.runs import RunFolder, create_run, list_runs, open_run


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create_run(tmp_path, FinetuneConfig(epochs=5), name="my first run")


def child_of(run: RunFolder) -> subprocess.Popen:
    """A process whose command line names the run, as a trainer's does."""
    code = "import sys, time; print('up', flush=True); time.sleep(60)"
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_a_new_run_is_queued_and_keeps_its_options(run: RunFolder) -> None:
    assert run.id.endswith("-my-first-run")
    assert run.config() == FinetuneConfig(epochs=5)
    assert run.status().state == "queued"
    assert run.status().epochs == 5


def test_two_runs_of_one_second_get_two_folders(tmp_path: Path) -> None:
    ids = {create_run(tmp_path, FinetuneConfig(), name="x").id for _ in range(3)}
    assert len(ids) == 3
    assert [run.id for run in list_runs(tmp_path)] == sorted(ids, reverse=True)


def test_a_killed_process_turns_running_into_crashed(run: RunFolder) -> None:
    child = child_of(run)
    created = psutil.Process(child.pid).create_time()
    run.write_status(state="running", pid=child.pid, create_time=created, epoch=3)
    assert run.status().state == "running"
    os.kill(child.pid, signal.SIGKILL)
    # Not reaped: the child is a zombie, which os.kill(pid, 0) would call alive.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    status = run.status()
    child.wait()
    assert status.state == "crashed"
    assert "after epoch 3" in status.message


def test_a_pid_taken_over_by_another_program_is_not_the_run(run: RunFolder) -> None:
    own = psutil.Process()
    run.write_status(state="running", pid=own.pid, create_time=own.create_time() - 100)
    assert run.status().state == "crashed"


def test_history_ignores_a_line_cut_short(run: RunFolder) -> None:
    run.append_history({"epoch": 1})
    run.append_history({"epoch": 2})
    with (run.path / "history.jsonl").open("a") as file:
        file.write('{"epoch": 3, "raw"')
    assert [row["epoch"] for row in run.history()] == [1, 2]


def test_truncating_drops_later_rows_and_the_half_line(run: RunFolder) -> None:
    for epoch in (1, 2, 3):
        run.append_history({"epoch": epoch})
    with (run.path / "history.jsonl").open("a") as file:
        file.write('{"epo')
    run.truncate_history(2)
    run.append_history({"epoch": 3, "again": True})
    assert [row["epoch"] for row in run.history()] == [1, 2, 3]
    assert run.history()[-1]["again"]


def test_cursor_reads_each_row_once_and_waits_for_the_end_of_a_line(run: RunFolder) -> None:
    cursor = HistoryCursor(run.path / "history.jsonl")
    assert cursor.read_new() == []
    run.append_history({"epoch": 1})
    with cursor.path.open("a") as file:
        file.write('{"epoch": 2')
        file.flush()
        assert [row["epoch"] for row in cursor.read_new()] == [1]
        file.write("}\n")
    assert [row["epoch"] for row in cursor.read_new()] == [2]
    assert cursor.read_new() == []


def test_cursor_starts_over_when_a_resumed_run_shortened_the_file(run: RunFolder) -> None:
    cursor = HistoryCursor(run.path / "history.jsonl")
    for epoch in (1, 2, 3):
        run.append_history({"epoch": epoch})
    cursor.read_new()
    run.truncate_history(1)
    assert [row["epoch"] for row in cursor.read_new()] == [1]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "dancing"}', "{}"])
def test_a_damaged_run_says_what_is_wrong(run: RunFolder, content: str) -> None:
    (run.path / "run.json").write_text(content)
    status = run.status()
    assert status.state == "damaged"
    assert run.id in status.message


def test_a_deleted_run_folder_is_a_sentence(tmp_path: Path, run: RunFolder) -> None:
    with pytest.raises(RunError, match=r"Newest runs: .*my-first-run"):
        open_run("20200101-000000-gone", tmp_path)


def test_an_unwritable_runs_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file stands where the folder should be")
    with pytest.raises(RunError, match="should be writable"):
        create_run(tmp_path / "runs", FinetuneConfig())


def test_title_note_and_star_are_kept_one_by_one(run: RunFolder) -> None:
    assert run.about() == About()
    run.set_about(title="  with\n guard ")
    run.set_about(starred=True)
    assert RunFolder(run.path).about() == About(title="with guard", starred=True)


@pytest.mark.parametrize("content", ["", "[]", '{"title": null, "starred": "yes"}', "\x00"])
def test_damaged_words_about_a_run_are_no_words(run: RunFolder, content: str) -> None:
    (run.path / "about.json").write_text(content)
    assert run.about() == About()


def test_hidden_folders_are_no_runs_and_kinds_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / ".trash").mkdir()
    tuned = create_run(tmp_path, FinetuneConfig(), name="a")
    pretrained = create_run(tmp_path, FinetuneConfig(), name="b", kind="pretrain")
    assert [run.id for run in list_runs(tmp_path)] == [tuned.id]
    assert {run.id for run in list_runs(tmp_path, None)} == {tuned.id, pretrained.id}


def test_status_is_never_half_written(run: RunFolder) -> None:
    run.write_status(state="running", epoch=1)
    run.write_status(epoch=2)
    stored = json.loads((run.path / "run.json").read_text())
    assert (stored["state"], stored["epoch"]) == ("running", 2)
    assert [path.name for path in run.path.glob("*.tmp")] == []


def test_log_tail_shows_only_the_last_drawing_of_a_progress_bar(run: RunFolder) -> None:
    (run.path / "log.txt").write_text("start\n 10%\r 50%\r100%\nend\n")
    assert run.log_tail(2) == "100%\nend"
