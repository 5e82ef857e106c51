from __future__ import annotations

import pytest
import torch

from moola.dropout import Dropout, Masks


@pytest.mark.parametrize("p", [0.1, 0.3, 0.6, 0.9])
def test_keeps_the_share_and_the_mean_that_were_asked_for(p: float) -> None:
    mask = Masks(0).draw((400, 1000), p)
    assert (mask > 0).float().mean().item() == pytest.approx(1 - p, abs=0.005)
    assert mask.mean().item() == pytest.approx(1, abs=0.02)


def test_a_mask_holds_zero_and_one_over_the_rounded_keep_rate_only() -> None:
    mask = Masks(0).draw((29, 105, 192), 0.6)
    scale = torch.tensor(65536 / round(0.4 * 65536))
    assert set(mask.unique().tolist()) == {0.0, scale.item()}


@pytest.mark.parametrize("shape", [(1,), (3,), (5, 7), (2, 105, 12)])
def test_sizes_that_are_no_multiple_of_four_words_work(shape: tuple[int, ...]) -> None:
    assert Masks(0).draw(shape, 0.5).shape == shape


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, 1e-6])
def test_a_rate_at_the_border_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Masks(0).draw((4,), p)


def test_equal_seeds_give_equal_streams_and_others_do_not() -> None:
    assert torch.equal(Masks(1).draw((999,), 0.5), Masks(1).draw((999,), 0.5))
    assert not torch.equal(Masks(1).draw((999,), 0.5), Masks(2).draw((999,), 0.5))


def test_the_stream_goes_on_exactly_from_a_saved_state() -> None:
    masks = Masks(3)
    masks.draw((7, 11), 0.3)
    state = masks.state_dict()
    expected = [masks.draw((5, 3), 0.6) for _ in range(3)]
    other = Masks(99)
    other.load_state_dict(state)
    assert all(torch.equal(mask, other.draw((5, 3), 0.6)) for mask in expected)


def test_the_state_is_plain_integers() -> None:
    state = Masks(0).state_dict()
    assert all(type(word) is int for word in state["words"])
    assert type(state["has_uint32"]) is type(state["uinteger"]) is int


@pytest.mark.parametrize("masks", [None, Masks(0)], ids=["plain", "masks"])
def test_eval_mode_and_rate_zero_change_nothing(masks: Masks | None) -> None:
    x = torch.randn(4, 6)
    assert Dropout(0.6, masks).eval()(x) is x
    assert Dropout(0.0, masks).train()(x) is x


@pytest.mark.parametrize("masks", [None, Masks(0)], ids=["plain", "masks"])
def test_both_paths_pass_the_gradient_where_they_passed_the_value(masks: Masks | None) -> None:
    x = torch.ones(50, 100, requires_grad=True)
    y = Dropout(0.6, masks).train()(x)
    y.sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, y.detach())
    assert y.mean().item() == pytest.approx(1, abs=0.1)


def test_masks_leave_the_generator_of_torch_alone() -> None:
    before = torch.get_rng_state()
    Dropout(0.6, Masks(0)).train()(torch.ones(10, 10))
    assert torch.equal(before, torch.get_rng_state())
