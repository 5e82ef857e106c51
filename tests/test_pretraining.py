"""Pretraining learns from bars nobody labelled, resumes exactly, and says what it has seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from moola import split_facts
from moola.bars import BarStore
from moola.checkpoint import Checkpoint
from moola.collect import windows
from moola.exceptions import CheckpointError, ConfigError, RunError, SchemaError
from moola.label_file import read_label_file
from moola.model import JadeCompact
from moola.pretrain_config import METHODS, Method, PretrainConfig
from moola.pretrain_windows import pretraining_examples, seen_bars
from moola.pretrained import check_not_seen, seen_by
from moola.pretraining import CHECKPOINT, carry_out, make_trainer, prepare, pretrain_config
from moola.runs import RunFolder, create_run, list_runs
from moola.sample import LABELLED, UNLABELLED
from moola.schema import WINDOW_LENGTH
from moola.seen_bars import SEEN_FILE, Seen, SeenBars, fingerprints, print_set
from moola.store import LabelStore
from moola.unlabelled import PURGE_BARS, Stretch, unlabelled_stretches
from moola.workspace import Workspace
from tests.sample_workspace import sample_copy
from tests.toy import toy_examples, toy_run

SMALL = PretrainConfig(windows=40, epochs=2, batch_size=20, device="cpu")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return sample_copy(tmp_path_factory, tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def stretches(workspace: Workspace) -> list[Stretch]:
    with closing(LabelStore.open(workspace.store_url)) as store:
        return unlabelled_stretches((), None, store=store, bar_store=BarStore(workspace.bars_dir))


def weights(path: Path) -> dict[str, torch.Tensor]:
    return Checkpoint.load(path).model


def test_unlabelled_bars_keep_their_distance_from_every_label(
    workspace: Workspace, stretches: list[Stretch]
) -> None:
    with closing(LabelStore.open(workspace.store_url)) as store:
        series = {item.symbol: item for item in store.series()}
        labelled = store.windows(series_id=series[LABELLED].series_id)
    whole, *others = (s for s in stretches if s.series.symbol == UNLABELLED)
    assert (whole.first, len(whole), others) == (0, series[UNLABELLED].n_bars, [])
    between = [s for s in stretches if s.series.symbol == LABELLED]
    assert between, "there is room before, after or between the labelled windows"
    for stretch in between:
        for window in labelled:
            first, last = window.bar_start - PURGE_BARS, window.bar_start + 104 + PURGE_BARS
            assert stretch.first > last or stretch.first + len(stretch) <= first


def test_labelled_bars_that_were_imported_again_are_found_by_their_content(
    workspace: Workspace,
) -> None:
    with closing(LabelStore.open(workspace.store_url)) as store:
        bar_store = BarStore(workspace.bars_dir)
        series = next(item for item in store.series() if item.symbol == LABELLED)
        ohlc = bar_store.ohlc(series.content_hash)
        rows = read_label_file(workspace.label_file)
        stretches = unlabelled_stretches(
            [LABELLED], workspace.label_file, store=store, bar_store=bar_store
        )
    prints = print_set(row.ohlc for row in rows)
    assert np.isin(fingerprints(ohlc), prints).sum() > 5_000
    assert not any(np.isin(fingerprints(s.ohlc), prints).any() for s in stretches)


def test_without_unlabelled_bars_one_sentence_says_what_is_missing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(SchemaError, match="Pretraining needs at least 270 bars in a row"):
        prepare(SMALL, workspace, out=None)
    assert not workspace.runs_dir.exists()


def test_fingerprints_know_bars_by_content_alone() -> None:
    rng = np.random.default_rng(0)
    bars = 100 + np.sort(rng.random((300, 4)), axis=1)[:, [1, 3, 0, 2]]
    prints = print_set([bars])
    assert len(prints) == 296
    assert np.isin(fingerprints(bars[40:145].copy()), prints).all()
    assert not np.isin(fingerprints(bars[40:145] + 0.25), prints).any()
    assert not np.isin(fingerprints(bars[::-1]), prints).any()
    flat = np.full((50, 4), 7.0)
    assert len(print_set([flat])) == 0, "bars that never moved come from anywhere"


def test_seen_bars_survive_the_checkpoint_and_find_a_window_that_overlaps_them() -> None:
    rng = np.random.default_rng(0)
    bars = 100 + np.sort(rng.random((400, 4)), axis=1)[:, [1, 3, 0, 2]]
    seen = SeenBars((Seen("S", "hash", 0, 199),), print_set([bars[:200]]))
    again = SeenBars.from_dict(seen.to_dict() | {"prints": torch.from_numpy(seen.prints)})
    starts = (0, 195, 196, 290)
    shown = again.n_bars_in(np.stack([bars[s : s + WINDOW_LENGTH] for s in starts])) > 0
    assert shown.tolist() == [True, True, False, False], "five bars in common make a fingerprint"
    assert again.n_bars == 200


@pytest.mark.parametrize("method", METHODS)
def test_windows_to_learn_from_share_no_bar_with_those_to_check_on(
    stretches: list[Stretch], method: Method
) -> None:
    examples = pretraining_examples(stretches, replace(SMALL, method=method))
    assert (~examples.is_val).sum() == 40
    assert 0 < examples.is_val.sum() <= 8
    assert examples.has_span.all() == (method == "planted")
    seen = seen_bars([s for s in stretches if s.series.symbol == UNLABELLED])
    assert seen.n_bars == 10_000

    def bars(rows: np.ndarray) -> set[tuple[str, int]]:
        found = examples.take(rows)
        return {
            (name.split("@")[0], int(name.split("@")[1].split("/")[0]) + start + bar)
            for name, start in zip(found.series_id, found.bar_start.tolist(), strict=True)
            for bar in range(WINDOW_LENGTH)
        }

    assert not bars(examples.is_val) & bars(~examples.is_val)


@pytest.mark.parametrize("method", METHODS)
def test_a_run_writes_an_encoder_that_fine_tuning_starts_from(
    workspace: Workspace, method: Method, tmp_path: Path
) -> None:
    out = tmp_path / "checkpoint_best.pt"
    run = prepare(replace(SMALL, method=method), workspace, out=out)
    assert carry_out(run) == "finished"
    assert [row["epoch"] for row in run.history()] == [1, 2]
    assert run.status().state == "finished"
    encoder = JadeCompact.from_pretrained(out, standardize=True).encoder.state_dict()
    best = {name.partition(".")[2]: w for name, w in weights(run.path / "best.pt").items()
            if name.startswith("encoder.")}  # fmt: skip
    assert all(torch.equal(encoder[name], best[name]) for name in encoder)
    meta = Checkpoint.load(out).meta["pretraining"]
    assert meta["method"] == method
    assert meta["data_hash"] == run.examples().content_hash()
    seen = seen_by(out)
    assert seen is not None
    assert seen.n_bars == run.resolved()["n_bars"]
    told = json.loads((run.path / SEEN_FILE).read_text("utf-8"))
    assert seen.prints.tolist() == told["prints"]
    assert run not in list_runs(workspace.runs_dir)
    assert run.id in {other.id for other in list_runs(workspace.runs_dir, ("pretrain",))}


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    workspace: Workspace, method: Method, tmp_path: Path
) -> None:
    config = replace(SMALL, method=method)
    whole = prepare(config, workspace, out=tmp_path / "whole.pt")
    carry_out(whole)
    halves = prepare(config, workspace, out=tmp_path / "halves.pt")
    for n_steps in (1, 2):
        assert carry_out_steps(halves, n_steps) == "stopped"
        assert not (tmp_path / "halves.pt").exists()
    assert carry_out(halves) == "finished"
    one, other = weights(tmp_path / "whole.pt"), weights(tmp_path / "halves.pt")
    assert all(torch.equal(one[name], other[name]) for name in one)


def carry_out_steps(run: RunFolder, n_steps: int) -> str:
    """Carry a run on for some steps, as if a signal came then."""
    from moola import pretraining

    left = iter([False] * n_steps + [True] * 100)
    stop: Callable[[], bool] = lambda: next(left)  # noqa: E731
    return pretraining._pretrain(run, stop, None)


def test_masked_pretraining_learns_to_rebuild_slow_features(stretches: list[Stretch]) -> None:
    config = replace(SMALL, method="mae", windows=200, epochs=12)
    trainer = make_trainer(config, pretraining_examples(stretches, config))
    rows = []
    for _ in range(config.epochs):
        trainer.run_epoch(stop=lambda: False, on_step=lambda _done, _planned: None)
        rows.append(trainer.end_epoch()[0])
    assert rows[-1]["val_loss"] < 0.8 * rows[0]["val_loss"]
    assert rows[-1]["r2"]["bars_since_SH_norm"] > 0.5
    assert rows[-1]["r2"]["range_z"] < rows[-1]["r2"]["bars_since_SH_norm"]


def test_an_encoder_that_saw_the_windows_to_be_judged_on_is_refused(
    workspace: Workspace, tmp_path: Path
) -> None:
    run = prepare(SMALL, workspace, out=tmp_path / "encoder.pt")
    carry_out(run)
    with closing(LabelStore.open(workspace.store_url)) as store:
        bar_store = BarStore(workspace.bars_dir)
        examples = windows(None, "verified", store=store, bar_store=bar_store)
        unlabelled = store.find_series(UNLABELLED)
    held_out = replace(examples, is_val=np.arange(len(examples)) % 5 == 0)
    encoder = str(tmp_path / "encoder.pt")
    facts = check_not_seen(encoder, held_out)["pretraining"]
    n_bars = run.resolved()["n_bars"]
    assert facts == {"n_bars": n_bars, "n_judged": 35 * 105, "n_judged_seen": 0}

    ohlc = held_out.ohlc.copy()
    ohlc[5] = bar_store.ohlc(unlabelled.content_hash)[500:605]
    leak = replace(held_out, ohlc=ohlc)
    with pytest.raises(SchemaError, match=f"1 of 35 .* {leak.window_uid[5]}"):
        check_not_seen(encoder, leak)
    check_not_seen(encoder, replace(leak, is_val=np.arange(len(leak)) == 7))


def test_a_checkpoint_that_says_nothing_of_pretraining_is_taken_as_it_is(tmp_path: Path) -> None:
    torch.save({"encoder": JadeCompact().encoder.state_dict()}, tmp_path / "foreign.pt")
    assert seen_by(tmp_path / "foreign.pt") is None
    assert check_not_seen(str(tmp_path / "foreign.pt"), toy_examples()) == {"pretraining": None}
    assert check_not_seen(None, toy_examples()) == {}


@pytest.mark.parametrize("content", [b"", b"PK no archive", b"\x80\x02\x8a\nl"])
def test_a_file_that_is_no_checkpoint_says_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.pt").write_bytes(content)
    assert seen_by(tmp_path / "odd.pt") is None
    with pytest.raises(CheckpointError, match="should be a checkpoint at"):
        seen_by(tmp_path / "gone.pt")


def test_nothing_that_a_checkpoint_names_is_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"meta": {"epoch": 3, "odd": Hostile()}}, tmp_path / "hostile.pt")
    assert seen_by(tmp_path / "hostile.pt") is None
    assert not (tmp_path / "ran").exists()


def test_the_training_windows_of_a_run_whose_encoder_is_taken_are_no_held_out_ones(
    tmp_path: Path,
) -> None:
    examples = toy_examples(8)
    examples.ohlc[:] = np.random.default_rng(0).uniform(1, 2, examples.ohlc.shape)
    examples.ohlc[..., 1] += 5
    run = toy_run(tmp_path, examples)
    torch.save({"encoder": JadeCompact().encoder.state_dict()}, run.path / "best.pt")
    encoder = str(run.path / "best.pt")
    assert check_not_seen(encoder, examples)["pretraining"]["n_judged_seen"] == 0
    with pytest.raises(SchemaError, match="3 of 4 held-out windows"):  # the fourth was held out
        check_not_seen(encoder, replace(examples, is_val=np.arange(8) < 4))


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({}, "did not record which bars"),
        ({"pretraining": None}, "does not say which bars it has seen"),
        (
            {"pretraining": {"n_bars": 9_000, "n_judged": 315, "n_judged_seen": 0}},
            "saw 0 of the 315 held-out bars, and 9,000 others",
        ),
    ],
)
def test_the_facts_of_the_split_say_what_the_pretraining_saw(
    facts: dict[str, Any], told: str, tmp_path: Path
) -> None:
    run = toy_run(tmp_path, pretrained_encoder="encoder.pt")
    run.save_config(run.config(), facts)
    assert told in split_facts.split_sentences(run)[-1]
    without = toy_run(tmp_path)
    assert not any("pretrain" in line for line in split_facts.split_sentences(without))


def test_bars_that_were_seen_are_counted_by_fives() -> None:
    bars = np.random.default_rng(0).uniform(1, 2, (30, 4)).cumsum(axis=0)
    bars[:, 1] += 5
    seen = SeenBars((), print_set([bars[10:16]]))
    assert seen.n_bars_in(np.stack([bars[:15], bars[15:]])).tolist() == [5, 0]
    assert seen.n_bars_in(bars[None]).tolist() == [6]


def test_bad_options_are_named() -> None:
    with pytest.raises(ConfigError, match="method should be one of planted, mae"):
        PretrainConfig.from_dict({"method": "gpt"})
    with pytest.raises(ConfigError, match="mask_share should lie between 0 and 1"):
        PretrainConfig(mask_share=1.0)
    with pytest.raises(ConfigError, match="knows no option depth"):
        PretrainConfig.from_dict({"depth": 3})


def test_another_kind_of_run_is_no_pretraining_run(tmp_path: Path) -> None:
    run = create_run(tmp_path, SMALL.supervised())
    with pytest.raises(RunError, match="of kind finetune"):
        pretrain_config(run)
    assert CHECKPOINT.name == "checkpoint_best.pt"
