from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from moola.augment import Augment, Moves, brought_in, mirror_features, mirror_prices, shift_range
from moola.context import cut_context
from moola.dataset import Batch
from moola.examples import NO_SPAN, Examples, Times
from moola.features import FEATURE_NAMES, LOOKBACK_BARS, compute_features
from moola.losses import counted_entries
from moola.splits import check_no_leak, shared_bar_groups
from moola.train import finetune
from moola.trainer import Trainer
from tests.test_features import random_walk, tick_bars
from tests.toy import toy_run
from tests.training import after_steps, without_time

CPU = torch.device("cpu")
Row = tuple[str, int, tuple[int, int] | None, bool]
"""Series, first bar, span, whether it is held out."""


def labelled(
    series: dict[str, NDArray[np.float64]],
    rows: Sequence[Row],
    *,
    ignored: dict[int, slice] | None = None,
) -> Examples:
    """Return examples with their context; rows of one place share their mask."""
    name, bar_start, spans, is_val = zip(*rows, strict=True)
    n, bar = len(rows), np.arange(105)
    inside, ignore = np.zeros((n, 105), bool), np.zeros((n, 105), bool)
    for row in range(n):
        for other in range(n):
            if rows[other][:2] == rows[row][:2] and (span := spans[other]):
                inside[row] |= (bar >= span[0]) & (bar <= span[1])
    for row, bars in (ignored or {}).items():
        ignore[row, bars] = True
    whole = {key: compute_features(ohlc) for key, ohlc in series.items()}
    return Examples(
        window_uid=np.array([f"{key}@{first}" for key, first, *_ in rows]),
        series_id=np.array(name),
        bar_start=np.array(bar_start),
        ohlc=np.stack([series[key][first : first + 105] for key, first, *_ in rows]),
        features=np.stack([whole[key][first : first + 105] for key, first, *_ in rows]),
        start=np.array([span[0] if span else NO_SPAN for span in spans]),
        end=np.array([span[1] if span else NO_SPAN for span in spans]),
        type_id=np.array([1 if span else NO_SPAN for span in spans]),
        inside=inside,
        ignore=ignore,
        cold=np.array([first < LOOKBACK_BARS for first in bar_start]),
        group=np.arange(n),
        is_val=np.array(is_val),
        context=cut_context(np.array(name), np.array(bar_start), series.__getitem__),
    )


def shifted(examples: Examples, *shift_bars: int) -> Examples:
    """Return the training windows shifted by `shift_bars`, one number a window."""
    augment = Augment("shift", examples, seed=0)
    moves = Moves(np.array(shift_bars), np.zeros(len(shift_bars), bool))
    return augment.batch(np.arange(len(shift_bars)), moves)


WALK = random_walk(2000, seed=1)


@pytest.mark.parametrize("shift", [-52, -7, 0, 1, 40])
def test_a_shifted_window_is_the_window_cut_that_much_later(shift: int) -> None:
    examples = labelled({"A": WALK}, [("A", 500, (40, 52), False)])
    moved = shifted(examples, shift)
    first = 500 + shift
    assert moved.bar_start[0] == first
    np.testing.assert_array_equal(moved.ohlc[0], WALK[first : first + 105])
    np.testing.assert_array_equal(moved.features[0], compute_features(WALK)[first : first + 105])
    assert (moved.start[0], moved.end[0], moved.type_id[0]) == (40 - shift, 52 - shift, 1)
    assert np.flatnonzero(moved.inside[0]).tolist() == list(range(40 - shift, 53 - shift))


def test_a_shift_moves_all_targets_of_the_losses() -> None:
    batch = Batch.from_examples(
        shifted(labelled({"A": WALK}, [("A", 500, (40, 52), False)]), 10), CPU
    )
    assert batch.edges.tolist() == [[30, 42]]
    assert batch.countdown_bars[0, [0, 30, 104]].tolist() == [30, 0, -74]
    assert batch.pointers[0].tolist() == pytest.approx([36 / 104, 13 / 105])


def test_bars_that_no_training_window_shows_are_not_counted() -> None:
    moved = shifted(labelled({"A": WALK}, [("A", 500, (40, 52), False)]), 10)
    assert np.flatnonzero(moved.ignore[0]).tolist() == list(range(95, 105))


@pytest.mark.parametrize(("shift", "new"), [(10, range(95, 105)), (-3, range(3)), (0, range(0))])
def test_the_countdown_alone_counts_bars_that_a_shift_brings_into_view(
    shift: int, new: range
) -> None:
    moved = shifted(labelled({"A": WALK}, [("A", 500, (40, 52), False)]), shift)
    view = brought_in(np.array([shift]))
    assert np.flatnonzero(view[0]).tolist() == list(new)
    batch = Batch.from_examples(moved, CPU, brought_in=view)
    counted = counted_entries(batch)
    assert np.flatnonzero(counted["binary"][0] == 0).tolist() == list(new)
    assert bool(counted["countdown"].all())
    assert batch.countdown_bars[0].tolist() == [40 - shift - bar for bar in range(105)]


def test_bars_that_a_window_ignores_itself_count_for_no_countdown() -> None:
    examples = labelled({"A": WALK}, [("A", 500, (40, 52), False)], ignored={0: slice(80, 90)})
    batch = Batch.from_examples(shifted(examples, 10), CPU, brought_in=brought_in(np.array([10])))
    timed = counted_entries(batch)["countdown"][0]
    assert np.flatnonzero(timed == 0).tolist() == list(range(70, 80))


def test_bars_that_come_into_view_have_the_labels_of_their_own_window() -> None:
    examples = labelled(
        {"A": WALK},
        [("A", 500, (40, 52), False), ("A", 605, (5, 9), False)],
        ignored={1: slice(12, 14)},
    )
    moved = shifted(examples, 20, 0)
    assert np.flatnonzero(moved.inside[0]).tolist() == [*range(20, 33), *range(90, 95)]
    assert np.flatnonzero(moved.ignore[0]).tolist() == [97, 98]


def test_another_span_that_the_new_border_cuts_counts_as_little_as_in_a_new_window() -> None:
    rows = [("A", 500, (40, 52), False), ("A", 605, (5, 9), False)]
    moved = shifted(labelled({"A": WALK}, rows), 8, 0)
    assert np.flatnonzero(moved.ignore[0]).tolist() == [102, 103, 104]
    moved = shifted(labelled({"A": WALK}, rows), 10, 0)
    assert not moved.ignore.any()


def test_the_second_span_of_a_window_is_cut_alike() -> None:
    rows = [("A", 500, (40, 52), False), ("A", 500, (10, 20), False)]
    moved = shifted(labelled({"A": WALK}, rows), 15, 0)
    assert np.flatnonzero(moved.inside[0] & ~moved.ignore[0]).tolist() == list(range(25, 38))
    assert np.flatnonzero(moved.ignore[0]).tolist() == [*range(6), *range(90, 105)]


def test_a_window_at_the_end_of_its_series_shifts_only_where_there_are_bars() -> None:
    series = {"A": WALK[:300], "alone": WALK[:105]}
    rows = [
        ("A", 20, (30, 40), False),
        ("A", 190, (30, 40), False),
        ("alone", 0, (30, 40), False),
    ]
    lowest, highest = shift_range(labelled(series, rows))
    assert lowest.tolist() == [-20, -52, 0]
    assert highest.tolist() == [30, 5, 0]


def test_the_own_span_stays_inside_and_a_window_without_one_shifts_freely() -> None:
    rows = [
        ("A", 500, (3, 100), False),
        ("A", 800, None, False),
        ("A", 1000, (0, 104), False),
    ]
    lowest, highest = shift_range(labelled({"A": WALK}, rows))
    assert lowest.tolist() == [-4, -52, 0]
    assert highest.tolist() == [3, 52, 0]


def test_no_shift_comes_closer_to_held_out_bars_than_the_features_look_back() -> None:
    rows = [
        ("A", 500, (30, 60), True),
        ("A", 605 + LOOKBACK_BARS + 9, (60, 70), False),
        ("A", 500 - LOOKBACK_BARS - 4 - 105, (60, 70), False),
        ("A", 605 + 20, (60, 70), False),
    ]
    lowest, highest = shift_range(labelled({"A": WALK}, rows))
    assert lowest.tolist() == [-9, -34, 0]
    assert highest.tolist() == [52, 4, 52]


def test_held_out_bars_are_known_by_their_content_in_another_feed() -> None:
    again = np.concatenate([random_walk(400, seed=2), WALK[700:1000]])  # 700 stands at 400
    rows = [("A", 700, (30, 60), True), ("B", 400 - 105 - 40, (30, 60), False)]
    lowest, highest = shift_range(labelled({"A": WALK, "B": again}, rows))
    assert (lowest[0], highest[0]) == (-44, 0)
    lowest, highest = shift_range(labelled({"B": again, "A": WALK[:400]}, rows[1:]))
    assert (lowest[0], highest[0]) == (-44, 30)


@st.composite
def window_sets(draw: st.DrawFn) -> Examples:
    """Windows anywhere in two feeds that share bars, split without a leak, some without a span."""
    twice = {"A": WALK[:700], "B": np.concatenate([WALK[1200:1300], WALK[300:700]])}
    rows: list[Row] = []
    n = draw(st.integers(2, 9))
    for _ in range(n):
        name = draw(st.sampled_from(["A", "B"]))
        first = draw(st.integers(0, len(twice[name]) - 105))
        start = draw(st.integers(0, 104))
        span = (start, min(start + draw(st.integers(0, 22)), 104))
        rows.append((name, first, span if draw(st.booleans()) else None, False))
    rows = [row for i, row in enumerate(rows) if row[:2] not in [r[:2] for r in rows[:i]]]
    examples = labelled(twice, rows)
    group = shared_bar_groups(examples.series_id, examples.bar_start, examples.ohlc)
    assume(len(np.unique(group)) > 1)
    return replace(examples, is_val=group == group[0])


@settings(max_examples=60, deadline=None)
@given(examples=window_sets(), epoch=st.integers(1, 50))
def test_whatever_is_drawn_no_held_out_bar_is_shown_and_every_span_stays_inside(
    examples: Examples, epoch: int
) -> None:
    augment = Augment("shift+mirror", examples, seed=3)
    moves = augment.draw(epoch)._replace(mirrored=np.zeros(len(augment.train), bool))
    moved = augment.batch(np.arange(len(augment.train)), moves)
    held_out = replace(examples.take(examples.is_val), context=None)
    check_no_leak(
        np.concatenate([moved.series_id, held_out.series_id]),
        np.concatenate([moved.bar_start, held_out.bar_start]),
        np.concatenate([moved.ohlc, held_out.ohlc]),
        np.concatenate([moved.is_val, held_out.is_val]),
    )
    span, before = moved.take(moved.has_span), augment.train.take(augment.train.has_span)
    assert ((span.start >= 0) & (span.end < 105)).all()
    np.testing.assert_array_equal(span.bar_start + span.start, before.bar_start + before.start)
    np.testing.assert_array_equal(span.end - span.start, before.end - before.start)
    for row in range(len(span)):  # the own span is inside and counts, wherever the window begins
        own = slice(span.start[row], span.end[row] + 1)
        assert span.inside[row, own].all()
        assert not span.ignore[row, own].any()


@settings(max_examples=30, deadline=None)
@given(examples=window_sets())
def test_a_shift_by_nothing_changes_no_target(examples: Examples) -> None:
    augment = Augment("shift", examples, seed=0)
    still = Moves(np.zeros(len(augment.train), int), np.zeros(len(augment.train), bool))
    after = Batch.from_examples(augment.batch(np.arange(len(augment.train)), still), CPU)
    before = Batch.from_examples(augment.train, CPU)
    for name, tensor in vars(before).items():
        found = getattr(after, name)
        assert found is tensor is None or torch.equal(found, tensor), name


@settings(max_examples=60, deadline=None)
@given(bars=tick_bars())
def test_the_features_of_reflected_bars_are_the_mirrored_features(
    bars: NDArray[np.float64],
) -> None:
    bars[0] = [bars[0, 2], bars[0, 1] + 0.25, bars[0, 2], bars[0, 1] + 0.25]  # see the next test
    features = compute_features(bars)
    mirrored = mirror_features(features)
    np.testing.assert_allclose(compute_features(mirror_prices(bars)), mirrored, atol=1e-7)


def test_only_a_first_bar_without_a_body_breaks_the_symmetry() -> None:
    # The zigzag's first leg must go some way: up, also in the mirror.
    bars = np.array([[10.0, 11, 9, 10], [10, 10.25, 9.75, 10.25]])
    off = np.abs(compute_features(mirror_prices(bars)) - mirror_features(compute_features(bars)))
    assert [FEATURE_NAMES[i] for i in np.flatnonzero(off.max(axis=0) > 1e-7)] == ["expansion_proxy"]


@settings(max_examples=60, deadline=None)
@given(bars=tick_bars())
def test_two_mirrors_give_back_prices_and_features(bars: NDArray[np.float64]) -> None:
    features = compute_features(bars)
    np.testing.assert_array_equal(mirror_prices(mirror_prices(bars)), bars)
    once = mirror_features(features)
    twice = mirror_features(once)
    np.testing.assert_allclose(twice, features, rtol=0, atol=2**-25)  # 1 - (1 - x) rounds once
    np.testing.assert_array_equal(mirror_features(twice), once)


def test_a_mirror_changes_bars_and_no_label() -> None:
    examples = labelled({"A": WALK}, [("A", 500, (40, 52), False)])
    augment = Augment("mirror", examples, seed=0)
    mirrored = augment.batch(np.array([0]), Moves(np.array([0]), np.array([True])))
    np.testing.assert_array_equal(mirrored.features[0], mirror_features(examples.features[0]))
    assert mirrored.ohlc[0, 0, 0] == examples.ohlc[0, 0, 0]
    for name in ("start", "end", "type_id", "inside", "ignore"):
        np.testing.assert_array_equal(getattr(mirrored, name), getattr(examples, name))


def test_moves_follow_from_seed_and_epoch_and_fill_their_range() -> None:
    rows = [("A", first, (40, 52), False) for first in range(60, 1700, 105)]
    examples = labelled({"A": WALK}, rows)
    augment = Augment("shift+mirror", examples, seed=5)
    drawn = [augment.draw(epoch) for epoch in range(1, 200)]
    shifts = np.stack([moves.shift_bars for moves in drawn])
    assert (shifts.min(), shifts.max()) == (-52, 40)
    assert 0.45 < np.stack([moves.mirrored for moves in drawn]).mean() < 0.55
    again = Augment("shift+mirror", examples, seed=5).draw(7)
    np.testing.assert_array_equal(again.shift_bars, drawn[6].shift_bars)
    np.testing.assert_array_equal(again.mirrored, drawn[6].mirrored)
    assert (Augment("shift+mirror", examples, seed=6).draw(7).shift_bars != shifts[6]).any()


def test_each_half_of_the_augmentation_stands_alone() -> None:
    examples = labelled({"A": WALK}, [("A", 500, (40, 52), False)])
    for how, shifts, mirrors in [("shift", True, False), ("mirror", False, True)]:
        drawn = [Augment(how, examples, seed=1).draw(epoch) for epoch in range(1, 20)]  # type: ignore[arg-type]
        assert any(moves.shift_bars.any() for moves in drawn) == shifts
        assert any(moves.mirrored.any() for moves in drawn) == mirrors


def many(n: int = 8) -> Examples:
    """Windows with room to shift, every fourth held out."""
    rows = [("A", 60 + 220 * i, (30 + i, 45 + i), i % 4 == 3) for i in range(n)]
    return labelled({"A": WALK}, rows)


def test_a_run_that_was_stopped_within_an_epoch_sees_the_same_windows(tmp_path: Path) -> None:
    whole = toy_run(tmp_path / "whole", many(), augment="shift+mirror", epochs=2)
    finetune(whole)
    parts = toy_run(tmp_path / "parts", many(), augment="shift+mirror", epochs=2)
    finetune(parts, stop=after_steps(3))
    finetune(parts)
    assert without_time(parts) == without_time(whole)


def test_augmentation_changes_training_and_leaves_what_is_evaluated(tmp_path: Path) -> None:
    plain, moved = (
        Trainer(toy_run(tmp_path / how, augment=how).config(), many())
        for how in ("none", "shift+mirror")
    )
    for trainer in (plain, moved):
        trainer.begin()
    for name in ("val_batch", "probe_batch", "train_batch"):
        assert torch.equal(getattr(moved, name).features, getattr(plain, name).features)
    rows = torch.arange(4)
    shown = [t.train_windows(rows, t.augment.draw(1)).features for t in (plain, moved)]
    assert torch.equal(shown[0], plain.train_batch.features[:4])
    assert not torch.equal(shown[1], shown[0])


def test_context_and_times_are_saved_and_no_part_of_the_content_hash(tmp_path: Path) -> None:
    examples = replace(many(), times=Times.unknown(len(many())))
    examples.save(tmp_path / "examples.npz")
    loaded = Examples.load(tmp_path / "examples.npz")
    assert loaded.context is not None
    assert examples.context is not None
    for name, column in vars(examples.context).items():
        np.testing.assert_array_equal(getattr(loaded.context, name), column)
    assert replace(examples, context=None, times=None).content_hash() == loaded.content_hash()


def test_examples_of_an_older_run_have_no_context_and_are_only_mirrored(tmp_path: Path) -> None:
    replace(many(), context=None).save(tmp_path / "examples.npz")
    loaded = Examples.load(tmp_path / "examples.npz")
    assert loaded.context is None
    moves = Augment("shift+mirror", loaded, seed=0).draw(1)
    assert not moves.shift_bars.any()
    assert moves.mirrored.any()
