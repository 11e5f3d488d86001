"""Sound maps: the similarity of each patch of each frame to the audio of the clip, and whether it finds its source.

Reads a model, clips and, for made clips, their event logs (data/world/truth.py); feeds plots/sound_map_plot.py and the
table of `vlsa show`. Video and audio are encoded separately, without a mask; a patch is represented by the encoder's
output for it at unit length, the audio by its global embedding (Eq. 6).

Hit rate is the pointing game: the share of frames in which the maximum of the map is on a patch that the sounding
object covers. Tied patches count by their share, so a flat map scores chance. The frames of a clip are averaged first;
the mean and its interval are over clips.
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

from vlsa.base.errors import VlsaError
from vlsa.config import ModelConfig
from vlsa.data.batch import Batch
from vlsa.data.clip import Dataset
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.data.world.picture import companion_cover, object_cover
from vlsa.data.world.truth import Truth
from vlsa.model.vlsa import VLSA
from vlsa.show.compute.clip_batches import batches, device_of, window_start_seconds
from vlsa.show.compute.numbers import Number, mean_over_clips

FIGURE = "where is the sound"
SMALLEST_SHARE = 0.1
"""A patch belongs to an object that covers so much of it, or that covers no other patch more."""


SPACE = "audio-video"
"""Where patches and audio are compared in a model with heads."""


@dataclass(frozen=True, eq=False)
class SoundMap:
    """The maps of one clip, for its real frames."""

    id: str
    own: Float32[np.ndarray, "V h w"]
    """Cosine of each patch with the clip's own audio."""
    other: Float32[np.ndarray, "V h w"] | None
    """The same with the audio of another clip; None if there is no other."""
    frame_seconds: Float[np.ndarray, " V"]
    """From the start of the clip."""


def sound_maps(
    model: VLSA, tokenizer: Tokenizer, source: Dataset, rows: Sequence[Any], batch_size: int = 32
) -> list[SoundMap]:
    """Maps of the clips that have both video and audio; the others are skipped."""
    both = [row for row in rows if len(row.frame_seconds) and row.num_samples]
    model.eval()
    maps = []
    for part, batch in batches(source, both, model.config, tokenizer, batch_size):
        starts = [window_start_seconds(row, model.config) for row in part]
        maps += maps_of_batch(model, batch.to(device_of(model)), starts)
    return maps


@torch.no_grad()
def maps_of_batch(model: VLSA, batch: Batch, start_seconds: Sequence[float]) -> list[SoundMap]:
    """Maps of the clips of a batch that have video and audio; the other audio is that of the next such clip in it."""
    space = space_of(model.config)
    video = F.normalize(model.heads.project("video", space, patch_outputs(model, batch)), dim=-1)
    has_both = ~model.spectrogram.padding(batch.num_samples).all(dim=1) & ~batch.frame_padding.all(dim=1)
    chosen = torch.nonzero(has_both).flatten()
    audio = model.encode_audio(batch)[chosen][:, model.config.columns(space)]
    own = _similarity(model.config, video[chosen], audio)
    other = _similarity(model.config, video[chosen], audio.roll(-1, dims=0)) if len(chosen) > 1 else None
    maps = []
    for k, row in enumerate(chosen.tolist()):
        real = (~batch.frame_padding[row]).cpu().numpy()
        seconds = batch.frame_seconds[row].cpu().double().numpy()[real] + start_seconds[row]
        maps.append(SoundMap(batch.ids[row], own[k][real], None if other is None else other[k][real], seconds))
    return maps


def space_of(config: ModelConfig) -> str:
    """The space in which patches are compared with audio. Raises VlsaError for a model with heads for other pairs."""
    spaces = config.objective.spaces
    space = next((space for space in spaces if space in ("all", SPACE)), None)
    if space is None:
        raise VlsaError(
            f"sound map: the model has heads for {', '.join(spaces)} alone; its patches cannot be compared with audio. "
            f"Train it with model.objective.pairs={','.join([SPACE, *spaces])}."
        )
    return space


def patch_outputs(model: VLSA, batch: Batch) -> Float[Tensor, "B N D"]:
    """The encoder's output for every patch of the frames, encoded without the other modalities."""
    tokens = model.heads.add_tokens({"video": model.all_tokens(batch, "video")})
    return model.heads.without_tokens(model.encoder.isolated(tokens))["video"].tokens


def _similarity(
    config: ModelConfig, video: Float[Tensor, "B N D"], audio: Float[Tensor, "B D"]
) -> Float32[np.ndarray, "B V h w"]:
    side = config.video.size_px // config.video.patch_px
    values = torch.einsum("bnd,bd->bn", video, audio).float().cpu().numpy()
    return rearrange(values, "b (v h w) -> b v h w", h=side, w=side)


def object_patches(cover: Bool[np.ndarray, "V H W"], patch_px: int) -> Bool[np.ndarray, "V h w"]:
    """The patches of an object, from the pixels that it covers; none in a frame without it."""
    share = reduce(cover.astype(np.float64), "v (h p) (w q) -> v h w", "mean", p=patch_px, q=patch_px)
    most = share.max(axis=(1, 2), keepdims=True)
    return (share > 0) & ((share >= SMALLEST_SHARE) | (share == most))


def hits(similarity: Float[np.ndarray, "V h w"], right: Bool[np.ndarray, "V h w"]) -> Float[np.ndarray, " V"]:
    """Of the patches at each frame's maximum, the share that is right: 1 or 0 without ties."""
    highest = similarity == similarity.max(axis=(1, 2), keepdims=True)
    return (highest & right).sum(axis=(1, 2)) / highest.sum(axis=(1, 2))


@dataclass(frozen=True, eq=False)
class Target:
    """Patches of one clip: those of the sounding object, and those of the silent one where nothing covers it."""

    sounding: Bool[np.ndarray, "V h w"]
    silent: Bool[np.ndarray, "V h w"]


def target_of(truth: Truth, similarity: SoundMap, config: ModelConfig) -> Target:
    """The patches that a map should point at, and those that it should not."""
    size_px, patch_px = config.video.size_px, config.video.patch_px
    cover = object_cover(truth.log, similarity.frame_seconds, size_px, truth.frames_per_second)
    sounding = object_patches(cover, patch_px)
    silent = object_patches(companion_cover(truth.log, size_px)[None] & ~cover, patch_px) & ~sounding
    return Target(sounding, silent)


def pointing_numbers(maps: Sequence[SoundMap], targets: Mapping[str, Target]) -> list[Number]:
    """Hit rate, what the clip's own audio adds to it, and how often the maximum is on a silent object.

    A rate is compared with chance (the share of the frame that would be right) and with the rate for another clip's
    audio. The rate of the *minimum* separates a map that avoids the object from one that ignores it.
    """
    known = [one for one in maps if one.id in targets and one.other is not None]
    sounding = [(one, targets[one.id].sounding) for one in known if targets[one.id].sounding.any()]
    silent = [(one, targets[one.id].silent) for one in known if targets[one.id].silent.any()]
    numbers = []
    kinds = (
        ("maximum on the sounding object", sounding, 1),
        ("minimum on the sounding object", sounding, -1),
        ("maximum on the silent object", silent, 1),
    )
    for name, pairs, sign in kinds:
        if pairs:
            own = np.array([_clip_rate(sign * one.own, right) for one, right in pairs])
            other = np.array([_clip_rate(sign * one.other, right) for one, right in pairs])
            chance = np.array([_clip_rate(np.zeros_like(one.own), right) for one, right in pairs])
            baselines = {"chance": chance, "another clip's audio": other}
            numbers.append(mean_over_clips(FIGURE, name, own, baselines, (0.0, 1.0)))
            added = f"{name}, own minus another's audio"
            numbers.append(mean_over_clips(FIGURE, added, own - other, bounds=(-1.0, 1.0)))
    return numbers


def _clip_rate(similarity: Float[np.ndarray, "V h w"], right: Bool[np.ndarray, "V h w"]) -> float:
    """Mean over the frames that show the object."""
    shown = right.any(axis=(1, 2))
    return float(hits(similarity, right)[shown].mean())
