"""What a training loads, and that its optimizer steps as PyTorch's own does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from moola.config import FinetuneConfig
from moola.model import JadeCompact
from moola.optimizer import LightAdamW, make_optimizer

ROOT = Path(__file__).parents[1]
TRAIN = """
import sys
from pathlib import Path
from moola.train import finetune
from tests.toy import toy_run

assert finetune(toy_run(Path(sys.argv[1]), epochs=1)) == "finished"
sys.exit(" ".join({"torch._dynamo", "torch._inductor", "sympy"} & set(sys.modules)) or 0)
"""


def test_a_training_loads_no_compiler(tmp_path: Path) -> None:
    """It would take a quarter of a run's start, and nothing is compiled."""
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_it_steps_as_the_optimizer_of_pytorch_does() -> None:
    torch.manual_seed(0)
    models = [JadeCompact(), JadeCompact()]
    models[1].load_state_dict(models[0].state_dict())
    light = make_optimizer(models[0], FinetuneConfig())
    assert isinstance(light, LightAdamW)
    groups = make_optimizer(models[1], FinetuneConfig()).param_groups
    plain = torch.optim.AdamW(groups)
    x = torch.randn(4, 105, 12)
    for model, optimizer in zip(models, (light, plain), strict=True):
        model.eval()
        for _ in range(3):
            optimizer.zero_grad()
            output = model(x)
            (output.type_logits.square().mean() + output.pointers.square().mean()).backward()
            optimizer.step()
    for ours, theirs in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.requires_grad
    assert light.state_dict()["state"].keys() == plain.state_dict()["state"].keys()
