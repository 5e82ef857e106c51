"""Decisions as the desk sends them: in order, once each, and never over what nobody saw."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from moola.exceptions import SchemaError
from moola.store import CATCH, GOLD, REPEAT, Answer, Decision, LabelStore
from tests.store.store_desk import Desk

SPAN = "0123456789abcdef"
numbers = count()


def decision(uid: str | None, kind: str, **fields: Any) -> Decision:
    args = {k: v for k, v in fields.items() if k not in Decision.__dataclass_fields__}
    own = {k: v for k, v in fields.items() if k in Decision.__dataclass_fields__}
    own.setdefault("op_id", f"apply-{next(numbers)}")
    return Decision(kind=kind, window_uid=uid, args=args, **own)  # type: ignore[arg-type]


def draw(uid: str, start: int, end: int, **fields: Any) -> Decision:
    fields.setdefault("span_id", SPAN)
    return decision(uid, "save_span", new=True, start=start, end=end, **fields)


def apply(desk: Desk, *decisions: Decision, **options: Any) -> list[Answer]:
    return desk.store.apply(decisions, **{"annotator": "anna", **options})


def test_a_chain_of_decisions_made_before_any_answer_is_carried_out(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    first = draw(uid, 50, 65, rev=0, direction="up", grade="A", confidence=2)
    second = decision(uid, "set_span", span_id=SPAN, after=first.op_id, start_range=[49, 52])
    third = decision(uid, "accept", after=second.op_id, seconds=2.5)
    answers = apply(desk, first, second, third)
    assert [(a.status, a.rev) for a in answers] == [("done", 1), ("done", 2), ("done", 3)]
    view = desk.store.window(uid, annotator="anna")
    (span,) = view.spans
    assert (view.state, view.seconds, span.span_id) == ("verified", 2.5, SPAN)
    assert (span.direction, span.grade, span.confidence) == ("up", "A", 2)
    assert (span.start_range, span.end_range) == ((49, 52), (65, 65))


def test_the_same_operations_again_answer_alike_and_write_nothing(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    sent = [draw(uid, 50, 65, rev=0), decision(uid, "flag", rev=1)]
    before = apply(desk, *sent)
    version = desk.store.version()
    apply(desk, decision(uid, "set_note", rev=2, note="meanwhile"))
    again = apply(desk, *sent)
    assert [(a.status, a.rev) for a in again] == [(a.status, a.rev) for a in before]
    assert desk.store.version() == version + 1
    assert again[0].view is not None
    assert again[0].view.note == "meanwhile"  # the window as it stands now


def test_a_decision_on_an_older_window_conflicts_and_the_rest_goes_on(desk: Desk) -> None:
    one, two = desk.add_windows(0, 300)
    apply(desk, decision(one, "flag", rev=0))
    late = draw(one, 5, 9, rev=0)
    built_on_it = decision(one, "accept", after=late.op_id)
    answers = apply(desk, late, built_on_it, decision(two, "defer", rev=0))
    assert [a.status for a in answers] == ["conflict", "conflict", "done"]
    assert answers[0].view is not None
    assert answers[0].view.state == "flagged"
    assert desk.store.window(one, annotator="anna").spans == ()
    assert desk.store.window(two, annotator="anna").state == "deferred"


def test_together_means_all_or_none(desk: Desk) -> None:
    desk.propose((50, 60, "reversal", 1.0), (350, 360, "reversal", 1.0))
    one, two = (row.window_uid for row in desk.store.windows())
    answers = apply(
        desk, decision(one, "accept", rev=0), decision(two, "accept", rev=7), together=True
    )
    assert [a.status for a in answers] == ["conflict", "conflict"]
    assert "Nothing was written" in str(answers[0].message)
    assert desk.store.judgements() == []
    answers = apply(
        desk, decision(one, "accept", rev=0), decision(two, "accept", rev=0), together=True
    )
    assert [a.status for a in answers] == ["done", "done"]


@pytest.mark.parametrize(
    ("kind", "args", "sentence"),
    [
        ("save_span", {"start": 5}, "should carry start, end. Found no end"),
        ("save_span", {"start": 5.5, "end": 9}, "should be bars"),
        ("save_span", {"start": 9, "end": 5}, "expansion_end should not come before"),
        ("save_span", {"start": 5, "end": 9, "span_id": "x", "new": True}, "16 hexadecimal"),
        ("save_span", {"start": 5, "end": 9, "grade": "D"}, "grade should be one of A, B, C"),
        ("save_span", {"start": 5, "end": 9, "confidence": True}, "confidence should be one of"),
        ("save_span", {"start": 5, "end": 9, "start_range": [6, 7]}, "should lie around its edge"),
        ("save_span", {"start": 5, "end": 9, "pre_start": 5}, "should be a bar before the start"),
        ("reject", {"reason": "boring"}, "reason should be one of"),
        ("set_reason", {"reason": "chop"}, "belongs to a rejected window"),
        ("set_span", {"span_id": "no"}, "should hold the span"),
        ("accept", {}, "should hold a span"),
        ("accept", {"really": 1}, "Found really"),
        ("dance", {}, "should be one of save_span"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence_and_leaves_no_trace(
    desk: Desk, kind: str, args: dict[str, Any], sentence: str
) -> None:
    (uid,) = desk.add_windows(0)
    version = desk.store.version()
    (answer,) = apply(desk, decision(uid, kind, rev=0, **args))
    assert answer.status == "refused"
    assert sentence in str(answer.message)
    assert desk.store.version() == version


def test_a_reason_can_follow_its_rejection(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    apply(
        desk,
        decision(uid, "reject", rev=0, seconds=1.2),
        decision(uid, "set_reason", rev=1, reason="other", note="a print"),
    )
    view = desk.store.window(uid, annotator="anna")
    assert (view.state, view.reason, view.note, view.seconds) == (
        "rejected",
        "other",
        "a print",
        1.2,
    )


def test_an_edge_takes_its_doubt_along(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    apply(desk, draw(uid, 50, 65, rev=0, start_range=[48, 53], pre_start=40))
    apply(desk, decision(uid, "save_span", rev=1, span_id=SPAN, start=45, end=65))
    (span,) = desk.store.window(uid, annotator="anna").spans
    assert (span.start_range, span.pre_start) == ((43, 48), 40)
    apply(desk, decision(uid, "save_span", rev=2, span_id=SPAN, start=40, end=65))
    assert desk.store.window(uid, annotator="anna").spans[0].pre_start is None


def test_two_expansions_may_meet_in_the_bar_where_the_direction_flips(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    apply(desk, draw(uid, 40, 50, rev=0, direction="up"))
    other = {"rev": 1, "span_id": "f" * 16}
    for direction in ("up", None):
        (answer,) = apply(desk, draw(uid, 50, 60, direction=direction, **other))
        assert "Spans should not share bars" in str(answer.message)
    (answer,) = apply(desk, draw(uid, 49, 60, direction="down", **other))
    assert answer.status == "refused"
    (answer,) = apply(desk, draw(uid, 50, 60, direction="down", **other))
    assert answer.status == "done"
    (answer,) = apply(desk, decision(uid, "set_span", rev=2, span_id=SPAN, direction="down"))
    assert answer.status == "refused"


def test_redo_walks_forward_again_across_windows_and_restarts(desk: Desk) -> None:
    one, two = desk.add_windows(0, 300)
    apply(desk, draw(one, 50, 65, rev=0), decision(two, "reject", rev=0))
    for _ in range(2):
        apply(desk, decision(None, "undo"))
    store = LabelStore.open(desk.url)
    for kind, expected in [("redo", one), ("redo", two), ("undo", two), ("redo", two)]:
        (answer,) = store.apply([decision(None, kind)], annotator="anna")
        assert answer.view is not None
        assert (answer.status, answer.view.window_uid) == ("done", expected)
    assert [view.state for view in store.views(annotator="anna")] == ["edited", "rejected"]
    (answer,) = store.apply([decision(None, "redo")], annotator="anna")
    assert (answer.view, answer.message) == (None, "There is nothing to redo.")
    assert store.find_damage() == []
    store.close()


def test_an_undo_that_found_nothing_finds_nothing_when_it_is_sent_again(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    sent = [decision(None, "undo"), decision(None, "redo"), draw(uid, 50, 65, rev=0)]
    before = apply(desk, *sent)
    assert [(a.status, a.view is None) for a in apply(desk, *sent)] == [
        (a.status, a.view is None) for a in before
    ]
    assert len(desk.store.window(uid, annotator="anna").spans) == 1
    (answer,) = apply(desk, decision(None, "undo"))
    assert answer.view is not None
    (answer,) = apply(desk, decision(None, "redo"))
    assert answer.view is not None
    assert desk.store.find_damage() == []


def test_a_new_decision_ends_what_could_be_redone(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    apply(desk, decision(uid, "flag", rev=0), decision(None, "undo"))
    apply(desk, decision(uid, "defer", rev=desk.store.window(uid, annotator="anna").rev))
    (answer,) = apply(desk, decision(None, "redo"))
    assert answer.view is None


def test_layers_do_not_touch_one_another(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    apply(desk, draw(uid, 50, 65, rev=0))
    apply(desk, draw(uid, 10, 20, rev=0, span_id="a" * 16), annotator="bob")
    apply(desk, draw(uid, 30, 40, rev=0, span_id="b" * 16), layer=GOLD)
    apply(desk, decision(uid, "reject", rev=0, mode="repeat"), layer=f"anna{REPEAT}")
    spans = {j.layer: [(s.start, s.end) for s in j.spans] for j in desk.store.judgements()}
    assert spans == {
        "anna": [(50, 65)],
        f"anna{REPEAT}": [],
        "bob": [(10, 20)],
        GOLD: [(30, 40)],
    }
    assert desk.store.layers() == sorted(spans)
    assert desk.store.window(uid).state == "unseen"


def test_an_undo_finds_the_layer_it_was_made_in(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    apply(desk, draw(uid, 30, 40, rev=0), layer=GOLD)
    (answer,) = apply(desk, decision(None, "undo"))
    assert answer.view is not None
    assert (answer.view.annotator, answer.view.spans) == (GOLD, ())


@pytest.mark.parametrize("layer", ["bob", f"bob{REPEAT}", f"bob{CATCH}", "~silver"])
def test_nobody_writes_to_the_layer_of_another(desk: Desk, layer: str) -> None:
    with pytest.raises(SchemaError, match="layer of his own"):
        apply(desk, layer=layer)


@pytest.mark.parametrize("name", ["", " ", "~gold", "a~b", "x" * 61, "line\nbreak"])
def test_a_name_that_could_be_taken_for_a_layer_is_none(desk: Desk, name: str) -> None:
    with pytest.raises(SchemaError, match="A name should"):
        apply(desk, annotator=name)


def test_in_blind_mode_nobody_accepts_what_he_could_not_see(desk: Desk) -> None:
    desk.propose((50, 60, "reversal", 1.0))
    (uid,) = (row.window_uid for row in desk.store.windows())
    (answer,) = apply(desk, decision(uid, "accept", rev=0, mode="blind"))
    assert "should hold a span" in str(answer.message)


def test_a_new_rule_makes_just_the_labels_that_it_breaks_stale(desk: Desk) -> None:
    one, two = desk.add_windows(0, 300)
    apply(desk, draw(one, 50, 65, rev=0), draw(two, 50, 65, rev=0, span_id="c" * 16))
    desk.store.add_rule(
        "r2", "Longer.", {"min_bars": 5}, author="anna", op_id="rule", stale=[(one, "anna")]
    )
    assert [view.state for view in desk.store.views(annotator="anna")] == ["stale", "edited"]
    (rule,) = desk.store.rules()
    assert (rule.rule_version, rule.params, rule.author) == ("r2", {"min_bars": 5}, "anna")
    apply(desk, draw(two, 80, 90, rev=1, span_id="d" * 16))
    assert desk.store.window(two, annotator="anna").spans[1].rule_version == "r2"
    assert desk.store.find_damage() == []


def test_a_series_goes_on_and_its_windows_stay(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    series = desk.store.get_series("NQ-00000000")
    longer = type(series)(
        **{
            name: getattr(series, name)
            for name in type(series).__dataclass_fields__
            if name not in ("n_bars", "content_hash")
        },
        n_bars=2_000,
        content_hash="1" * 64,
    )
    assert desk.store.extend_series(series.series_id, longer, op_id="extend").n_bars == 2_000
    assert desk.store.add_windows(series.series_id, [0, 1_800], op_id="cut") == 1
    assert desk.store.add_windows(series.series_id, [0, 1_800], op_id="cut again") == 0
    assert desk.store.window(uid).bar_start == 0
    assert desk.store.find_damage() == []


def test_a_window_is_leased_to_one_person_at_a_time(desk: Desk) -> None:
    uids = desk.add_windows(0, 200, 400)
    assert desk.store.claim(uids[:2], "anna", "tab") == uids[:2]
    assert desk.store.claim(uids, "bob", "tab") == uids[2:]
    assert desk.store.claim(uids, "anna", "another tab") == uids[:2]
    desk.store.release_claims("anna", "another tab")
    assert desk.store.claim(uids, "bob", "tab") == uids
    assert {lease.annotator for lease in desk.store.claims()} == {"bob"}
    assert desk.store.claim(uids, "bob", "tab", minutes=0) == uids
    assert desk.store.claims() == []


def test_settings_belong_to_a_person(desk: Desk) -> None:
    desk.store.set_preference("anna", "keys", {"accept": "q"})
    desk.store.set_preference("anna", "keys", {"accept": "w"})
    assert desk.store.preference("anna", "keys") == {"accept": "w"}
    assert desk.store.preference("bob", "keys") is None


def test_a_release_keeps_its_name_and_content(desk: Desk) -> None:
    release = {"event_seq": 1, "manifest": {"n": 2}}
    desk.store.add_release("a" * 64, "first", op_id="one", **release)
    desk.store.add_release("a" * 64, "first", op_id="two", **release)
    with pytest.raises(Exception, match="a name and a content of its own"):
        desk.store.add_release("b" * 64, "first", op_id="three", **release)
    assert [(r.name, r.manifest) for r in desk.store.releases()] == [("first", {"n": 2})]
