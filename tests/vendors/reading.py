"""Read a file as an import does: whole, and only if every row passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from moola.exceptions import ImportRefused
from moola.tables import refuse_rows
from moola.vendors import Answers, inspect_bars


def read_bars(path: Path, **answers: Any) -> pd.DataFrame:
    """Return all bars of a file, or refuse it as the import would."""
    parts: list[pd.DataFrame] = []
    inspection = inspect_bars(path, Answers(**answers), take=parts.append)
    refuse_rows(inspection.refused, inspection.n_rows, path.name)
    return pd.concat(parts, ignore_index=True)


def refusal(path: Path, **answers: Any) -> ImportRefused:
    """Return the refusal of a file, which is one sentence or two on one line."""
    with pytest.raises(ImportRefused) as caught:
        read_bars(path, **answers)
    assert "\n" not in str(caught.value)
    return caught.value
