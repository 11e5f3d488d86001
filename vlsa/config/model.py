"""Settings of the model: encoder, decoder, objective (VLSA, sections 3.2, 3.3, 4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from vlsa.config.checks import check_heads, check_least, require
from vlsa.config.inputs import AudioConfig, TextConfig, VideoConfig

MODALITIES = ("video", "audio", "text")
MAX_TEMPERATURE = 100.0
"""Of the contrast, where training begins: cosines lie within 2, so that logits differ by at most 0.02."""
Modality = Literal["video", "audio", "text"]
Pair = Literal["audio-video", "audio-text", "video-text"]
Sharing = Literal["audio-video-text", "video-text", "audio-text", "audio-video", "none"]
"""Which modalities share the weights of a transformer, and attend to each other in its joint pass."""


def groups_of_sharing(shared: Sharing) -> tuple[tuple[str, ...], ...]:
    """The modalities in groups, one transformer each: those that share one, then each of the others alone."""
    together = tuple(name for name in MODALITIES if name in shared.split("-"))
    apart = tuple((name,) for name in MODALITIES if name not in together)
    return (together, *apart) if together else apart


def is_in(modality: str, space: str) -> bool:
    """Whether a modality is compared in a space, which is named by its pair; all are in the single space, "all"."""
    return space == "all" or modality in space.split("-")


def num_shared(one: str, other: str, spaces: Sequence[str]) -> int:
    """In how many of the spaces two modalities, or twice the same one, are compared."""
    return sum(is_in(one, space) and is_in(other, space) for space in spaces)


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderConfig:
    """The transformer that all modalities share: ViT-Base, pre-norm (paper, section 4.1)."""

    num_layers: int = 12
    width: int = 768
    num_heads: int = 12
    mlp_ratio: int = 4
    fusion_layers: int = 12
    """Last layers that run the joint pass in addition to the isolated ones; the paper: all. Fewer is cheaper."""
    shared: Sharing = "audio-video-text"
    """Which modalities share the encoder and its joint pass (Figure 3); each other one has a separate encoder."""
    activation: Literal["gelu", "quick_gelu"] = "gelu"
    """Of the MLP; quick_gelu is CLIP's."""
    norm_eps: float = 1e-5
    """Added to the variance in each norm; transformers takes 1e-12 for ViT, MAE, VideoMAE and AST."""
    positions: Literal["fixed", "learned"] = "fixed"
    """Learned positions are tables initialised with the fixed sinusoids; only they can hold those of a public model."""
    input_norms: tuple[Modality, ...] = ()
    """Modalities whose tokens are normed before the first layer, as CLIP norms image patches and BERT norms tokens."""

    def __post_init__(self) -> None:
        check_least("model.encoder", self, 1, "num_layers", "width", "num_heads", "mlp_ratio")
        require(
            self.norm_eps > 0,
            f"model.encoder.norm_eps={self.norm_eps} must be above 0: a norm divides by it. Try 1e-5.",
        )
        require(
            len(set(self.input_norms)) == len(self.input_norms),
            f"model.encoder.input_norms={list(self.input_norms)} names a modality twice; it is normed once. "
            f"Try model.encoder.input_norms={','.join(dict.fromkeys(self.input_norms))}.",
        )
        check_heads("model.encoder", self.width, self.num_heads)
        require(
            1 <= self.fusion_layers <= self.num_layers,
            f"model.encoder.fusion_layers={self.fusion_layers} must lie in 1..{self.num_layers}, the layers: "
            f"the joint pass needs a layer. Try model.encoder.fusion_layers={self.num_layers}.",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderConfig:
    """The masked-autoencoder decoder, shared by all modalities (paper, section 4.1, Figure 4)."""

    num_layers: int = 8
    width: int = 512
    num_heads: int = 16
    mlp_ratio: int = 4
    decoded_share: float = 1.0
    """Share of the masked patches that is decoded and scored in a step; 1 is the paper."""
    shared: Sharing = "audio-video-text"
    """Which modalities share the decoder (Figure 4); each other one has a separate decoder, which reads it alone."""

    def __post_init__(self) -> None:
        check_least("model.decoder", self, 1, "num_layers", "width", "num_heads", "mlp_ratio")
        check_heads("model.decoder", self.width, self.num_heads)
        require(
            0 < self.decoded_share <= 1,
            f"model.decoder.decoded_share={self.decoded_share} must lie in (0, 1]: nothing would be "
            "reconstructed. Try 1.0.",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """The objective: LPMM (Eq. 5) and GAM (Eq. 7), weighted by lambda (Eq. 8)."""

    local_weight: float = 1.0
    """Weight of LPMM; 0 leaves it out (Table 5)."""
    global_weight: float = 5.0
    """lambda of Eq. 8; 0 leaves GAM out (Table 5)."""
    pairs: tuple[Pair, ...] = ("audio-video", "audio-text")
    """Which globals are matched. The paper has no video-text term: text and video meet through the audio."""
    audio_video_weight: float = 1.0
    """Weight of this pair within GAM; 1 is Eq. 7."""
    audio_text_weight: float = 1.0
    video_text_weight: float = 1.0
    matching_attention: Literal["isolated", "joint"] = "isolated"
    """Where the globals come from: isolated passes (a modality attends to itself), or the joint pass (which leaks)."""
    matching_features: Literal["product", "concatenation"] = "product"
    """Input of the matching layer. A linear layer on a concatenation cannot separate positive from negative pairs."""
    matching_weight: float = 1.0
    """Weight of the matching term within GAM; 1 is Eq. 7, 0 leaves contrast alone."""
    teacher_weight: float = 0.0
    """Weight within GAM of the contrast of each global with the mean of its clip's globals, which it does not change
    (beyond the paper: fusion as teacher, OmniRetriever)."""
    hard_negatives: bool = False
    """Negative pairs of matching are drawn by similarity instead of at random (beyond the paper)."""
    contrast: Literal["softmax", "sigmoid", "volume", "area", "product"] = "softmax"
    """InfoNCE of pairs (Eq. 7); or beyond the paper: a binary decision for every pair (SigLIP), or all three modalities
    at once by volume (GRAM), area of the triangle (TRIANGLE) or multilinear product (Symile) of their vectors."""
    sigmoid_bias: float = -10.0
    """Where the learned bias of the sigmoid contrast starts; -10 is SigLIP's."""
    pooling: Literal["mean", "token", "attention"] = "mean"
    """A global is the mean of a modality's outputs (Eq. 6), the output of a global token, or a mean weighted by
    attention with a learned query for each head (beyond the paper)."""
    heads: Literal["none", "modality", "pair"] = "none"
    """What projects globals: nothing (the paper), a head for each modality, or one for each modality and pair, so that
    each pair is matched in a space of its own (beyond the paper)."""
    head_kind: Literal["linear", "mlp"] = "linear"
    """One linear layer, or two with GELU between them and twice the width inside."""
    head_width: int = 0
    """Width of a head's output; 0 = that of the encoder."""
    normalise_targets: bool = True
    """The target is each patch minus its mean, divided by its standard deviation (as in MAE)."""
    temperature: float = 0.07
    """tau of the contrastive loss; the paper gives none, this is the usual value."""
    learn_temperature: bool = False
    """Learn the scale 1 / tau, at most 100 (beyond the paper)."""
    pair_temperatures: bool = False
    """Learn a scale for each pair instead of one for all."""

    def __post_init__(self) -> None:
        check_least("model.objective", self, 0, "local_weight", "global_weight", "matching_weight", "teacher_weight")
        require(
            self.local_weight > 0 or self.global_weight > 0,
            "model.objective.local_weight=0 and model.objective.global_weight=0: nothing would be learned. "
            "Set one above 0.",
        )
        require(
            bool(self.pairs) or self.global_weight == 0,
            "model.objective.pairs is empty: there is nothing to match. "
            "Name a pair, or set model.objective.global_weight=0.",
        )
        require(
            len(set(self.pairs)) == len(self.pairs),
            f"model.objective.pairs={list(self.pairs)} names a pair twice; it would count once. "
            f"Try model.objective.pairs={','.join(dict.fromkeys(self.pairs))}.",
        )
        require(
            self.temperature >= 0.01,
            f"model.objective.temperature={self.temperature} is below 0.01: its scale 1 / tau would exceed the "
            "maximum of 100. Try 0.07.",
        )
        require(
            self.temperature <= MAX_TEMPERATURE,
            f"model.objective.temperature={self.temperature} is above {MAX_TEMPERATURE:g}: all clips would be equally "
            "alike, and contrast would teach nothing. Try 0.07.",
        )
        self._check_pair_weights()
        self._check_pair_temperatures()
        self._check_heads()
        require(
            not self.is_triple or self.heads != "pair",
            f"model.objective.contrast={self.contrast} with heads=pair: three vectors are compared in one space, and "
            "each pair would have its own. Set model.objective.heads=modality, or contrast=softmax.",
        )

    def _check_pair_weights(self) -> None:
        for pair in self.pairs:
            weight = self.pair_weights[pair]
            require(
                weight > 0,
                f"model.objective.{pair.replace('-', '_')}_weight={weight} must be above 0: the pair would be matched "
                "and not trained. Leave it out of model.objective.pairs instead.",
            )

    def _check_pair_temperatures(self) -> None:
        require(
            not self.pair_temperatures or self.learn_temperature,
            "model.objective.pair_temperatures=true without learn_temperature: all would stay equal. "
            "Set model.objective.learn_temperature=true, or leave it out.",
        )
        require(
            not self.pair_temperatures or not (self.is_triple or self.teacher_weight),
            f"model.objective.pair_temperatures=true with contrast={self.contrast} and teacher_weight="
            f"{self.teacher_weight}: these contrast no pair. Leave pair_temperatures out.",
        )

    def _check_heads(self) -> None:
        check_least("model.objective", self, 0, "head_width")
        require(
            self.heads != "none" or self.head_kind == "linear",
            f"model.objective.head_kind={self.head_kind} without heads: it would change nothing. "
            "Set model.objective.heads=pair, or leave it out.",
        )
        require(
            self.heads != "none" or not self.head_width,
            f"model.objective.head_width={self.head_width} without heads: it would change nothing. "
            "Set model.objective.heads=pair, or leave it out.",
        )
        require(
            self.heads == "none" or self.matching_attention == "isolated",
            f"model.objective.heads={self.heads} with matching_attention=joint: one modality alone could not be "
            "encoded into the spaces of its heads. Set model.objective.matching_attention=isolated, or heads=none.",
        )
        require(
            self.global_weight > 0 or (self.heads == "none" and self.pooling != "attention"),
            f"model.objective.global_weight=0 with heads={self.heads} and pooling={self.pooling}: nothing would train "
            "these. Add model.objective.heads=none and model.objective.pooling=mean, as RECIPE/lpmm-only does.",
        )

    @property
    def pair_weights(self) -> dict[str, float]:
        """Weight of each pair within GAM."""
        return {
            "audio-video": self.audio_video_weight,
            "audio-text": self.audio_text_weight,
            "video-text": self.video_text_weight,
        }

    @property
    def is_triple(self) -> bool:
        """Whether all three modalities of a clip are contrasted at once."""
        return self.contrast in ("volume", "area", "product")

    @property
    def spaces(self) -> tuple[str, ...]:
        """Spaces in which globals are compared: one for each pair with heads="pair"; else a single one, "all"."""
        return self.pairs if self.heads == "pair" else ("all",)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """The whole model."""

    video: VideoConfig = field(default_factory=VideoConfig)
    audio: AudioConfig = field(default_factory=AudioConfig)
    text: TextConfig = field(default_factory=TextConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)

    @property
    def space_width(self) -> int:
        """Numbers of a global in one space."""
        return self.objective.head_width or self.encoder.width

    @property
    def vector_width(self) -> int:
        """Numbers of a global in all spaces, one after the other; zeros in a space that its modality is not in."""
        return len(self.objective.spaces) * self.space_width

    def columns(self, space: str) -> slice:
        """Where the numbers of a space, or of a pair, are in a global: all of them where there is one space."""
        spaces = self.objective.spaces
        number = 0 if spaces == ("all",) else spaces.index(space)
        return slice(number * self.space_width, (number + 1) * self.space_width)
