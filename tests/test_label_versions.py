"""After relabelling: what changed, and what a later run does where labels stayed as they were."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from moola import label_versions
from moola.examples import Examples
from moola.review_tables import Reading, readings
from tests.test_review_tables import off_by, predicted
from tests.toy import toy_examples


@dataclass
class Reviewed:
    examples: Examples
    rows: list[Reading]


def reviewed(examples: Examples, offs: list[int]) -> Reviewed:
    return Reviewed(examples, readings(examples, predicted(examples, off_by(examples, *offs))))


def relabelled(examples: Examples, *rows: int) -> Examples:
    start = examples.start.copy()
    start[list(rows)] -= 2
    return replace(examples, start=start)


def test_labels_are_counted_as_same_changed_gone_and_new() -> None:
    before = label_versions.labels_of(toy_examples(5).take(np.arange(4)))
    now = label_versions.labels_of(relabelled(toy_examples(5), 1))
    del now["w000"]
    found = label_versions.changes(before, now)
    assert (found.n_same, found.n_changed, found.n_gone, found.n_new) == (2, 1, 1, 1)
    assert "1 of its 4 labels changed" in str(found)


def test_only_windows_with_the_same_label_in_both_runs_are_compared() -> None:
    examples = toy_examples(30)
    before = reviewed(examples, [9] * 15 + [0] * 15)
    after = reviewed(relabelled(examples, 0, 1, 2), [9] * 3 + [0] * 27)
    hit, start, overlap = label_versions.differences(before, after)
    assert hit.n_windows == start.n_windows == overlap.n_windows == 27
    assert (hit.before, hit.after) == (15 / 27, 1.0)
    assert hit.low is not None
    assert hit.low > 0.2
    assert hit.low <= hit.difference <= (hit.high or 0)


def test_a_run_beside_itself_differs_in_nothing() -> None:
    run = reviewed(toy_examples(12), [0, 9] * 6)
    for row in label_versions.differences(run, run):
        assert (row.difference, row.low, row.high) == (0.0, 0.0, 0.0)


def test_too_few_windows_have_no_interval_and_none_no_difference() -> None:
    few = reviewed(toy_examples(3), [0, 0, 0])
    assert label_versions.differences(few, few)[0].interval_text == "too few windows"
    other = toy_examples(3)
    other = replace(other, window_uid=np.array(["x0", "x1", "x2"]))
    assert label_versions.differences(few, reviewed(other, [0, 0, 0])) == []


def test_a_window_that_one_run_trained_on_is_not_compared() -> None:
    examples = toy_examples(3)
    table = predicted(examples, off_by(examples, 0, 0, 0))
    trained = Reviewed(examples, readings(examples, table.assign(split="train")))
    assert label_versions.differences(reviewed(examples, [0, 0, 0]), trained) == []
