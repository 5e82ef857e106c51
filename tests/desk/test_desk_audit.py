"""Doubtful labels on the desk: whom the two queues hold, in which order, and what they change."""

from __future__ import annotations

import pytest

from moola.audit import Suspect, send
from moola.config import FinetuneConfig
from moola.runs import RunFolder, create_run
from tests.desk.conftest import Office


def suspect(uid: str, score: float = 1.0) -> Suspect:
    return Suspect(window_uid=uid, score=score, posterior=0.0, shape=0.0, reasons=("why",))


@pytest.fixture
def run(office: Office) -> RunFolder:
    return create_run(office.workspace.runs_dir, FinetuneConfig())


def test_doubtful_labels_come_in_the_order_of_their_suspicion(
    office: Office, run: RunFolder
) -> None:
    first, second, third = office.uids()[:3]
    for uid in (first, second, third):
        office.draw(uid, 10, 20)
    send(run, [suspect(third), suspect(first)], blind=False)
    assert office.queue("audit", run=run.id) == [third, first]
    assert office.queue("audit") == [third, first]


def test_a_label_that_was_looked_at_since_leaves_the_queue_changed_or_not(
    office: Office, run: RunFolder
) -> None:
    kept, moved, rejected = office.uids()[:3]
    for uid in (kept, moved, rejected):
        office.draw(uid, 10, 20)
    send(run, map(suspect, (kept, moved, rejected)), blind=False)
    office.decide(kept, "accept")
    assert office.queue("audit", run=run.id) == [moved, rejected]
    span = office.store.window(moved, annotator="ann").spans[0]
    office.decide(moved, "save_span", span_id=span.span_id, new=False, start=12, end=20)
    office.decide(rejected, "reject", reason="chop")
    assert office.queue("audit", run=run.id) == []


def test_blind_hides_the_own_label_and_leaves_it_as_it_was(office: Office, run: RunFolder) -> None:
    uid = office.uids()[0]
    office.draw(uid, 10, 20)
    send(run, [suspect(uid)], blind=True)
    (item,) = office.query("audit-blind", run=run.id)["items"]
    assert (item["mode"], item["spans"], item["model"]) == ("repeat", [], None)
    office.draw(uid, 40, 50, mode="repeat")
    assert office.queue("audit-blind", run=run.id) == []
    assert [span.start for span in office.store.window(uid, annotator="ann").spans] == [10]


def test_somebody_else_judges_a_doubtful_label_blind_as_his_own_first_judgement(
    office: Office, run: RunFolder
) -> None:
    uid = office.uids()[0]
    office.draw(uid, 10, 20)
    send(run, [suspect(uid)], blind=True)
    (item,) = office.query("audit-blind", run=run.id, annotator="bob")["items"]
    assert (item["mode"], item["spans"]) == ("blind", [])
    office.draw(uid, 40, 50, annotator="bob", mode="blind")
    assert office.queue("audit-blind", run=run.id, annotator="bob") == []
    assert office.queue("disputed") == [uid]


def test_what_is_sent_again_is_asked_again(office: Office, run: RunFolder) -> None:
    uid = office.uids()[0]
    office.draw(uid, 10, 20)
    for _ in range(2):
        send(run, [suspect(uid)], blind=False)
        assert office.queue("audit", run=run.id) == [uid]
        office.decide(uid, "accept")
        assert office.queue("audit", run=run.id) == []


def test_nothing_was_sent_of_a_run_without_an_audit(office: Office, run: RunFolder) -> None:
    assert office.queue("audit", run=run.id) == []
    assert office.queue("audit") == []


def test_progress_is_of_the_windows_that_were_sent_and_says_what_is_doubted(
    office: Office, run: RunFolder
) -> None:
    first, second, other = office.uids()[:3]
    for uid in (first, second, other):
        office.draw(uid, 10, 20)
    sent = send(run, map(suspect, (second, first)), blind=False)
    told = office.query("audit", run=run.id)["audit"]
    assert told == {"sent_at": sent.sent_at, "looked": [], "doubts": {second: "why", first: "why"}}
    office.decide(other, "accept")
    office.decide(first, "accept")
    assert office.query("audit", run=run.id)["audit"]["looked"] == [first]
    elsewhere = office.query("audit", run=run.id, filters={"series_id": "ES-1"})["audit"]
    assert (elsewhere["looked"], elsewhere["doubts"]) == ([], {})
    assert office.query("all")["audit"] is None


@pytest.mark.parametrize(
    ("blind", "mode"), [(True, "audit-blind"), (True, "audit"), (False, "audit-blind")]
)
def test_nobody_who_judges_blind_is_told_what_is_doubted(
    office: Office, run: RunFolder, mode: str, *, blind: bool
) -> None:
    uid = office.uids()[0]
    office.draw(uid, 10, 20)
    send(run, [suspect(uid)], blind=blind)
    assert office.query(mode, run=run.id)["audit"]["doubts"] == {uid: None}
    office.draw(uid, 40, 50, mode="repeat")
    looked = office.query("audit-blind", run=run.id)["audit"]["looked"]
    assert looked == [uid]
