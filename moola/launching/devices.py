"""What can train on this machine, asked of a process that may import torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from moola.exceptions import DeviceError
from moola.launching._base import PACKAGE_PARENT


def list_devices(*, timeout_s: float = 60.0) -> list[dict[str, str]]:
    """Return ``[{"key": "cpu", "name": ...}, ...]``."""
    command = [sys.executable, "-m", "moola", "devices", "--json"]
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_PARENT)}
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, env=environment, check=True
        )
        return json.loads(answer.stdout)["devices"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise DeviceError(f"The devices of this machine could not be listed: {error}.") from error
