"""What the other stages are called with: settings, how to keep clips for them, the vocabulary, the cores."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlsa.config import Config
from vlsa.errors import ConfigError
from vlsa.recipes import recipe
from vlsa.settings import override

if TYPE_CHECKING:
    from vlsa.data.shards import StoreSettings
    from vlsa.data.tokenizer import Tokenizer

BERT_NAME, BERT_SIZE = "bert-base-uncased", 30_522
SMALL_PICTURE_PX = 112
"""Pictures under this side are kept at the size that the model sees; larger ones an eighth larger."""
FRAMES_KEPT_PER_FRAME_SEEN = 4


def usable_cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def settings_of(recipe_name: str, assignments: Sequence[str] = ()) -> Config:
    """A recipe with `a.b=c` changes. Raises ConfigError."""
    return override(recipe(recipe_name), list(assignments))


def store_settings(config: Config) -> "StoreSettings":
    """How to keep clips for a model: its picture size, sound rate and window, and frames to choose from."""
    from vlsa.data.shards import StoreSettings

    video, audio = config.model.video, config.model.audio
    window_seconds = math.ceil(2 * audio.window_seconds) / 2
    return StoreSettings(
        short_side_px=video.size_px if video.size_px < SMALL_PICTURE_PX else video.size_px * 8 // 7,
        frames_per_second=float(round(FRAMES_KEPT_PER_FRAME_SEEN * video.num_frames / window_seconds)),
        sample_rate_hz=audio.sample_rate_hz,
        window_seconds=window_seconds,
    )


def public_tokenizer(config: Config, path: Path | None) -> "Tokenizer | None":
    """The vocabulary in a file, or BERT's if the settings ask for it; None = one is learned from the store's words.

    Raises ConfigError when it cannot be had.
    """
    from vlsa.data.tokenizer import Tokenizer

    if path is not None:
        return Tokenizer.from_vocabulary(path)
    return _bert_tokenizer() if config.model.text.vocabulary_size == BERT_SIZE else None


def _bert_tokenizer() -> "Tokenizer":
    import tokenizers

    from vlsa.data.tokenizer import Tokenizer

    try:
        backend = tokenizers.Tokenizer.from_pretrained(BERT_NAME)
    except Exception as error:  # tokenizers raises plain Exception for whatever goes wrong on the way to the hub
        reason = str(error).partition(".")[0].partition("\n")[0]
        raise ConfigError(
            f"vocabulary {BERT_NAME}: the Hugging Face hub cannot be reached ({reason}); this recipe reads its words "
            "with it. Give the published file with --vocabulary vocab.txt, or learn a vocabulary from the captions "
            "with --set model.text.vocabulary_size=8000."
        ) from error
    backend.no_padding()
    backend.no_truncation()
    return Tokenizer(backend)
