from __future__ import annotations

import torch

from moola.dataset import Batch
from moola.labels import create_expansion_labels, encode_pointers
from tests.toy import toy_examples

CPU = torch.device("cpu")


def test_targets_are_those_of_the_label_functions() -> None:
    examples = toy_examples(5)
    batch = Batch.from_examples(examples, CPU)
    for row in range(5):
        start, end = int(examples.start[row]), int(examples.end[row])
        mask, countdown = create_expansion_labels(start, end)
        assert batch.inside[row].tolist() == mask.tolist()
        assert batch.countdown_bars[row].tolist() == countdown.tolist()
        assert torch.allclose(
            batch.pointers[row].double(), torch.tensor(encode_pointers(start, end))
        )


def test_rows_without_a_span_are_marked_and_hold_finite_targets() -> None:
    batch = Batch.from_examples(toy_examples(3, n_without_span=1), CPU)
    assert batch.has_span.tolist() == [0, 1, 1]
    assert batch.pointers.isfinite().all()
    assert batch.type_id.min() >= 0


def test_take_keeps_rows_together() -> None:
    batch = Batch.from_examples(toy_examples(6), CPU)
    part = batch.take(torch.tensor([4, 1]))
    assert len(part) == 2
    assert torch.equal(part.features[0], batch.features[4])
    assert torch.equal(part.pointers[1], batch.pointers[1])
