"""Every setting of the system: frozen dataclasses, checked where they are declared.

The defaults are the paper's (VLSA, arXiv 2405.07202) and a note under each says where it comes from. `recipes.py`
returns full settings by name; `--set model.encoder.width=256` changes one field.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from vlsa.errors import ConfigError

MODALITIES = ("video", "audio", "text")
Modality = Literal["video", "audio", "text"]
Pair = Literal["audio-video", "audio-text", "video-text"]


def require(condition: bool, message: str) -> None:
    """Raises ConfigError with the message when the condition does not hold."""
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoConfig:
    """From frames to patches (paper, section 4.1)."""

    num_frames: int = 8
    """Frames sampled from the clip's window; one random frame from each of as many equal stretches."""
    size_px: int = 224
    """Side of the square crop."""
    patch_px: int = 16
    mask_share: float = 0.75
    """Share of the patches of each frame that is hidden (section 3.2)."""

    def __post_init__(self) -> None:
        _check_least("video", self, 1, "num_frames", "size_px", "patch_px")
        whole = max(self.size_px // self.patch_px, 1) * self.patch_px
        require(
            self.size_px % self.patch_px == 0,
            f"video.size_px={self.size_px} is not a multiple of video.patch_px={self.patch_px}: "
            f"the edge would be dropped. Try video.size_px={whole}.",
        )
        _check_share("video.mask_share", self.mask_share)

    @property
    def patches_per_frame(self) -> int:
        return (self.size_px // self.patch_px) ** 2


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioConfig:
    """From waveform to spectrogram patches (paper, section 4.1; front end of The Sound of Pixels)."""

    sample_rate_hz: int = 11_025
    """Sound is resampled to this before anything else."""
    window_samples: int = 1022
    """Window of the STFT: 512 linear frequencies."""
    hop_samples: int = 256
    num_times: int = 256
    """Columns of the spectrogram; with the hop it fixes the length of sound that the model hears."""
    num_frequencies: int = 256
    """Rows after the log-frequency warp."""
    patch_size: int = 16
    mask_share: float = 0.75
    """Share of the spectrogram patches that is hidden (section 3.2)."""

    def __post_init__(self) -> None:
        _check_least("audio", self, 1, "sample_rate_hz", "hop_samples", "num_times", "num_frequencies", "patch_size")
        _check_least("audio", self, 2, "window_samples")
        for name in ("num_times", "num_frequencies"):
            value = getattr(self, name)
            whole = max(value // self.patch_size, 1) * self.patch_size
            require(
                value % self.patch_size == 0,
                f"audio.{name}={value} is not a multiple of audio.patch_size={self.patch_size}: "
                f"the edge would be dropped. Try audio.{name}={whole}.",
            )
        require(
            self.window_samples // 2 < self.num_samples,
            f"audio.window_samples={self.window_samples} is too long for {self.num_samples} samples of sound "
            f"(audio.num_times x audio.hop_samples): its ends cannot be mirrored. "
            f"Try audio.window_samples={self.num_samples}.",
        )
        _check_share("audio.mask_share", self.mask_share)

    @property
    def num_samples(self) -> int:
        """Samples of one window: 65,535 in the paper."""
        return self.num_times * self.hop_samples - 1

    @property
    def window_seconds(self) -> float:
        """Seconds that the model sees and hears at once: 5.94 in the paper."""
        return self.num_samples / self.sample_rate_hz

    @property
    def num_patches(self) -> int:
        return (self.num_times // self.patch_size) * (self.num_frequencies // self.patch_size)


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig:
    """From words to tokens (paper, section 4.1)."""

    num_tokens: int = 40
    """Longest text in word pieces, [CLS] and [SEP] included; the rest is cut."""
    vocabulary_size: int = 30_522
    """BERT's uncased WordPiece vocabulary; `tiny` trains a smaller one on the store's own text."""
    mask_share: float = 0.15
    """Share of the words that becomes [MASK] (section 3.2)."""

    def __post_init__(self) -> None:
        _check_least("text", self, 5, "vocabulary_size")  # the special tokens alone
        require(self.num_tokens >= 3, f"text.num_tokens={self.num_tokens}: [CLS], a word and [SEP] need 3. Try 40.")
        _check_share("text.mask_share", self.mask_share)


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderConfig:
    """The one transformer that serves all modalities: ViT-Base, pre-norm (paper, section 4.1)."""

    num_layers: int = 12
    width: int = 768
    num_heads: int = 12
    mlp_ratio: int = 4
    fusion_layers: int = 12
    """Last layers that run the joint pass beside the isolated ones; num_layers is the paper, fewer is cheaper."""
    activation: Literal["gelu", "quick_gelu"] = "gelu"
    """Of the MLPs; quick_gelu, x sigmoid(1.702 x), is CLIP's (docs/warm_start.md)."""
    norm_eps: float = 1e-5
    """Added to the variance in each norm; ViT, MAE, VideoMAE and AST were trained with 1e-12."""
    positions: Literal["fixed", "learned"] = "fixed"
    """Learned positions are tables that begin at the fixed sinusoids; only they can hold those of a public model."""
    input_norms: tuple[Modality, ...] = ()
    """Modalities whose tokens are normed before the first layer, as CLIP norms pictures and BERT norms words."""

    def __post_init__(self) -> None:
        _check_least("encoder", self, 1, "num_layers", "width", "num_heads", "mlp_ratio")
        require(self.norm_eps > 0, f"encoder.norm_eps={self.norm_eps} must be above 0: a norm divides by it. Try 1e-5.")
        require(
            len(set(self.input_norms)) == len(self.input_norms),
            f"encoder.input_norms={list(self.input_norms)} names a modality twice; it is normed once. "
            f"Try encoder.input_norms={','.join(dict.fromkeys(self.input_norms))}.",
        )
        _check_heads("encoder", self.width, self.num_heads)
        require(
            1 <= self.fusion_layers <= self.num_layers,
            f"encoder.fusion_layers={self.fusion_layers} must lie in 1..{self.num_layers} (encoder.num_layers): "
            f"the joint pass needs a layer. Try encoder.fusion_layers={self.num_layers}.",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderConfig:
    """The mask-autoencoder decoder, shared by all modalities (paper, section 4.1, Figure 4)."""

    num_layers: int = 8
    width: int = 512
    num_heads: int = 16
    mlp_ratio: int = 4
    decoded_share: float = 1.0
    """Share of the hidden patches that is decoded and scored in a step; 1 is the paper."""

    def __post_init__(self) -> None:
        _check_least("decoder", self, 1, "num_layers", "width", "num_heads", "mlp_ratio")
        _check_heads("decoder", self.width, self.num_heads)
        require(
            0 < self.decoded_share <= 1,
            f"decoder.decoded_share={self.decoded_share} must lie in (0, 1]: nothing would be rebuilt. Try 1.0.",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """What is learned: LPMM (Eq. 5) and GAM (Eq. 7), weighed by lambda (Eq. 8)."""

    local_weight: float = 1.0
    """Weight of LPMM; 0 leaves it out (Table 5)."""
    global_weight: float = 5.0
    """lambda of Eq. 8; 0 leaves GAM out (Table 5)."""
    pairs: tuple[Pair, ...] = ("audio-video", "audio-text")
    """Which globals are matched. The paper has no video-text term: text and picture meet through the sound."""
    matching_attention: Literal["isolated", "joint"] = "isolated"
    """Where the globals come from: passes in which a modality sees itself only, or the joint pass (which leaks)."""
    matching_features: Literal["product", "concatenation"] = "product"
    """What the matching layer reads of two globals. A linear layer on a concatenation cannot tell pairs apart."""
    normalise_targets: bool = True
    """Each patch is rebuilt after subtracting its mean and dividing by its deviation (as in MAE)."""
    temperature: float = 0.07
    """tau of the contrastive loss; the paper names none, this is the usual one."""
    learn_temperature: bool = False
    """Learn the scale 1 / tau, with a ceiling of 100 (beyond the paper)."""

    def __post_init__(self) -> None:
        _check_least("objective", self, 0, "local_weight", "global_weight")
        require(
            self.local_weight > 0 or self.global_weight > 0,
            "objective.local_weight=0 and objective.global_weight=0: nothing would be learned. Set one above 0.",
        )
        require(
            bool(self.pairs) or self.global_weight == 0,
            "objective.pairs is empty: there is nothing to match. Name a pair, or set objective.global_weight=0.",
        )
        require(
            len(set(self.pairs)) == len(self.pairs),
            f"objective.pairs={list(self.pairs)} names a pair twice; it would count once. "
            f"Try objective.pairs={','.join(dict.fromkeys(self.pairs))}.",
        )
        require(
            self.temperature >= 0.01,
            f"objective.temperature={self.temperature} is below 0.01: its scale 1 / tau would pass the ceiling of 100. "
            "Try 0.07.",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """The whole model."""

    video: VideoConfig = field(default_factory=VideoConfig)
    audio: AudioConfig = field(default_factory=AudioConfig)
    text: TextConfig = field(default_factory=TextConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How it is learned (paper, section 4.1 and appendix D)."""

    batch_size: int = 2048
    num_steps: int = 200_000
    learning_rate: float = 1e-4
    """Peak of AdamW's learning rate."""
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.95)
    """As in MAE; the paper names none."""
    warmup_steps: int = 10_000
    """Linear warm-up, then half a cosine down to 0; the paper names none."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient; 0 = unlimited."""
    seed: int = 0
    """Everything random in a run follows from it and the step number."""
    init: tuple[str, ...] = ()
    """Public checkpoints that the weights begin from (docs/warm_start.md); a run adds the digest of each, after a #."""
    checkpoint_every_steps: int = 1000
    evaluate_every_steps: int = 0
    """Retrieval on held-out clips every so many steps, for the curves; 0 = never."""
    cache_gib: float = 0.0
    """Memory, in GiB a reading process, that decoded clips may take: a small store is then decompressed once only."""
    num_workers: int = 0
    """Processes that read and transform clips; 0 = the training process itself, between its steps."""
    augment: bool = True
    """Random crop and random place in the clip; False takes the centre."""

    def __post_init__(self) -> None:
        _check_least("train", self, 1, "batch_size", "num_steps", "checkpoint_every_steps")
        _check_least("train", self, 0, "weight_decay", "warmup_steps", "gradient_clip", "seed")
        _check_least("train", self, 0, "evaluate_every_steps", "num_workers", "cache_gib")
        require(
            self.seed < 2**63, f"train.seed={self.seed} is beyond 63 bits: no generator takes it. Try train.seed=0."
        )
        for beta in self.betas:
            require(0 <= beta < 1, f"train.betas={list(self.betas)} must lie in [0, 1). Try [0.9, 0.95].")
        require(self.learning_rate > 0, f"train.learning_rate={self.learning_rate} must be above 0. Try 1e-4.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """A run, whole: `recipe` names where it came from."""

    recipe: str = "paper"
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def _check_share(name: str, share: float) -> None:
    require(0 <= share < 1, f"{name}={share} must lie in [0, 1): something has to stay visible. Try 0.75.")


def _check_least(group: str, settings: Any, least: int, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        message = f"{group}.{name}={value} must be at least {least}. Set {group}.{name}={least} or more."
        require(value >= least, message)


def _check_heads(name: str, width: int, num_heads: int) -> None:
    unit = math.lcm(num_heads, 8)
    require(
        width % unit == 0,
        f"{name}.width={width} must be a multiple of {name}.num_heads={num_heads} and of 8 (sine-cosine positions). "
        f"Try {name}.width={max(width // unit, 1) * unit}.",
    )
