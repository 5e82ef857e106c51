"""Train as a job of a Ray cluster, in the same run folder on storage that both can reach.

Ray chooses when and where: a job waits until a CPU (a GPU for ``--device cuda``) is free. The nodes
should see the workspace and this Python under the same paths. The label store stays here: what a
run trains on is collected before its job is handed in.

Files carry everything else. The job is ``moola.supervisor --remote``, which stamps a sign of life,
does what the file ``.ask`` says and writes ``exit.json``, so that a page learns of a crash as it
does at home. Ray itself is asked only about what the files cannot know: a job that has not started
yet, and one whose node has gone.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence

from moola.bars import BarStore
from moola.collect import collect
from moola.exceptions import RunError
from moola.launching._base import JOB_MARK, KILL_AFTER_S, KILLED, PACKAGE_PARENT
from moola.launching.ray_jobs import RayJobs
from moola.liveness import RunJob, read_job, silence_s, write_job
from moola.runs import EXAMPLES_FILE, RunFolder, now_iso
from moola.store import LabelStore
from moola.supervisor import ASK_FILE, JOB_FILE
from moola.workspace import Workspace

ASK_AGAIN_S = 5.0
SETTLE_S = KILL_AFTER_S + 10.0


class RayLauncher:
    """Hands runs to the job server of a cluster."""

    def __init__(self, address: str) -> None:
        self.jobs = RayJobs(address)

    def launch(self, run: RunFolder, command: Sequence[str], workspace: Workspace) -> None:
        """Submit the run as a job under a name of its own; a resumed run is a new job."""
        _collect_here(run, workspace)
        python = command[0]
        supervisor = [python, "-S", "-m", "moola.supervisor", str(run.path.resolve())]
        wants_gpu = run.kind == "finetune" and run.config().device == "cuda"
        job_id = f"moola-{run.id}-{time.time_ns():x}"
        write_job(run.path, RunJob(self.jobs.address, job_id, asked_at=time.time()))
        try:
            self.jobs.submit(
                [*supervisor, "--job", job_id, "--", *command],
                job_id=job_id,
                env={"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PACKAGE_PARENT), JOB_MARK: job_id},
                n_gpus=1 if wants_gpu else 0,
            )
        except RunError as error:
            run.write_status(state="failed", message=str(error), ended_at=now_iso())
            raise

    def stop(self, run: RunFolder) -> None:
        """Ask the supervisor to have the run saved; a job that still waits is taken back."""
        self._end(run, "stop", message="")

    def kill(self, run: RunFolder) -> None:
        """Ask the supervisor to kill."""
        self._end(run, "kill", message=KILLED)

    def _end(self, run: RunFolder, how: str, *, message: str) -> None:
        if not run.status().is_live:
            return
        job = _job(run)
        (run.path / ASK_FILE).write_text(how, encoding="utf-8")
        if run.status().pid is None and self.jobs.look(job.id).state == "pending":
            # Ray ends it when it would have started; should it start, it finds what was asked.
            self.jobs.stop(job.id)
            run.write_status(state="stopped", message=message, ended_at=now_iso())
            return
        threading.Thread(target=self._see_it_end, args=(run, message), daemon=True).start()

    def _see_it_end(self, run: RunFolder, message: str) -> None:
        """Write down that the end was wanted; what does not end by itself is ended by Ray."""
        deadline = time.monotonic() + SETTLE_S
        while run.status().is_live and time.monotonic() < deadline:
            self.look_after(run)
            time.sleep(0.2)
        with contextlib.suppress(RunError):
            self.jobs.stop(_job(run).id)
        if run.status().state in ("crashed", "queued", "running"):
            run.write_status(state="stopped", message=message, ended_at=now_iso())

    def look_after(self, run: RunFolder) -> None:
        """Ask Ray about a job that gives no sign of life, and write down what it says."""
        job = _job(run)
        is_quiet = run.status().pid is None or silence_s(run.path) > ASK_AGAIN_S
        if not is_quiet or time.time() - job.asked_at < ASK_AGAIN_S:
            return
        with contextlib.suppress(RunError):  # no answer says nothing: the files go on telling
            found = self.jobs.look(job.id)
            job = job._replace(state=found.state, message=found.message)
        write_job(run.path, job._replace(asked_at=time.time()))


def _job(run: RunFolder) -> RunJob:
    job = read_job(run.path)
    if job is None:
        raise RunError(f"Run {run.id} should be a Ray job. Found no {JOB_FILE}.")
    return job


def _collect_here(run: RunFolder, workspace: Workspace) -> None:
    """Keep what the run trains on in its folder: SQLite is no store for several machines."""
    if run.kind != "finetune" or (run.path / EXAMPLES_FILE).exists():
        return
    with contextlib.closing(LabelStore.open(workspace.store_url)) as store:
        examples = collect(run.config(), store=store, bar_store=BarStore(workspace.bars_dir))
    examples.save(run.path / EXAMPLES_FILE)
