"""Settings of a run: how its steps are computed. They change what a step costs, and what it learns by rounding only."""

from dataclasses import dataclass
from typing import Literal

from vlsa.config.checks import check_least


@dataclass(frozen=True, kw_only=True, slots=True)
class ComputeConfig:
    """How a step is computed; "auto" is the fastest that the device does exactly enough."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the matrix products; weights, moments and losses are float32 always. auto: bfloat16 on a GPU that has it."""
    compile: Literal["auto", "off", "blocks"] = "auto"
    """torch.compile of the transformer blocks. auto: on a GPU."""
    attention: Literal["auto", "masked", "flash"] = "auto"
    """Padding masked in dense calls, or left out by variable-length flash attention. auto: flash where there is one."""
    recompute: bool = False
    """Activation checkpointing: the backward pass computes each block anew; a third more work, far less memory."""
    chunk_size: int = 0
    """Gradient caching: a step takes so many clips at a time and still contrasts the whole batch; 0 = all at once."""
    sharding: Literal["replicate", "shard"] = "replicate"
    """With several processes: each holds the model (DDP), or a part of it (FSDP2), for models that do not fit."""

    def __post_init__(self) -> None:
        check_least("compute", self, 0, "chunk_size")
