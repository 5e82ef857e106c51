"""Reads and decisions at 2,000 and 20,000 windows: `make bench`. Ratios show what grows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

from moola.proposals import ProposedSpan
from moola.store import Decision, LabelStore, Series
from tests.benchmarks.timing import interleaved, print_table

STRIDE = 52
SIZES = {"2,000 windows": (2, 1_000), "20,000 windows": (20, 1_000)}
"""How many series, and how many windows each."""
ROUNDS, ROUNDS_OF_A_WRITE = 7, 40


def filled_store(folder: Path, n_series: int, n_windows: int) -> LabelStore:
    """A quarter of the windows decided, half with a proposal that lies wholly inside."""
    store = LabelStore.open(f"sqlite:///{folder / 'moola.db'}")
    for k in range(n_series):
        series = Series(
            series_id=f"S{k:02}-00000000", kind="feed", symbol=f"S{k:02}", bar="1min",
            tick_size=0.25, content_hash=f"{k:064x}", n_bars=STRIDE * n_windows + 105,
            start_ts=None, end_ts=None, source="made",
        )  # fmt: skip
        store.add_series(series, op_id=f"series {k}")
        starts = range(0, STRIDE * n_windows, STRIDE)
        store.add_windows(series.series_id, starts, op_id=f"windows {k}")
        found = [
            ProposedSpan(start + 47, start + 57, "up", "reversal", start / series.n_bars)
            for start in starts[::2]
        ]
        store.propose(series.series_id, found, op_id=f"proposals {k}")
        views = store.views(series_id=series.series_id)[::4]
        decided = [
            Decision(
                op_id=f"decided {k} {i}", window_uid=view.window_uid, rev=0,
                kind="accept" if view.proposals else "reject",
                args={} if view.proposals else {"reason": "roll"},
            )
            for i, view in enumerate(views)
        ]  # fmt: skip
        store.apply(decided, annotator="local")
    return store


def deciding(store: LabelStore) -> Callable[[], None]:
    """Return a call that decides the next window by drawing, in a transaction of its own."""
    views = iter(store.views(annotator="anna"))
    numbers = count()

    def decide() -> None:
        view = next(views)
        drawn = Decision(
            op_id=f"bench {next(numbers)}", kind="save_span", window_uid=view.window_uid,
            rev=0, args={"start": 2, "end": 4},
        )  # fmt: skip
        (answer,) = store.apply([drawn], annotator="anna")
        assert answer.status == "done", answer
        for _ in range(2):  # overlapped by one before and one after: none of them decided
            next(views)

    return decide


def test_reads_and_decisions_as_the_store_grows(tmp_path: Path) -> None:
    stores = {
        name: filled_store(tmp_path / name.replace(" ", "-"), *size) for name, size in SIZES.items()
    }
    few = {name: [v.window_uid for v in store.views()[500:525]] for name, store in stores.items()}
    reads: dict[str, Callable[[LabelStore, str], object]] = {
        "version()": lambda store, _: store.version(),
        "views(), 25 of them": lambda store, name: store.views(uids=few[name]),
        "judgements(), 25 windows": lambda store, name: store.judgements(uids=few[name]),
        "counts()": lambda store, _: store.counts(),
        "windows()": lambda store, _: store.windows(),
        "views()": lambda store, _: store.views(),
        "standings()": lambda store, _: store.standings(),
        "judgements()": lambda store, _: store.judgements(),
    }
    for title, read in reads.items():
        work = {
            name: lambda store=store, name=name, read=read: read(store, name)
            for name, store in stores.items()
        }
        print_table(title, interleaved(work, rounds=ROUNDS))
    writes = {name: deciding(store) for name, store in stores.items()}
    print_table("apply(), one drawn span", interleaved(writes, rounds=ROUNDS_OF_A_WRITE))
    for store in stores.values():
        store.close()
