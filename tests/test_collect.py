"""What a run trains on: one label a window, of whoever has spoken about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from moola import collect
from moola.bars import BarStore
from moola.config import FinetuneConfig
from moola.examples import Examples
from moola.proposals import ProposedSpan
from moola.store import CATCH, GOLD, LOCAL, REPEAT, Decision, LabelStore, Series, Standings

N_BARS = 3_000
STARTS = range(0, 2_600, 200)
OVERLAPPING = 40


class Room:
    """A store with windows every 200 bars and one that overlaps the first, and people in it."""

    def __init__(self, folder: Path) -> None:
        self.bars = BarStore(folder / "bars")
        self.store = LabelStore.open(f"sqlite:///{folder / 'moola.db'}")
        self._numbers = count()
        frame = _walk(N_BARS)
        series = Series(
            series_id="NQ-00000000", kind="feed", symbol="NQ", bar="1min", tick_size=0.25,
            content_hash=self.bars.write(frame), n_bars=N_BARS,
            start_ts=frame["timestamp"].iloc[0], end_ts=frame["timestamp"].iloc[-1], source="walk",
        )  # fmt: skip
        self.store.add_series(series, op_id="series")
        starts = sorted([*STARTS, OVERLAPPING])
        self.store.add_windows(series.series_id, starts, op_id="windows")
        self.uids = [view.window_uid for view in self.store.views() if view.bar_start in STARTS]
        self.overlapping = next(
            view.window_uid for view in self.store.views() if view.bar_start == OVERLAPPING
        )

    def propose(self, *places: tuple[int, int]) -> None:
        found = [ProposedSpan(start, end, "up", "reversal", 1.0) for start, end in places]
        self.store.propose("NQ-00000000", found, op_id=self.op())

    def do(self, uid: str | None, kind: str, layer: str = LOCAL, **args: Any) -> None:
        who = next((name for name in layer.split("~") if name and name != "gold"), "judge")
        rev = self.store.window(uid, annotator=layer).rev if uid else None
        decision = Decision(op_id=self.op(), kind=kind, window_uid=uid, rev=rev, args=args)  # type: ignore[arg-type]
        (answer,) = self.store.apply([decision], annotator=who, layer=layer)
        assert answer.status == "done", answer

    def draw(self, uid: str, start: int, end: int, layer: str = LOCAL, **args: Any) -> None:
        args.setdefault("type", "reversal")
        self.do(uid, "save_span", layer, start=start, end=end, **args)

    def collect(self, labels: str = "verified") -> Examples:
        config = FinetuneConfig(labels=labels)  # type: ignore[arg-type]
        return collect.collect(config, store=self.store, bar_store=self.bars)

    def left_out(self, labels: str = "verified") -> dict[str, int]:
        return collect.summary(
            None,
            labels,  # type: ignore[arg-type]
            store=self.store,
            bar_store=self.bars,
        ).left_out

    def op(self) -> str:
        return f"op-{next(self._numbers)}"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.store.close()


def _walk(n_bars: int) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    close = 20_000 + rng.integers(-8, 9, n_bars).cumsum() * 0.25
    opened = np.concatenate([close[:1], close[:-1]])
    times = pd.date_range("2024-03-04 14:30", periods=n_bars, freq="1min", tz="UTC")
    frame = pd.DataFrame({"timestamp": times, "open": opened})
    frame["high"] = np.maximum(opened, close) + 0.25
    frame["low"] = np.minimum(opened, close) - 0.5
    return frame.assign(close=close, volume=1.0)


def label_as_one_person(room: Room, who: str) -> None:
    """Leave a window in every state that one person can leave it in."""
    first, second, third, fourth, *rest = room.uids
    room.draw(first, 35, 45, who)  # cut by the view that begins 40 bars later
    room.draw(first, 20, 30, who, grade="B", start_range=[18, 22])
    room.do(room.overlapping, "reject", who, reason="chop")
    room.draw(second, 50, 65, who, type="retracement")
    room.do(second, "accept", who)
    room.do(third, "reject", who, reason="no_expansion")
    room.do(fourth, "reject", who, reason="roll")
    room.do(rest[0], "flag", who)
    room.do(rest[1], "defer", who)
    room.do(rest[2], "set_note", who, note="look again")
    room.draw(rest[3], 5, 9, who)
    room.do(None, "undo", who)
    room.draw(rest[4], 5, 9, who)
    room.store.add_rule("r2", "", {}, author="judge", op_id=room.op(), stale=[(rest[4], who)])


def same(one: Examples, other: Examples) -> bool:
    assert one.context is not None
    assert other.context is not None
    assert one.times is not None
    assert other.times is not None
    pairs = [
        (getattr(a, f.name), getattr(b, f.name))
        for a, b in ((one, other), (one.context, other.context), (one.times, other.times))
        for f in fields(a)
        if f.name not in ("context", "times")
    ]
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.mark.parametrize("who", [LOCAL, "anna"])
def test_with_one_person_every_window_is_as_he_sees_it(room: Room, who: str) -> None:
    room.propose((1_430, 1_440), (60, 70))
    label_as_one_person(room, who)
    assert room.store.standings() == Standings(room.store.views(annotator=who), [])
    assert room.left_out() == {
        "deferred": 1, "flagged": 1, "proposed": 3, "rejected: roll": 1, "stale": 1, "unseen": 5,
    }  # fmt: skip


def test_repeats_and_catch_trials_change_nothing(room: Room) -> None:
    label_as_one_person(room, LOCAL)
    before = [room.collect(labels) for labels in ("verified", "all")]
    views = room.store.standing_views()
    for uid in room.uids:
        room.draw(uid, 70, 80, LOCAL + REPEAT)
        room.do(uid, "reject", LOCAL + CATCH)
    assert room.store.standing_views() == views
    after = [room.collect(labels) for labels in ("verified", "all")]
    assert all(same(one, other) for one, other in zip(before, after, strict=True))


def test_a_disputed_window_has_no_label_and_is_counted(room: Room) -> None:
    first, second, *_ = room.uids
    for who in ("anna", "bob"):
        room.draw(second, 50, 65, who)
    room.draw(first, 50, 65, "anna")
    room.do(first, "reject", "bob")
    assert room.store.standings().disputed == [first]
    assert room.left_out() == {"unseen": len(STARTS) - 1, "disputed": 1}


def test_gold_settles_a_dispute(room: Room) -> None:
    first, *_ = room.uids
    room.draw(first, 50, 65, "anna")
    room.do(first, "reject", "bob")
    room.draw(first, 52, 65, GOLD)
    (view,) = (view for view in room.store.standing_views() if view.window_uid == first)
    assert (view.annotator, [(s.start, s.end) for s in view.spans]) == (GOLD, [(52, 65)])
    assert view.cut_spans == (), "who judged the window himself is overruled in it"


def test_of_people_who_agree_the_oldest_decision_is_the_label(room: Room) -> None:
    first, second, *_ = room.uids
    for uid, order in ((first, ("anna", "bob")), (second, ("bob", "anna"))):
        for i, who in enumerate(order):
            room.draw(uid, 50 + i, 65, who)
    views = {view.window_uid: view for view in room.store.standing_views()}
    assert [views[uid].annotator for uid in (first, second)] == ["anna", "bob"]
    assert [views[uid].spans[0].start for uid in (first, second)] == [50, 50]


def test_a_deferred_window_leaves_the_judgement_to_the_other(room: Room) -> None:
    first, *_ = room.uids
    room.do(first, "defer", "anna")
    room.draw(first, 50, 65, "bob")
    (view,) = (view for view in room.store.standing_views() if view.window_uid == first)
    assert (view.annotator, view.state) == ("bob", "edited")


def test_bars_that_another_person_marked_are_no_negatives(room: Room) -> None:
    first, *_ = room.uids
    room.draw(first, 60, 70, "anna")
    room.draw(first, 95, 100, "anna")
    room.do(room.overlapping, "reject", "bob", reason="chop")
    room.draw(room.uids[5], 50, 65, "anna")
    examples = room.collect()
    (row,) = np.flatnonzero(examples.bar_start == OVERLAPPING)
    assert not examples.inside[row].any()
    assert np.flatnonzero(examples.ignore[row]).tolist() == [*range(20, 31), *range(55, 61)]


def test_windows_know_their_times_and_keep_them_in_the_file(room: Room, tmp_path: Path) -> None:
    label_as_one_person(room, LOCAL)
    examples = room.collect()
    examples.save(tmp_path / "examples.npz")
    loaded = Examples.load(tmp_path / "examples.npz").times
    assert loaded is not None
    opens_s = room.store.find_series("NQ").start_ts.timestamp() + 60.0 * np.arange(N_BARS)  # type: ignore[union-attr]
    first = examples.bar_start
    np.testing.assert_array_equal(loaded.start_s, opens_s[first])
    np.testing.assert_array_equal(loaded.first_s, opens_s[np.maximum(first - 60 - 52, 0)])
    np.testing.assert_array_equal(loaded.last_s, opens_s[first + 104 + 52] + 60.0)


def test_the_minutes_of_a_held_out_window_do_not_train_in_another_market(room: Room) -> None:
    nq, frame = room.store.find_series("NQ"), _walk(N_BARS)
    frame[["open", "high", "low", "close"]] -= 15_000
    es = replace(nq, series_id="ES-00000000", symbol="ES", content_hash=room.bars.write(frame))
    room.store.add_series(es, op_id=room.op())
    room.store.add_windows(es.series_id, list(STARTS), op_id=room.op())
    for view in room.store.views():
        room.draw(view.window_uid, 5, 9)
    examples, (splits,) = collect.collect_folds(
        FinetuneConfig(), 3, [0], store=room.store, bar_store=room.bars
    )
    for split in splits:  # both feeds have the same minutes
        held, trained = (set(examples.bar_start[side]) for side in (split.is_val, split.trains))
        assert held
        assert trained
        assert min(abs(one - other) for one in held for other in trained) >= 105
