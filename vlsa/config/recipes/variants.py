"""Variants of a recipe: the paper's ablations and its alternatives, and each option beyond it.

A variant changes settings and nothing else; one loop trains them all. `--recipe tiny/gam-only` is the variant
`gam-only` of the recipe `tiny`. Those that compare objectives, and the paper's ablations, have the paper's objective
with the change that they are named for, whatever that of their recipe. Each has the cost of its recipe unless stated
otherwise. Results on the made world are in docs/results.md.
"""

from dataclasses import replace

from vlsa.config import Config, DecoderConfig, EncoderConfig, ObjectiveConfig, Sharing

ALL_PAIRS = ("audio-video", "audio-text", "video-text")


def objective(config: Config, **values: object) -> Config:
    """The settings with the paper's objective, or with changes to it."""
    changed = ObjectiveConfig(**values)
    return replace(config, model=replace(config.model, objective=changed))


def with_heads(config: Config, **values: object) -> Config:
    """Three pairs, a learned temperature, and heads of the width that the recipe has."""
    width = config.model.objective.head_width
    return objective(config, pairs=ALL_PAIRS, learn_temperature=True, head_width=width, **values)


def paper_objective(config: Config) -> Config:
    """The paper's objective, LPMM + GAM (Eq. 5 to 8), at any size.

    Command: `vlsa pretrain --recipe tiny/paper-objective --data STORE --out RUN`. Expected: on the made world text to
    video R@10 16.0 at 400 steps, before fine-tuning (docs/objectives.md).
    """
    return objective(config)


def lpmm_only(config: Config) -> Config:
    """Table 5, second row: patches and tokens are reconstructed, nothing is matched.

    Command: `vlsa pretrain --recipe tiny/lpmm-only --data STORE --out RUN`. Cost: 14 to 27% less, without the
    isolated passes. Expected: in the paper 22.6 R@1 text to video after fine-tuning, 2.5 above no pre-training. Its
    globals were never matched, so retrieval before fine-tuning is at chance.
    """
    return objective(config, global_weight=0.0)


def gam_only(config: Config) -> Config:
    """Table 5, third row: clips are matched, nothing is reconstructed.

    Command: `vlsa pretrain --recipe tiny/gam-only --data STORE --out RUN`. Cost: a quarter of `paper`'s, two thirds of
    `tiny`'s and `small`'s: no joint pass, no decoder. Expected: in the paper 25.3 R@1 text to video after fine-tuning.
    """
    return objective(config, local_weight=0.0)


def vtm(config: Config) -> Config:
    """Video-text matching instead of GAM (Figure 5): video and text are matched, the audio is only reconstructed.

    Command: `vlsa pretrain --recipe tiny/vtm --data STORE --out RUN`. Expected: in the paper 23.5 R@1 text to video
    after fine-tuning, 3.6 below GAM.
    """
    return objective(config, pairs=("video-text",))


def joint_matching(config: Config) -> Config:
    """GAM read literally: globals from the joint pass, which leak (docs/paper.md). A control that has to fail.

    Command: `vlsa pretrain --recipe tiny/joint-matching --data STORE --out RUN`. Cost: 14 to 27% less, with one
    pass for both. Expected: the contrast falls to its floor, and retrieval by one modality stays near chance (made
    world, 400 steps: InfoNCE 0.03 of 9.13, R@10 from 1.3 to 2.0 where chance is 1).
    """
    return objective(config, matching_attention="joint")


def shifted_sound(config: Config) -> Config:
    """The audio of each training clip rotated by a second: the value of synchrony. A control that has to be worse.

    Command: `vlsa pretrain --recipe tiny/shifted-sound --data STORE --out RUN`. Expected: audio to video falls as far
    as it used the times of the impacts. Text to audio falls too, since evaluation clips differ from the training clips,
    which start with the end of their audio (on the made world R@10 15.7 to 10.3, and 96.6 to 85.0).
    """
    config = objective(config)
    return replace(config, train=replace(config.train, sound_shift_seconds=1.0))


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


def partial_decoding(config: Config) -> Config:
    """A quarter of the masked patches is decoded (beyond the paper).

    Command: `vlsa pretrain --recipe paper/partial-decoding --data STORE --out RUN`. Cost: a cheaper decoder. Expected:
    no visible loss in retrieval.
    """
    decoder: DecoderConfig = replace(config.model.decoder, decoded_share=0.25)
    return replace(config, model=replace(config.model, decoder=decoder))


def late_fusion(config: Config) -> Config:
    """Only the last quarter of the layers runs the joint pass (beyond the paper).

    Command: `vlsa pretrain --recipe paper/late-fusion --data STORE --out RUN`. Cost: two fifths less in the encoder.
    Expected: LPMM reconstructs a little worse from the other modalities.
    """
    layers = max(config.model.encoder.num_layers // 4, 1)
    encoder: EncoderConfig = replace(config.model.encoder, fusion_layers=layers)
    return replace(config, model=replace(config.model, encoder=encoder))


def exact(config: Config) -> Config:
    """The joint pass in all layers and every masked patch decoded, as in the paper, at any size.

    Command: `vlsa pretrain --recipe tiny/exact --data STORE --out RUN`. Cost: that of `paper`; twice that of `base`.
    Expected: the reference for `fast`.
    """
    return _shortened(config, config.model.encoder.num_layers, 1.0, config.model.decoder.num_layers)


def fast(config: Config) -> Config:
    """The last quarter of the layers joint and a quarter of the masked patches decoded (beyond the paper).

    Command: `vlsa pretrain --recipe paper/fast --data STORE --out RUN`. Cost: half of `paper`'s FLOPs. Expected: the
    same retrieval (docs/log.md, 16).
    """
    return late_fusion(partial_decoding(config))


def fastest(config: Config) -> Config:
    """One joint layer, a tenth of the masked patches decoded, a decoder of a quarter the depth (beyond the paper).

    Command: `vlsa pretrain --recipe paper/fastest --data STORE --out RUN`. Cost: a third of `paper`'s FLOPs, of which
    five sixths are the isolated passes. Expected: see docs/log.md, 16.
    """
    return _shortened(config, 1, 0.1, max(config.model.decoder.num_layers // 4, 1))


def _shortened(config: Config, fusion_layers: int, decoded_share: float, decoder_layers: int) -> Config:
    encoder: EncoderConfig = replace(config.model.encoder, fusion_layers=fusion_layers)
    decoder: DecoderConfig = replace(config.model.decoder, decoded_share=decoded_share, num_layers=decoder_layers)
    return replace(config, model=replace(config.model, encoder=encoder, decoder=decoder))


def best(config: Config) -> Config:
    """`heads-attention` with the mean of a clip's globals as teacher of each modality (beyond the paper).

    Command: `vlsa pretrain --recipe paper/best --data STORE --out RUN`. It is the objective of all sizes but `paper`.
    Expected: on the made world at equal steps text to video R@10 of 82 where the paper's objective has 20, and text to
    audio no lower (docs/objectives.md).
    """
    return with_heads(config, heads="pair", pooling="attention", teacher_weight=1.0)


def heads_attention(config: Config) -> Config:
    """Three pairs, each in a space of its own with attention pooling, and a learned temperature (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/heads-attention --data STORE --out RUN`. `best` without its teacher. Expected:
    docs/objectives.md.
    """
    return with_heads(config, heads="pair", pooling="attention")


def heads_modality(config: Config) -> Config:
    """Three pairs, and a linear head for each modality: one space for all pairs (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/heads-modality --data STORE --out RUN`. Expected: on the
    made world text to video R@10 of 70 at 400 steps; 81 with a space for each pair (docs/objectives.md).
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
    """As `heads-linear`, with a global token for each modality in place of the mean (beyond the paper).

    Command: `vlsa pretrain --recipe tiny/heads-tokens --data STORE --out RUN`. Expected: docs/objectives.md.
    """
    return with_heads(config, heads="pair", pooling="token")


def fused_teacher(config: Config) -> Config:
    """As `heads-modality`, and each modality contrasted with the mean of all three (beyond the paper; OmniRetriever).

    Command: `vlsa pretrain --recipe tiny/fused-teacher --data STORE --out RUN`. Expected: docs/objectives.md.
    """
    return with_heads(config, heads="modality", teacher_weight=1.0)


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


def shared_encoder(config: Config, shared: Sharing) -> Config:
    """Figure 3: these modalities share the encoder, each other one has a separate one.

    Command: `vlsa pretrain --recipe tiny/encoder-video-text --data STORE --out RUN`, and so on. Cost: more parameters,
    up to 28% less per step, since a separate modality has no joint pass. Expected: in the paper all three sharing one
    encoder is best.
    """
    config = objective(config)
    encoder: EncoderConfig = replace(config.model.encoder, shared=shared)
    return replace(config, model=replace(config.model, encoder=encoder))


def shared_decoder(config: Config, shared: Sharing) -> Config:
    """Figure 4: these modalities share the decoder, each other one has a separate one.

    Command: `vlsa pretrain --recipe tiny/decoder-video-text --data STORE --out RUN`, and so on. Cost: the same per
    step, more parameters. Expected: in the paper all three sharing one decoder is best.
    """
    config = objective(config)
    decoder: DecoderConfig = replace(config.model.decoder, shared=shared)
    return replace(config, model=replace(config.model, decoder=decoder))
