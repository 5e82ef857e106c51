"""A person at a label store, and the feed of 1,000 bars that he works on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count

from sqlalchemy import create_engine, event, text

from moola.proposals import ProposedSpan
from moola.schema import SpanType
from moola.store import ImportedSpan, ImportedWindow, LabelStore, Series, WindowView
from moola.windows import window_uid

FEED = Series(
    series_id="NQ-00000000",
    kind="feed",
    symbol="NQ",
    bar="1min",
    tick_size=0.25,
    content_hash="0" * 64,
    n_bars=1_000,
    start_ts=datetime(2024, 3, 4, 14, 30, tzinfo=UTC),
    end_ts=datetime(2024, 3, 5, 7, 9, tzinfo=UTC),
    source="nq.parquet",
)


class Desk:
    """A store and the person at it; every call is an operation of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = LabelStore.open(url)
        self._numbers = count()

    def op(self) -> str:
        return f"op-{next(self._numbers)}"

    def add_windows(
        self, *bar_starts: int, spans: Sequence[tuple[int, int, SpanType]] = (), alias: str = ""
    ) -> list[str]:
        """Add windows of the feed; `spans`, in bars of the window, are imported as verified."""
        windows = [
            ImportedWindow(
                series=FEED,
                bar_start=bar_start,
                start_ts=None,
                aliases=(alias,) if alias else (),
                spans=tuple(
                    ImportedSpan(start=start, end=end, type=kind, row=i)
                    for i, (start, end, kind) in enumerate(spans, start=1)
                ),
            )
            for bar_start in bar_starts
        ]
        self.store.import_labels(windows, op_id=self.op(), source="labels")
        return [window_uid(FEED.series_id, bar_start) for bar_start in bar_starts]

    def propose(self, *places: tuple[int, int, SpanType, float]) -> None:
        """Propose spans by bars of the series, type and score."""
        found = [ProposedSpan(start, end, "up", kind, score) for start, end, kind, score in places]
        self.store.propose(FEED.series_id, found, op_id=self.op())

    def draw(self, uid: str, start: int, end: int, type: SpanType = "reversal") -> WindowView:
        return self.store.save_span(uid, start, end, rev=self.rev(uid), op_id=self.op(), type=type)

    def accept(self, uid: str) -> WindowView:
        return self.store.accept(uid, rev=self.rev(uid), op_id=self.op())

    def reject(self, uid: str, reason: str = "no_expansion") -> WindowView:
        return self.store.reject(
            uid,
            reason=reason,  # type: ignore[arg-type]
            rev=self.rev(uid),
            op_id=self.op(),
        )

    def undo(self) -> WindowView | None:
        return self.store.undo(op_id=self.op())

    def edit(self, *statements: str) -> None:
        """Do what no label store does: change the database by hand."""
        engine = create_engine(self.url)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = ON"))
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def unguard(self) -> list[str]:
        """Return the statements that take the guard of the events away."""
        if self.store._engine.dialect.name == "postgresql":
            return ["DROP TRIGGER event_no_change ON event"]
        return [f"DROP TRIGGER event_no_{verb}" for verb in ("update", "delete")]

    def rev(self, uid: str) -> int:
        return self.store.window(uid).rev

    def spans(self, uid: str) -> list[tuple[int, int]]:
        return [(span.start, span.end) for span in self.store.window(uid).spans]
