"""A run over several processes is the run of one: the same weights, on one machine, with DDP and with FSDP2."""

import dataclasses
import shutil
from pathlib import Path
from unittest import mock

import pytest
import torch
from processes import in_processes
from safetensors.torch import load_file
from tiny import change, tiny_clips, tiny_config, tiny_run
from torch._dynamo.utils import counters

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.base.processes import any_rank, from_main, in_parts, rank
from vlsa.config import ComputeConfig, Config
from vlsa.data.clip import Clip
from vlsa.data.loading.loader import MemoryClips
from vlsa.pretrain import acceleration, checkpoint, loop, parallel, sharded_files
from vlsa.pretrain.checkpoint import checkpoints, load_model
from vlsa.pretrain.interrupt import StopRequest
from vlsa.pretrain.loop import build_optimizer, pretrain
from vlsa.pretrain.metrics_log import read_metrics
from vlsa.pretrain.parallel import whole

NUM_STEPS, HALF = 4, 2


def config(**settings) -> Config:
    """Scalars that learn, a space for each pair; four steps of eight clips."""
    run = tiny_run(num_steps=NUM_STEPS, batch_size=8, checkpoint_every_steps=HALF, evaluate_every_steps=HALF)
    heads = {"heads": "pair", "pooling": "attention", "head_width": 24}
    model = change(run.model, "objective", learn_temperature=True, contrast="sigmoid", **heads)
    return dataclasses.replace(run, model=model, compute=ComputeConfig(**settings))


def source() -> MemoryClips:
    """Clips of which some lack a modality, so that processes hold unlike parts of a batch."""
    clips: list[Clip] = tiny_clips(11)
    clips[1] = dataclasses.replace(clips[1], texts=())
    clips[4] = dataclasses.replace(clips[4], sound=None, sample_rate_hz=None)
    return MemoryClips({"train": clips})


def evaluator(model, tokenizer) -> dict[str, float]:
    """A number that all weights enter into."""
    return {"sum": sum(weight.double().abs().sum().item() for weight in model.state_dict().values())}


def train(path: Path, **settings) -> None:
    pretrain(config(**settings), source(), path, evaluator=evaluator)


def without_the_last(path: Path, other: Path) -> Path:
    """The run as it was at half of its steps."""
    shutil.copytree(path, other)
    shutil.rmtree(checkpoints(other)[-1])
    return other


def of_a_rank(folder: Path) -> None:
    """All that two ranks are asked for: whole runs, one that goes on, what they tell each other."""
    for name, settings in RUNS.items():
        train(folder / name, **settings)
    compiled_once_for_all_blocks(folder)
    assert from_main(f"rank {rank()}, ü") == "rank 0, ü"
    assert [any_rank(False), any_rank(rank() == 1)] == [False, True]
    for name in ("ddp", "shard"):
        if rank() == 0:
            without_the_last(folder / name, folder / f"{name} again")
        any_rank(False)
        train(folder / f"{name} again", **RUNS[name])
    with pytest.raises(ConfigError, match="Try train.batch_size=6 or 8, or another --nproc-per-node"):
        pretrain(tiny_run(batch_size=7), source(), folder / "uneven")
    other = folder / ("ddp" if rank() == 0 else "shared by none")
    if rank() == 1:
        with pytest.raises(CheckpointError, match="holds other checkpoints on this machine"):
            checkpoint.agreed(other)
    else:
        checkpoint.agreed(other)
    at_the_start(folder)


def compiled_once_for_all_blocks(folder: Path) -> None:
    """Blocks in parts share what was compiled: one graph a shape, not one a block. (Traced alone, which is quick.)"""
    traced = torch.compile(acceleration._forward, backend="eager", dynamic=False, fullgraph=True)
    counters.clear()
    with mock.patch.object(acceleration, "_compiled_forward", return_value=traced):
        train(folder / "shard, compiled", sharding="shard", compile="blocks")
    num_blocks = tiny_config().encoder.num_layers + tiny_config().decoder.num_layers
    assert 0 < counters["stats"]["unique_graphs"] < num_blocks


def at_the_start(folder: Path) -> None:
    """Weights before the first step, of a model in shards; none of its parameters is left whole but the scalars."""
    run = config(sharding="shard")
    kept: list = []
    with mock.patch.object(loop, "_run", side_effect=lambda trainer, *_: kept.append(trainer) or StopRequest()):
        pretrain(run, source(), folder / "start in shards")
    model, objective = kept[0].model, kept[0].objective
    assert [parameter.ndim for parameter in model.parameters() if not in_parts(parameter)] == [0, 0]
    assert objective.model is model
    weights = {name: whole(weight).clone() for name, weight in model.state_dict().items()}
    if rank() == 0:
        torch.save(weights, folder / "start in shards.pt")


def of_four(folder: Path) -> None:
    """Four ranks go on with what two have begun, in parts with what lay in copies too."""
    train(folder / "ddp on four", **RUNS["shard"])
    train(folder / "shard on four", **RUNS["shard"])


RUNS = {"ddp": {}, "shard": {"sharding": "shard", "chunk_size": 3}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Runs of one process, of two, and of four that went on with what two began."""
    folder = tmp_path_factory.mktemp("ranks")
    train(folder / "alone")
    in_processes(2, of_a_rank, folder)
    for name in ("ddp", "shard"):
        for where in ("four", "one"):
            without_the_last(folder / name, folder / f"{name} on {where}")
    in_processes(4, of_four, folder)
    for name in ("ddp", "shard"):
        train(folder / f"{name} on one", **RUNS[name])
    return folder


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_model(run)[0].state_dict()


def moments(run: Path) -> dict[str, torch.Tensor]:
    model, _, settings = load_model(run)
    optimizer = build_optimizer(model, settings)
    checkpoint.load_training(checkpoints(run)[-1], model, optimizer)
    named = {name: optimizer.state[parameter] for name, parameter in model.named_parameters()}
    return {f"{kind}/{name}": state[kind] for name, state in named.items() for kind in ("exp_avg", "exp_avg_sq")}


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


def told(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Without the biases of keys: their gradient is zero but for rounding, which AdamW makes steps of."""
    return {name: weight for name, weight in weights.items() if not name.endswith("query_key_value.bias")}


@pytest.mark.parametrize(
    "name", [*RUNS, "shard, compiled", "ddp on four", "shard on four", "ddp on one", "shard on one"]
)
def test_any_number_of_processes_ends_with_the_weights_of_one(folder, name):
    alone = weights(folder / "alone")
    begun = load_model(checkpoints(folder / "alone")[0])[0].state_dict()
    assert apart(told(alone), told(weights(folder / name))) < 5e-6 < 1e-3 < apart(told(alone), told(begun))
    steps = [[line["loss"] for line in read_metrics(folder / run) if "loss" in line] for run in ("alone", name)]
    assert steps[0] == pytest.approx(steps[1], rel=1e-4)


@pytest.mark.parametrize("name", ["ddp", "shard"])
def test_a_run_over_processes_that_goes_on_ends_with_the_bits_of_an_unbroken_one(folder, name):
    assert apart(weights(folder / name), weights(folder / f"{name} again")) == 0
    assert apart(moments(folder / name), moments(folder / f"{name} again")) == 0


def test_a_model_in_parts_is_trained_as_copies_of_it_are(folder):
    assert apart(told(weights(folder / "ddp")), told(weights(folder / "shard"))) < 5e-6
    assert apart(moments(folder / "ddp"), moments(folder / "shard")) < 1e-4


def test_one_process_writes_copies_and_each_its_rows_of_parts(folder):
    names = {name: sorted(file.name for file in checkpoints(folder / name)[-1].iterdir()) for name in ("ddp", "shard")}
    assert names["ddp"] == ["model.safetensors", "training.safetensors"]
    assert names["shard"] == [
        f"{stem}-0000{number}-of-00002.safetensors" for stem in ("model", "training") for number in (1, 2)
    ]
    sizes = [part.stat().st_size for part in checkpoints(folder / "shard")[-1].glob("training-*")]
    assert max(sizes) < 1.3 * min(sizes)


def test_rank_0_evaluates_the_whole_model(folder):
    for name in ("ddp", "shard"):
        watched = [line["sum"] for line in read_metrics(folder / name) if "sum" in line]
        assert len(watched) == NUM_STEPS // HALF
        assert watched[-1] == pytest.approx(evaluator(load_model(folder / name)[0], None)["sum"], rel=1e-5)


def test_a_model_in_shards_starts_with_the_bits_of_one_process(folder):
    sharded = torch.load(folder / "start in shards.pt", weights_only=True)
    tokenizer = loop.learn_tokenizer(config(), source())
    trainer = loop._trainer(config(), source(), [], tokenizer, None, torch.device("cpu"), False)
    assert apart(sharded, trainer.model.state_dict()) == 0


def test_a_model_to_be_sharded_lies_on_the_cpu_until_then(monkeypatch):
    gpu = torch.device("cuda", 0)
    assert parallel.initial_device(ComputeConfig(sharding="shard"), gpu) == gpu  # one process shards nothing
    monkeypatch.setattr(parallel, "num_processes", lambda: 2)
    assert parallel.initial_device(ComputeConfig(sharding="shard"), gpu) == torch.device("cpu")
    assert parallel.initial_device(ComputeConfig(), gpu) == gpu


# --- files in parts


def test_any_part_of_a_model_loads_the_whole(folder):
    whole = weights(folder / "shard")
    for part in sorted(checkpoints(folder / "shard")[-1].glob("model-*")):
        assert apart(whole, weights(part)) == 0


@pytest.fixture
def saved(folder, tmp_path) -> Path:
    """A checkpoint in parts, to be damaged."""
    return Path(shutil.copytree(checkpoints(folder / "shard")[-1], tmp_path / "checkpoints" / "step-00000004"))


def test_a_part_that_is_gone_is_named(saved):
    (saved / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no model-00002-of-00002\.safetensors next to it.* Delete the folder"):
        load_model(saved)


def test_parts_that_do_not_make_a_whole_are_told(saved):
    first, second = sorted(saved.glob("model-*"))
    shutil.copy(first, second)
    with pytest.raises(CheckpointError, match="are in none of its parts, or in two"):
        load_model(saved)


@pytest.mark.parametrize("name", ["model", "training"])
def test_parts_of_two_saves_are_told(folder, saved, name):
    shutil.copy(checkpoints(folder / "shard")[0] / f"{name}-00002-of-00002.safetensors", saved)
    with pytest.raises(CheckpointError, match="its parts are not of one save"):
        sharded_files.read(saved / f"{name}-00001-of-00002.safetensors")


def test_the_part_that_is_cut_short_is_the_one_that_is_named(saved):
    path = saved / "model-00002-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"model-00002-of-00002\.safetensors: damaged or cut short"):
        load_model(saved)


def test_a_part_of_none_is_told(saved):
    path = saved / "model-00001-of-00000.safetensors"
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="of 0 parts"):
        load_model(path)


@pytest.mark.parametrize("rows", [(0, 3), (2, 7), (5, 5), (6, 9), (0, 9)])
def test_rows_are_read_from_the_parts_that_hold_them(tmp_path, rows):
    values = torch.arange(18.0).reshape(9, 2)
    for number, (start, stop) in enumerate([(0, 5), (5, 9)]):
        header = {"rows": f'{{"weight": [{start}, 9]}}'}
        sharded_files._write_checked(
            {"weight": values[start:stop]}, sharded_files.part_path(tmp_path / "a.safetensors", number, 2), header
        )
    found, shapes, _ = sharded_files.read(tmp_path / "a-00002-of-00002.safetensors", {"weight": rows})
    assert torch.equal(found["weight"], values[slice(*rows)])
    assert shapes == {"weight": (9, 2)}
    assert load_file(tmp_path / "a-00001-of-00002.safetensors")["weight"].shape == (5, 2)
