"""Choose the device a run trains on, before anything else starts."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch.backends import cudnn

from moola.config import DEVICES
from moola.exceptions import DeviceError

AVAILABLE: dict[str, Callable[[], bool]] = {
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
    "cpu": lambda: True,
}
"""The devices in the order in which ``auto`` prefers them."""
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""cuBLAS repeats its sums only with a workspace of fixed size, set before CUDA is first used."""


def resolve_device(name: str) -> torch.device:
    """Return the device called `name`; ``auto`` takes the first one present.

    Raises
    ------
    DeviceError
        If the machine has no such device; the message lists what it has.
    """
    present = [key for key, is_available in AVAILABLE.items() if is_available()]
    if name == "auto":
        return torch.device(present[0])
    if name not in DEVICES:
        raise DeviceError(f"device should be one of {', '.join(DEVICES)}. Found {name!r}.")
    if name not in present:
        raise DeviceError(
            f"device should be present on this machine. Found no {name}, only {', '.join(present)}."
        )
    return torch.device(name)


def list_devices() -> list[dict[str, str]]:
    """Return ``[{"key": "cpu", "name": ...}, ...]`` for every device present, best first."""
    return [
        {"key": key, "name": _device_name(key)}
        for key, is_available in AVAILABLE.items()
        if is_available()
    ]


def _device_name(key: str) -> str:
    if key == "cuda":
        return torch.cuda.get_device_name()
    if key == "mps":
        return "Apple GPU (Metal)"
    return _processor_name()


def _processor_name() -> str:
    """Return the processor's own name; Linux keeps it where `platform` does not look."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine() or "CPU"


def use_one_thread(device: torch.device) -> None:
    """Let CPU kernels run on one thread.

    The LSTM's matrices are so small that a second thread mostly waits at barriers: at best 1.3x
    faster on an idle machine, up to 8x slower beside other work.
    """
    if device.type == "cpu":
        torch.set_num_threads(1)


@contextlib.contextmanager
def deterministic(is_on: bool = True) -> Iterator[None]:
    """Let torch use only algorithms that repeat exactly; afterwards all is as it was before.

    An operation that has no such algorithm on the device raises `RuntimeError` and names itself.
    """
    if not is_on:
        yield
        return
    workspace = os.environ.get(WORKSPACE)
    flags = (cudnn.deterministic, cudnn.benchmark)
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        os.environ.setdefault(WORKSPACE, ":4096:8")
        cudnn.deterministic, cudnn.benchmark = True, False
        torch.use_deterministic_algorithms(True)
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        cudnn.deterministic, cudnn.benchmark = flags
        if workspace is None:
            os.environ.pop(WORKSPACE, None)
