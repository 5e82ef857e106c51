"""A workspace with one feed and the people at its desk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from moola.bars import BarStore
from moola.desk import Desk, Filters, Query
from moola.proposals import ProposedSpan
from moola.schema import WINDOW_LENGTH
from moola.store import LabelStore, Series
from moola.workspace import Workspace
from tests.toy_bars import toy_bars

N_WINDOWS = 18
N_BARS = N_WINDOWS * WINDOW_LENGTH


class Office:
    """A feed cut into 18 windows side by side; `ann` is who does what nobody else is named for."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        root.mkdir(parents=True, exist_ok=True)
        self.store = LabelStore.open(self.workspace.store_url)
        frame = toy_bars(N_BARS)
        self.times = frame["timestamp"].to_list()
        self.series = Series(
            series_id="NQ-1",
            kind="feed",
            symbol="NQ",
            bar="1min",
            tick_size=0.25,
            content_hash=BarStore(self.workspace.bars_dir).write(frame),
            n_bars=N_BARS,
            start_ts=self.times[0].to_pydatetime(),
            end_ts=self.times[-1].to_pydatetime(),
            source="nq.parquet",
        )
        self.store.add_series(self.series, op_id="feed")
        self._numbers = count()
        self.add_windows(*range(0, N_BARS, WINDOW_LENGTH))
        self.restart()

    def restart(self) -> None:
        """Begin as a server that has just been started: nothing is in memory."""
        self.desk = Desk(self.workspace, self.store)

    def op(self) -> str:
        return f"op-{next(self._numbers)}"

    def add_windows(self, *starts: int) -> None:
        moments = [self.times[start].to_pydatetime() for start in starts]
        self.store.add_windows("NQ-1", list(starts), timestamps=moments, op_id=self.op())

    def propose(self, *places: tuple[int, int, float]) -> None:
        """Propose spans by bars of the series, with their score."""
        found = [ProposedSpan(a, b, "up", "reversal", score) for a, b, score in places]
        self.store.propose("NQ-1", found, op_id=self.op())

    def uids(self) -> list[str]:
        return [row.window_uid for row in self.store.windows()]

    def query(self, mode: str = "unlabelled", **asked: Any) -> dict[str, Any]:
        filters = Filters(**asked.pop("filters", {}))
        known = {"annotator": "ann", "mode": mode, "client_id": "tab", "filters": filters}
        return self.desk.queue(Query(**{**known, **asked}))

    def queue(self, mode: str = "unlabelled", **asked: Any) -> list[str]:
        return [item["uid"] for item in self.query(mode, **asked)["items"]]

    def send(self, *ops: dict[str, Any], annotator: str = "ann", **more: Any) -> dict[str, Any]:
        return self.desk.perform(list(ops), annotator=annotator, client_id="tab", **more)

    def decide(
        self, uid: str, kind: str, *, annotator: str = "ann", mode: str = "normal",
        seconds: float = 3.0, **args: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Do one thing about a window as it stands, and return the answer."""
        layer = annotator + {"repeat": "~repeat", "catch": "~catch"}.get(mode, "")
        op = {
            "op_id": self.op(),
            "kind": kind,
            "window_uid": uid,
            "rev": self.store.window(uid, annotator=layer).rev,
            "args": args,
            "mode": mode,
            "seconds": seconds,
        }
        (answer,) = self.send(op, annotator=annotator)["answers"]
        assert answer["status"] == "done", answer["message"]
        return answer

    def draw(self, uid: str, start: int, end: int, **more: Any) -> dict[str, Any]:
        span_id = f"{next(self._numbers):016x}"
        return self.decide(
            uid, "save_span", span_id=span_id, new=True, start=start, end=end, **more
        )

    def age(self, uid: str, **time: float) -> None:
        """Let a decision have been made earlier, which no store does by itself."""
        then = (datetime.now(UTC) - timedelta(**time)).isoformat()
        with self.store._engine.begin() as connection:
            connection.execute(
                text("UPDATE review SET updated_at = :then WHERE window_uid = :uid"),
                {"then": then, "uid": uid},
            )
        self.restart()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path / "work")
    yield office
    office.store.close()
