"""Variants of a recipe that change its objective alone, beyond the paper.

Each has the paper's objective with the change that it is named for, whatever that of its recipe, and the cost of its
recipe unless stated otherwise. The equations side by side, and results on the made world, are in docs/objectives.md.
"""

from dataclasses import replace

from vlsa.config import Config, ObjectiveConfig

ALL_PAIRS = ("audio-video", "audio-text", "video-text")


def objective(config: Config, **values: object) -> Config:
    """The settings with the paper's objective, or with changes to it."""
    changed = ObjectiveConfig(**values)
    return replace(config, model=replace(config.model, objective=changed))


def with_heads(config: Config, **values: object) -> Config:
    """Three pairs, a learned temperature, and heads of the width that the recipe has."""
    width = config.model.objective.head_width
    return objective(config, pairs=ALL_PAIRS, learn_temperature=True, head_width=width, **values)


def video_text_pair(config: Config) -> Config:
    """A video-text pair in addition to the two audio pairs (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/video-text-pair --data STORE --out RUN`. Expected: text to video gains what
    the audio does not contain, such as colour and shape.
    """
    return objective(config, pairs=ALL_PAIRS)


def hard_negatives(config: Config) -> Config:
    """Matching uses the most similar negative pairs (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/hard-negatives --data STORE --out RUN`. Expected: a finer matching term.
    """
    return objective(config, hard_negatives=True)


def sigmoid(config: Config) -> Config:
    """Sigmoid instead of softmax contrast, with a learned scale and bias (beyond the paper; SigLIP).

    Command: `vlsa pretrain --recipe tiny/sigmoid --data STORE --out RUN`. Expected: about as good at large batches.
    """
    return objective(config, contrast="sigmoid", learn_temperature=True, temperature=0.1)


def global_tokens(config: Config) -> Config:
    """A global token for each modality instead of the mean of its outputs (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/global-tokens --data STORE --out RUN`. Expected: open; Eq. 6 takes the mean.
    """
    return objective(config, pooling="token")


def learned_temperature(config: Config) -> Config:
    """1 / tau is learned, at most 100 (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/learned-temperature --data STORE --out RUN`. Expected: a sharper contrast.
    """
    return objective(config, learn_temperature=True)


def best(config: Config) -> Config:
    """Contrast of three pairs, each in a space of its own, those with text weighted more (beyond the paper).

    Command: `vlsa pretrain --recipe paper/best --data STORE --out RUN`. It is the objective of all sizes but `paper`:
    `heads-attention` without the matching term, and with a weight for each pair. Expected: on the made world at equal
    steps as good in each direction as the objective that is trained for it alone (docs/objectives.md).
    """
    weights = {"matching_weight": 0.0, "audio_text_weight": 1.5, "video_text_weight": 2.0}
    return with_heads(config, heads="pair", pooling="attention", **weights)


def heads_modality(config: Config) -> Config:
    """Three pairs, and a linear head for each modality: one space for all pairs (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/heads-modality --data STORE --out RUN`. Expected: on the
    made world text to video R@10 of 53 at 400 steps; 84 with a space for each pair (docs/objectives.md).
    """
    return with_heads(config, heads="modality")


def heads_linear(config: Config) -> Config:
    """Three pairs, each in a space of its own, by linear heads on the mean of Eq. 6 (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/heads-linear --data STORE --out RUN`. Expected: docs/objectives.md.
    """
    return with_heads(config, heads="pair")


def heads_mlp(config: Config) -> Config:
    """As `heads-linear` with two layers a head (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/heads-mlp --data STORE --out RUN`. Expected: docs/objectives.md.
    """
    return with_heads(config, heads="pair", head_kind="mlp")


def heads_attention(config: Config) -> Config:
    """As `heads-linear`, with attention pooling for each head in place of the mean (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/heads-attention --data STORE --out RUN`. Expected: on the made world at equal
    steps text to video R@10 of 84 where the paper's objective has 20, and text to audio no lower (docs/objectives.md).
    """
    return with_heads(config, heads="pair", pooling="attention")


def heads_sigmoid(config: Config) -> Config:
    """As `heads-attention`, with the sigmoid contrast of SigLIP (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/heads-sigmoid --data STORE --out RUN`. Expected: docs/objectives.md.
    """
    return with_heads(config, heads="pair", pooling="attention", contrast="sigmoid", temperature=0.1)


def heads_hard(config: Config) -> Config:
    """As `heads-attention`, with hard negatives in matching (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/heads-hard --data STORE --out RUN`. Expected: docs/objectives.md.
    """
    return with_heads(config, heads="pair", pooling="attention", hard_negatives=True)


def heads_temperatures(config: Config) -> Config:
    """As `heads-attention`, with a temperature for each pair (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/heads-temperatures --data STORE --out RUN`. Expected: docs/objectives.md.
    """
    return with_heads(config, heads="pair", pooling="attention", pair_temperatures=True)


def heads_tokens(config: Config) -> Config:
    """As `heads-attention`, with a global token for each modality in place of attention pooling (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/heads-tokens --data STORE --out RUN`. Expected: docs/objectives.md.
    """
    return with_heads(config, heads="pair", pooling="token")


def fused_teacher(config: Config) -> Config:
    """As `heads-modality`, and each modality contrasted with the mean of all three (beyond the paper; OmniRetriever).

    Command: `vlsa pretrain --recipe tiny/fused-teacher --data STORE --out RUN`. Expected: docs/objectives.md.
    """
    return with_heads(config, heads="modality", teacher_weight=1.0)


def heads_teacher(config: Config) -> Config:
    """As `heads-attention`, and each modality contrasted with the mean of all three (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/heads-teacher --data STORE --out RUN`. Expected: after few steps more between
    text and audio than `heads-attention`, and less between audio and video (docs/objectives.md).
    """
    return with_heads(config, heads="pair", pooling="attention", teacher_weight=1.0)


def volume(config: Config) -> Config:
    """All three modalities at once by the volume of their vectors, with a head for each (beyond the paper; GRAM).

    Command: `vlsa pretrain --recipe tiny/volume --data STORE --out RUN`. Expected: docs/objectives.md.
    """
    return with_heads(config, heads="modality", contrast="volume")


def area(config: Config) -> Config:
    """As `volume` by the area of the triangle between the vectors (beyond the paper; TRIANGLE).

    Command: `vlsa pretrain --recipe tiny/area --data STORE --out RUN`. Expected: docs/objectives.md.
    """
    return with_heads(config, heads="modality", contrast="area")


def product(config: Config) -> Config:
    """As `volume` by the multilinear inner product of the vectors (beyond the paper; Symile).

    Command: `vlsa pretrain --recipe tiny/product --data STORE --out RUN`. Expected: docs/objectives.md.
    """
    return with_heads(config, heads="modality", contrast="product")
