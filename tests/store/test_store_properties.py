"""Whatever people do to windows that share bars, the store keeps its promises.

Each example is a random history of two people, their repeats and the gold between them, on windows
that overlap. Operations may make no sense: then they have to be refused without a trace.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from moola.store import GOLD, REPEAT, Answer, Decision, LabelStore
from moola.store.changes import Row
from moola.store.engine import reading
from moola.store.span_rows import is_turning_point
from moola.store.tables import spans
from tests.store.store_desk import FEED, Desk

STARTS = (0, 40, 104, 300)

LAYERS = (
    ("anna", "anna"),
    ("bob", "bob"),
    ("anna", GOLD),
    ("bob", GOLD),
    ("anna", f"anna{REPEAT}"),
)
WATCHED = tuple(dict.fromkeys(layer for _, layer in LAYERS))
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

# each example is a whole history: few examples, and no time lost on shrinking in a green run
histories = settings(
    max_examples=12, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
)  # fmt: skip


class Step(NamedTuple):
    """What somebody tries; numbers pick among what is there when his turn comes."""

    who: int
    window: int
    kind: str
    start: int
    length: int
    pick: int
    choice: int
    is_late: bool
    """Whether he works on a window as it was one revision ago."""


KINDS = (
    "draw", "draw", "draw", "move", "set_span", "delete_span", "accept", "reject", "set_reason",
    "flag", "defer", "set_note", "adopt", "adopt", "undo", "redo",
)  # fmt: skip

NEED_A_SPAN = ("move", "set_span", "delete_span", "accept")

step_lists = st.lists(
    st.builds(
        Step,
        who=st.integers(0, len(LAYERS) - 1),
        window=st.integers(0, len(STARTS) - 1),
        kind=st.sampled_from(KINDS),
        start=st.integers(-1, 104),
        length=st.sampled_from([1, 2, 7, 20, 60]),
        pick=st.integers(0, 3),
        choice=st.integers(0, 11),
        is_late=st.sampled_from([False] * 7 + [True]),
    ),
    min_size=4,
    max_size=16,
)

SAID = (
    {"type": "reversal"}, {"direction": "up"}, {"direction": "down"}, {"direction": None},
    {"grade": "A"}, {"confidence": 3}, {"start_range": None}, {"pre_start": 3},
    {"type": "none"}, {"confidence": 7}, {"start_range": [0, 104]}, {"end_range": [-5, 400]},
)  # fmt: skip
REASONS = ("no_expansion", "chop", "roll", "other")


class Sent(NamedTuple):
    """An operation as it was sent, and what was answered."""

    decision: Decision
    who: str
    layer: str
    answer: Answer


class Room:
    """A store of its own, and the people who write to it."""

    def __init__(self, folder: Path) -> None:
        self.store = LabelStore.open(f"sqlite:///{folder / 'moola.db'}")
        self._numbers = count()

    def do(self, step: Step) -> Sent:
        decision = self._decision(step)
        who, layer = LAYERS[step.who]
        return Sent(decision, who, layer, self.send(decision, who, layer))

    def send(self, decision: Decision, who: str, layer: str) -> Answer:
        (answer,) = self.store.apply([decision], annotator=who, layer=layer)
        return answer

    def go(self, kind: str, who: str) -> Answer:
        return self.send(Decision(op_id=self.op(), kind=kind), who, who)  # type: ignore[arg-type]

    def op(self) -> str:
        return f"try-{next(self._numbers)}"

    def content(self) -> dict[str, Any]:
        """Everything that people see, without the count of revisions."""
        return {
            layer: [
                (v.state, v.reason, v.note, v.seconds, v.mode, v.spans, v.cut_spans, v.proposals)
                for v in self.store.views(annotator=layer)
            ]
            for layer in WATCHED
        }

    def live(self) -> list[Row]:
        with reading(self.store._engine) as connection:
            query = select(spans).where(spans.c.deleted_at.is_(None))
            return [dict(row) for row in connection.execute(query).mappings()]

    def _decision(self, step: Step) -> Decision:
        _, layer = LAYERS[step.who]
        if step.kind in ("undo", "redo"):
            return Decision(op_id=self.op(), kind=step.kind)  # type: ignore[arg-type]
        views = self.store.views(annotator=layer)
        drawn = [view for view in views if view.spans] if step.kind in NEED_A_SPAN else []
        view = (drawn or views)[step.window % len(drawn or views)]
        known = [span.span_id for span in (*view.spans, *view.cut_spans)]
        args: dict[str, Any] = {}
        if step.kind in ("draw", "move"):
            args = {"start": step.start, "end": step.start + step.length - 1}
            args |= SAID[step.choice] if step.choice < 6 else {}
        if step.kind == "set_span":
            args = dict(SAID[step.choice])
        if step.kind in ("move", "set_span", "delete_span"):
            args["span_id"] = known[step.pick % len(known)] if known else "f" * 16
        if step.kind in ("reject", "set_reason"):
            args = {"reason": REASONS[step.choice % len(REASONS)]}
        if step.kind == "adopt":
            args = {"layer": WATCHED[step.pick]}
        if step.kind == "set_note":
            args = {"note": f"note {step.choice}"}
        kind = "save_span" if step.kind in ("draw", "move") else step.kind
        return Decision(
            op_id=self.op(), kind=kind, window_uid=view.window_uid, args=args,  # type: ignore[arg-type]
            rev=view.rev - step.is_late, seconds=step.length / 10,
        )  # fmt: skip


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        desk = Desk(f"sqlite:///{folder}/made/moola.db")
        desk.store.add_series(FEED, op_id="feed")
        desk.store.add_windows(FEED.series_id, STARTS, op_id="windows")
        desk.propose((50, 60, "reversal", 1.0), (140, 150, "retracement", 0.5))
        desk.store.close()
        yield Path(folder) / "made"


@pytest.fixture(scope="module")
def new_room(template: Path) -> Callable[[], Any]:
    numbers = count()

    @contextmanager
    def make() -> Iterator[Room]:
        folder = template.parent / f"example-{next(numbers)}"
        shutil.copytree(template, folder)
        room = Room(folder)
        try:
            yield room
        finally:
            room.store.close()
            shutil.rmtree(folder)

    return make


def assert_disjoint(live: list[Row]) -> None:
    for i, one in enumerate(live):
        assert 0 <= one["seq_start"] <= one["seq_end"] < FEED.n_bars
        for other in live[i + 1 :]:
            shares = (
                one["annotator"] == other["annotator"]
                and one["seq_start"] <= other["seq_end"]
                and other["seq_start"] <= one["seq_end"]
            )
            assert not shares or is_turning_point(one, other), (one, other)


@given(steps=step_lists)
@histories
def test_refusals_leave_no_trace_and_layers_never_touch(
    new_room: Callable[[], Any], steps: list[Step]
) -> None:
    with new_room() as room:
        for step in steps:
            before, version = room.content(), room.store.version()
            sent = room.do(step)
            after = room.content()
            if sent.answer.status != "done":
                assert (after, room.store.version()) == (before, version), sent
            touched = sent.answer.view.annotator if sent.answer.view else sent.layer
            for layer in set(WATCHED) - {touched}:
                assert after[layer] == before[layer], sent
            assert_disjoint(room.live())
            if sent.decision.window_uid and step.is_late:
                assert sent.answer.status != "done", sent
        assert room.store.find_damage() == []


@given(steps=step_lists)
@histories
def test_undo_to_the_start_and_redo_to_the_end_bring_everything_back(
    new_room: Callable[[], Any], steps: list[Step]
) -> None:
    with new_room() as room:
        contents, people = [room.content()], []
        for step in steps:
            if step.kind in ("undo", "redo"):
                continue
            sent = room.do(step)
            if sent.answer.status == "done":
                people.append(sent.who)
                contents.append(room.content())
        for who, before in zip(reversed(people), reversed(contents[:-1]), strict=True):
            answer = room.go("undo", who)
            assert (answer.status, answer.view is not None) == ("done", True), answer
            assert room.content() == before
        assert {room.go("undo", who).view for who in ("anna", "bob")} == {None}
        for who, after in zip(people, contents[1:], strict=True):
            answer = room.go("redo", who)
            assert (answer.status, answer.view is not None) == ("done", True), answer
            assert room.content() == after
        assert {room.go("redo", who).view for who in ("anna", "bob")} == {None}
        assert room.store.find_damage() == []


@given(steps=step_lists, data=st.data())
@histories
def test_what_is_sent_again_in_its_order_changes_nothing_and_is_answered_alike(
    new_room: Callable[[], Any], steps: list[Step], data: st.DataObject
) -> None:
    with new_room() as room:
        history = [room.do(step) for step in steps]
        taken = [sent for sent in history if sent.answer.status == "done" and sent.answer.view]
        before, version = room.content(), room.store.version()
        again = [sent for sent in taken if data.draw(st.booleans())]
        for sent in again:
            answer = room.send(sent.decision, sent.who, sent.layer)
            assert (answer.status, answer.rev) == ("done", sent.answer.rev)
        assert (room.content(), room.store.version()) == (before, version)
        assert room.store.find_damage() == []


@given(steps=step_lists, data=st.data())
@histories
def test_a_chain_whose_answers_are_lost_ends_as_if_none_had_been(
    new_room: Callable[[], Any], steps: list[Step], data: st.DataObject
) -> None:
    with new_room() as calm, new_room() as stormy:
        newest: dict[tuple[str, str], str] = {}
        outbox: list[tuple[Decision, str, str]] = []
        for step in steps:
            if step.kind == "adopt":
                continue  # refused for lack of a version, it may be taken once there is one
            decision, (who, layer) = calm._decision(step), LAYERS[step.who]
            uid = decision.window_uid
            if uid is not None:
                before = newest.get((layer, uid))
                fields = {f: getattr(decision, f) for f in Decision.__dataclass_fields__}
                rev = decision.rev if before is None else None
                decision = Decision(**fields | {"rev": rev, "after": before})
            if calm.send(decision, who, layer).status == "done" and uid is not None:
                newest[layer, uid] = decision.op_id
            outbox.append((decision, who, layer))
        sent = 0
        while sent < len(outbox):
            again = data.draw(st.integers(0, min(sent, 4)))  # those whose answers did not arrive
            for decision, who, layer in outbox[sent - again : sent + 1]:
                stormy.send(decision, who, layer)
            sent += 1
        assert stormy.content() == calm.content()
        assert stormy.store.version() == calm.store.version()
        assert stormy.store.find_damage() == []
