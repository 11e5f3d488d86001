"""Named full settings, as functions; each docstring has its command, its cost and its expected result."""

import difflib
from collections.abc import Callable
from dataclasses import replace

from vlsa.config import (
    AudioConfig,
    Config,
    DecoderConfig,
    EncoderConfig,
    ModelConfig,
    ObjectiveConfig,
    TextConfig,
    TrainConfig,
    VideoConfig,
)
from vlsa.errors import ConfigError


def paper() -> Config:
    """The paper, exactly: ViT-Base, 8 frames of 224 px, 5.94 s of sound, batch 2048, 200,000 steps."""
    return Config()


def tiny() -> Config:
    """Small enough for two CPU cores and an evening's footage."""
    model = ModelConfig(
        video=VideoConfig(num_frames=8, size_px=64, patch_px=16, mask_share=0.5),
        audio=AudioConfig(window_samples=510, num_times=128, num_frequencies=128, mask_share=0.5),
        text=TextConfig(num_tokens=32, vocabulary_size=2000),
        encoder=EncoderConfig(num_layers=4, width=128, num_heads=4, fusion_layers=1),
        decoder=DecoderConfig(num_layers=1, width=64, num_heads=4, decoded_share=0.25),
        objective=ObjectiveConfig(),
    )
    train = TrainConfig(
        batch_size=96,
        num_steps=600,
        learning_rate=1e-3,
        warmup_steps=50,
        checkpoint_every_steps=100,
    )
    return Config(recipe="tiny", model=model, train=train)


RECIPES: dict[str, Callable[[], Config]] = {"paper": paper, "tiny": tiny}


def recipe(name: str) -> Config:
    """Settings by name. Raises ConfigError for an unknown one, with the nearest."""
    if name not in RECIPES:
        close = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"Known: {', '.join(RECIPES)}."
        raise ConfigError(f"--recipe {name}: no such recipe. {hint}")
    return replace(RECIPES[name](), recipe=name)
