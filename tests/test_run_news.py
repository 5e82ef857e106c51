"""News of the runs: equal as long as nothing on a page would change."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from moola import run_news
from moola.config import FinetuneConfig
from moola.endings import Ending, write_ending
from moola.run_book import RunBook
from moola.run_news import Glance, news_of
from moola.runs import RunFolder, create_run
from tests.epoch_rows import epochs


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = create_run(tmp_path, FinetuneConfig(epochs=10), name="a")
    run.append_history(epochs(1)[0] | {"wall": 4.0})
    run.claim("running", epoch=1)
    return run


def test_a_heartbeat_is_no_news_an_epoch_and_a_state_are(tmp_path: Path, run: RunFolder) -> None:
    book = RunBook(tmp_path)
    first = news_of(book, run.id)
    run.write_status(step=3)
    assert (news_of(book, run.id).states, news_of(book, run.id).rows) == (first.states, first.rows)
    run.append_history(epochs(2)[1] | {"wall": 8.0})
    assert news_of(book, run.id).rows != first.rows
    assert news_of(book, run.id).states == first.states
    run.write_status(pid=max(psutil.pids()) + 100_000)
    assert news_of(book, run.id).states.startswith(f"{run.id}=crashed")


def test_the_reason_of_a_crash_is_news_of_its_own(tmp_path: Path, run: RunFolder) -> None:
    book, pid = RunBook(tmp_path), max(psutil.pids()) + 100_000
    run.write_status(pid=pid)
    unexplained = news_of(book, run.id)
    assert news_of(book, run.id) == replace(unexplained, pulse=news_of(book, run.id).pulse)
    write_ending(str(run.path), Ending(pid, time.time(), signal="SIGKILL"))
    assert "SIGKILL" in book.status(run).message
    assert news_of(book, run.id).states != unexplained.states


def test_a_run_that_appears_is_news(tmp_path: Path, run: RunFolder) -> None:
    book = RunBook(tmp_path)
    first = news_of(book, run.id)
    create_run(tmp_path, FinetuneConfig(), name="b")
    assert news_of(book, run.id).states != first.states


def test_the_pulse_says_how_far_and_how_long(tmp_path: Path, run: RunFolder) -> None:
    book = RunBook(tmp_path)
    pulse = news_of(book, run.id).pulse
    assert pulse is not None
    assert (pulse.text, pulse.fraction, pulse.is_live) == (
        "Epoch 1 of 10, about 36 s left",
        0.1,
        True,
    )
    run.write_status(state="stopped")
    pulse = news_of(book, run.id).pulse
    assert pulse is not None
    assert (pulse.text, pulse.age_s) == ("Epoch 1 of 10", None)


def test_a_list_of_runs_has_news_of_every_epoch(tmp_path: Path, run: RunFolder) -> None:
    book = RunBook(tmp_path)
    first = news_of(book)
    run.write_status(epoch=2)
    assert news_of(book).rows != first.rows
    run.write_status(state="finished")
    assert not news_of(book).is_live


def test_the_judgement_is_news_when_an_alert_comes_and_not_with_every_epoch(
    tmp_path: Path, run: RunFolder
) -> None:
    book = RunBook(tmp_path)
    first = news_of(book, run.id)
    rows = epochs(7)
    run.append_history(rows[1])
    assert news_of(book, run.id).judged == first.judged
    starved = {"ptr": 0.01, "binary": 0.05, "countdown": 0.93, "type": 0.01}
    for row in rows[2:]:
        run.append_history(row | {"loss_share": starved})
    assert news_of(book, run.id).judged != first.judged


def test_a_glance_reads_again_only_what_was_written(
    tmp_path: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_news, "LOOK_S", float("inf"))
    glance = Glance(RunBook(tmp_path), run.id)
    first = glance.news()
    assert glance.news() is first
    run.append_history(epochs(2)[1])
    second = glance.news()
    assert second.rows != first.rows
    run.write_status(state="finished")
    assert glance.news().states == f"{run.id}=finished"


def test_a_glance_sees_an_end_that_nobody_wrote_down(
    tmp_path: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_news, "LOOK_S", 0.0)
    run.write_status(pid=max(psutil.pids()) + 100_000)
    assert "crashed" in Glance(RunBook(tmp_path), run.id).news().states
