"""What calibration does to the decoded spans of the sample's held-out windows: `make bench`.

Three runs of 60 epochs; seeds change the split as well. It takes about two minutes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from moola.bars import BarStore
from moola.checkpoint import Checkpoint
from moola.collect import collect
from moola.config import FinetuneConfig
from moola.decode import IDENTITY, Calibration, decode_spans
from moola.examples import NO_SPAN
from moola.length_prior import LengthPrior
from moola.predict import predict
from moola.runs import EXAMPLES_FILE, create_run
from moola.sample import write_sample
from moola.schema import WINDOW_LENGTH
from moola.store import LabelStore
from moola.train import finetune
from moola.workspace import Workspace

SEEDS = (0, 1, 2)


def test_raw_and_calibrated_logits(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    store, bars = LabelStore.open(workspace.store_url), BarStore(workspace.bars_dir)
    write_sample(workspace, store, bars)
    print(f"\n{'seed':6}{'logits':14}{'no span':>10}{'hit':>8}{'confidence':>12}")
    for seed in SEEDS:
        config = FinetuneConfig(device="cpu", seed=seed)
        run = create_run(workspace.runs_dir, config)
        examples = collect(config, store=store, bar_store=bars)
        examples.save(run.path / EXAMPLES_FILE)
        finetune(run)
        meta = Checkpoint.load(run.path / "last.pt").meta
        prior = LengthPrior.from_dict(meta["length_prior"])
        held_out = examples.take(examples.is_val)
        table = predict(run, held_out, device="cpu")
        logits = table["binary_logit"].to_numpy().reshape(-1, WINDOW_LENGTH)
        calibrations = {"raw": IDENTITY, "calibrated": Calibration(**meta["calibration"])}
        for name, calibration in calibrations.items():
            spans = decode_spans(logits, prior, calibration)
            near = np.abs([spans.start - held_out.start, spans.end - held_out.end]) <= 3
            hit = (near.all(axis=0) & (spans.start != NO_SPAN)).mean()
            none = (spans.start == NO_SPAN).mean()
            confidence = spans.confidence.mean()
            print(f"{seed:<6}{name:14}{none:10.0%}{hit:8.0%}{confidence:12.0%}")
