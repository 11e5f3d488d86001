"""Settings of a run: how the model is trained (VLSA, section 4.1 and appendix D), and all settings together."""

from dataclasses import dataclass, field

from vlsa.base.launch import MOST_WORKERS
from vlsa.config.checks import check_least, require
from vlsa.config.compute import ComputeConfig
from vlsa.config.model import ModelConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How the model is trained (paper, section 4.1 and appendix D)."""

    batch_size: int = 2048
    num_steps: int = 200_000
    learning_rate: float = 1e-4
    """Peak of AdamW's learning rate."""
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.95)
    """As in MAE; the paper gives none."""
    warmup_steps: int = 10_000
    """Linear warm-up, then half a cosine to 0; the paper gives none."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient; 0 = unlimited."""
    diverged_at: float = 10.0
    """A loss above this many times that of the first step (or 1, if that is more) ends the run; 0 = never."""
    seed: int = 0
    """All randomness of a run follows from it and the step number."""
    checkpoint_every_steps: int = 1000
    evaluate_every_steps: int = 0
    """Steps between evaluations on held-out clips, for the curves; 0 = never."""
    cache_gib: float = 0.0
    """Cache of decoded clips in GiB per machine, shared by its readers: a small store is then decoded only once."""
    num_workers: int = 0
    """Processes that read and transform clips; 0 = the training process itself, between steps."""
    augment: bool = True
    """Random crop and random window; False takes the centre. Of several captions each epoch draws one in any case."""
    crop_area: float = 1.0
    """Random resized crops: smallest area, as a share of the largest square's; 1 = the largest square always."""
    crop_stretch: float = 1.0
    """Random resized crops: largest ratio of width to height, and of height to width, before resizing; 1 = square."""
    sound_shift_seconds: float = 0.0
    """A control, not for use: the audio of each training clip is rotated by this time, so that nothing is in sync."""
    init: tuple[str, ...] = ()
    """Checkpoints that initialise the weights (--init, finetune), with digests; () = random weights from the seed."""

    def __post_init__(self) -> None:
        check_least("train", self, 1, "batch_size", "num_steps", "checkpoint_every_steps")
        check_least("train", self, 0, "weight_decay", "warmup_steps", "gradient_clip", "seed")
        check_least("train", self, 0, "evaluate_every_steps", "num_workers", "cache_gib", "diverged_at")
        require(
            self.num_workers <= MOST_WORKERS,
            f"train.num_workers={self.num_workers} is more than {MOST_WORKERS}; each is a process of its own, and "
            "memory would run out. Set it to at most the number of cores.",
        )
        require(
            self.seed < 2**63, f"train.seed={self.seed} is beyond 63 bits: no generator accepts it. Try train.seed=0."
        )
        require(
            self.diverged_at == 0 or self.diverged_at > 1,
            f"train.diverged_at={self.diverged_at}: the first step itself would count as diverged. "
            "Set train.diverged_at=10, or 0 for never.",
        )
        for beta in self.betas:
            require(0 <= beta < 1, f"train.betas={list(self.betas)} must lie in [0, 1). Try [0.9, 0.95].")
        require(
            0 < self.crop_area <= 1, f"train.crop_area={self.crop_area} must lie in (0, 1]. Try 0.5, or 1 for none."
        )
        require(self.crop_stretch >= 1, f"train.crop_stretch={self.crop_stretch} must be at least 1. Try 1.33.")
        require(self.learning_rate > 0, f"train.learning_rate={self.learning_rate} must be above 0. Try 1e-4.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """All settings of a run; `recipe` names their origin."""

    recipe: str = "paper"
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
