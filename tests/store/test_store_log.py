"""The log is append-only, and enough to rebuild every table."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import select

from moola.exceptions import MoolaError
from moola.schema import REJECT_REASONS, SPAN_TYPES
from moola.store.changes import key_columns, replay
from moola.store.tables import STATE_TABLES
from moola.windows import window_uid
from tests.store import postgres
from tests.store.store_desk import FEED, Desk

BARS, LENGTHS, WINDOWS = st.integers(0, 104), st.integers(0, 20), st.integers(0, 3)


class Labelling(RuleBasedStateMachine):
    """Somebody works on four overlapping windows; now and then a file is imported."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.desk = Desk(self.new_url())
        self.desk.store.add_series(FEED, op_id="feed")
        self.uids = self.desk.add_windows(0, 40, 80, 200)
        self.desk.propose((50, 60, "reversal", 1.0), (90, 95, "retracement", 2.0))

    def new_url(self) -> str:
        return f"sqlite:///{self.folder.name}/moola.db"

    def teardown(self) -> None:
        self.desk.store.close()
        self.folder.cleanup()

    @rule(n=WINDOWS, start=BARS, length=st.integers(0, 20), kind=st.sampled_from(SPAN_TYPES))
    def draw(self, n: int, start: int, length: int, kind: str) -> None:
        self._try(lambda: self.desk.draw(self.uids[n], start, min(104, start + length), kind))

    @rule(n=WINDOWS, start=BARS, length=LENGTHS)
    def move(self, n: int, start: int, length: int) -> None:
        view = self.desk.store.window(self.uids[n])
        if view.spans:
            self._try(
                lambda: self.desk.store.save_span(
                    view.window_uid, start, min(104, start + length), rev=view.rev,
                    op_id=self.desk.op(), span_id=view.spans[0].span_id,
                )
            )  # fmt: skip

    @rule(n=WINDOWS)
    def delete(self, n: int) -> None:
        view = self.desk.store.window(self.uids[n])
        if view.spans:
            self.desk.store.delete_span(
                view.window_uid, view.spans[-1].span_id, rev=view.rev, op_id=self.desk.op()
            )

    @rule(n=WINDOWS)
    def accept(self, n: int) -> None:
        self._try(lambda: self.desk.accept(self.uids[n]))

    @rule(n=WINDOWS, reason=st.sampled_from(REJECT_REASONS))
    def reject(self, n: int, reason: str) -> None:
        self.desk.reject(self.uids[n], reason)

    @rule(first=st.integers(0, 150), start=st.integers(0, 95))
    def import_labels(self, first: int, start: int) -> None:
        self._try(lambda: self.desk.add_windows(first, spans=[(start, start + 9, "reversal")]))

    @rule()
    def undo(self) -> None:
        self._try(self.desk.undo)

    @invariant()
    def live_spans_are_disjoint(self) -> None:
        views = self.desk.store.views()
        live = {
            (view.bar_start + span.start, view.bar_start + span.end)
            for view in views
            for span in (*view.spans, *view.cut_spans)
        }
        assert all(one[1] < other[0] for one, other in pairwise(sorted(live)))

    @invariant()
    def labelled_windows_hold_a_span_and_negatives_none(self) -> None:
        for view in self.desk.store.views():
            if view.state in ("verified", "edited"):
                assert view.spans
            if view.reason in ("no_expansion", "too_small", "chop"):
                assert not view.spans

    @invariant()
    def the_log_rebuilds_every_table(self) -> None:
        assert self.desk.store.find_damage() == []

    def _try(self, act) -> None:
        try:
            act()
        except MoolaError:
            return


class LabellingOnPostgres(Labelling):
    """The same at a server: only what the dialects may do differently is of interest."""

    def new_url(self) -> str:
        return postgres.server().new_url()


TestLabelling = Labelling.TestCase
TestLabelling.settings = settings(max_examples=25, stateful_step_count=15)
TestLabellingOnPostgres = LabellingOnPostgres.TestCase
TestLabellingOnPostgres.settings = settings(max_examples=5, stateful_step_count=15)


def test_replay_gives_the_rows_of_every_table(desk: Desk) -> None:
    (left,), (right,) = desk.add_windows(0, alias="w"), desk.add_windows(60)
    desk.propose((50, 60, "reversal", 1.0))
    desk.accept(left)
    desk.draw(right, 80, 90)
    desk.reject(left)
    desk.undo()
    desk.store.add_rule("r1", "A surge.", {"min_bars": 2}, author="anna", op_id="rule")
    desk.store.add_release("f" * 64, "first", event_seq=1, manifest={}, op_id="release")
    rebuilt = replay(reversed(desk.store.events()))
    with desk.store._engine.connect() as connection:
        for name, table in STATE_TABLES.items():
            rows = [dict(row) for row in connection.execute(select(table)).mappings()]
            assert rows, name
            by_key = {tuple(row[key] for key in key_columns(name)): row for row in rows}
            assert rebuilt[name] == by_key


def test_a_log_rebuilds_an_empty_store_that_then_goes_on(fresh_desk: Desk, tmp_path: Path) -> None:
    with closing(Desk(f"sqlite:///{tmp_path / 'source.db'}").store) as source:
        source.add_series(FEED, op_id="feed")
        source.add_windows(FEED.series_id, [0, 60], op_id="windows")
        uid = window_uid(FEED.series_id, 0)
        source.save_span(uid, 50, 65, rev=0, op_id="draw", type="reversal")
        rows = list(source.log_rows())
        drawn, sizes = source.views(), source.sizes()
    store = fresh_desk.store
    store.restore_log(rows)
    assert list(store.log_rows()) == rows
    assert (store.views(), store.sizes(), store.find_damage()) == (drawn, sizes, [])
    assert store.undo(op_id="undo").spans == ()
    assert [event.seq for event in store.events(limit=1)] == [len(rows) + 1]
    assert store.find_damage() == []


@pytest.mark.parametrize(
    ("statement", "damage"),
    [
        ("UPDATE span SET seq_end = seq_end + 1", "rows of table span"),
        ("DELETE FROM review", "rows of table review"),
        ("UPDATE event SET payload = replace(payload, '65', '66')", "event 3 is not the one"),
        ("DELETE FROM event WHERE seq = 2", "event 3 is not the one"),
    ],
)
def test_edits_behind_the_back_of_the_log_are_found(
    desk: Desk, statement: str, damage: str
) -> None:
    (uid,) = desk.add_windows(0)
    desk.draw(uid, 50, 65)
    assert desk.store.find_damage() == []
    desk.edit(*desk.unguard(), statement)
    assert any(damage in found for found in desk.store.find_damage())
