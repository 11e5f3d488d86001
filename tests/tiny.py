"""Settings, clips and models so small that a training step takes milliseconds; conftest.py makes fixtures of them.

The window is as long as the made clips (3 s). Times: 64 columns of 192 samples at 4 kHz, in patches of 8.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vlsa.config import (
    AudioConfig,
    Config,
    DecoderConfig,
    EncoderConfig,
    ModelConfig,
    TextConfig,
    TrainConfig,
    VideoConfig,
)
from vlsa.data.batch import Batch
from vlsa.data.clip import Clip
from vlsa.data.loading.loader import MemoryClips, read_tensors
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.data.store.reader import ClipStore, ShardWriter, StoreSettings
from vlsa.data.store.shards import write_header
from vlsa.data.world import made_clips
from vlsa.model.encoder import Transformer
from vlsa.model.types import Content, Masks, SpecialTokens
from vlsa.model.vlsa import VLSA

RATE_HZ = 4000


def tiny_config(**objective: Any) -> ModelConfig:
    """16 patches a frame, 32 patches of sound, 12 words, two layers of encoder and of decoder."""
    config = ModelConfig(
        video=VideoConfig(num_frames=2, size_px=16, patch_px=4),
        audio=AudioConfig(
            sample_rate_hz=RATE_HZ, window_samples=254, hop_samples=192, num_times=64, num_frequencies=32, patch_size=8
        ),
        text=TextConfig(num_tokens=12, vocabulary_size=150),
        encoder=EncoderConfig(num_layers=2, width=32, num_heads=4, fusion_layers=2),
        decoder=DecoderConfig(num_layers=2, width=16, num_heads=2),
    )
    return change(config, "objective", **objective)


def change(config: ModelConfig, group: str, **values: Any) -> ModelConfig:
    """The settings with some of one group changed."""
    return dataclasses.replace(config, **{group: dataclasses.replace(getattr(config, group), **values)})


def tiny_run(num_steps: int = 6, batch_size: int = 4, **train: Any) -> Config:
    """A run of a few steps."""
    plain = {"learning_rate": 1e-3, "warmup_steps": 2, "checkpoint_every_steps": 2}
    settings = TrainConfig(num_steps=num_steps, batch_size=batch_size, **(plain | train))
    return Config(recipe="tiny", model=tiny_config(), train=settings)


def tiny_clips(num_clips: int, split: str = "train", seed: int = 0) -> list[Clip]:
    """Clips of the made world, 16 px and 4 kHz."""
    return list(made_clips(seed, range(num_clips), sample_rate_hz=RATE_HZ, split=split, size_px=16))


def tiny_source(num_clips: int = 10) -> MemoryClips:
    """Clips to train on."""
    return MemoryClips({"train": tiny_clips(num_clips)})


def tiny_store(path: Path, clips: list[Clip], held_out: Sequence[Clip] = ()) -> ClipStore:
    """A store of one shard, 16 px; an id without the name of its split."""
    settings = StoreSettings(short_side_px=16, sample_rate_hz=clips[0].sample_rate_hz or RATE_HZ)
    with ShardWriter(path, 0, settings) as writer:
        for clip in (*clips, *held_out):
            split = "train" if clip in clips else "test"
            writer.add(dataclasses.replace(clip, id=clip.id.replace("/", "-")), split)
        writer.commit()
    write_header(path, settings, num_shards=1)
    return ClipStore.open(path)


def make_batch(clips: list[Clip], config: ModelConfig, tokenizer: Tokenizer) -> Batch:
    """The middles of the clips, as evaluation takes them."""
    source = MemoryClips({"test": clips})
    return Batch.stack([read_tensors(source, row, config, tokenizer) for row in source.rows()])


def make_model(config: ModelConfig, tokenizer: Tokenizer, seed: int = 0) -> VLSA:
    """A fresh model whose weights follow from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VLSA(config, SpecialTokens(tokenizer.start_id, tokenizer.stop_id, tokenizer.mask_id))


def with_same_weights(config: ModelConfig, model: VLSA, tokenizer: Tokenizer) -> VLSA:
    """A model of other settings, with the weights of this one where it has the like; not with its scale and bias."""
    other = make_model(config, tokenizer)
    own, weights = other.state_dict(), model.state_dict()
    shared = {name: weights[name] for name in own.keys() & weights.keys() if weights[name].shape == own[name].shape}
    first = {name: own[name] for name in ("matching.log_scale", "matching.bias") if name in own}
    other.load_state_dict(own | shared | first)
    return other


def tower(model: VLSA) -> Transformer:
    """The encoder that all modalities share."""
    return model.encoder.towers["video_audio_text"]


def without(batch: Batch, modality: str, *rows: int, junk: bool = False) -> Batch:
    """The batch with a modality of some clips marked as absent; with `junk`, what lies in its place is noise."""
    rng = torch.Generator().manual_seed(5)
    names = {
        "video": ("video", "frame_padding"),
        "audio": ("waveform", "num_samples"),
        "text": ("token_ids", "text_padding"),
    }
    content_name, marks_name = names[modality]
    content, marks = getattr(batch, content_name).clone(), getattr(batch, marks_name).clone()
    marks[list(rows)] = 0 if modality == "audio" else True
    if junk:
        noise = torch.rand(content[list(rows)].shape, generator=rng) * (1 if modality == "audio" else 100)
        content[list(rows)] = noise.to(content.dtype)
    return dataclasses.replace(batch, **{content_name: content, marks_name: marks})


def some_rows(batch: Any, rows: list[int]) -> Any:
    """These clips of a batch, or of the patches or masks of one."""
    values = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    return type(batch)(**{name: _rows(value, rows) for name, value in values.items()})


def _rows(value: Any, rows: list[int]) -> Any:
    return tuple(value[row] for row in rows) if isinstance(value, tuple) else value[rows]


def mask_of(visible: torch.Tensor, num_patches: int) -> torch.Tensor:
    """True where a patch is hidden."""
    return torch.ones(len(visible), num_patches, dtype=torch.bool).scatter(1, visible, False)


def masks_of(model: VLSA, content: Content, seed: int = 0) -> Masks:
    """What a step with this seed hides."""
    return model.draw_masks(content, model.draw_noise(len(content.video), generator(seed)).masks)


def generator(seed: int = 0) -> torch.Generator:
    """A seeded generator."""
    return torch.Generator().manual_seed(seed)


def plain_clip(num_frames: int = 24, seconds: float = 3.0, rate_hz: int | None = RATE_HZ, **fields: Any) -> Clip:
    """A clip whose frame f is filled with the value f, and whose sound rises by its sample number / 100,000."""
    height, width = fields.pop("height", 16), fields.pop("width", 16)
    frames = np.arange(num_frames, dtype=np.uint8)[:, None, None, None] * np.ones((1, height, width, 3), dtype=np.uint8)
    sound = np.arange(round(seconds * (rate_hz or 0)), dtype=np.float32) / 100_000
    plain = {
        "id": "plain",
        "source": "made",
        "start_seconds": 0.0,
        "stop_seconds": seconds,
        "frames": frames if num_frames else None,
        "frame_seconds": np.arange(num_frames) * seconds / num_frames if num_frames else None,
        "sound": sound if rate_hz else None,
        "sample_rate_hz": rate_hz,
        "texts": ("a bell rings",),
    }
    return Clip(**(plain | fields))
