"""The step on a GPU: flash attention and compilation give the losses of the exact path, and nothing is waited for.

Run by `make gpu-first`, and by `make test` where a GPU is available.
"""

import dataclasses
import math

import pytest
import torch
import torch.distributed as dist
from tiny import generator, make_batch, make_model, tiny_clips, tiny_run, without
from torch._dynamo.utils import counters
from torch.testing._internal.distributed.fake_pg import FakeStore

from vlsa.config import ComputeConfig
from vlsa.model.attention import Attention, Flash, Masked
from vlsa.pretrain import loop
from vlsa.pretrain.checkpoint import build_model
from vlsa.pretrain.parallel import spread
from vlsa.pretrain.prefetch import prefetch
from vlsa.pretrain.step import Objective

pytestmark = pytest.mark.gpu
GPU, LENGTHS = torch.device("cuda"), (50, 30, 20)


@pytest.fixture
def paddings() -> list[torch.Tensor]:
    """Padding at the end, at the front and in the middle; clip 2 has no third group, clip 3 nothing at all."""
    paddings = [torch.zeros(4, length, dtype=torch.bool, device=GPU) for length in LENGTHS]
    paddings[0][0, :7] = paddings[0][1, 20:25] = True
    paddings[1][1, 2:] = True
    paddings[2][2] = True
    for padding in paddings:
        padding[3] = True
    return paddings


@pytest.mark.parametrize("head_width", [32, 64])
def test_flash_attention_gives_the_outputs_and_gradients_of_masked_attention(paddings, head_width):
    torch.manual_seed(0)
    layer = Attention(4 * head_width, 4).to(GPU, torch.bfloat16)
    x = torch.randn(4, sum(LENGTHS), 4 * head_width, device=GPU, dtype=torch.bfloat16)
    real = ~torch.cat(paddings, dim=1)
    results = []
    for packing in (Masked.of(paddings), Flash.of(paddings)):
        layer.zero_grad()
        output = packing.restore(layer(packing.arrange(x), packing))[real]
        output.float().square().sum().backward()
        results.append([output.detach(), *(p.grad.clone() for p in layer.parameters())])
    for masked, flash in zip(*results, strict=True):
        assert flash.isfinite().all()
        torch.testing.assert_close(flash, masked, atol=0.02 * masked.abs().max().item(), rtol=0.02)


def trainer_and_batch(tokenizer, device: torch.device, num_clips: int = 8, **settings) -> tuple[loop.Trainer, object]:
    run = dataclasses.replace(tiny_run(num_steps=50), compute=ComputeConfig(**settings))
    model = make_model(run.model, tokenizer).to(device)
    trainer = loop.Trainer(run, model, tokenizer, loop.build_optimizer(model, run), "data")
    batch = without(without(make_batch(tiny_clips(num_clips), run.model, tokenizer), "audio", 1), "text", 2)
    return trainer, batch.to(device)


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "float32", "compile": "off"},
        {"attention": "masked", "compile": "off"},
        {"compile": "off"},
        {},
        {"recompute": True},
        {"chunk_size": 3},
    ],
    ids=["float32", "bfloat16", "flash", "compiled", "recomputed", "chunks"],
)
def test_steps_on_a_gpu_are_those_of_a_processor(tokenizer, settings):
    exact, batch = trainer_and_batch(tokenizer, torch.device("cpu"))
    trainer, batch_there = trainer_and_batch(tokenizer, GPU, **settings)
    for trainer.step in range(3):
        exact.step = trainer.step
        wanted, wanted_norm = loop.train_step(exact, batch)
        losses, norm = loop.train_step(trainer, batch_there)
    close = 1e-3 if settings.get("precision") == "float32" else 0.03
    for name, term in wanted.terms.items():
        assert losses.terms[name].item() == pytest.approx(term.item(), rel=close), name
    assert norm.item() == pytest.approx(wanted_norm.item(), rel=3 * close)
    trainer.guard.check()


@pytest.mark.parametrize(
    "settings", [{}, {"chunk_size": 150}, {"recompute": True}], ids=["whole", "chunks", "recomputed"]
)
def test_a_step_neither_waits_for_the_gpu_nor_compiles_anew(tokenizer, settings):
    """Of so many words that the gradient of their table is summed as in a large run: another kernel than for a few."""
    trainer, batch = trainer_and_batch(tokenizer, GPU, num_clips=400, **settings)
    assert batch.token_ids.numel() > 3072
    for trainer.step in range(3):
        loop.train_step(trainer, batch)
    compiled = counters["stats"]["unique_graphs"]
    torch.cuda.set_sync_debug_mode("error")
    try:
        for trainer.step in range(3, 6):
            loop.train_step(trainer, batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert counters["stats"]["unique_graphs"] == compiled
    trainer.guard.check()


def test_the_guard_keeps_the_weights_on_a_gpu(tokenizer):
    trainer, batch = trainer_and_batch(tokenizer, GPU, compile="off")
    loop.train_step(trainer, batch)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.guard.observe(2, (), torch.tensor(math.nan, device=GPU), torch.tensor(1.0, device=GPU))
    trainer.step = 2
    loop.train_step(trainer, batch)
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())


def test_batches_arrive_whole_while_the_gpu_computes(tokenizer):
    batch = make_batch(tiny_clips(8), tiny_run().model, tokenizer)
    sent = [dataclasses.replace(batch, waveform=batch.waveform + number).pin_memory() for number in range(20)]
    work = torch.randn(2000, 2000, device=GPU)
    for number, (arrived, waited) in enumerate(prefetch(sent, GPU)):
        for _ in range(5):
            work = (work @ work).clamp(-1, 1)
        assert waited >= 0
        assert torch.equal(arrived.waveform.cpu(), batch.waveform + number)


def test_noise_is_drawn_the_same_for_every_device(model):
    noise = model.draw_noise(4, generator(1))
    there = noise.to(GPU)
    assert torch.equal(there.masks.text_mask.cpu(), noise.masks.text_mask)


def test_a_model_that_is_sharded_is_never_whole_on_a_gpu(tokenizer):
    """As rank 0 of 8, of which the others are only pretended."""
    model = dataclasses.replace(tiny_run().model.encoder, num_layers=24, width=512, fusion_layers=24)
    config = dataclasses.replace(tiny_run(), model=dataclasses.replace(tiny_run().model, encoder=model))
    objective = Objective(build_model(config, tokenizer))
    whole_bytes = sum(weight.nbytes for weight in objective.state_dict().values())
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=8)
    try:
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        sharded = spread(objective, ComputeConfig(sharding="shard"), GPU)
        assert all(weight.device.type == "cuda" for weight in sharded.state_dict().values())
        assert torch.cuda.max_memory_allocated() - before < 0.4 * whole_bytes
    finally:
        dist.destroy_process_group()
