"""What a clip costs: floating-point operations of a training step and of encoding, counted from the settings.

Used for the paper's cost table (Table 7) and for utilisation. A multiplication and an addition are two operations; only
matrix products count, as is usual (norms, softmax, GELU and the STFT are left out). A backward pass costs twice the
forward pass: each product has two gradients.

With N tokens of width D, MLP ratio r, and attention in groups of n_g tokens, a layer costs

    2 N D (4 D + 2 r D) + sum_g 4 n_g^2 D        (projections and MLP; Q K^T and A V)
"""

from collections.abc import Iterator
from dataclasses import dataclass

from vlsa.config import MODALITIES, ModelConfig, groups_of_sharing, num_shared
from vlsa.model.masking import max_masked_tokens, num_visible


@dataclass(frozen=True)
class StepFlops:
    """Forward pass of one clip in a training step, part by part; `total` has the backward pass too."""

    embedding: int
    encoder: int
    decoder: int
    heads: int
    """Of the decoder."""
    globals: int
    """Attention pooling and the heads of the globals."""

    @property
    def forward(self) -> int:
        return self.embedding + self.encoder + self.decoder + self.heads + self.globals

    @property
    def total(self) -> int:
        """Forward and backward. The patches' layer has no gradient towards its input: one product less."""
        return 3 * self.forward - self.embedding


def layer_flops(num_tokens: int, groups: list[int], width: int, mlp_ratio: int) -> int:
    """One pre-norm block over `num_tokens`, attention within groups of these sizes."""
    products = 2 * num_tokens * width * (4 * width + 2 * mlp_ratio * width)
    return products + sum(4 * size * size * width for size in groups)


def visible_tokens(config: ModelConfig) -> dict[str, int]:
    """Tokens of each modality that a training step encodes; texts are padded to their longest."""
    video, audio = config.video, config.audio
    extra = int(config.objective.pooling == "token")
    return {
        "video": video.num_frames * num_visible(video.patches_per_frame, video.mask_share) + extra,
        "audio": num_visible(audio.num_patches, audio.mask_share) + extra,
        "text": config.text.num_tokens + extra,
    }


def encoder_tokens(config: ModelConfig) -> int:
    """Tokens of one clip that enter the encoder in a training step: the mean over its layers.

    A token of the isolated passes and the same token in the joint pass are two, at the layers where both run.
    """
    tokens = visible_tokens(config)
    entering = sum(
        (num_apart + num_together) * sum(tokens[name] for name in group)
        for group, num_apart, num_together in _passes(config)
    )
    return round(entering / config.encoder.num_layers)


def step_flops(config: ModelConfig) -> StepFlops:
    """One clip with all modalities."""
    tokens = visible_tokens(config)
    masked = _decoded_tokens(config)
    return StepFlops(
        embedding=_embedding_flops(config, tokens),
        encoder=_encoder_flops(config, tokens),
        decoder=_decoder_flops(config, tokens, masked) if config.objective.local_weight else 0,
        heads=_head_flops(config, masked) if config.objective.local_weight else 0,
        globals=sum(_global_flops(config, name, number) for name, number in tokens.items()),
    )


def encode_flops(config: ModelConfig) -> dict[str, int]:
    """Forward pass of encoding one video, one audio, one text, with nothing masked."""
    extra = int(config.objective.pooling == "token")
    tokens = {
        "video": config.video.num_frames * config.video.patches_per_frame,
        "audio": config.audio.num_patches,
        "text": config.text.num_tokens,
    }
    encoder = config.encoder
    return {
        name: _embedding_flops(config, {name: number + extra})
        + encoder.num_layers * layer_flops(number + extra, [number + extra], encoder.width, encoder.mlp_ratio)
        + _global_flops(config, name, number)
        for name, number in tokens.items()
    }


def _decoded_tokens(config: ModelConfig) -> dict[str, int]:
    """Masked patches of video and audio, and masked tokens, that a step decodes."""
    share = config.decoder.decoded_share
    numbers = {}
    for name, num_all, per_group, share_masked in (
        ("video", config.video.num_frames, config.video.patches_per_frame, config.video.mask_share),
        ("audio", 1, config.audio.num_patches, config.audio.mask_share),
    ):
        num_masked = num_all * (per_group - num_visible(per_group, share_masked))
        numbers[name] = max(round(num_masked * share), min(num_masked, 1))
    return numbers | {"text": max_masked_tokens(config.text.num_tokens, config.text.mask_share)}


def _embedding_flops(config: ModelConfig, tokens: dict[str, int]) -> int:
    """Linear layers of the patches; tokens are looked up, and a global token is a parameter."""
    extra = int(config.objective.pooling == "token")
    sizes = {"video": 3 * config.video.patch_px**2, "audio": config.audio.patch_size**2, "text": 0}
    return sum(2 * (number - extra) * sizes[name] * config.encoder.width for name, number in tokens.items())


def _encoder_flops(config: ModelConfig, tokens: dict[str, int]) -> int:
    """The isolated passes, and the joint pass next to them or after them; see `VLSA.encode`."""
    encoder = config.encoder
    total = 0
    for group, num_apart, num_together in _passes(config):
        sizes = [tokens[name] for name in group]
        apart = layer_flops(sum(sizes), sizes, encoder.width, encoder.mlp_ratio)
        together = layer_flops(sum(sizes), [sum(sizes)], encoder.width, encoder.mlp_ratio)
        total += num_apart * apart + num_together * together
    return total


def _passes(config: ModelConfig) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Modalities that share an encoder, with the layers of their isolated passes and of their joint pass."""
    encoder, objective = config.encoder, config.objective
    joint_only = objective.matching_attention == "joint" or not objective.global_weight
    for group in groups_of_sharing(encoder.shared):
        if joint_only:
            yield group, encoder.num_layers - encoder.fusion_layers, encoder.fusion_layers
        elif not objective.local_weight or len(group) == 1:
            yield group, encoder.num_layers, 0
        else:
            yield group, encoder.num_layers, encoder.fusion_layers


def _decoder_flops(config: ModelConfig, tokens: dict[str, int], masked: dict[str, int]) -> int:
    decoder, extra = config.decoder, int(config.objective.pooling == "token")
    total = 0
    for group in groups_of_sharing(decoder.shared):
        visible = sum(tokens[name] - extra for name in group)
        size = visible + sum(masked[name] for name in group if name != "text")  # [MASK] is among the visible ones
        total += 2 * visible * config.encoder.width * decoder.width
        total += decoder.num_layers * layer_flops(size, [size], decoder.width, decoder.mlp_ratio)
    return total


def _head_flops(config: ModelConfig, masked: dict[str, int]) -> int:
    outputs = {
        "video": 3 * config.video.patch_px**2,
        "audio": config.audio.patch_size**2,
        "text": config.text.vocabulary_size,
    }
    return sum(2 * masked[name] * config.decoder.width * outputs[name] for name in MODALITIES)


def _global_flops(config: ModelConfig, name: str, num_tokens: int) -> int:
    """From the outputs of a modality to its global in each of its spaces (heads.py)."""
    objective, width = config.objective, config.encoder.width
    pooling = 4 * num_tokens * width if objective.pooling == "attention" else 0
    linear, mlp = 2 * width * config.space_width, 4 * width * (width + config.space_width)
    projection = {"none": 0, "linear": linear, "mlp": mlp}["none" if objective.heads == "none" else objective.head_kind]
    return num_shared(name, name, objective.spaces) * (pooling + projection)
