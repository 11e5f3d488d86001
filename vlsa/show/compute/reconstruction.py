"""What the decoder makes of hidden patches and words, beside what was there (LPMM, paper section 3.2).

Reads a model with a decoder and clips; feeds serve/rebuilt.py and the table of `vlsa show`. With normalised targets the
decoder predicts a patch up to its mean and deviation; for a picture these two are taken from the true patch, as MAE
does (arXiv 2111.06377). All hidden patches are decoded, in as many parts as `decoder.decoded_share` asks for.
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
from vlsa.show.compute.batches import batches, device_of
from vlsa.show.compute.numbers import Number, mean_over_clips

FIGURE = "reconstructions"


@dataclass(frozen=True)
class Word:
    """A word piece, and what the model put in its place if it was hidden."""

    piece: str
    guess: str | None = None


@dataclass(frozen=True, eq=False)
class ReconstructedClip:
    """A clip as it was and as it was rebuilt. Without picture V = 0, without sound T = 0, without text no words."""

    id: str
    frames: UInt8[np.ndarray, "V H W 3"]
    frames_hidden: Bool[np.ndarray, "V H W"]
    frames_rebuilt: UInt8[np.ndarray, "V H W 3"]
    """The decoder's patches where it is hidden, the original elsewhere; so the spectrogram too."""
    spectrogram: Float32[np.ndarray, "T F"]
    """At the model's scale: mean 0, deviation 1 over the first training batch."""
    spectrogram_hidden: Bool[np.ndarray, "T F"]
    spectrogram_rebuilt: Float32[np.ndarray, "T F"]
    words: tuple[Word, ...]
    errors: dict[str, float]
    """video, audio: mean squared error on hidden patches in units of the target; video_flat, audio_flat: that of a
    guess which is each patch's mean. Absent modalities are left out."""

    def without_pictures(self) -> "ReconstructedClip":
        """The same with words and errors only, so that many fit in memory."""
        names = (
            "frames",
            "frames_hidden",
            "frames_rebuilt",
            "spectrogram",
            "spectrogram_hidden",
            "spectrogram_rebuilt",
        )
        return replace(self, **{name: getattr(self, name)[:0].copy() for name in names})


@torch.no_grad()
def reconstruct_clips(
    model: VLSA, tokenizer: Tokenizer, source: Dataset, rows: Sequence[Any], seed: int = 0
) -> Iterator[ReconstructedClip]:
    """Hide parts of clips as in training and rebuild them, batch by batch. Raises CheckpointError without a decoder."""
    if model.decoder is None:
        raise CheckpointError(
            "reconstructions: the run has no decoder, since it was trained with model.objective.local_weight=0; "
            "nothing can be reconstructed. Choose a run that was trained with LPMM."
        )
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    for _, batch in batches(source, rows, model.config, tokenizer):
        yield from rebuild_batch(model, tokenizer, batch.to(device_of(model)), generator)


@torch.no_grad()
def rebuild_batch(
    model: VLSA, tokenizer: Tokenizer, batch: Batch, generator: torch.Generator | None = None
) -> list[ReconstructedClip]:
    """The clips of a batch with parts hidden and rebuilt."""
    content = model.content(batch)
    masks = _hide(model, content, generator)
    _, joint = model.encode(model.visible_tokens(content, masks))
    parts = [(part, model.reconstruct(content, part, joint)) for part in _parts(model, masks)]
    video = torch.cat([rebuilt.video for _, rebuilt in parts], dim=1)
    audio = torch.cat([rebuilt.audio for _, rebuilt in parts], dim=1)
    order = replace(
        masks,
        hidden_video=torch.cat([part.hidden_video for part, _ in parts], dim=1),
        hidden_audio=torch.cat([part.hidden_audio for part, _ in parts], dim=1),
    )
    guesses = parts[0][1].words.argmax(dim=-1)
    pictures = _pictures(model, batch, content, order, video)
    sounds = _sounds(model, batch, content, order, audio)
    words = [_words(tokenizer, content, masks, guesses, row) for row in range(len(batch))]
    return [
        ReconstructedClip(clip_id, *picture[:3], *sound[:3], text, picture[3] | sound[3])
        for clip_id, picture, sound, text in zip(batch.ids, pictures, sounds, words, strict=True)
    ]


def _hide(model: VLSA, content: Content, generator: torch.Generator | None) -> Masks:
    """Masks as in training, with all that is hidden to be decoded."""
    noise = model.draw_noise(len(content.video), generator).to(content.video.device)
    masks = model.draw_masks(content, noise.masks)
    none = torch.zeros_like(content.video_padding), torch.zeros_like(content.audio_padding)
    return replace(
        masks,
        hidden_video=masking.some_hidden(masks.visible_video, none[0].float(), 1.0),
        hidden_audio=masking.some_hidden(masks.visible_audio, none[1].float(), 1.0),
    )


def _parts(model: VLSA, masks: Masks) -> list[Masks]:
    """The hidden patches in as many turns as training takes, so that the decoder sees no more than it is used to."""
    number = round(1 / model.config.decoder.decoded_share)
    return [
        replace(masks, hidden_video=masks.hidden_video[:, k::number], hidden_audio=masks.hidden_audio[:, k::number])
        for k in range(number)
    ]


def denormalise(prediction: Float[Tensor, "B M P"], true: Float[Tensor, "B M P"]) -> Float[Tensor, "B M P"]:
    """The inverse of `normalise_patches`: a prediction with the mean and the deviation of the true patch."""
    variance, mean = torch.var_mean(true, dim=-1, keepdim=True)
    return prediction * (variance + 1e-6).sqrt() + mean


def _undo(model: VLSA, prediction: Float[Tensor, "B M P"], true: Float[Tensor, "B M P"]) -> Float[Tensor, "B M P"]:
    return denormalise(prediction, true) if model.config.objective.normalise_targets else prediction


def _pictures(
    model: VLSA, batch: Batch, content: Content, masks: Masks, prediction: Float[Tensor, "B M P"]
) -> list[tuple[Any, ...]]:
    """Of each clip: frames, which pixels were hidden, frames rebuilt, errors."""
    config = model.config.video
    hidden = masks.hidden_video
    true = model.pixels(content.video, hidden)
    mean, deviation = model.pixel_scale * 255
    pixels = (_undo(model, prediction, true) * deviation + mean).round().clamp(0, 255).to(torch.uint8)
    rebuilt = _put(content.video, hidden, pixels)
    marks = _put(torch.zeros_like(content.video), hidden, torch.ones_like(pixels))
    original, guess, mask = (
        patches.unpatchify_video(part, config.patch_px, config.size_px).permute(0, 1, 3, 4, 2).cpu().numpy()
        for part in (content.video, rebuilt, marks)
    )
    errors = _errors(model, "video", prediction, true, content.video_padding.gather(1, hidden))
    real = (~batch.frame_padding).cpu().numpy()
    return [
        (original[k][real[k]], mask[k, ..., 0][real[k]].astype(bool), guess[k][real[k]], errors[k])
        for k in range(len(real))
    ]


def _sounds(
    model: VLSA, batch: Batch, content: Content, masks: Masks, prediction: Float[Tensor, "B M P"]
) -> list[tuple[Any, ...]]:
    """Of each clip: spectrogram, which values were hidden, spectrogram rebuilt, errors; what is not real is cut off."""
    config = model.config.audio
    hidden = masks.hidden_audio
    true = masking.gather_tokens(content.audio, hidden)
    rebuilt = _put(content.audio, hidden, _undo(model, prediction, true))
    marks = _put(torch.zeros_like(content.audio), hidden, torch.ones_like(true))
    original, guess, mask = (
        patches.unpatchify_audio(part, config.patch_size, config.num_times).cpu().numpy()
        for part in (content.audio, rebuilt, marks)
    )
    errors = _errors(model, "audio", prediction, true, content.audio_padding.gather(1, hidden))
    bands = config.num_frequencies // config.patch_size
    stops = (~content.audio_padding).sum(dim=1).div(bands, rounding_mode="floor").mul(config.patch_size).tolist()
    return [
        (original[k, :stop], mask[k, :stop].astype(bool), guess[k, :stop], errors[k]) for k, stop in enumerate(stops)
    ]


def _put(
    into: Shaped[Tensor, "B N P"], indices: Int[Tensor, "B M"], values: Shaped[Tensor, "B M P"]
) -> Shaped[Tensor, "B N P"]:
    """Patches with some of them replaced."""
    return into.scatter(1, indices[..., None].expand_as(values), values)


def _errors(
    model: VLSA,
    name: str,
    prediction: Float[Tensor, "B M P"],
    true: Float[Tensor, "B M P"],
    padding: Bool[Tensor, "B M"],
) -> list[dict[str, float]]:
    """Mean squared error of the decoder and of a flat guess for each clip; nothing for a clip without real patches."""
    target = model.target(true)
    flat = target.mean(dim=-1, keepdim=True)
    real = ~padding
    count = real.sum(dim=1).clamp(min=1)
    losses = [((guess - target).square().mean(dim=-1) * real).sum(dim=1) / count for guess in (prediction, flat)]
    own, other = (loss.tolist() for loss in losses)
    there = real.any(dim=1).tolist()
    return [{name: own[k], f"{name}_flat": other[k]} if there[k] else {} for k in range(len(there))]


def _words(
    tokenizer: Tokenizer, content: Content, masks: Masks, guesses: Int[Tensor, "B L"], row: int
) -> tuple[Word, ...]:
    ends = {tokenizer.start_id, tokenizer.stop_id}
    words = []
    for place in range(content.words.shape[1]):
        piece = int(content.words[row, place])
        if content.word_padding[row, place] or piece in ends:
            continue
        hidden = bool(masks.hidden_words[row, place])
        words.append(Word(_piece(tokenizer, piece), _piece(tokenizer, int(guesses[row, place])) if hidden else None))
    return tuple(words)


def _piece(tokenizer: Tokenizer, number: int) -> str:
    return tokenizer.backend.id_to_token(number) or "[UNK]"  # a vocabulary may be smaller than the model's table


def reconstruction_numbers(clips: Sequence[ReconstructedClip]) -> list[Number]:
    """Error on hidden patches beside a flat guess, and hidden words that were found beside the commonest one."""
    numbers = []
    for name, label in (("video", "error on hidden picture patches"), ("audio", "error on hidden sound patches")):
        there = [clip.errors for clip in clips if name in clip.errors]
        if there:
            own, flat = (np.array([errors[key] for errors in there]) for key in (name, f"{name}_flat"))
            numbers.append(mean_over_clips(FIGURE, label, own, {"each patch flat": flat}))
    hidden = [[word for word in clip.words if word.guess is not None] for clip in clips]
    hidden = [words for words in hidden if words]
    if hidden:
        commonest = Counter(word.piece for words in hidden for word in words).most_common(1)[0][0]
        found = np.array([np.mean([word.guess == word.piece for word in words]) for words in hidden])
        always = np.array([np.mean([word.piece == commonest for word in words]) for words in hidden])
        numbers.append(mean_over_clips(FIGURE, "hidden words found", found, {f"always “{commonest}”": always}))
    return numbers
