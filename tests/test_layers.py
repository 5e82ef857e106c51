"""Imports point one way, streamlit stays in the app, torch stays out of it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Low to high: a module imports only from floors before its own, or from its own floor's package.
FLOORS = [
    ["exceptions", "atomic"],
    ["endings"],
    ["schema", "workspace", "supervisor"],
    ["compiled", "draw_groups"],
    [
        "config",
        "labels",
        "examples",
        "shares",
        "history",
        "window_losses",
        "second_look",
        "label_records",
        "rates",
        "alerts",
    ],
    ["about", "liveness", "extras", "checkpoint_meta"],
    ["pretrain_config", "seen_bars"],
    ["sweep_config"],
    ["tables", "windows", "market_hours", "features", "splits", "proposals", "planting"],
    ["bar_rules", "purging"],
    ["folding"],
    ["augment", "bars", "context", "synthetic", "implanting", "rules"],
    ["label_file", "vendors"],
    ["label_formats"],
    ["store", "cuts"],
    ["clock", "placing", "imported", "extending", "pauses"],
    ["label_plan"],
    ["label_import", "bar_import", "fetching"],
    ["importing", "proposing", "cutting", "ruling"],
    ["coverage", "exports", "homes"],
    ["releases"],
    ["gathering", "sample"],
    ["collect"],
    ["planned"],
    ["length_prior", "resampling"],
    ["confidence"],
    ["decode", "metrics", "silence", "criteria", "planted_windows", "unlabelled", "type_stage"],
    ["share_lines", "density", "span_measures", "span_shapes", "card_text", "scan_merging"],
    ["scans"],
    ["pretrain_windows"],
    ["epoch_metrics", "floors", "calibration", "decoders", "agreement", "judgement", "inertia"],
    ["success_lines"],
    ["advice"],
    ["runs"],
    ["restarting", "pretrained"],
    ["evaluate", "launching", "judging", "comparing", "run_process", "discarding", "trackers"],
    ["run_book"],
    ["doctor", "diagnostics", "carrying", "run_comparing", "strategies", "sweep_workers"],
    ["strategy_table"],
    ["figures", "review_tables", "run_exports", "run_news", "cures", "worse_windows"],
    ["split_facts", "epoch_parts", "lateness"],
    ["review_curves", "audit", "ceilings", "label_versions", "figures_monitor"],
    ["model_card", "span_exports", "learning"],
    ["figures_agreement", "figures_bars", "figures_detection", "figures_runs", "run_figures"],
    ["report"],
    ["desk"],
]
TORCH_FLOORS = [
    ["baselines", "quick_decode"],  # scikit-learn and numba, which the app does not load either
    ["dropout", "device", "dataset", "tally"],
    ["checkpoint", "encoder"],
    ["model"],
    ["losses", "optimizer"],
    ["balancing", "probe", "predict", "masked"],
    ["training_model"],
    ["validation", "window_losing", "alarms"],
    ["loop"],
    ["trainer"],
    ["handover", "onnx_export", "scanning", "sweeping", "as_of"],
    ["train"],
    ["finetuning", "pretraining", "learning_curve"],
    ["crossval"],
]
TOPS = [["ui"], ["cli"], ["__main__"]]
HEIGHT = {
    name: height
    for height, floor in enumerate([["__init__"], *FLOORS, *TORCH_FLOORS, *TOPS])
    for name in floor
}
HEAVY = {"torch", "sklearn", "numba", "scipy"}
TORCH = {name for floor in TORCH_FLOORS for name in floor}
APP_FILES = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]
MODULES = sorted((ROOT / "moola").rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(ROOT / "moola").parts[0].removesuffix(".py")


def imported_names(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Return dotted names; ``from moola import bars`` counts as ``moola.bars``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_rooms(path: Path, *, top_level_only: bool = False) -> set[str]:
    names = imported_names(path, top_level_only=top_level_only)
    parts = [name.split(".") for name in names if name.startswith("moola.")]
    return {part[1] for part in parts if part[1] in HEIGHT}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_has_a_floor_and_imports_only_from_below(path: Path) -> None:
    own = room(path)
    assert own in HEIGHT, f"{own} stands on no floor"
    above = {name for name in imported_rooms(path) if HEIGHT[name] > HEIGHT[own]}
    beside = {name for name in imported_rooms(path) if HEIGHT[name] == HEIGHT[own]} - {own}
    assert not above | beside


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_streamlit_is_imported_only_by_the_app(path: Path) -> None:
    uses_streamlit = any(name.split(".")[0] == "streamlit" for name in imported_names(path))
    assert not uses_streamlit or room(path) == "ui"


@pytest.mark.parametrize("path", MODULES + APP_FILES, ids=lambda path: path.name)
def test_torch_is_imported_only_in_the_torch_floors(path: Path) -> None:
    own = room(path) if path in MODULES else path.name
    uses_torch = any(name.split(".")[0] == "torch" for name in imported_names(path))
    assert not uses_torch or own in TORCH
    if own not in TORCH | {"cli", "__main__"}:
        assert not imported_rooms(path) & TORCH


@pytest.mark.parametrize(
    "path", sorted((ROOT / "moola" / "cli").glob("*.py")), ids=lambda path: path.name
)
def test_command_line_loads_torch_only_inside_a_subcommand(path: Path) -> None:
    assert not imported_rooms(path, top_level_only=True) & TORCH


def test_everything_the_app_imports_leaves_the_heavy_packages_unloaded() -> None:
    rooms = sorted(name for floor in FLOORS for name in floor if name != "compiled")
    ui, cli = (
        sorted(path.stem for path in (ROOT / "moola" / name).glob("[!_]*.py"))
        for name in ("ui", "cli")
    )
    code = "\n".join(
        [
            "import importlib, sys",
            *(f"importlib.import_module('moola.{name}')" for name in rooms),
            *(f"importlib.import_module('moola.cli.{name}')" for name in cli),
            *(f"importlib.import_module('moola.ui.{name}')" for name in ui),
            f"sys.exit(' '.join({HEAVY} & set(sys.modules)) or 0)",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
