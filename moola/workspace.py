"""Where a workspace keeps its store, bars, runs and artifacts: two workspaces never meet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_WORKSPACE = Path("data")


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder layout below one root.

    Only `moola.cli.main` and ``app.py`` read the environment (``MOOLA_WORKSPACE``,
    ``MOOLA_DATABASE_URL``, ``MOOLA_RAY_ADDRESS``); everything else is handed a `Workspace`.
    """

    root: Path
    database_url: str | None = None
    ray_address: str | None = None

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the label store: SQLite in the workspace unless one was given."""
        return self.database_url or f"sqlite:///{(self.root / 'moola.db').resolve()}"

    @property
    def bars_dir(self) -> Path:
        """Bars as Parquet files named by their content hash."""
        return self.root / "bars"

    @property
    def fetched_dir(self) -> Path:
        """Bars as they were fetched, one file a symbol and bar size."""
        return self.root / "fetched"

    @property
    def runs_dir(self) -> Path:
        """One folder per fine-tuning run."""
        return self.root / "runs"

    @property
    def releases_dir(self) -> Path:
        """One folder per release: a dataset that never changes."""
        return self.root / "releases"

    @property
    def artifacts_dir(self) -> Path:
        """Encoders and other files that outlive a run."""
        return self.root / "artifacts"

    @property
    def label_file(self) -> Path:
        """The label Parquet that the sample writes and the source notes name."""
        return self.root / "processed" / "labeled" / "train_latest.parquet"

    @property
    def sample_marker(self) -> Path:
        """Present when the workspace holds generated bars; the app then says so."""
        return self.root / "sample.json"
