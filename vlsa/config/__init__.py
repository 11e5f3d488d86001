"""Every setting of the system: frozen dataclasses, checked where they are declared.

The defaults are the paper's (VLSA, arXiv 2405.07202) and a note under each says where it comes from. `recipes/`
returns full settings by name; `--set model.encoder.width=256` changes one field.
"""

from vlsa.config.checks import require
from vlsa.config.compute import ComputeConfig
from vlsa.config.inputs import AudioConfig, TextConfig, VideoConfig
from vlsa.config.model import (
    MODALITIES,
    DecoderConfig,
    EncoderConfig,
    Modality,
    ModelConfig,
    ObjectiveConfig,
    Pair,
    Sharing,
    groups_of_sharing,
    is_in,
    num_shared,
)
from vlsa.config.train import Config, TrainConfig

__all__ = [
    "MODALITIES",
    "AudioConfig",
    "ComputeConfig",
    "Config",
    "DecoderConfig",
    "EncoderConfig",
    "Modality",
    "ModelConfig",
    "ObjectiveConfig",
    "Pair",
    "Sharing",
    "TextConfig",
    "TrainConfig",
    "VideoConfig",
    "groups_of_sharing",
    "is_in",
    "num_shared",
    "require",
]
