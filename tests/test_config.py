from __future__ import annotations

import json

import pytest

from moola.config import FinetuneConfig, option_type
from moola.exceptions import ConfigError


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"epochs": 0}, "epochs should be greater than 0"),
        ({"batch_size": -1}, "batch_size should be greater than 0"),
        ({"lr": 0.0}, "lr should be greater than 0"),
        ({"weight_decay": -0.1}, "weight_decay should not be negative"),
        ({"val_fraction": 1.0}, "val_fraction should lie between 0 and 1"),
        ({"balance": "fair"}, "balance should be one of epoch, ema, "),
        ({"device": "tpu"}, "device should be one of auto, cpu, cuda, mps"),
        ({"weights": (1.0, 1.0)}, "weights should be four numbers"),
        ({"weights": (0.0, 0.0, 0.0, 0.0)}, "not all zero"),
        ({"max_boost": 0.5}, "max_boost should be at least 1"),
        (
            {"balance": "gradshare", "freeze_encoder": True, "pretrained_encoder": "x"},
            "gradshare compares gradients on the encoder",
        ),
        ({"freeze_encoder": True}, "freeze_encoder needs a pretrained_encoder"),
    ],
)
def test_an_option_out_of_range_is_named(options: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        FinetuneConfig(**options)


def test_config_survives_json() -> None:
    config = FinetuneConfig(epochs=3, balance="manual", weights=(1.0, 2.0, 3.0, 4.0), data="x")
    assert FinetuneConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_stored_config_without_an_option_means_what_was_done_before_it() -> None:
    old = FinetuneConfig.from_stored({"epochs": 3})
    assert (old.pointer_head, old.standardize, old.augment) == ("mean", False, "none")
    assert old.forget_bias == 0.0
    assert FinetuneConfig.from_stored(FinetuneConfig().to_dict()) == FinetuneConfig()


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ConfigError, match="knows no option epoch"):
        FinetuneConfig.from_dict({"epoch": 3})


def test_option_types_are_what_a_command_line_can_parse() -> None:
    kinds = {name: option_type(name) for name in ("data", "epochs", "lr", "balance", "weights")}
    assert kinds == {"data": str, "epochs": int, "lr": float, "balance": str, "weights": tuple}


def test_without_expansion_heads_two_tasks_remain() -> None:
    assert FinetuneConfig(use_expansion_heads=False).tasks == ("ptr", "type")


def test_a_frozen_encoder_has_nothing_to_guard() -> None:
    assert FinetuneConfig(guard=True).is_guarded
    assert not FinetuneConfig().is_guarded
    assert not FinetuneConfig(guard=True, freeze_encoder=True, pretrained_encoder="x").is_guarded
