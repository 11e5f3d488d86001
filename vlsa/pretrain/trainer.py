"""A run in progress: the model, its optimizer, and how far they are. Made and moved on by loop.py."""

from dataclasses import InitVar, dataclass, field
from pathlib import Path

import torch
from torch import nn

from vlsa.config import Config
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.vlsa import VLSA
from vlsa.pretrain import acceleration, checkpoint
from vlsa.pretrain.divergence import DivergenceGuard
from vlsa.pretrain.step import Objective


@dataclass
class Trainer:
    """A run in progress. `objective` is the model's loss, `spread_objective` if DDP or FSDP2 wrapped it."""

    config: Config
    model: VLSA
    tokenizer: Tokenizer
    optimizer: torch.optim.AdamW
    data: str
    step: int = 0
    seconds: float = 0.0
    first_loss: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    spread_objective: InitVar[nn.Module | None] = None
    objective: nn.Module = field(init=False)
    guard: DivergenceGuard = field(init=False)

    def __post_init__(self, spread_objective: nn.Module | None) -> None:
        self.objective = spread_objective or Objective(self.model)
        acceleration.set_up(self.model, self.config.compute, self.device)
        self.guard = DivergenceGuard(self.device, self.config.train.diverged_at, self.first_loss)

    @property
    def device(self) -> torch.device:
        return self.model.pixel_scale.device

    @property
    def precision(self) -> str:
        """Of the matrix products: what "auto" means on the device."""
        return str(self.model.precision).removeprefix("torch.")

    def save(self, run_path: Path) -> None:
        """Checkpoint of the steps done so far."""
        facts = (self.step, self.data, self.seconds, self.guard.first_loss)
        state = checkpoint.TrainingState(*facts, self.precision)
        checkpoint.save(run_path, self.model, self.optimizer, self.tokenizer, self.config, state)


def build_optimizer(model: VLSA, config: Config) -> torch.optim.AdamW:
    """AdamW; norms, biases and scales are not decayed."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.train.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.train.learning_rate, betas=config.train.betas, fused=True)
