"""The gradient of a step is that of the whole batch: in chunks, over processes, with blocks computed anew."""

import dataclasses
from collections.abc import Callable
from functools import cache

import pytest
import torch
from processes import in_processes
from tiny import change, generator, make_batch, make_model, tiny_clips, tiny_config, without

from vlsa.base.processes import num_processes, rank, sum_over_processes
from vlsa.config import ComputeConfig, ModelConfig
from vlsa.data.batch import Batch
from vlsa.data.clip import Clip
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.pretrain import acceleration
from vlsa.pretrain.step import Objective, backward, chunks

NUM_CLIPS = 8
CASES = {
    "paper": tiny_config(),
    "lpmm only": tiny_config(global_weight=0.0),
    "gam only": tiny_config(local_weight=0.0),
    "joint": tiny_config(matching_attention="joint"),
    "options": change(
        tiny_config(hard_negatives=True, contrast="sigmoid", learn_temperature=True, pooling="token"),
        "decoder",
        decoded_share=0.5,
    ),
    "three pairs": tiny_config(pairs=("audio-video", "audio-text", "video-text"), learn_temperature=True),
    "temperature a pair": tiny_config(learn_temperature=True, pair_temperatures=True),
    "heads": tiny_config(
        pairs=("audio-video", "audio-text", "video-text"),
        heads="pair",
        head_width=24,
        head_kind="mlp",
        pooling="attention",
        learn_temperature=True,
    ),
    "teacher": tiny_config(teacher_weight=0.5, heads="modality", audio_video_weight=3.0),
    "heads and teacher": tiny_config(
        pairs=("audio-video", "audio-text", "video-text"), heads="pair", pooling="attention", teacher_weight=0.5
    ),
    "area": tiny_config(contrast="area"),
    "volume": tiny_config(contrast="volume", heads="modality"),
    "product": tiny_config(contrast="product", hard_negatives=True),
    "late fusion": change(tiny_config(matching_features="concatenation"), "encoder", fusion_layers=1),
}


Gradients = dict[str, torch.Tensor]


@cache
def all_clips() -> list[Clip]:
    return tiny_clips(NUM_CLIPS)


def some_clips(config: ModelConfig, tokenizer: Tokenizer) -> Batch:
    """Clips of which some lack a modality, unevenly over the batch."""
    batch = make_batch(all_clips(), config, tokenizer)
    return without(without(without(batch, "audio", 0, 1), "text", 1, 4), "video", 6)


def gradients(
    config: ModelConfig, tokenizer: Tokenizer, rows: tuple[int, int], chunk_size: int, **settings
) -> Gradients:
    """Loss, terms and gradients of a step of which this process holds some rows; in double precision."""
    model = make_model(config, tokenizer).double().train()
    acceleration.set_up(model, ComputeConfig(**settings), torch.device("cpu"))
    noise = model.draw_noise(NUM_CLIPS, generator(3), rows)
    batch = doubled(some_clips(config, tokenizer)).rows(*rows)
    losses = backward(Objective(model), batch, noise, chunk_size)
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"total": losses.total, **losses.terms, **found}


def doubled(batch: Batch) -> Batch:
    return dataclasses.replace(batch, waveform=batch.waveform.double(), frame_seconds=batch.frame_seconds.double())


@pytest.fixture(autouse=True)
def double_precision(monkeypatch):
    """Losses are computed in float32 whatever the model; here they must not round."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


@pytest.fixture(scope="module")
def whole(tokenizer) -> Callable[[str], Gradients]:
    """Of a case with the whole batch at once in one process; each is computed once."""
    return cache(lambda name: gradients(CASES[name], tokenizer, (0, NUM_CLIPS), 0))


def assert_same(one: Gradients, other: Gradients, tolerance: float) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(
            other[name], value, atol=tolerance, rtol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("chunk_size", [1, 3, 4])
def test_chunks_give_the_gradient_of_the_whole_batch(tokenizer, whole, name, chunk_size):
    assert_same(whole(name), gradients(CASES[name], tokenizer, (0, NUM_CLIPS), chunk_size), 1e-9)


def test_chunks_cover_the_batch_and_the_last_may_be_smaller():
    assert chunks(7, 3) == [(0, 3), (3, 6), (6, 7)]
    assert chunks(6, 3) == [(0, 3), (3, 6)]


@pytest.mark.parametrize("chunk_size", [0, 3])
def test_blocks_that_are_computed_anew_give_the_same_gradient(tokenizer, chunk_size):
    kept = gradients(tiny_config(), tokenizer, (0, NUM_CLIPS), chunk_size)  # of as many chunks: of the same bits
    assert_same(kept, gradients(tiny_config(), tokenizer, (0, NUM_CLIPS), chunk_size, recompute=True), 1e-12)


# --- several processes


OF_FOUR = ("paper", "options", "joint", "heads", "teacher", "heads and teacher", "product")
"""Cases that are tried with four processes, which take long to start."""


def of_one_process(tokenizer: str, path: str) -> None:
    """Every case in one process of several, as DDP would sum it."""
    torch.Tensor.float = torch.Tensor.double
    num_ranks = num_processes()
    num_clips = NUM_CLIPS // num_ranks
    rows = rank() * num_clips, (rank() + 1) * num_clips
    found = {}
    for name in CASES if num_ranks == 2 else OF_FOUR:
        for chunk_size in (0, num_clips - 1):  # of one size and a smaller one; of four processes two of one clip
            values = gradients(CASES[name], Tokenizer.from_json(tokenizer, "test"), rows, chunk_size)
            model_keys = {key for key in values if "." in key}
            found[name, chunk_size] = {
                key: sum_over_processes(value) / (num_ranks if key in model_keys else 1)
                for key, value in values.items()
            }
    if rank() == 0:
        torch.save(found, path)


@pytest.mark.parametrize("num_ranks", [2, 4])
def test_processes_give_the_loss_and_gradient_of_the_whole_batch(tokenizer, whole, tmp_path, num_ranks):
    path = str(tmp_path / "found.pt")
    in_processes(num_ranks, of_one_process, tokenizer.to_json(), path)
    for (name, _), values in torch.load(path).items():
        assert_same(whole(name), values, 1e-9)
