"""However a file is cut or scrambled, it is read or refused in a sentence: never a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moola.exceptions import ConfigError, ImportRefused
from moola.vendors import Answers, preview, recognise
from tests.vendors.made import SHAPES, Shape

N_DAMAGES = 8
HEAD_BYTES = 10_000
JUNK = (b"\0", b"\xff\xfe", b'"', b"\n", b",,,,", b";", b"NaN", b"-1e999", b"9" * 30, b"PK\x03\x04",
        b"[", b"{", b"\r", b"0000-00-00", b"99999999 999999", b"1e400", b"\xc3")  # fmt: skip


def damaged(data: bytes, seed: int) -> bytes:
    """Return the bytes cut, scrambled, repeated or with junk in them."""
    rng = np.random.default_rng(seed)
    at, other = sorted(rng.integers(0, len(data), 2).tolist())
    kind = seed % 6
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + JUNK[int(rng.integers(len(JUNK)))] + data[at:]
    if kind == 2:
        return data[:at] + data[other:]
    if kind == 3:
        flipped = bytearray(data)
        for place in rng.integers(0, len(data), 20).tolist():
            flipped[place] = int(rng.integers(256))
        return bytes(flipped)
    if kind == 4:
        lines = data.split(b"\n")
        return b"\n".join(lines[i] for i in rng.permutation(len(lines)).tolist())
    near = min(at, 60)
    return data[:near] + JUNK[int(rng.integers(len(JUNK)))] + data[near + 1 :]


def read_or_refuse(path: Path, answers: Answers) -> bool:
    """Return whether a file could be read; anything but a refusal is a failure."""
    try:
        usual = {question.name: question.options[0] for question in recognise(path).questions}
        preview(path, Answers(**usual).or_else(answers))
    except (ImportRefused, ConfigError):
        return False
    return True


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.format}-{shape.name}")
def test_a_damaged_file_is_read_or_refused(shape: Shape, tmp_path: Path) -> None:
    whole = tmp_path / shape.name
    shape.write(whole)
    data = whole.read_bytes()
    for seed in range(N_DAMAGES):
        whole.write_bytes(damaged(data, seed + 1_000 * len(shape.name)))
        read_or_refuse(whole, shape.answers)


@pytest.mark.real_bars
def test_damaged_real_files_are_read_or_refused(real_bars_dir: Path, tmp_path: Path) -> None:
    outcomes = set()
    for number, real in enumerate(sorted((real_bars_dir / "raw").iterdir())):
        data = real.read_bytes()[:HEAD_BYTES]
        for seed in range(N_DAMAGES):
            path = tmp_path / real.name
            path.write_bytes(damaged(data, 100 * number + seed))
            outcomes.add(read_or_refuse(path, Answers()))
    assert outcomes == {True, False}, "some damage can be read past and some cannot"


@pytest.mark.real_bars
def test_real_files_under_other_names_are_read_or_refused(
    real_bars_dir: Path, tmp_path: Path
) -> None:
    names = ("bars.parquet", "20131007_spy_minute_trade.csv", "bars.zip", "bars.json", "bars")
    for real in sorted((real_bars_dir / "raw").iterdir()):
        for name in names:
            (tmp_path / name).write_bytes(real.read_bytes()[:HEAD_BYTES])
            read_or_refuse(tmp_path / name, Answers())
