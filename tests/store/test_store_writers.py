"""Several writers at once lose nothing that was answered, and hear of each other's changes."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from itertools import islice

import pytest

from moola.exceptions import ConflictError
from moola.store import Answer, Decision, LabelStore
from tests.store import postgres
from tests.store.store_desk import FEED, Desk
from tests.store.writing import acknowledged, content, plan, send, writer

N_WRITERS, N_OPERATIONS = 8, int(os.environ.get("MOOLA_STORE_OPERATIONS", "40"))


@pytest.fixture(params=["sqlite", "postgresql"])
def durable_desk(request: pytest.FixtureRequest, tmp_path) -> Desk:
    """A desk whose store loses nothing, whatever the tests around it save."""
    if request.param == "postgresql":
        return Desk(postgres.server().new_url(durable=True))
    return Desk(f"sqlite:///{tmp_path / 'moola.db'}")


@pytest.mark.slow
def test_eight_writers_at_once_lose_no_operation(durable_desk: Desk) -> None:
    durable_desk.store.add_series(FEED, op_id="feed")
    uids = durable_desk.add_windows(*range(0, 880, 110))
    n_before = durable_desk.store.version()
    people = [f"person-{number}" for number in range(N_WRITERS)]
    with ExitStack() as running:
        writers = [
            running.enter_context(writer(durable_desk.url, uids, person, last=N_OPERATIONS))
            for person in people
        ]
        for person, (_, acks) in zip(people, writers, strict=True):
            operations = islice(plan(uids, person), N_OPERATIONS)
            assert acknowledged(acks) == [decision.op_id for decision in operations]
    store = LabelStore.open(durable_desk.url)
    assert len(store.events(limit=1_000_000)) == n_before + N_WRITERS * N_OPERATIONS
    assert store.find_damage() == []
    alone = "alone"
    for _ in send(store, islice(plan(uids, alone), N_OPERATIONS), alone, at_once=N_OPERATIONS):
        pass
    assert {str(content(store, person)) for person in people} == {str(content(store, alone))}
    store.close()
    durable_desk.store.close()


def test_people_who_add_to_one_note_lose_no_word_of_it(durable_desk: Desk) -> None:
    durable_desk.store.add_series(FEED, op_id="feed")
    (uid,) = durable_desk.add_windows(0)

    def add_to_note(name: str) -> None:
        tab = LabelStore.open(durable_desk.url)
        for number in range(10):
            while True:
                view = tab.window(uid)
                note, op_id = f"{view.note}{name}", f"{name}-{number}"
                try:
                    tab.set_note(uid, note, rev=view.rev, op_id=op_id)
                    break
                except ConflictError:
                    continue
        tab.close()

    run_at_once(*(lambda name=name: add_to_note(name) for name in "abc"))
    view = durable_desk.store.window(uid)
    assert [view.note.count(name) for name in "abc"] == [10, 10, 10]
    assert (view.rev, durable_desk.store.find_damage()) == (30, [])
    durable_desk.store.close()


def run_at_once(*jobs) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# two tabs of one person


class Tab:
    """A page with a store of its own, as two tabs or two computers have it."""

    def __init__(self, desk: Desk, name: str) -> None:
        self.store = LabelStore.open(desk.url)
        self._name = name
        self._n = 0

    def do(self, kind, uid: str, *, rev=None, after=None, **args) -> Answer:
        self._n += 1
        decision = Decision(
            op_id=f"{self._name}-{self._n}",
            kind=kind,
            window_uid=uid,
            rev=rev,
            after=after,
            args=args,
        )
        (answer,) = self.store.apply([decision], annotator="ann", client_id=self._name)
        return answer


def test_the_tab_that_comes_second_sees_what_the_first_did(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    one, two = Tab(desk, "one"), Tab(desk, "two")
    drawn = one.do("save_span", uid, rev=0, start=50, end=65, type="reversal")
    late = two.do("reject", uid, rev=0, reason="chop")
    assert (drawn.status, late.status) == ("done", "conflict")
    assert late.view is not None
    assert [(span.start, span.end) for span in late.view.spans] == [(50, 65)]
    assert late.message is not None
    assert "50..65" in late.message
    kept = two.do("reject", uid, rev=late.view.rev, reason="chop")
    assert kept.status == "done"
    assert one.store.window(uid, annotator="ann").reason == "chop"
    assert desk.store.find_damage() == []


def test_a_tab_that_went_on_after_a_conflict_writes_nothing_on_top_of_it(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    one, two = Tab(desk, "one"), Tab(desk, "two")
    one.do("save_span", uid, rev=0, start=50, end=65, type="reversal")
    first = two.do("save_span", uid, rev=0, start=10, end=20, type="reversal")
    built_on_it = two.do("accept", uid, after=first.op_id)
    assert (first.status, built_on_it.status) == ("conflict", "conflict")
    view = desk.store.window(uid, annotator="ann")
    assert ([(span.start, span.end) for span in view.spans], view.state) == ([(50, 65)], "edited")


def test_two_tabs_at_once_decide_a_window_once(desk: Desk) -> None:
    uids = desk.add_windows(*range(0, 880, 110))
    answers: list[Answer] = []

    def decide_all(name: str) -> None:
        tab = Tab(desk, name)
        answers.extend(tab.do("flag", uid, rev=0) for uid in uids)

    run_at_once(lambda: decide_all("one"), lambda: decide_all("two"))
    assert sorted(answer.status for answer in answers) == ["conflict"] * 8 + ["done"] * 8
    assert {view.rev for view in desk.store.views(annotator="ann")} == {1}
    assert desk.store.find_damage() == []


def test_an_undo_in_one_tab_takes_back_what_the_other_did_last(desk: Desk) -> None:
    one_uid, two_uid = desk.add_windows(0, 300)
    one, two = Tab(desk, "one"), Tab(desk, "two")
    one.do("flag", one_uid, rev=0)
    two.do("flag", two_uid, rev=0)
    undone = one.store.undo(op_id="undo", annotator="ann")
    assert undone is not None
    assert undone.window_uid == two_uid
    late = two.do("accept", two_uid, rev=1)
    assert late.status == "conflict", "the other tab still shows the flag"


# threads of one process


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
