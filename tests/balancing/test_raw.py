from __future__ import annotations

import pytest

from moola.balancing import Raw
from moola.losses import Constants
from tests.balancing.family import approx, backward_weights, shares, tasks
from tests.toy import toy_examples


def test_weights_are_the_targets() -> None:
    assert backward_weights(Raw(tasks())) == approx(0.7, 0.1, 0.1, 0.1, abs=1e-7)


def test_the_source_table_follows_from_its_four_losses() -> None:
    assert shares(Raw(tasks())) == approx(0.036, 0.291, 0.250, 0.423)


def test_a_countdown_in_bars_silences_everybody() -> None:
    """Pitfall 2: a countdown loss of 0.72 comes from no label of +-20 or of +-104 bars."""
    examples = toy_examples(400)
    clipped = 400 * Constants.fit(examples, "clip20", "mean").losses["countdown"]
    assert clipped == pytest.approx(15.5, abs=1.5)  # Huber of x / 20 is that of x over 400
    in_bars = Constants.fit(examples, "raw", "mean").losses
    assert in_bars["countdown"] == pytest.approx(29.6, abs=3)
    assert shares(Raw(tasks()), in_bars)["countdown"] > 0.9
