"""Named full settings, as functions; each docstring has its command, its cost and its expected result."""

from collections.abc import Callable
from dataclasses import replace

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
from vlsa.errors import ConfigError
from vlsa.settings import nearest


def paper() -> Config:
    """The paper: ViT-Base, 8 frames of 224 px, 5.94 s of sound, batch 2048, 200,000 steps.

    Command: `vlsa pretrain --recipe paper --data STORE --out RUN`. Cost: the authors name 1,350 V100-hours.
    Expected: their tables (docs/paper.md says what is the same and what changed).
    """
    return Config()


def tiny() -> Config:
    """The paper's objective at a size that two CPU cores train in minutes.

    Command: `vlsa pretrain --recipe tiny --data STORE --out RUN`. Cost: about 0.5 s a step on two cores (1.5 M
    parameters). Expected: `make demo` ends with R@10 above 60% in each direction on 200 held-out clips of the made
    world (docs/results.md).

    Beside being small it departs from the paper in four settings: patches of 32 px, so that a clip is few tokens
    (measured, docs/log.md 6 and 7); half of the patches hidden, not three quarters, since a patch holds more; only the
    last layer joins the modalities; a quarter of the hidden patches is decoded (both for their cost alone).
    """
    model = ModelConfig(
        video=VideoConfig(num_frames=8, size_px=64, patch_px=32, mask_share=0.5),
        audio=AudioConfig(window_samples=510, num_times=128, num_frequencies=64, mask_share=0.5),
        text=TextConfig(num_tokens=28, vocabulary_size=2000),
        encoder=EncoderConfig(num_layers=4, width=128, num_heads=4, fusion_layers=1),
        decoder=DecoderConfig(num_layers=1, width=64, num_heads=4, decoded_share=0.25),
    )
    train = TrainConfig(
        batch_size=96,
        num_steps=750,
        learning_rate=1e-3,
        warmup_steps=50,
        checkpoint_every_steps=100,
        cache_gib=2.0,
    )
    return Config(model=model, train=train)


RECIPES: dict[str, Callable[[], Config]] = {"paper": paper, "tiny": tiny}


def recipe(name: str) -> Config:
    """Settings by name. Raises ConfigError for an unknown one, with the nearest."""
    if name not in RECIPES:
        raise ConfigError(f"--recipe {name}: no such recipe. {nearest(name, RECIPES)}")
    return replace(RECIPES[name](), recipe=name)
