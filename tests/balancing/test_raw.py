from __future__ import annotations

from moola.balancing import Raw
from tests.balancing.family import approx, backward_weights, shares, tasks


def test_weights_are_the_targets() -> None:
    assert backward_weights(Raw(tasks())) == approx(0.7, 0.1, 0.1, 0.1, abs=1e-7)


def test_the_source_table_follows_from_its_four_losses() -> None:
    assert shares(Raw(tasks())) == approx(0.036, 0.291, 0.250, 0.423)


def test_a_countdown_in_bars_silences_everybody() -> None:
    losses = {"ptr": 0.006, "binary": 0.379, "countdown": 29.6, "type": 0.691}
    assert shares(Raw(tasks()), losses)["countdown"] > 0.95
