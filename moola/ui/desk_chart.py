"""The labelling desk in the page: one component that lives in the browser and on HTTP.

Its modules are plain JavaScript, tested under node; here they become the one file that an inline
component is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from moola.figures import TASK_COLORS
from moola.schema import WINDOW_LENGTH

HERE = Path(__file__).parent
ENTRY = HERE / "desk" / "desk.js"
IMPORT = re.compile(r'^import \* as (\w+) from "([^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?:const|class|function|async function) (\w+)", re.MULTILINE)


def bundle(entry: Path = ENTRY) -> str:
    """Return a module and all that it imports as one module that imports nothing."""
    names: dict[Path, str] = {}
    parts: list[str] = []
    body = _inlined(entry.resolve(), names, parts)
    return "".join([*parts, body])


def _inlined(path: Path, names: dict[Path, str], parts: list[str]) -> str:
    """Return a module's text without imports; what it imports is put into `parts` before it."""
    source = path.read_text(encoding="utf-8")
    bound = []
    for name, place in IMPORT.findall(source):
        target = (path.parent / place).resolve()
        if target not in names:
            names[target] = f"module{len(names)}"
            _append_module(target, names, parts)
        bound.append(f"const {name} = {names[target]};\n")
    return "".join(bound) + IMPORT.sub("", source)


def _append_module(path: Path, names: dict[Path, str], parts: list[str]) -> None:
    text = _inlined(path, names, parts)
    exports = ", ".join(EXPORT.findall(text))
    inside = re.sub(r"^export ", "", text, flags=re.MULTILINE)
    parts.append(f"const {names[path]} = (() => {{\n{inside}\nreturn {{ {exports} }};\n}})();\n")


_mount = component(
    "moola_desk",
    html='<div class="desk" data-testid="desk"></div>',
    css=(HERE / "desk" / "desk.css").read_text(encoding="utf-8"),
    js=bundle(),
)


@dataclass(frozen=True, kw_only=True)
class DeskSettings:
    """How the chart is drawn."""

    inner: tuple[int, int] = (0, WINDOW_LENGTH - 1)
    """First and last bar of the region that expansions are looked for in; the rest is shaded."""


@dataclass(frozen=True, kw_only=True)
class DeskData:
    """What the desk is started with; it reads windows and writes decisions over HTTP.

    Another `annotator`, `mode` or filter starts it anew, another `window` makes it go there.
    """

    annotator: str
    workspace: str
    """Tells label stores apart, such as by their URL: each has an outbox in the browser."""
    mode: str = "unlabelled"
    filters: Mapping[str, str] = field(default_factory=dict)
    """Query parameters of the queue: ``series``, ``types``, ``run``."""
    api: str = "/desk"
    window: str | None = None
    settings: DeskSettings = DeskSettings()
    colors: Mapping[str, str] = field(
        default_factory=lambda: {name: TASK_COLORS[name] for name in ("binary", "countdown")}
    )


def mount(data: DeskData, *, key: str = "desk") -> None:
    """Put the desk on the page."""
    values: dict[str, Any] = asdict(data)
    # A database's URL may hold a password: the browser gets a name made from it.
    values["workspace"] = sha256(data.workspace.encode()).hexdigest()[:16]
    _mount(key=key, data=values)
