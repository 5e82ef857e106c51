from __future__ import annotations

import os

import pytest
import torch

from moola import device
from moola.exceptions import DeviceError


def test_auto_takes_the_first_device_present(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(device.AVAILABLE, "cuda", lambda: False)
    monkeypatch.setitem(device.AVAILABLE, "mps", lambda: True)
    assert device.resolve_device("auto").type == "mps"
    monkeypatch.setitem(device.AVAILABLE, "cuda", lambda: True)
    assert device.resolve_device("auto").type == "cuda"


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_missing_device_is_named_with_what_is_there(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(device.AVAILABLE, "cuda", lambda: False)
    monkeypatch.setitem(device.AVAILABLE, "mps", lambda: False)
    with pytest.raises(DeviceError, match=f"Found no {name}, only cpu"):
        device.resolve_device(name)


def test_an_unknown_device_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DeviceError, match=r"auto, cpu, cuda, mps\. Found 'tpu'"):
        device.resolve_device("tpu")


def test_the_list_ends_with_a_named_cpu() -> None:
    last = device.list_devices()[-1]
    assert last["key"] == "cpu"
    assert last["name"]


def test_deterministic_algorithms_are_asked_for_and_given_up_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(device.WORKSPACE, raising=False)
    before = (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    with device.deterministic():
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
        assert os.environ[device.WORKSPACE] == ":4096:8"
    assert not torch.are_deterministic_algorithms_enabled()
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == before
    assert device.WORKSPACE not in os.environ


def test_a_workspace_that_was_chosen_before_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(device.WORKSPACE, ":16:8")
    with device.deterministic():
        assert os.environ[device.WORKSPACE] == ":16:8"
    assert os.environ[device.WORKSPACE] == ":16:8"


def test_without_the_option_nothing_is_asked_for() -> None:
    with device.deterministic(False):
        assert not torch.are_deterministic_algorithms_enabled()
