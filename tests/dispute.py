"""Two people who have decided the same windows, not always alike."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

from moola.bars import BarStore
from moola.second_look import CATCH, REPEAT
from moola.store import Decision, LabelStore
from moola.workspace import Workspace
from tests.store.store_desk import FEED
from tests.toy_bars import toy_bars

AGREED, SHIFTED, REFUSED, TYPED = range(4)
numbers = count()


def decide(
    store: LabelStore, uid: str, kind: Any, who: str, on: str | None = None, **args: Any
) -> None:
    mode = "catch" if (on or "").endswith(CATCH) else "normal"
    decision = Decision(
        op_id=f"dispute-{next(numbers)}",
        kind=kind,
        window_uid=uid,
        rev=store.window(uid, annotator=on or who).rev,
        args=args,
        seconds=2.0,
        mode=mode,
    )
    answer = store.apply([decision], annotator=who, layer=on)[0]
    assert answer.status == "done", answer.message


def draw(store: LabelStore, uid: str, who: str, start: int, end: int, type: str = "reversal",
         on: str | None = None) -> None:  # fmt: skip
    decide(
        store, uid, "save_span", who, on,
        span_id=f"{next(numbers):016x}", new=True, start=start, end=end, type=type,
    )  # fmt: skip


def write_dispute(workspace: Workspace) -> list[str]:
    """Let Anna and Ben decide twelve windows that share no bar; return their ids.

    One is agreed and three are in dispute; both rejected the others, for different reasons.
    """
    store, bars = LabelStore.open(workspace.store_url), BarStore(workspace.bars_dir)
    frame = toy_bars(2000)
    series = replace(FEED, content_hash=bars.write(frame), n_bars=len(frame))
    store.add_series(replace(series, tz_exchange="America/New_York"), op_id="series")
    store.add_windows(FEED.series_id, range(50, 1950, 150)[:12], op_id="windows")
    uids = [row.window_uid for row in store.windows()]
    draw(store, uids[AGREED], "anna", 50, 65)
    draw(store, uids[AGREED], "ben", 51, 65)
    draw(store, uids[SHIFTED], "anna", 30, 39)
    draw(store, uids[SHIFTED], "ben", 36, 45)
    draw(store, uids[REFUSED], "anna", 20, 30)
    decide(store, uids[REFUSED], "reject", "ben", reason="chop")
    draw(store, uids[TYPED], "anna", 50, 65, "reversal")
    draw(store, uids[TYPED], "ben", 50, 65, "retracement")
    for uid in uids[4:]:
        decide(store, uid, "reject", "anna", reason="chop")
        decide(store, uid, "reject", "ben", reason="too_small")
    draw(store, uids[AGREED], "anna", 50, 66, on=f"anna{REPEAT}")
    draw(store, uids[SHIFTED], "ben", 33, 42, on=f"ben{CATCH}")
    decide(store, uids[SHIFTED], "accept", "ben", f"ben{CATCH}")
    store.close()
    return uids
