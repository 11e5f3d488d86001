"""What the decoder reconstructs of masked patches and tokens, with the original (LPMM, paper section 3.2).

Reads a model with a decoder and clips; feeds plots/reconstruction_plot.py and the table of `vlsa show`. With
normalised targets the decoder predicts a patch up to its mean and deviation; for a picture these two are taken from the
true patch, as in MAE (arXiv 2111.06377). All masked patches are decoded, in as many parts as `decoder.decoded_share`
asks for.
Axes: B clips, V frames, H W pixels, T F times and frequencies, N patches, M decoded patches, P values of a patch.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Shaped, UInt8
from torch import Tensor

from vlsa.base.errors import CheckpointError
from vlsa.data.clip import Batch, Dataset
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
class ReconstructedClip:
    """A clip and its reconstruction. Without video V = 0, without audio T = 0, without text no tokens."""

    id: str
    frames: UInt8[np.ndarray, "V H W 3"]
    frames_mask: Bool[np.ndarray, "V H W"]
    frames_reconstructed: UInt8[np.ndarray, "V H W 3"]
    """The decoder's patches where masked, the original elsewhere; the same for the spectrogram."""
    spectrogram: Float32[np.ndarray, "T F"]
    """At the model's scale: mean 0, deviation 1 over the first training batch."""
    spectrogram_mask: Bool[np.ndarray, "T F"]
    spectrogram_reconstructed: Float32[np.ndarray, "T F"]
    tokens: tuple[TextToken, ...]
    errors: dict[str, float]
    """video, audio: mean squared error on masked patches in units of the target; video_flat, audio_flat: that of
    predicting each patch's mean. Absent modalities are left out."""

    def without_arrays(self) -> "ReconstructedClip":
        """The same with tokens and errors only, so that many fit in memory."""
        return replace(
            self, **{name: value[:0].copy() for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        )


@torch.no_grad()
def reconstruct_clips(
    model: VLSA, tokenizer: Tokenizer, source: Dataset, rows: Sequence[Any], seed: int = 0
) -> Iterator[ReconstructedClip]:
    """Mask clips as in training and reconstruct them, batch by batch. Raises CheckpointError without a decoder."""
    if model.decoder is None:
        raise CheckpointError(
            "reconstructions: the run was trained with objective.local_weight=0 and has no decoder; nothing can be "
            "reconstructed. Choose a run that was trained with LPMM."
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
    masks = _draw_masks(model, content, generator)
    _, joint = model.encode(model.visible_tokens(content, masks))
    parts = _decoded_parts(model, masks)
    decoded = [model.reconstruct(content, part, joint) for part in parts]
    order = replace(
        masks,
        masked_video=torch.cat([part.masked_video for part in parts], dim=1),
        masked_audio=torch.cat([part.masked_audio for part in parts], dim=1),
    )
    videos, video_errors = _video(model, batch, content, order, torch.cat([part.video for part in decoded], dim=1))
    audios, audio_errors = _audio(model, content, order, torch.cat([part.audio for part in decoded], dim=1))
    predictions = decoded[0].text.argmax(dim=-1)
    return [
        ReconstructedClip(
            id=clip_id,
            **videos[k],
            **audios[k],
            tokens=_tokens(tokenizer, content, masks, predictions, k),
            errors=video_errors[k] | audio_errors[k],
        )
        for k, clip_id in enumerate(batch.ids)
    ]


def _draw_masks(model: VLSA, content: Content, generator: torch.Generator | None) -> Masks:
    """Masks as in training, with all masked patches to be decoded."""
    noise = model.draw_noise(len(content.video), generator).to(content.video.device)
    masks = model.draw_masks(content, noise.masks)
    video, audio = torch.zeros_like(content.video_padding), torch.zeros_like(content.audio_padding)
    return replace(
        masks,
        masked_video=masking.some_masked(masks.visible_video, video.float(), 1.0),
        masked_audio=masking.some_masked(masks.visible_audio, audio.float(), 1.0),
    )


def _decoded_parts(model: VLSA, masks: Masks) -> list[Masks]:
    """The masked patches in parts of the size of training, so that the decoder's input is as long as in training."""
    number = round(1 / model.config.decoder.decoded_share)
    return [
        replace(masks, masked_video=masks.masked_video[:, k::number], masked_audio=masks.masked_audio[:, k::number])
        for k in range(number)
    ]


def denormalise(prediction: Float[Tensor, "B M P"], true: Float[Tensor, "B M P"]) -> Float[Tensor, "B M P"]:
    """The inverse of `normalise_patches`: a prediction with the mean and the deviation of the true patch."""
    variance, mean = torch.var_mean(true, dim=-1, keepdim=True)
    return prediction * (variance + 1e-6).sqrt() + mean


def _at_scale_of(model: VLSA, prediction: Float[Tensor, "B M P"], true: Float[Tensor, "B M P"]) -> Tensor:
    return denormalise(prediction, true) if model.config.objective.normalise_targets else prediction


def _video(
    model: VLSA, batch: Batch, content: Content, masks: Masks, prediction: Float[Tensor, "B M P"]
) -> tuple[list[dict[str, np.ndarray]], list[dict[str, float]]]:
    """The frames of each clip, their mask and reconstruction; and the errors."""
    masked, config = masks.masked_video, model.config.video
    true = model.pixels(content.video, masked)
    mean, deviation = model.pixel_scale * 255
    pixels = (_at_scale_of(model, prediction, true) * deviation + mean).round().clamp(0, 255).to(torch.uint8)
    frames, mask, reconstructed = (
        patches.unpatchify_video(part, config.patch_px, config.size_px).permute(0, 1, 3, 4, 2).cpu().numpy()
        for part in _versions(content.video, masked, pixels)
    )
    clips = [
        {
            "frames": frames[k][real],
            "frames_mask": mask[k, ..., 0][real] > 0,
            "frames_reconstructed": reconstructed[k][real],
        }
        for k, real in enumerate((~batch.frame_padding).cpu().numpy())
    ]
    return clips, _errors(model, "video", prediction, true, content.video_padding.gather(1, masked))


def _audio(
    model: VLSA, content: Content, masks: Masks, prediction: Float[Tensor, "B M P"]
) -> tuple[list[dict[str, np.ndarray]], list[dict[str, float]]]:
    """The spectrogram of each clip up to its end, its mask and reconstruction; and the errors."""
    masked, config = masks.masked_audio, model.config.audio
    true = masking.gather_tokens(content.audio, masked)
    spectrogram, mask, reconstructed = (
        patches.unpatchify_audio(part, config.patch_size, config.num_times).cpu().numpy()
        for part in _versions(content.audio, masked, _at_scale_of(model, prediction, true))
    )
    patches_high = config.num_frequencies // config.patch_size
    stops = (~content.audio_padding).sum(dim=1).div(patches_high, rounding_mode="floor").mul(config.patch_size)
    names = ("spectrogram", "spectrogram_mask", "spectrogram_reconstructed")
    clips = [
        dict(zip(names, (spectrogram[k, :stop], mask[k, :stop] > 0, reconstructed[k, :stop]), strict=True))
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
    tokenizer: Tokenizer, content: Content, masks: Masks, predictions: Int[Tensor, "B L"], row: int
) -> tuple[TextToken, ...]:
    def piece(number: int) -> str:
        return tokenizer.backend.id_to_token(number) or "[UNK]"  # a vocabulary may be smaller than the model's table

    ends = {tokenizer.start_id, tokenizer.stop_id}
    columns = (content.token_ids[row], content.text_padding[row], masks.text_mask[row], predictions[row])
    return tuple(
        TextToken(piece(token), piece(prediction) if masked else None)
        for token, padding, masked, prediction in zip(*(column.tolist() for column in columns), strict=True)
        if not padding and token not in ends
    )


def reconstruction_numbers(clips: Sequence[ReconstructedClip]) -> list[Number]:
    """Error on masked patches next to a flat prediction, and accuracy on masked tokens next to the commonest one."""
    numbers = []
    for name in ("video", "audio"):
        errors = [clip.errors for clip in clips if name in clip.errors]
        if errors:
            own, flat = (np.array([one[key] for one in errors]) for key in (name, f"{name}_flat"))
            numbers.append(mean_over_clips(FIGURE, f"error on masked {name} patches", own, {"each patch flat": flat}))
    masked = [[token for token in clip.tokens if token.prediction is not None] for clip in clips]
    masked = [tokens for tokens in masked if tokens]
    if masked:
        commonest = Counter(token.piece for tokens in masked for token in tokens).most_common(1)[0][0]
        right = np.array([np.mean([token.prediction == token.piece for token in tokens]) for tokens in masked])
        always = np.array([np.mean([token.piece == commonest for token in tokens]) for tokens in masked])
        numbers.append(mean_over_clips(FIGURE, "accuracy on masked tokens", right, {f"always “{commonest}”": always}))
    return numbers
