"""Variants of a recipe: the paper's ablations and its controls, and options that change encoder and decoder.

A variant changes settings and nothing else; one loop trains them all. `--recipe tiny/gam-only` is the variant
`gam-only` of the recipe `tiny`. The paper's ablations have the paper's objective with the change that they are named
for, whatever that of their recipe; objectives beyond the paper are in objectives.py. Each has the cost of its recipe
unless stated otherwise. Results on the made world are in docs/results.md.
"""

from dataclasses import replace

from vlsa.config import Config, DecoderConfig, EncoderConfig, Sharing
from vlsa.config.recipes.objectives import objective


def paper_objective(config: Config) -> Config:
    """The paper's objective, LPMM + GAM (Eq. 5 to 8), at any size.

    Command: `vlsa pretrain --recipe tiny/paper-objective --data STORE --out RUN`. Expected: on the made world text to
    video R@10 20 at 400 steps, before fine-tuning (docs/objectives.md).
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
