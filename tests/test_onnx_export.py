"""The exported model says what PyTorch says, on any number of windows, without dropout."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch

from moola import onnx_export
from moola.exceptions import ConfigError, RunError
from moola.features import compute_features
from moola.runs import RunFolder
from moola.train import finetune
from tests.toy import toy_examples, toy_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = toy_run(tmp_path_factory.mktemp("runs"), toy_examples(24), epochs=2)
    finetune(run)
    return run


@pytest.fixture(scope="module")
def exported(run: RunFolder) -> Path:
    path = run.path / "model.onnx"
    onnx_export.export_onnx(run, path)
    return path


def test_every_head_equals_pytorch_and_the_file_is_a_valid_model(
    run: RunFolder, exported: Path
) -> None:
    onnx.checker.check_model(str(exported))
    heads = onnx_export.load_heads(run)
    assert {"type_prob", "pointers", "binary_prob", "countdown_bars"} <= set(heads.names)
    found = onnx_export.compare(heads, exported, toy_examples(24, seed=9).features)
    assert max(found.values()) < 1e-4


def test_it_takes_one_window_or_many_and_draws_no_dropout(exported: Path) -> None:
    session = onnxruntime.InferenceSession(str(exported))
    features = toy_examples(70).features
    (many,) = session.run(["binary_prob"], {"features": features})
    (one,) = session.run(["binary_prob"], {"features": features[:1]})
    assert many.shape == (70, 105)
    assert np.abs(one[0] - many[0]).max() < 1e-5
    assert "Dropout" not in {node.op_type for node in onnx.load(str(exported)).graph.node}


def test_the_shared_model_is_left_in_eval_mode(run: RunFolder, tmp_path: Path) -> None:
    heads = onnx_export.load_heads(run)
    onnx_export._write(heads, tmp_path / "model.onnx")
    assert not any(module.training for module in heads.modules())


def test_a_model_that_differs_is_refused_and_nothing_is_left_behind(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = onnx_export._write

    def write_another(heads: onnx_export.Heads, path: Path) -> None:
        other = onnx_export.load_heads(run)
        with torch.no_grad():
            other.model.binary_head.bias.add_(0.5)
        write(other, path)

    monkeypatch.setattr(onnx_export, "_write", write_another)
    with pytest.raises(RunError, match="should equal PyTorch's within"):
        onnx_export.export_onnx(run, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_one_sentence_names_it(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def lacking(name: str, *args: object, **more: object) -> object:
        if name == "onnx":
            raise ImportError(name="onnx")
        return real(name, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(ConfigError, match=r"pip install 'moola\[onnx\]'"):
        onnx_export.export_onnx(run, tmp_path / "model.onnx")


@pytest.mark.real_bars
def test_it_equals_pytorch_on_real_bars(
    run: RunFolder, exported: Path, real_bars_dir: Path
) -> None:

    bars = pd.read_parquet(real_bars_dir / "es_1min_2022jan.parquet").head(64 * 105)
    columns = {name.lower(): name for name in bars.columns}
    ohlc = bars[[columns[name] for name in ("open", "high", "low", "close")]].to_numpy(float)
    features = compute_features(ohlc).astype(np.float32).reshape(-1, 105, 12)
    found = onnx_export.compare(onnx_export.load_heads(run), exported, features)
    assert max(found.values()) < 1e-3
    assert found["binary_prob"] < 1e-4
