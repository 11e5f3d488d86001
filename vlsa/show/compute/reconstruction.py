"""What the decoder reconstructs of masked patches and tokens, with the original (LPMM, paper section 3.2).

Reads a model with a decoder and clips; feeds plots/reconstruction_plot.py and the table of `vlsa show`. With
normalised targets the decoder predicts a patch up to its mean and deviation; the figures take these two from the true
patch, as in MAE (arXiv 2111.06377). All masked patches are decoded, in as many parts as `decoder.decoded_share`
asks for.
Axes: B clips, V frames, H W pixels, T F times and frequencies, N patches, M decoded patches, P values of a patch.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from vlsa.base.errors import CheckpointError
from vlsa.data.batch import Batch
from vlsa.data.clip import Dataset
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model import masking, patches
from vlsa.model.types import Content, Masks
from vlsa.model.vlsa import VLSA
from vlsa.show.compute.clip_batches import batches, device_of
from vlsa.show.compute.numbers import Number, mean_over_clips

FIGURE = "reconstructions"


@dataclass(frozen=True)
class TextToken:
    """A piece of a caption, and the model's prediction if it was masked."""

    piece: str
    prediction: str | None = None

    def shown(self) -> str:
        """The piece as text: a visible one without the mark that it continues a word."""
        return self.piece.removeprefix("##") if self.prediction is None else self.piece


@dataclass(frozen=True, eq=False)
class Versions:
    """The frames (V H W 3) or the spectrogram (T F) of a clip; of length 0 where the clip has none."""

    original: Shaped[np.ndarray, "length ..."]
    """Frames: uint8. Spectrogram: at the model's scale, mean 0 and deviation 1 over the first training batch."""
    mask: Bool[np.ndarray, "length ..."]
    """True where masked."""
    reconstructed: Shaped[np.ndarray, "length ..."]
    """The decoder's patches where masked, the original elsewhere."""


@dataclass(frozen=True, eq=False)
class ReconstructedClip:
    """A clip and its reconstruction."""

    id: str
    frames: Versions
    spectrogram: Versions
    tokens: tuple[TextToken, ...]
    errors: dict[str, float]
    """video, audio: mean squared error on masked patches in units of the target; video_flat, audio_flat: that of
    predicting each patch's mean. Absent modalities are left out."""


@torch.no_grad()
def reconstruct_clips(
    model: VLSA, tokenizer: Tokenizer, source: Dataset, rows: Sequence[Any], seed: int = 0
) -> Iterator[ReconstructedClip]:
    """Mask clips as in training and reconstruct them, batch by batch. Raises CheckpointError without a decoder."""
    if model.decoder is None:
        raise CheckpointError(
            "reconstructions: the run was trained with model.objective.local_weight=0 and has no decoder; nothing can "
            "be reconstructed. Choose a run that was trained with LPMM."
        )
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    for _, batch in batches(source, rows, model.config, tokenizer):
        yield from reconstruct_batch(model, tokenizer, batch.to(device_of(model)), generator)


@torch.no_grad()
def reconstruct_batch(
    model: VLSA, tokenizer: Tokenizer, batch: Batch, generator: torch.Generator | None = None
) -> list[ReconstructedClip]:
    """The clips of a batch, masked and reconstructed."""
    content = model.content(batch)
    num_parts = round(1 / model.config.decoder.decoded_share)
    masks = _draw_masks(model, content, num_parts, generator)
    _, joint = model.encode(model.visible_tokens(content, masks))
    parts = zip(
        *(masked.tensor_split(num_parts, 1) for masked in (masks.masked_video, masks.masked_audio)), strict=True
    )
    decoded = [model.reconstruct(content, replace(masks, masked_video=v, masked_audio=a), joint) for v, a in parts]
    frames, video_errors = _video(model, batch, content, masks, torch.cat([part.video for part in decoded], dim=1))
    spectrograms, audio_errors = _audio(model, content, masks, torch.cat([part.audio for part in decoded], dim=1))
    predictions = content.token_ids.scatter(1, masks.masked_text, decoded[0].text.argmax(dim=-1))
    tokens = _tokens(tokenizer, content, masks, predictions)
    errors = [video | audio for video, audio in zip(video_errors, audio_errors, strict=True)]
    columns = (batch.ids, frames, spectrograms, tokens, errors)
    return [ReconstructedClip(*values) for values in zip(*columns, strict=True)]


def _draw_masks(model: VLSA, content: Content, num_parts: int, generator: torch.Generator | None) -> Masks:
    """Masks as in training, with all masked patches to be decoded: in parts of the length that training decodes.

    Each part is spread over the clip, as in training: the k-th has every `num_parts`-th masked patch from the k-th on.
    """
    noise = model.draw_noise(len(content.video), generator).to(content.video.device)
    masks = model.draw_masks(content, noise.masks)

    def masked(visible: Int[Tensor, "B K"], padding: Bool[Tensor, "B N"]) -> Int[Tensor, "B M"]:
        indices = masking.some_masked(visible, torch.zeros_like(padding).float(), 1.0)
        return torch.cat([indices[:, k::num_parts] for k in range(num_parts)], dim=1)

    video, audio = (content.video_padding, content.audio_padding)
    return replace(
        masks, masked_video=masked(masks.visible_video, video), masked_audio=masked(masks.visible_audio, audio)
    )


def denormalise(prediction: Float[Tensor, "B M P"], true: Float[Tensor, "B M P"]) -> Float[Tensor, "B M P"]:
    """The inverse of `normalise_patches`: a prediction with the mean and the deviation of the true patch."""
    variance, mean = torch.var_mean(true, dim=-1, keepdim=True)
    return prediction * (variance + 1e-6).sqrt() + mean


def _at_scale_of(model: VLSA, prediction: Float[Tensor, "B M P"], true: Float[Tensor, "B M P"]) -> Tensor:
    return denormalise(prediction, true) if model.config.objective.normalise_targets else prediction


def _video(
    model: VLSA, batch: Batch, content: Content, masks: Masks, prediction: Float[Tensor, "B M P"]
) -> tuple[list[Versions], list[dict[str, float]]]:
    """The real frames of each clip, and the errors."""
    masked, config = masks.masked_video, model.config.video
    true = model.pixels(content.video, masked)
    mean, deviation = model.pixel_scale * 255
    pixels = (_at_scale_of(model, prediction, true) * deviation + mean).round().clamp(0, 255).to(torch.uint8)
    original, mask, reconstructed = (
        patches.unpatchify_video(part, config.patch_px, config.size_px).permute(0, 1, 3, 4, 2).cpu().numpy()
        for part in _versions(content.video, masked, pixels)
    )
    clips = [
        Versions(original[k][real], mask[k][real] > 0, reconstructed[k][real])
        for k, real in enumerate((~batch.frame_padding).cpu().numpy())
    ]
    return clips, _errors(model, "video", prediction, true, content.video_padding.gather(1, masked))


def _audio(
    model: VLSA, content: Content, masks: Masks, prediction: Float[Tensor, "B M P"]
) -> tuple[list[Versions], list[dict[str, float]]]:
    """The spectrogram of each clip up to its end, and the errors."""
    masked, config = masks.masked_audio, model.config.audio
    true = masking.gather_tokens(content.audio, masked)
    original, mask, reconstructed = (
        patches.unpatchify_audio(part, config.patch_size, config.num_times).cpu().numpy()
        for part in _versions(content.audio, masked, _at_scale_of(model, prediction, true))
    )
    patches_high = config.num_frequencies // config.patch_size
    stops = (~content.audio_padding).sum(dim=1).div(patches_high, rounding_mode="floor").mul(config.patch_size)
    clips = [
        Versions(original[k, :stop], mask[k, :stop] > 0, reconstructed[k, :stop])
        for k, stop in enumerate(stops.tolist())
    ]
    return clips, _errors(model, "audio", prediction, true, content.audio_padding.gather(1, masked))


def _versions(
    original: Shaped[Tensor, "B N P"], masked: Int[Tensor, "B M"], decoded: Shaped[Tensor, "B M P"]
) -> tuple[Shaped[Tensor, "B N P"], Shaped[Tensor, "B N P"], Shaped[Tensor, "B N P"]]:
    """All patches: original, 1 where masked, and with the decoded ones put in."""
    where = masked[..., None].expand_as(decoded)
    return original, torch.zeros_like(original).scatter(1, where, 1), original.scatter(1, where, decoded)


def _errors(
    model: VLSA,
    name: str,
    prediction: Float[Tensor, "B M P"],
    true: Float[Tensor, "B M P"],
    padding: Bool[Tensor, "B M"],
) -> list[dict[str, float]]:
    """Mean squared error of the decoder and of a flat prediction per clip; empty for a clip without real patches."""
    target = model.target(true)
    flat = target.mean(dim=-1, keepdim=True)
    count = (~padding).sum(dim=1)
    own, baseline = (
        (((guess - target).square().mean(dim=-1) * ~padding).sum(dim=1) / count.clamp(min=1)).tolist()
        for guess in (prediction, flat)
    )
    return [{name: own[k], f"{name}_flat": baseline[k]} if real else {} for k, real in enumerate(count.tolist())]


def _tokens(
    tokenizer: Tokenizer, content: Content, masks: Masks, predictions: Int[Tensor, "B L"]
) -> list[tuple[TextToken, ...]]:
    def piece(number: int) -> str:
        return tokenizer.backend.id_to_token(number) or "[UNK]"  # a vocabulary may be smaller than the model's table

    columns = (content.token_ids, content.text_padding, masks.text_mask, predictions)
    return [
        tuple(
            TextToken(piece(token), piece(prediction) if masked else None)
            for token, padding, masked, prediction in zip(*clip, strict=True)
            if not padding and token not in (tokenizer.start_id, tokenizer.stop_id)
        )
        for clip in zip(*(column.tolist() for column in columns), strict=True)
    ]


def reconstruction_numbers(clips: Iterable[ReconstructedClip]) -> list[Number]:
    """Error on masked patches next to a flat prediction, and accuracy on masked tokens next to the commonest one."""
    kept = [(clip.errors, [token for token in clip.tokens if token.prediction is not None]) for clip in clips]
    numbers = []
    for name in ("video", "audio"):
        pairs = np.array([(errors[name], errors[f"{name}_flat"]) for errors, _ in kept if name in errors])
        if len(pairs):
            baselines = {"each patch flat": pairs[:, 1]}
            numbers.append(mean_over_clips(FIGURE, f"error on masked {name} patches", pairs[:, 0], baselines))
    masked = [tokens for _, tokens in kept if tokens]
    if masked:
        commonest = Counter(token.piece for tokens in masked for token in tokens).most_common(1)[0][0]
        right = np.array([np.mean([token.prediction == token.piece for token in tokens]) for tokens in masked])
        always = np.array([np.mean([token.piece == commonest for token in tokens]) for tokens in masked])
        baselines = {f"always “{commonest}”": always}
        numbers.append(mean_over_clips(FIGURE, "accuracy on masked tokens", right, baselines, (0.0, 1.0)))
    return numbers
