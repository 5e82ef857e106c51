"""A workspace with every kind of label in it: doubt, grades, notes, rejections, proposals."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from moola.bars import BarStore
from moola.importing import import_bars
from moola.label_file import write_label_file
from moola.label_import import import_labels
from moola.proposals import ProposedSpan
from moola.store import LOCAL, Decision, LabelStore
from tests.toy_bars import label_row, ohlc_of, toy_bars

FEED = toy_bars(800)
ELSEWHERE = ohlc_of(toy_bars(400, seed=2))
STARTS = (100, 145, 300, 420, 540, 660)


class LabelRoom(NamedTuple):
    store: LabelStore
    bars: BarStore
    folder: Path

    @property
    def feed_id(self) -> str:
        return self.store.find_series("NQ").series_id

    def decide(self, bar_start: int, kind: Any, person: str = LOCAL, **args: Any) -> None:
        """Make one decision about the window of the feed that begins at a bar."""
        uid = next(
            view.window_uid
            for view in self.store.views(series_id=self.feed_id)
            if view.bar_start == bar_start
        )
        view = self.store.window(uid, annotator=person)
        op = f"{kind}-{bar_start}-{view.rev}-{person}"
        decision = Decision(
            op_id=op, kind=kind, window_uid=uid, rev=view.rev, args=args, seconds=2.5
        )
        (answer,) = self.store.apply([decision], annotator=person)
        assert answer.status == "done", answer.message


def empty_room(folder: Path, *, with_feed: bool = True) -> LabelRoom:
    """Return a workspace with the feed and nothing else."""
    room = LabelRoom(
        LabelStore.open(f"sqlite:///{folder / 'moola.db'}"), BarStore(folder / "bars"), folder
    )
    if with_feed:
        FEED.to_parquet(folder / "NQ.parquet")
        import_bars(folder / "NQ.parquet", room.store, room.bars)
    return room


def full_room(folder: Path) -> LabelRoom:
    """Return a workspace with the feed and labels of every kind."""
    room = empty_room(folder)
    store, feed = room.store, room.feed_id
    store.add_rule("r1", "An expansion moves three ATR.", {"atr": 3}, author="ann", op_id="rule")
    times = [time.to_pydatetime() for time in pd.Series(FEED["timestamp"])]
    cut_windows(room)
    store.propose(feed, [proposal(320, 335, 0.9), proposal(690, 700, 0.4)], op_id="propose",
                  timestamps=times)  # fmt: skip
    room.decide(100, "save_span", span_id="a" * 16, new=True, start=40, end=50, type="reversal",
                direction="up", grade="A", confidence=3, start_range=[38, 42], end_range=[50, 53],
                pre_start=20)  # fmt: skip
    room.decide(100, "save_span", span_id="b" * 16, new=True, start=70, end=80,
                type="retracement")  # fmt: skip
    room.decide(145, "accept")
    room.decide(300, "accept")
    room.decide(420, "reject", reason="chop", note="nur Rauschen, „leise“")
    room.decide(540, "flag")
    room.decide(660, "defer")
    room.decide(420, "save_span", "ann", span_id="c" * 16, new=True, start=5, end=5)
    rows = [
        label_row(1, ELSEWHERE, name="0_exp_1"),
        label_row(2, ELSEWHERE, name="0_exp_2", start=70, end=70, type="reversal"),
        label_row(3, ELSEWHERE, first=200, name="window_123", start=0, end=104),
    ]
    write_label_file(folder / "alone.parquet", rows)
    import_labels(folder / "alone.parquet", store, room.bars)
    return room


def cut_windows(room: LabelRoom) -> None:
    """Add the windows of `STARTS`."""
    times = [pd.Series(FEED["timestamp"]).iloc[start].to_pydatetime() for start in STARTS]
    room.store.add_windows(room.feed_id, STARTS, op_id="cut", timestamps=times)


def proposal(start: int, end: int, score: float) -> ProposedSpan:
    """Return a proposed span of the feed."""
    return ProposedSpan(start=start, end=end, type="consolidation", direction="up", score=score)
