"""Parts of the model that compute in float32 while the rest is in bfloat16.

Used by spectrogram.py, patches.py and heads.py.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def in_float32(near: Tensor) -> AbstractContextManager[object]:
    """Products inside are of float32 on the device of a tensor, whether or not autocast is on around them."""
    kind = near.device.type
    is_on = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if is_on else nullcontext()
