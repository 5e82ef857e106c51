"""Several writers at once, and a writer that is killed, lose nothing that was answered."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from moola.exceptions import ConflictError
from moola.store import LabelStore
from tests.store.store_desk import FEED, Desk

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from moola.exceptions import ConflictError
from moola.store import LabelStore
url, name, uid, n = sys.argv[1:]
store = LabelStore.open(url)
for number in range(int(n)):
    while True:
        try:
            view = store.window(uid)
            store.set_note(uid, f"{view.note}{name}", rev=view.rev, op_id=f"{name}-{number}")
            print(number, flush=True)
            break
        except ConflictError:
            continue
"""


def start_writer(desk: Desk, name: str, uid: str, n: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, desk.url, name, uid, str(n)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_processes_lose_no_write(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    writers = [start_writer(desk, name, uid, 25) for name in "ab"]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    view = desk.store.window(uid)
    assert (view.note.count("a"), view.note.count("b"), view.rev) == (25, 25, 50)
    assert desk.store.find_damage() == []


@pytest.mark.slow
def test_what_was_answered_survives_kill_9(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    writer = start_writer(desk, "a", uid, 100_000)
    stdout = writer.stdout
    assert stdout is not None
    for _ in range(20):
        stdout.readline()
    writer.kill()
    answered = 20 + len(stdout.read().split())
    writer.wait(timeout=60)
    store = LabelStore.open(desk.url)
    assert answered <= len(store.window(uid).note) <= answered + 1
    assert store.find_damage() == []


def test_two_threads_lose_no_span(desk: Desk) -> None:
    uids = desk.add_windows(0, 400)

    def draw(uid: str) -> None:
        rev = 0
        for number in range(20):
            view = desk.store.save_span(
                uid, 5 * number, 5 * number + 4, rev=rev, op_id=f"{uid}-{number}", type="reversal"
            )
            rev = view.rev

    threads = [threading.Thread(target=draw, args=(uid,)) for uid in uids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(desk.spans(uid)) for uid in uids] == [20, 20]


def test_of_two_writers_that_saw_the_same_one_is_told(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    answers: list[str] = []
    barrier = threading.Barrier(2)

    def flag(name: str) -> None:
        barrier.wait()
        try:
            desk.store.flag(uid, rev=0, op_id=name)
            answers.append("written")
        except ConflictError:
            answers.append("conflict")

    threads = [threading.Thread(target=flag, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["conflict", "written"]


def test_a_store_opened_by_many_at_once_is_made_once(store_url: str) -> None:
    url, errors = store_url, []

    def open_and_add(number: int) -> None:
        try:
            LabelStore.open(url).add_series(FEED, op_id=f"add-{number}")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=open_and_add, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    store = LabelStore.open(url)
    assert store.series() == [FEED]
    assert len(store.events()) == 1
