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
from vlsa.retrieve.encode.public.names import MODEL_TYPES, OWN, EncoderName
from vlsa.retrieve.encode.public.pe_av import PeAvEncoder
from vlsa.retrieve.encode.public.sum import SumEncoder
from vlsa.retrieve.encode.sampling import Sampling

OPENERS: dict[str, Callable[[PublicCheckpoint, torch.device], PublicEncoder]] = {
    "clip": FrameEncoder.open,
    "siglip": FrameEncoder.open,
    "clap": ClapEncoder.open,
    "pe-av": PeAvEncoder.open,
}
"""By family."""


def load_public(names: Sequence[EncoderName], device: torch.device, sampling: Sampling) -> Encoder:
    """One encoder, or the sum of several. Raises VlsaError."""
    own = next((name for name in names if name.family == OWN), None)
    if own:
        raise ConfigError(f"{own}: a run cannot be part of a sum; it compares the same media. Use it by itself.")
    checkpoints = [_checked(find(name)) for name in names]
    encoders = [OPENERS[one.name.family](one, device).with_sampling(sampling) for one in checkpoints]
    return encoders[0] if len(encoders) == 1 else SumEncoder(encoders)


def _checked(checkpoint: PublicCheckpoint) -> PublicCheckpoint:
    """Raises ConfigError where its config.json is of another family."""
    family, kind = checkpoint.name.family, checkpoint.model_type
    if kind in MODEL_TYPES[family]:
        return checkpoint
    right = next((other for other, kinds in MODEL_TYPES.items() if kind in kinds), None)
    advice = f"Use {right}:{checkpoint.name.where}." if right else f"Known families: {', '.join(MODEL_TYPES)}."
    raise ConfigError(
        f"{checkpoint.name}: its config.json says {kind or 'nothing'}, not {family}; it would be read wrongly. {advice}"
    )
