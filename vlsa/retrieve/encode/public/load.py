"""From the name of public encoders to one that encodes.

Reads names.py and files.py; used by encoders.py.
"""

from collections.abc import Callable, Sequence

import torch

from vlsa.base.errors import ConfigError
from vlsa.retrieve.encode.protocol import Encoder
from vlsa.retrieve.encode.public.clap import ClapEncoder
from vlsa.retrieve.encode.public.encoder import PublicEncoder
from vlsa.retrieve.encode.public.files import PublicCheckpoint, find
from vlsa.retrieve.encode.public.frames import FrameEncoder
from vlsa.retrieve.encode.public.names import EncoderName
from vlsa.retrieve.encode.public.sum import SumEncoder
from vlsa.retrieve.encode.sampling import Sampling

OPENERS: dict[str, dict[str, Callable[[PublicCheckpoint, torch.device], PublicEncoder]]] = {
    "clip": {"clip": FrameEncoder.open},
    "siglip": {"siglip": FrameEncoder.open, "siglip2": FrameEncoder.open},
    "clap": {"clap": ClapEncoder.open},
}
"""By family, and by the `model_type` of its config.json."""


def load_public(names: Sequence[EncoderName], device: torch.device, sampling: Sampling) -> Encoder:
    """One encoder, or the sum of several. Raises VlsaError."""
    checkpoints = [find(name) for name in names]
    encoders = [_opener(checkpoint)(checkpoint, device).with_sampling(sampling) for checkpoint in checkpoints]
    return encoders[0] if len(encoders) == 1 else SumEncoder(encoders)


def _opener(checkpoint: PublicCheckpoint) -> Callable[[PublicCheckpoint, torch.device], PublicEncoder]:
    """How a checkpoint is opened. Raises ConfigError where its config.json is of another family."""
    family, kind = checkpoint.name.family, checkpoint.model_type
    if kind in OPENERS.get(family, {}):
        return OPENERS[family][kind]
    right = next((other for other, kinds in OPENERS.items() if kind in kinds), None)
    advice = f"Use {right}:{checkpoint.name.where}." if right else f"Known families: {', '.join(OPENERS)}."
    raise ConfigError(
        f"{checkpoint.name}: its config.json says {kind or 'nothing'}, not {family}; it would be read wrongly. {advice}"
    )
