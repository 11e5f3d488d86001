"""Settings of a run: how its steps are computed. They change the cost of a step, and its result by rounding only."""

from dataclasses import dataclass
from typing import Literal

from vlsa.config.checks import check_least


@dataclass(frozen=True, kw_only=True, slots=True)
class ComputeConfig:
    """How a step is computed; "auto" is the fastest way that is exact enough on the device."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the matrix products; weights, moments and losses are float32 always. auto: bfloat16 on a GPU that has it."""
    compile: Literal["auto", "off", "blocks", "step"] = "auto"
    """torch.compile of the transformer blocks; step: and of the float32 parts around them. auto: blocks, on a GPU."""
    attention: Literal["auto", "masked", "flash", "dense", "flash_dense"] = "auto"
    """masked: dense calls that mask padding. flash: variable-length flash attention, which leaves padding out.
    dense, flash_dense: the same two for batches without any padding. auto: flash where the device has it."""
    residual: Literal["float32", "bfloat16"] = "float32"
    """Residual stream between the transformer blocks; bfloat16 halves its memory and rounds each sum to 8 bits."""
    recompute: bool = False
    """Activation checkpointing: the backward pass recomputes each block; a third more work, far less memory."""
    chunk_size: int = 0
    """Gradient caching: this many clips at a time, with the contrast over the whole batch; 0 = all at once."""
    sharding: Literal["replicate", "shard"] = "replicate"
    """With several processes: each holds the model (DDP), or a shard of it (FSDP2), for models that do not fit."""

    def __post_init__(self) -> None:
        check_least("compute", self, 0, "chunk_size")
