"""The Review page's card and exports: what leaves the app about a run, and what it found."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import streamlit as st

from moola import card_text, lateness, launching, model_card, span_exports
from moola.exceptions import RunError
from moola.runs import RunFolder
from moola.ui import cache, components
from moola.workspace import Workspace

FOLDER = "exports"
ONNX_TIMEOUT_S = 300
ALL = "all series"


def draw(workspace: Workspace, run: RunFolder) -> None:
    """Draw the exports beside the model card."""
    left, right = st.columns([2, 3], gap="large")
    with left, components.problems():
        _exports(workspace, run)
    with right, components.problems():
        _card(workspace, run)


def _card(workspace: Workspace, run: RunFolder) -> None:
    blocks = _blocks(
        workspace,
        run.id,
        _written(run),
        cache.store(workspace.store_url).version(),
        run,
    )
    text = card_text.markdown(blocks)
    with st.container(horizontal=True):
        for name, content in (("md", text), ("html", card_text.page(blocks))):
            st.download_button(
                f"Model card .{name}",
                content,
                file_name=f"{run.id}_card.{name}",
                icon=":material/download:",
                key=f"review_card_{name}",
                on_click="ignore",
            )
    with st.container(border=True, height=620):
        # One size smaller than the page's own headings.
        st.markdown(text.replace("\n## ", "\n##### ").replace("# Model card", "#### Model card", 1))


def _written(run: RunFolder) -> tuple[int, ...]:
    """Return when what the card tells was written: `moola as-of` may come long after the run."""
    files = [run.path / name for name in ("run.json", lateness.SUMMARY_FILE)]
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in files)


@st.cache_resource(max_entries=4, show_spinner="Writing the card")
def _blocks(
    workspace: Workspace, run_id: str, written: tuple[int, ...], version: int, _run: RunFolder
) -> list[card_text.Block]:
    store, bars = cache.store(workspace.store_url), cache.bar_store(workspace.bars_dir)
    return model_card.card(_run, store, bars)


def _exports(workspace: Workspace, run: RunFolder) -> None:
    st.markdown("##### Its spans for other tools", anchors=False)
    has_onnx = find_spec("onnx") is not None and find_spec("onnxruntime") is not None
    key = st.selectbox(
        "As",
        list(span_exports.FORMATS),
        format_func=lambda name: span_exports.FORMATS[name],
        key="review_export_to",
    )
    store = cache.store(workspace.store_url)
    spans = span_exports.spans_of(run, store)
    feeds = sorted({span.series_id for span in spans})
    series = st.selectbox(
        "Series", [ALL, *feeds], key="review_export_series", disabled=key == "onnx"
    )
    lacking = key == "onnx" and not has_onnx
    if lacking:
        st.caption("Needs the extra: `pip install 'moola[onnx]'`.")
    if st.button("Export", key="review_export", type="primary", disabled=lacking):
        chosen = [span for span in spans if series in (ALL, span.series_id)]
        done = _write(workspace, run, key, chosen, None if series == ALL else series)
        st.session_state["review_exported"] = (run.id, key, series, *done)
    exported = st.session_state.get("review_exported")
    if exported and exported[:3] == (run.id, key, series):
        _offer(exported[3], exported[4])


def _write(
    workspace: Workspace,
    run: RunFolder,
    key: str,
    spans: list[span_exports.RunSpan],
    series: str | None,
) -> tuple[str, str | None]:
    """Export; return what there is to say and the path of the file, if there is one."""
    store, bars = cache.store_to_draw_in(workspace.store_url), cache.bar_store(workspace.bars_dir)
    if key == "proposals":
        return str(span_exports.propose(run, spans, store, bars)), None
    name = "_".join(filter(None, [run.id, series]))
    path = workspace.root / FOLDER / f"{name}{span_exports.SUFFIXES[key]}"
    if key == "onnx":
        return _write_onnx(workspace, run, path), str(path)
    if key == "parquet":
        n_rows = span_exports.write_table(run, spans, path, store, bars)
        return f"{components.counted(n_rows, 'window')}", str(path)
    notes = span_exports.write_script(spans, path, store, bars)
    return "; ".join(["script written", *notes]), str(path)


def _write_onnx(workspace: Workspace, run: RunFolder, path: Path) -> str:
    """Let a process of its own write the model: torch never comes into the app."""
    command = [sys.executable, "-m", "moola", "export-spans", str(run.path), "--to", "onnx"]
    command += ["--out", str(path), "--workspace", str(workspace.root)]
    with st.spinner("Exporting the model and checking it against PyTorch"):
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=ONNX_TIMEOUT_S,
            check=False,
            cwd=launching.PACKAGE_PARENT,
        )
    if done.returncode:
        raise RunError(done.stderr.strip().splitlines()[-1].removeprefix("error: "))
    return done.stdout.strip().splitlines()[-1]


def _offer(told: str, path: str | None) -> None:
    st.markdown(f":green[:material/check_circle:] {told}")
    if path is None:
        st.page_link(
            "pages/windows.py",
            label="Open the proposals",
            icon=":material/arrow_forward:",
            query_params={"mode": "proposals"},
        )
        return
    file = Path(path)
    st.download_button(
        f"Download {file.name}",
        file.read_bytes,
        file_name=file.name,
        icon=":material/download:",
        key="review_export_download",
        on_click="ignore",
    )
