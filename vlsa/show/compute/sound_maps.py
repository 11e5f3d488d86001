"""Where is the sound: how alike each patch of each frame is to the clip's sound, and whether that finds what sounds.

Reads a model, clips and, for made ones, their event logs (data/world/truth.py); feeds serve/sounding.py and the table
of `vlsa show`. Picture and sound are encoded each by itself, nothing hidden; a patch is the encoder's last output for
it at unit length, the sound is its global (Eq. 6).

Hit rate is the pointing game: the share of frames in which the maximum of the map falls on a patch that the sounding
object covers. Patches that share the maximum count by their share, so a map that is flat scores chance. A clip's frames
are averaged first; the mean and its interval are over clips.
Axes: N clips, B clips of a batch, V frames, h w patches down and across a frame, H W pixels, D width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from vlsa.config import ModelConfig
from vlsa.data.clip import Batch, Dataset
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.data.world.picture import companion_cover, object_cover
from vlsa.data.world.truth import Truth
from vlsa.model.vlsa import VLSA
from vlsa.show.compute.batches import batches, device_of, window_start_seconds
from vlsa.show.compute.numbers import Number, mean_over_clips

FIGURE = "where is the sound"
SMALLEST_SHARE = 0.1
"""A patch is the object's when so much of it is covered, or when no patch has more of the object."""


@dataclass(frozen=True, eq=False)
class SoundMap:
    """One clip's maps, for its real frames."""

    id: str
    own: Float32[np.ndarray, "V h w"]
    """Cosine of each patch with the clip's own sound."""
    other: Float32[np.ndarray, "V h w"] | None
    """The same with the sound of another clip; None when there is no other."""
    frame_seconds: Float[np.ndarray, " V"]
    """From the start of the clip."""


def sound_maps(
    model: VLSA, tokenizer: Tokenizer, source: Dataset, rows: Sequence[Any], batch_size: int = 32
) -> list[SoundMap]:
    """Maps of the clips that have both picture and sound; the others are passed over."""
    both = [row for row in rows if len(row.frame_seconds) and row.num_samples]
    model.eval()
    maps = []
    for part, batch in batches(source, both, model.config, tokenizer, batch_size):
        starts = [window_start_seconds(row, model.config) for row in part]
        maps += maps_of_batch(model, batch.to(device_of(model)), starts)
    return maps


@torch.no_grad()
def maps_of_batch(model: VLSA, batch: Batch, start_seconds: Sequence[float]) -> list[SoundMap]:
    """Maps of the clips of a batch that are seen and heard; the other sound is that of the next such clip in it."""
    video = F.normalize(patch_outputs(model, batch), dim=-1)
    heard = ~model.spectrogram.padding(batch.num_samples).all(dim=1) & ~batch.frame_padding.all(dim=1)
    chosen = torch.nonzero(heard).flatten()
    sound = model.encode_audio(batch)[chosen]
    own = _similarity(model.config, video[chosen], sound)
    other = _similarity(model.config, video[chosen], sound.roll(-1, dims=0)) if len(chosen) > 1 else None
    maps = []
    for k, row in enumerate(chosen.tolist()):
        real = (~batch.frame_padding[row]).cpu().numpy()
        seconds = batch.frame_seconds[row].cpu().double().numpy()[real] + start_seconds[row]
        maps.append(SoundMap(batch.ids[row], own[k][real], None if other is None else other[k][real], seconds))
    return maps


def patch_outputs(model: VLSA, batch: Batch) -> Float[Tensor, "B N D"]:
    """The encoder's last output for every patch of the frames, which see nothing but each other."""
    seen = model.matching.add_tokens({"video": model.all_tokens(batch, "video")})
    return model.matching.without_tokens(model.encoder.isolated(seen))["video"].tokens


def _similarity(
    config: ModelConfig, video: Float[Tensor, "B N D"], sound: Float[Tensor, "B D"]
) -> Float32[np.ndarray, "B V h w"]:
    side = config.video.size_px // config.video.patch_px
    values = torch.einsum("bnd,bd->bn", video, sound).float().cpu().numpy()
    return rearrange(values, "b (v h w) -> b v h w", h=side, w=side)


def object_patches(cover: Bool[np.ndarray, "V H W"], patch_px: int) -> Bool[np.ndarray, "V h w"]:
    """Which patches are the object's, from the pixels that it covers; none in a frame without it."""
    share = reduce(cover.astype(np.float64), "v (h p) (w q) -> v h w", "mean", p=patch_px, q=patch_px)
    most = share.max(axis=(1, 2), keepdims=True)
    return (share > 0) & ((share >= SMALLEST_SHARE) | (share == most))


def hits(similarity: Float[np.ndarray, "V h w"], right: Bool[np.ndarray, "V h w"]) -> Float[np.ndarray, " V"]:
    """Of the patches at each frame's maximum, the share that is right: 1 or 0 unless several share it."""
    highest = similarity == similarity.max(axis=(1, 2), keepdims=True)
    return (highest & right).sum(axis=(1, 2)) / highest.sum(axis=(1, 2))


@dataclass(frozen=True, eq=False)
class Target:
    """Patches of one clip: of the object that sounds, and of the silent one where nothing is before it."""

    sounding: Bool[np.ndarray, "V h w"]
    silent: Bool[np.ndarray, "V h w"]


def target_of(truth: Truth, found: SoundMap, config: ModelConfig) -> Target:
    """The truth behind a map, as patches."""
    size_px, patch_px = config.video.size_px, config.video.patch_px
    cover = object_cover(truth.log, found.frame_seconds, size_px, truth.frames_per_second)
    sounding = object_patches(cover, patch_px)
    silent = object_patches(companion_cover(truth.log, size_px)[None] & ~cover, patch_px) & ~sounding
    return Target(sounding, silent)


def pointing_numbers(maps: Sequence[SoundMap], targets: Mapping[str, Target]) -> list[Number]:
    """Hit rate, what the own sound adds to it, and how often a silent object is taken for the sounding one.

    Beside a rate stand chance (the share of the frame that would be right) and the rate with another clip's sound. The
    rate of the *minimum* tells a map that leaves the object out from one that does not know it.
    """
    known = [found for found in maps if found.id in targets and found.other is not None]
    sounding = [(found, targets[found.id].sounding) for found in known if targets[found.id].sounding.any()]
    silent = [(found, targets[found.id].silent) for found in known if targets[found.id].silent.any()]
    numbers = []
    kinds = (
        ("maximum on the sounding object", sounding, 1),
        ("minimum on the sounding object", sounding, -1),
        ("maximum on the silent object", silent, 1),
    )
    for name, pairs, sign in kinds:
        if pairs:
            own = np.array([_clip_rate(sign * found.own, right) for found, right in pairs])
            other = np.array([_clip_rate(sign * found.other, right) for found, right in pairs])
            chance = np.array([_clip_rate(np.zeros_like(found.own), right) for found, right in pairs])
            beside = {"chance": chance, "another clip's sound": other}
            numbers.append(mean_over_clips(FIGURE, name, own, beside))
            numbers.append(mean_over_clips(FIGURE, f"{name}, own less another's sound", own - other))
    return numbers


def _clip_rate(similarity: Float[np.ndarray, "V h w"], right: Bool[np.ndarray, "V h w"]) -> float:
    """Mean over the frames that show what is looked for."""
    shown = right.any(axis=(1, 2))
    return float(hits(similarity, right)[shown].mean())
