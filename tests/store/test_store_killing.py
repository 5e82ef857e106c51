"""Whatever is killed, and when: no acknowledged operation is missing and none is done twice."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections import Counter
from contextlib import closing
from itertools import islice

import pytest

from moola.store import LabelStore, place
from tests.store import old_stores, postgres
from tests.store.store_desk import FEED, Desk
from tests.store.writing import acknowledged, content, opener, plan, send, writer

PERSON = "ann"
BAR_STARTS = range(0, 880, 110)
# 200 is thorough; a new process, the check of the whole log and the replay take a second each
N_KILLS = int(os.environ.get("MOOLA_STORE_KILLS", "12"))
LONGEST_LIFE_S = 0.02
N_IN_CRASHES = 150


def new_desk(url: str) -> tuple[Desk, list[str]]:
    desk = Desk(url)
    desk.store.add_series(FEED, op_id="feed")
    uids = desk.add_windows(*BAR_STARTS)
    desk.store.close()
    return desk, uids


def check(desk: Desk, uids: list[str], acked: list[str], n_sent: int, other_url: str) -> None:
    """All that was acknowledged is there, once; sending all again changes nothing of it."""
    operations = list(islice(plan(uids, PERSON), n_sent))
    assert acked == [decision.op_id for decision in operations[: len(acked)]]
    written = Counter(event.op_id for event in desk.store.events(limit=1_000_000))
    assert {op_id for op_id in acked if written[op_id] != 1} == set()
    unplanned = set(written) - {decision.op_id for decision in operations}
    assert {event for event in unplanned if event.startswith(PERSON)} == set()
    for answers in send(desk.store, operations, PERSON, at_once=500):
        assert {answer.status for answer in answers} == {"done"}
    again = Counter(event.op_id for event in desk.store.events(limit=1_000_000))
    assert set(again.values()) == {1}
    assert len(again) - len(unplanned) == n_sent
    undisturbed, _ = new_desk(other_url)
    for _ in send(undisturbed.store, operations, PERSON, at_once=500):
        pass
    assert content(desk.store, PERSON) == content(undisturbed.store, PERSON)
    assert desk.store.find_damage() == []
    for each in (desk, undisturbed):
        each.store.close()


def kill_writers(desk: Desk, uids: list[str], n_kills: int) -> list[str]:
    """Kill one writer after another with signal 9; each goes on from what was acknowledged."""
    chance = random.Random(7)
    acked: list[str] = []
    for number in range(n_kills):
        with writer(desk.url, uids, PERSON, first=len(acked)) as (process, acks):
            if number % 10:  # the tenth may die while it opens the store
                acks.poll(20)
            time.sleep(chance.uniform(0, LONGEST_LIFE_S))
            assert process.is_alive()
            process.kill()
            acked += acknowledged(acks)
    return acked


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_when_writers_are_killed_again_and_again(tmp_path) -> None:
    desk, uids = new_desk(f"sqlite:///{tmp_path / 'moola.db'}")
    acked = kill_writers(desk, uids, N_KILLS)
    assert len(acked) >= N_KILLS, "there was something to lose"
    print(f"{len(acked)} operations acknowledged in {N_KILLS} lives")
    check(desk, uids, acked, len(acked) + 3, f"sqlite:///{tmp_path / 'undisturbed.db'}")


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_when_clients_of_a_server_are_killed() -> None:
    server = postgres.server()
    desk, uids = new_desk(server.new_url(durable=True))
    acked = kill_writers(desk, uids, N_KILLS)
    assert len(acked) >= N_KILLS, "there was something to lose"
    print(f"{len(acked)} operations acknowledged in {N_KILLS} lives")
    check(desk, uids, acked, len(acked) + 3, server.new_url())


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_when_the_server_itself_crashes(
    crashing_server: postgres.PostgresServer,
) -> None:
    server = crashing_server
    desk, uids = new_desk(server.new_url(durable=True))
    with writer(desk.url, uids, PERSON, last=N_IN_CRASHES) as (_, acks):
        for _ in range(3):
            for _ in range(20):
                assert acks.recv_bytes()
            server.crash()
        rest = acknowledged(acks)
    operations = [decision.op_id for decision in islice(plan(uids, PERSON), N_IN_CRASHES)]
    assert rest == operations[60:]
    check(desk, uids, operations, N_IN_CRASHES, server.new_url())


@pytest.mark.slow
def test_an_upgrade_that_is_killed_leaves_an_old_store_or_a_new_one(tmp_path) -> None:
    chance = random.Random(7)
    found = Counter[str]()
    for number in range(N_KILLS // 2):
        file = tmp_path / str(number) / "moola.db"
        file.parent.mkdir()
        url = f"sqlite:///{file}"
        old_stores.write(url, "1")
        with opener(url) as process:
            while not place.backups(file) and process.is_alive():
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.15))  # the upgrade begins when its backup is there
            process.kill()
        with closing(sqlite3.connect(file)) as connection:
            found[connection.execute("SELECT value FROM meta").fetchone()[0]] += 1
        store = LabelStore.open(url)
        assert store.find_damage() == []
        assert store.version() == len(old_stores.rows("1")["event"])
        store.close()
    print(f"schemas found after the kill: {dict(found)}")


def test_the_newest_writer_of_a_store_sees_what_every_one_before_it_wrote(store_url: str) -> None:
    desk, uids = new_desk(store_url)
    for number in range(3):
        store = LabelStore.open(store_url)
        some = islice(plan(uids, PERSON), number * 20, number * 20 + 20)
        assert all(answer.status == "done" for answers in send(store, some, PERSON)
                   for answer in answers)  # fmt: skip
        store.close()
    assert len(desk.store.events(limit=1_000)) == 62
    desk.store.close()
