"""The workers of a sweep: processes of this machine, or jobs of a Ray cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from moola.launching import RayJobs, python_job
from moola.runs import RunFolder
from moola.workspace import Workspace

STOP_AFTER_S = 30.0


class Workers:
    """Some processes that make trials for one study until it has enough."""

    def __init__(self, run: RunFolder, workspace: Workspace, n_workers: int) -> None:
        self.run = run
        words = ["sweep", "--resume", str(run.path.resolve()), "--worker"]
        self.command, env = python_job([*words, "--workspace", str(workspace.root.resolve())])
        self.processes: list[subprocess.Popen[bytes]] = []
        self.jobs: RayJobs | None = None
        self.job_ids: list[str] = []
        if workspace.ray_address:
            self.jobs = RayJobs(workspace.ray_address)
            for number in range(n_workers):
                job_id = f"moola-{run.id}-worker-{number}-{time.time_ns():x}"
                self.job_ids.append(self.jobs.submit(self.command, job_id=job_id, env=env))
            return
        with (run.path / "log.txt").open("ab") as log:
            for _ in range(n_workers):
                self.processes.append(
                    subprocess.Popen(
                        self.command,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        env=os.environ | env,
                    )
                )

    def are_alive(self) -> bool:
        """Tell whether any worker may make another trial."""
        if self.jobs is not None:
            jobs = self.jobs
            return any(not jobs.look(job_id).has_ended for job_id in self.job_ids)
        return any(process.poll() is None for process in self.processes)

    def stop(self) -> None:
        """Have the workers end after their step, and wait until they have."""
        for job_id in self.job_ids:
            if self.jobs is not None:
                self.jobs.stop(job_id)
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(STOP_AFTER_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def last_words(self) -> str:
        """Return why they may have ended: the end of the log."""
        if self.jobs is not None:
            return "; ".join(self.jobs.look(job_id).message for job_id in self.job_ids)
        return self.run.log_tail(1)
