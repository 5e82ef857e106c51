"""The form of a fine-tuning: one widget per option of `FinetuneConfig`, with the option's help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import streamlit as st

from moola.config import TRACKERS, FinetuneConfig, option_type
from moola.exceptions import DeviceError
from moola.extras import to_install
from moola.runs import list_runs
from moola.schema import TASK_NAMES, TASKS
from moola.ui import cache
from moola.workspace import Workspace

PRESETS = {"Quick look, 5 epochs": 5, "Full, 60 epochs": 60}
MAIN = ("data", "release", "labels", "epochs", "device", "balance", "weights")
GROUPS: dict[str, tuple[str, ...]] = {
    "Model": (
        "pretrained_encoder", "freeze_encoder", "pointer_head", "use_expansion_heads",
        "cache_encoder", "forget_bias",
    ),
    "Learning": ("lr", "batch_size", "augment", "weight_decay", "clip_norm", "standardize"),
    "Loss balance": ("guard", "on_silence", "countdown", "max_boost"),
    "Split and seed": ("seed", "split", "val_fraction"),
    "Speed": ("precision", "deterministic"),
    "Records": ("log", "keep_checkpoints", "probe_every"),
}  # fmt: skip
"""The other options by what they are about, the most used first."""
OPTIONS = {
    option.name: option
    for option in fields(FinetuneConfig)
    if option.name != "restart_from"  # the Loss shares page fills it in
}
LABELS = {
    "data": "Train on",
    "labels": "Which windows",
    "release": "Release",
    "lr": "Learning rate",
    "clip_norm": "Gradient norm limit",
    "use_expansion_heads": "Per-bar heads (binary and countdown)",
    "val_fraction": "Held-out share",
    "countdown": "Countdown target",
    "balance": "Loss balance",
    "log": "Log epochs to",
    "on_silence": "When a task falls silent",
    "max_boost": "Largest factor of the guard",
    "split": "Hold out by",
    "keep_checkpoints": "Checkpoints kept",
    "probe_every": "Epochs between gradient probes",
}
STORE_NAME = "the label store"
NO_PATH = {
    "data": STORE_NAME,
    "release": "none: the labels as they are now",
    "pretrained_encoder": "none: start from random weights",
}
BALANCE_HELP = {
    "epoch": "Every task's weight follows its loss of the epoch before: the loss shares stay near "
    "70/10/10/10 however the losses fall.",
    "ema": "As epoch, with a running mean of the loss that moves at every step.",
    "gradshare": "Weights by the gradient at the encoder's output: the gradient shares stay near "
    "70/10/10/10, the loss shares go where they will. A third of a step more.",
    "gradnorm": "Learns weights so that all tasks train at one rate; it knows no targets. Here for "
    "comparison.",
    "initial": "Weights are set once, from the losses before training; shares drift when one task "
    "learns faster than the others.",
    "kendall": "Every task learns its own uncertainty; it needs many steps and knows no targets.",
    "manual": "The four weights below, the same in every epoch.",
    "upgrad": "Mixes the tasks' gradients so that none is pushed back (TorchJD, optional). "
    "Every step costs a backward pass a task.",
    "pcd": "Follows the pointers' gradient, grants every other task a tenth (TorchJD, optional). "
    "Every step costs a backward pass a task.",
    "raw": "Weights 0.7/0.1/0.1/0.1 on the losses as they are; the largest loss takes the most.",
}


def draw(workspace: Workspace) -> dict[str, Any]:
    """Draw the form; return the chosen value of every option."""
    _presets()
    with st.container(key="finetune_main"):
        left, right = st.columns(2, gap="medium")
        for i, name in enumerate(name for name in MAIN if name != "weights"):
            with (left, right)[i % 2]:
                _widget(name, workspace)
        balance = chosen()["balance"]
        st.caption(BALANCE_HELP[balance])
        if balance == "manual":
            _weights()
    with st.expander("More options"):
        for heading, names in GROUPS.items():
            _group(heading, names, workspace)
    return chosen()


def _group(heading: str, names: Sequence[str], workspace: Workspace) -> None:
    """Draw options that belong together: two columns, and the switches below the shorter one."""
    st.markdown(f"**{heading}**")
    switches = [name for name in names if option_type(name) is bool]
    entered = [name for name in names if name not in switches]
    left, right = st.columns(2, gap="medium")
    for i, name in enumerate(entered):
        with (left, right)[i % 2]:
            _widget(name, workspace)
    with right:
        for name in switches:
            _widget(name, workspace)


def chosen() -> dict[str, Any]:
    """Return every option as its widget stands now.

    A callback asks this, since an option may have been changed after the page was last drawn.
    """
    values = {
        name: st.session_state.get(_key(name), option.default) for name, option in OPTIONS.items()
    }
    for name, none in NO_PATH.items():
        values[name] = None if values[name] == none else values[name]
    defaults: Any = OPTIONS["weights"].default
    values["weights"] = tuple(
        st.session_state.get(_weight_key(task), default)
        for task, default in zip(TASKS, defaults, strict=True)
    )
    return values


def prefill(config: FinetuneConfig, *, source: str) -> None:
    """Set every widget to the options of a run; the page names the run they come from."""
    values = config.to_dict()
    for name in OPTIONS:
        if name == "weights":
            for task, weight in zip(TASKS, values[name], strict=True):
                st.session_state[_weight_key(task)] = float(weight)
        else:
            value = NO_PATH[name] if values[name] is None else values[name]
            st.session_state[_key(name)] = list(value) if isinstance(value, tuple) else value
    st.session_state.pop("finetune_preset", None)
    st.session_state["finetune_source"] = source


def _key(name: str) -> str:
    return f"finetune_{name}"


def _weight_key(task: str) -> str:
    return f"finetune_weight_{task}"


def _presets() -> None:
    def choose() -> None:
        if preset := st.session_state["finetune_preset"]:
            st.session_state["finetune_epochs"] = PRESETS[preset]

    st.segmented_control(
        "Preset",
        list(PRESETS),
        key="finetune_preset",
        on_change=choose,
        label_visibility="collapsed",
        persist_state="session",
    )


def _widget(name: str, workspace: Workspace) -> None:
    """Draw the widget that fits an option's type."""
    default: Any = OPTIONS[name].default
    shared = _shared(name)
    if name == "data":
        return _path(name, _label_files(workspace))
    if name == "release":
        return _path(name, _releases(workspace))
    if name == "pretrained_encoder":
        return _path(name, _encoders(workspace))
    if name == "device":
        return _device()
    default = list(default) if isinstance(default, tuple) else default
    st.session_state.setdefault(shared["key"], default)  # a preset may have set it already
    kind = option_type(name)
    if choices := FinetuneConfig.choices().get(name):
        st.selectbox(options=choices, format_func=choice, **shared)
    elif name == "log":
        st.multiselect(options=TRACKERS, format_func=choice, placeholder="Nowhere else", **shared)
    elif kind is bool:
        st.toggle(**shared)
    elif kind is int:
        st.number_input(min_value=0, step=1, **shared)
    else:
        st.number_input(min_value=0.0, step=default / 2, format="%.4g", **shared)
    return None


def choice(value: str) -> str:
    """Return a choice, with what to install where its packages are absent."""
    command = to_install(value)
    return f"{value} (needs {command})" if command else value


def _shared(name: str) -> dict[str, Any]:
    """Return what every widget of an option has: label, help, key."""
    label = LABELS.get(name, name.replace("_", " ").capitalize())
    help_text = OPTIONS[name].metadata["help"].replace("%%", "%")
    help_text = help_text[0].upper() + help_text[1:]
    return {
        "label": label,
        "help": help_text,
        "key": _key(name),
        "persist_state": "session",
    }


def _path(name: str, paths: Sequence[Path]) -> None:
    none = NO_PATH[name]
    st.selectbox(
        options=[none, *map(str, paths)],
        format_func=lambda value: value if value == none else _short(Path(value)),
        accept_new_options=True,
        **_shared(name),
    )


def _short(path: Path) -> str:
    return "/".join(path.parts[-2:])


def _label_files(workspace: Workspace) -> list[Path]:
    return sorted(workspace.label_file.parent.glob("*.parquet"))


def _releases(workspace: Workspace) -> list[Path]:
    known = {item.name for item in cache.store(workspace.store_url).releases()}
    folders = sorted(workspace.releases_dir.glob("*/manifest.json"))
    return [path.parent.resolve() for path in folders if path.parent.name in known]


def _encoders(workspace: Workspace) -> list[Path]:
    runs = [run.path / "best.pt" for run in list_runs(workspace.runs_dir)]
    return sorted(workspace.artifacts_dir.rglob("*.pt")) + [path for path in runs if path.exists()]


def _device() -> None:
    asked = cache.devices()
    names: dict[str, str] = {"auto": "auto: the fastest one found"}
    if asked.done():
        try:
            names |= {found["key"]: f"{found['key']}: {found['name']}" for found in asked.result()}
        except DeviceError as error:
            st.warning(str(error))
    st.selectbox(
        options=list(names), format_func=lambda key: str(names.get(key, key)), **_shared("device")
    )
    if not asked.done():
        _rerun_when(asked.done)


def _rerun_when(done: Callable[[], bool]) -> None:
    @st.fragment(run_every=0.5)
    def wait() -> None:
        st.caption("Looking for devices…")
        if done():
            st.rerun()

    wait()


def _weights() -> None:
    defaults: Any = OPTIONS["weights"].default
    for column, task, default in zip(st.columns(4), TASKS, defaults, strict=True):
        column.number_input(
            TASK_NAMES[task],
            min_value=0.0,
            value=default,
            key=_weight_key(task),
            persist_state="session",
        )
