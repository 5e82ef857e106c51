"""What no person could do at the desk no label file can do either: whole imports are refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from moola.exceptions import MoolaError
from moola.schema import LABELLED_STATES, TRUE_NEGATIVE_REASONS
from moola.store import ImportedSpan, ImportedWindow, LabelStore
from moola.store.engine import reading
from moola.store.span_rows import is_turning_point
from moola.store.tables import spans
from tests.store.store_desk import FEED, Desk

ROWS = count(1)


def spans_of_a_file() -> st.SearchStrategy[ImportedSpan]:
    bars = st.sampled_from([-1, 0, 5, 9, 10, 20, 44, 60, 104, 105])
    ranges = st.none() | st.tuples(bars, bars)
    return st.builds(
        lambda **fields: ImportedSpan(row=next(ROWS), **fields),
        start=bars,
        end=bars,
        type=st.sampled_from(["reversal", "retracement"]),
        direction=st.sampled_from(["up", "down", None]),
        start_range=ranges,
        end_range=st.none(),
        pre_start=st.none() | st.none() | bars,
    )


def sound_spans() -> st.SearchStrategy[ImportedSpan]:
    return st.builds(
        lambda start, n, **fields: ImportedSpan(
            row=next(ROWS), start=start, end=min(104, start + n), **fields
        ),
        start=st.integers(0, 104),
        n=st.sampled_from([0, 5, 10]),
        type=st.sampled_from(["reversal", "retracement"]),
        direction=st.sampled_from(["up", "down"]),
    )


wild_lists = st.lists(spans_of_a_file(), max_size=1)
files = st.lists(
    st.builds(
        lambda bar_start, spans, state, reason: ImportedWindow(
            series=FEED,
            bar_start=bar_start,
            start_ts=None,
            aliases=(),
            spans=tuple(spans),
            state=state,
            reason=reason if state == "rejected" else None,
            row=next(ROWS),
        ),
        bar_start=st.sampled_from([0, 20, 50, 200, 500, 600, 700, 895] * 2 + [896]),
        spans=st.one_of(*[st.lists(sound_spans(), max_size=2)] * 5, wild_lists),
        state=st.sampled_from([None] * 6 + ["verified", "rejected", "flagged", "deferred"]),
        reason=st.sampled_from(["no_expansion", "roll"]),
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Stores of the same bytes, one an example."""
    folder, numbers = tmp_path_factory.mktemp("rules"), count()
    desk = Desk(f"sqlite:///{folder}/made/moola.db")
    desk.store.add_series(FEED, op_id="feed")
    desk.store.close()

    @contextmanager
    def make() -> Iterator[LabelStore]:
        own = Path(folder) / f"example-{next(numbers)}"
        shutil.copytree(folder / "made", own)
        store = LabelStore.open(f"sqlite:///{own / 'moola.db'}")
        try:
            yield store
        finally:
            store.close()
            shutil.rmtree(own)

    return make


def assert_sound(store: LabelStore) -> None:
    with reading(store._engine) as connection:
        query = select(spans).where(spans.c.deleted_at.is_(None))
        live = [dict(row) for row in connection.execute(query).mappings()]
    for i, row in enumerate(live):
        assert 0 <= row["seq_start"] <= row["seq_end"] < FEED.n_bars
        for name in ("start", "end"):
            low, high = row[f"{name}_lo"], row[f"{name}_hi"]
            assert low is None or 0 <= low <= row[f"seq_{name}"] <= high < FEED.n_bars
        assert row["pre_seq_start"] is None or 0 <= row["pre_seq_start"] < row["seq_start"]
        for other in live[i + 1 :]:
            apart = row["seq_start"] > other["seq_end"] or other["seq_start"] > row["seq_end"]
            assert apart or is_turning_point(row, other)
    for view in store.views():
        assert view.state not in LABELLED_STATES or view.spans
        assert view.reason not in TRUE_NEGATIVE_REASONS or not view.spans


@given(found=st.lists(files, min_size=1, max_size=3))
@settings(
    max_examples=40, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
)  # fmt: skip
def test_an_import_keeps_every_rule_or_writes_nothing(
    new_store: Any, found: list[list[ImportedWindow]]
) -> None:
    with new_store() as store:
        for i, windows in enumerate(found):
            before, refusal = (store.views(), store.version()), ""
            try:
                store.import_labels(windows, op_id=f"import-{i}", source=f"file-{i}")
            except MoolaError as error:
                refusal = str(error)
            if refusal:
                assert "constraint" not in refusal, "said in the words of a database"
                assert (store.views(), store.version()) == before
                continue
            assert_sound(store)
            version = store.version()
            again = store.import_labels(windows, op_id=f"again-{i}", source=f"file-{i}")
            assert (again.n_new_spans, store.version()) == (0, version)
        assert store.find_damage() == []


def test_a_window_that_a_file_both_keeps_and_rejects_is_refused(desk: Desk) -> None:
    span = ImportedSpan(start=5, end=9, type="reversal", row=2)
    fields: dict[str, Any] = {"series": FEED, "bar_start": 0, "start_ts": None, "aliases": ()}
    rejected = ImportedWindow(**fields, spans=(), state="rejected", reason="roll", row=1)
    kept = ImportedWindow(**fields, spans=(span,), row=2)
    for order in ([rejected, kept], [kept, rejected]):
        with pytest.raises(MoolaError, match=r"row [12]: "):
            desk.store.import_labels(order, op_id=desk.op(), source="both")
    assert desk.store.views() == []
