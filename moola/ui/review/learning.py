"""The Review page's learning curve: what more labels would buy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import streamlit as st

from moola import figures_detection, launching
from moola import learning as curves
from moola.exceptions import RunError
from moola.runs import RunFolder
from moola.ui import components, jobs
from moola.workspace import Workspace

WHAT = (
    "The run's own recipe, trained anew on 50, 100 and all labels of each of five folds: about as "
    "long as ten runs. It goes on when this tab is closed."
)


def draw(workspace: Workspace, run: RunFolder) -> None:
    """Draw the stored curve with its fit, or the way to measure it."""
    key = f"learning-curve {run.path}"
    job = jobs.begun(key).get(key)
    if job is not None:
        with components.problems():
            jobs.finish(job, "Training on growing numbers of labels")
        if not job.is_alive():
            jobs.forget(key)
    table = curves.read_curve(run)
    if table is None:
        st.caption(WHAT)
    else:
        found = curves.fit(table)
        components.chart(
            figures_detection.learning_curve(curves.points(table), found), key="review_learning"
        )
        st.markdown(str(found) if found else "Three sizes are needed to fit a line.")
        st.caption(
            "Each window was tested by a model that had seen nothing near it: the folds of a "
            "cross-validation. The sizes of a fold are nested. The interval is the wider one of "
            "two: over groups of test windows, and over the folds with their own training labels."
        )
    st.button(
        "Measure it" if table is None else "Measure it again",
        key="review_learning_start",
        icon=":material/show_chart:",
        on_click=_start,
        args=(key, workspace, run),
    )
    st.caption(f"From a shell: `moola learning-curve {run.id}`, with other sizes, folds, workers.")


def _start(key: str, workspace: Workspace, run: RunFolder) -> None:
    jobs.start(key, _work(workspace, run))


def _work(workspace: Workspace, run: RunFolder) -> jobs.Work:
    """Return the work: a process of its own, since torch never comes into the app."""
    command = [sys.executable, "-m", "moola", "learning-curve", str(run.path.resolve())]
    command += ["--workspace", str(workspace.root.resolve())]

    def work(note: Callable[[float], None]) -> None:
        lines: list[str] = []
        with subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=launching.PACKAGE_PARENT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        ) as process:
            for line in process.stderr or ():
                lines.append(line.strip())
                words = line.split()
                if len(words) == 4 and words[3] == "trainings":
                    note(int(words[0]) / int(words[2]))
        if process.returncode:
            raise RunError(lines[-1].removeprefix("error: ") if lines else "The process ended.")

    return work
