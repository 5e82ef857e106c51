"""The desk's client is JavaScript: its pure parts are tested under node, its bundle here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from moola.schema import REJECT_REASONS, SPAN_TYPES
from moola.ui import desk_chart
from tests.test_span_geometry import node

SUITES = sorted((Path(__file__).parent / "desk").glob("*.test.mjs"))
CLIENT = desk_chart.HERE / "desk"


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name.removesuffix(".test.mjs"))
def test_the_client_passes_its_tests_under_node(suite: Path) -> None:
    done = subprocess.run(
        [node(), "--test", str(suite)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_bundle_is_one_module_with_every_module_once(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.mjs"
    bundle.write_text(desk_chart.bundle(), encoding="utf-8")
    text = bundle.read_text(encoding="utf-8")
    assert not [line for line in text.splitlines() if line.startswith(("import ", "export const"))]
    n_modules = len(list(CLIENT.glob("*.js"))) + 1  # and the geometry
    assert text.count("= (() => {\n") == n_modules - 1  # the entry stands open
    done = subprocess.run([node(), "--check", str(bundle)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_exported_name_leaves_its_module() -> None:
    for path in CLIENT.glob("*.js"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("export const") and " = " in line:
                # A second name after a comma would be lost: the bundle reads one name a line.
                assert line.split(" = ")[0].count(",") == 0, line
                assert desk_chart.EXPORT.match(line), line


def test_reasons_and_types_of_the_client_are_those_of_the_schema() -> None:
    names = (CLIENT / "item.js").read_text(encoding="utf-8")
    reasons = names.split("export const REASONS = [")[1].split("];")[0]
    types = names.split("export const TYPES = [")[1].split("];")[0]
    assert [word.strip(' "\n') for word in reasons.split(",") if word.strip()] == [*REJECT_REASONS]
    assert [word.strip(' "\n') for word in types.split(",")] == [*SPAN_TYPES]
