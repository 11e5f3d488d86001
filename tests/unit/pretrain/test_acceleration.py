"""How a step is computed: bfloat16, compiled, recomputed, and without a wait for the device."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import generator, make_batch, make_model, tiny_clips, tiny_config, tiny_run

from vlsa.base.errors import ConfigError
from vlsa.config import ComputeConfig
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.attention import Masked
from vlsa.model.encoder import Block, run
from vlsa.pretrain import acceleration, loop
from vlsa.pretrain.acceleration import attention, compiles, precision, set_up, transformers

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def gpu(monkeypatch):
    """A GPU's answers, as the settings ask for them."""

    def install(capability: tuple[int, int], bfloat16: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bfloat16)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Tesla V100")

    return install


def test_a_processor_computes_exactly_by_default(model):
    assert precision(ComputeConfig(), CPU) == torch.float32
    assert attention(ComputeConfig(), CPU, model) == "masked"
    assert not compiles(ComputeConfig(), CPU)


def test_a_gpu_takes_all_that_is_faster_by_default(model, gpu, monkeypatch):
    gpu((9, 0), bfloat16=True)
    monkeypatch.setattr(acceleration, "has_compiler", lambda: False)
    assert not compiles(ComputeConfig(), GPU)
    monkeypatch.setattr(acceleration, "has_compiler", lambda: True)
    assert precision(ComputeConfig(), GPU) == torch.bfloat16
    assert attention(ComputeConfig(), GPU, model) == "flash"
    assert compiles(ComputeConfig(), GPU)
    plain = ComputeConfig(precision="float32", compile="off", attention="masked")
    assert precision(plain, GPU) == torch.float32
    assert attention(plain, GPU, model) == "masked"
    assert attention(ComputeConfig(precision="float32"), GPU, model) == "masked"
    assert not compiles(plain, GPU)


@pytest.mark.parametrize(("capability", "has_bfloat16", "asked", "expected"), [
    ((9, 0), True, {}, (torch.bfloat16, "flash")),
    ((9, 0), True, {"precision": "bfloat16", "attention": "flash"}, (torch.bfloat16, "flash")),
    ((9, 0), True, {"precision": "float32"}, (torch.float32, "masked")),
    ((9, 0), True, {"attention": "masked"}, (torch.bfloat16, "masked")),
    ((7, 0), False, {"precision": "bfloat16", "attention": "flash"}, (torch.float32, "masked")),
])  # fmt: skip
def test_a_gpu_encodes_as_fast_as_it_can_unless_the_run_asked_for_less(
    model, gpu, capability, has_bfloat16, asked, expected
):
    gpu(capability, has_bfloat16)
    acceleration.set_up_encoding(model, ComputeConfig(**asked), GPU)
    for transformer in transformers(model):
        assert (model.precision, transformer.encoding_kernel) == expected
        assert transformer.kernel == "masked"  # what training takes


def test_a_processor_encodes_exactly_whatever_the_run_was_trained_with(model):
    acceleration.set_up_encoding(model, ComputeConfig(precision="bfloat16", attention="flash", compile="blocks"), CPU)
    assert model.precision == torch.float32
    assert all(part.encoding_kernel == "masked" and part.run_block is run for part in transformers(model))


def test_a_gpu_without_bfloat16_is_told_of_only_when_it_was_asked_for(model, gpu):
    gpu((7, 0), bfloat16=False)
    assert precision(ComputeConfig(), GPU) == torch.float32
    assert attention(ComputeConfig(), GPU, model) == "masked"
    with pytest.raises(ConfigError, match=r"Tesla V100 has no bfloat16; .* Set compute\.precision=float32\.") as caught:
        precision(ComputeConfig(precision="bfloat16"), GPU)
    assert "\n" not in str(caught.value)


def unpadded(batch):
    """The same clips, with all that is padding taken for real."""
    return dataclasses.replace(
        batch,
        frame_padding=torch.zeros_like(batch.frame_padding),
        num_samples=torch.full_like(batch.num_samples, batch.waveform.shape[1]),
        text_padding=torch.zeros_like(batch.text_padding),
    )


def step_of(model, batch, **settings):
    """Terms and gradients of a step with these settings."""
    model.train()
    set_up(model, ComputeConfig(**settings), CPU)
    model.zero_grad()
    losses = model(batch, generator())
    losses.total.backward()
    return losses.terms, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_dense_attention_gives_the_step_of_masked_attention_where_nothing_is_padding(model, batch):
    (terms, gradients), (dense_terms, dense) = (
        step_of(model, unpadded(batch), attention=kernel) for kernel in ("masked", "dense")
    )
    torch.testing.assert_close(dense_terms, terms, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(dense, gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("field", "name"), [("frame_padding", "frames"), ("num_samples", "audio"), ("text_padding", "text")]
)
def test_a_batch_with_padding_is_refused_by_dense_attention_and_the_clip_named(model, batch, field, name):
    whole = unpadded(batch)
    values = getattr(whole, field).clone()
    values[3] = 0 if name == "audio" else True
    bad = dataclasses.replace(whole, **{field: values})
    compute = ComputeConfig(attention="dense")
    assert list(acceleration.require_real(compute, model, [whole])) == [whole]
    assert list(acceleration.require_real(ComputeConfig(), model, [bad])) == [bad]
    with pytest.raises(
        ConfigError, match=f"there is padding in the {name} of clip {batch.ids[3]}, .* Set compute.attention=auto"
    ):
        list(acceleration.require_real(compute, model, [whole, bad]))


def test_a_residual_stream_in_bfloat16_keeps_losses_near_and_gradients_in_float32(model, batch):
    exact, _ = step_of(model, batch)
    seen = []
    blocks = [block for transformer in transformers(model) for block in transformer.blocks]
    hooks = [block.register_forward_hook(lambda _block, _inputs, output: seen.append(output.dtype)) for block in blocks]
    rounded, gradients = step_of(model, batch, precision="bfloat16", residual="bfloat16")
    assert set(seen) == {torch.bfloat16} and {gradient.dtype for gradient in gradients.values()} == {torch.float32}
    for name, term in exact.items():
        assert rounded[name].item() == pytest.approx(term.item(), rel=0.03), name
    for hook in hooks:
        hook.remove()
    before = make_model(model.config, Tokenizer.of_size(150))
    before.load_state_dict(model.state_dict())
    assert torch.equal(model.eval().encode_video(batch), before.eval().encode_video(batch))  # in training alone


def test_a_residual_stream_in_bfloat16_needs_products_in_bfloat16(model):
    with pytest.raises(ConfigError, match=r"Set compute\.precision=bfloat16, or compute\.residual=float32\."):
        set_up(model, ComputeConfig(residual="bfloat16"), CPU)


@pytest.mark.parametrize("kernel", ["flash", "flash_dense"])
def test_flash_attention_where_there_is_none_is_refused_without_padding_too(model, kernel):
    with pytest.raises(ConfigError, match=rf"attention={kernel}: a processor has no such kernel"):
        attention(ComputeConfig(attention=kernel), CPU, model)


def test_flash_attention_where_there_is_none_is_refused(model):
    with pytest.raises(ConfigError, match=r"flash: a processor has no such kernel; .* Set compute\.attention=auto\."):
        attention(ComputeConfig(attention="flash"), CPU, model)


def test_heads_that_the_kernel_does_not_take_are_told(tokenizer, gpu):
    gpu((9, 0), bfloat16=True)
    config = tiny_config()
    odd = dataclasses.replace(config, encoder=dataclasses.replace(config.encoder, width=24, num_heads=2))
    model = make_model(odd, tokenizer)
    assert attention(ComputeConfig(), GPU, model) == "masked"
    with pytest.raises(ConfigError, match="here are some of 12"):
        attention(ComputeConfig(attention="flash"), GPU, model)


def test_flash_attention_in_float32_is_refused(model, gpu):
    gpu((9, 0), bfloat16=True)
    with pytest.raises(ConfigError, match=r"has the kernel in bfloat16 alone"):
        attention(ComputeConfig(attention="flash", precision="float32"), GPU, model)


def test_settings_reach_the_encoder_and_the_decoder(model):
    set_up(model, ComputeConfig(recompute=True), CPU)
    assert len({transformer.run_block for transformer in transformers(model)}) == 1
    assert len(list(transformers(model))) == 2
    assert next(transformers(model)).run_block is not acceleration.run


def test_bfloat16_keeps_losses_and_gradients_in_float32_and_near_them(model, batch):
    model.train()
    exact = model(batch, generator())
    set_up(model, ComputeConfig(precision="bfloat16"), CPU)
    rounded = model(batch, generator())
    rounded.total.backward()
    assert rounded.total.dtype == torch.float32
    assert {p.grad.dtype for p in model.parameters() if p.grad is not None} == {torch.float32}
    for name, term in exact.terms.items():
        assert rounded.terms[name].dtype == torch.float32
        assert rounded.terms[name].item() == pytest.approx(term.item(), rel=0.02), name
    assert rounded.total.item() != exact.total.item()


def test_answers_are_computed_in_float32_whatever_the_training(model, batch):
    before = model.encode_video(batch)
    set_up(model, ComputeConfig(precision="bfloat16"), CPU)
    assert torch.equal(model.encode_video(batch), before)


@pytest.mark.parametrize(
    "settings", [{}, {"chunk_size": 2}, {"recompute": True}], ids=["whole", "chunks", "recomputed"]
)
@pytest.mark.parametrize(
    "objective", [{}, {"hard_negatives": True, "contrast": "sigmoid", "pooling": "token", "learn_temperature": True}]
)
def test_a_step_waits_for_nothing(tokenizer, settings, objective, monkeypatch):
    """On a device without values every wait for one is an error."""
    run = dataclasses.replace(tiny_run(), model=tiny_config(**objective), compute=ComputeConfig(**settings))
    model = make_model(run.model, tokenizer).to("meta")
    optimizer = torch.optim.AdamW(model.parameters())
    updates = []
    monkeypatch.setattr(optimizer, "step", lambda: updates.append(optimizer.found_inf))  # no fused kernel there
    trainer = loop.Trainer(run, model, tokenizer, optimizer, "data")
    batch = make_batch(tiny_clips(4), run.model, tokenizer).to("meta")
    losses, norm = loop.train_step(trainer, batch)
    assert len(updates) == 1
    for value in (losses.total, norm, updates[0]):
        with pytest.raises((RuntimeError, NotImplementedError)):
            value.item()
    with pytest.raises((RuntimeError, NotImplementedError)):
        trainer.guard.check()


def test_a_block_that_cannot_be_compiled_is_a_line_with_the_reason():
    def backend(_graph, _inputs):
        raise RuntimeError("No working C++ compiler found\nin this place")

    run_block = acceleration.compile_errors_reported(torch.compile(lambda _block, x, _packing: x + 1, backend=backend))
    with pytest.raises(
        ConfigError, match=r"cannot make its kernels here \(.*No working C\+\+ compiler.*=off"
    ) as caught:
        run_block(Block(32, 4, 4), torch.zeros(1, 2, 32), Masked.of([torch.zeros(1, 2, dtype=torch.bool)]))
    assert "\n" not in str(caught.value)


COMPILED = """
import dataclasses, sys
import torch, torch._dynamo.testing
from tiny import make_batch, make_model, tiny_clips, tiny_run, tiny_source
from vlsa.config import ComputeConfig
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.attention import Flash, Masked
from vlsa.model.encoder import Block, run
from vlsa.pretrain import loop
from vlsa.pretrain import acceleration

counter, compile_ = torch._dynamo.testing.CompileCounterWithBackend("aot_eager"), torch.compile
torch.compile = lambda function, **how: compile_(function, backend=counter, **how)
tokenizer = Tokenizer.train(list(tiny_source().texts("train")), 150)
for how in (ComputeConfig(), ComputeConfig(compile="blocks"), ComputeConfig(compile="blocks", recompute=True),
            ComputeConfig(compile="step")):
    settings = dataclasses.replace(tiny_run(), compute=how)
    model = make_model(settings.model, tokenizer)
    trainer = loop.Trainer(settings, model, tokenizer, loop.build_optimizer(model, settings), "made")
    batch = make_batch(tiny_clips(4), settings.model, tokenizer)
    for trainer.step in range(3):
        losses, norm = loop.train_step(trainer, batch)
    print(losses.total.item(), norm.item(), counter.frame_count)

with torch.no_grad():
    for num_clips in range(1, 11):  # more shapes than PyTorch would compile
        padding = Masked.of([torch.zeros(num_clips, 2) > 0])
        acceleration.compiled_run()(Block(8, 1, 1), torch.zeros(num_clips, 2, 8), padding)
print(counter.frame_count)

block = Block(32, 4, 4).to("meta", torch.bfloat16)
packing = Flash.of([torch.zeros(4, 5, dtype=torch.bool, device="meta")])
x = torch.zeros(4, 5, 32, device="meta", dtype=torch.bfloat16)
print(compile_(run, backend="eager", dynamic=False, fullgraph=True)(block, x, packing).shape == x.shape)
"""


def test_compiled_blocks_give_the_same_steps_from_two_graphs():
    """One of the encoder's shape, one of the decoder's; no break in them, and none anew for each block or step."""
    paths = [str(Path(__file__).parents[3]), str(Path(__file__).parents[2])]
    script = f"import sys; sys.path[:0] = {paths}\n{COMPILED}"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    (loss, norm, graphs), compiled, recomputed, whole = told[:3], told[3:6], told[6:9], told[9:12]
    assert graphs == "0"
    for values in (compiled, recomputed):
        assert float(values[0]) == pytest.approx(float(loss), rel=1e-5)
        assert float(values[1]) == pytest.approx(float(norm), rel=1e-4)
        assert values[2] == "2"
    assert float(whole[0]) == pytest.approx(float(loss), rel=1e-5)  # three more graphs: embedding, LPMM and GAM
    assert float(whole[1]) == pytest.approx(float(norm), rel=1e-4)
    assert told[11:] == ["5", "15", "True"]
