"""The words of marks above a chart: readable, however near the marks stand."""

from __future__ import annotations

from moola.epoch_parts import Mark, layout, make_room, words


def heights(*epochs: int, text: str = "Pointers not learning") -> list[int]:
    marks = [Mark(epoch, text, "#9c4f96") for epoch in epochs]
    return [word["yshift"] for word in words(marks, 60)]


def test_words_of_near_marks_stand_above_each_other() -> None:
    assert heights(4, 30) == [0, 0], "far apart: one row"
    assert heights(4, 8, 12) == [0, 14, 28]
    assert heights(4, 5, 6, 7, 8) == [0, 14, 28, 42], "a fifth has no room, and keeps its line"
    assert heights(4, 8, text="cut") == [0, 0], "short words need little"


def test_on_the_right_half_words_reach_back_from_their_line() -> None:
    assert heights(40, 58) == [0, 14]
    assert [w["xanchor"] for w in words([Mark(58, "restart", "red")], 60)] == ["right"]


def test_the_panel_makes_room_for_the_highest_words() -> None:
    plain, marked = (layout("Skill", "", 360) for _ in range(2))
    for spec, marks in ((plain, []), (marked, [Mark(4, "Type unheard", "red")] * 3)):
        spec["annotations"] = words(marks, 60)
        make_room(spec)
    assert marked["margin"]["t"] - plain["margin"]["t"] == 42
