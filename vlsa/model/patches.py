"""Patches and positions: how frames, spectrograms and text become tokens.

Paper: VLSA (arXiv 2405.07202), section 4.1. Reads tensors of data/; feeds encoder.py and decoder.py. The paper does
not say which positions it adds: ours are fixed sine-cosine (as in MAE), and time is measured in seconds in video
and audio alike, so that the two share one clock.
Axes: B clips, V frames, H W pixels, T F times and frequencies of a spectrogram, N tokens, P values of a patch, D width.
"""

import math

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from vlsa.config import ModelConfig
from vlsa.model.masking import gather_tokens
from vlsa.model.precision import in_float32

TICKS_PER_SECOND = 16.0
"""Unit of the time positions: the fastest sinusoid then has a period of 0.39 s, about one spectrogram patch."""


def patchify_video(video: Num[Tensor, "B V 3 H W"], patch_px: int) -> Num[Tensor, "B N P"]:
    """Square patches, frame by frame, then row by row; a patch is flattened as (row, column, colour)."""
    return rearrange(video, "b v c (h p) (w q) -> b (v h w) (p q c)", p=patch_px, q=patch_px)


def unpatchify_video(patches: Num[Tensor, "B N P"], patch_px: int, size_px: int) -> Num[Tensor, "B V 3 H W"]:
    """The inverse of `patchify_video` for square frames."""
    side = size_px // patch_px
    return rearrange(patches, "b (v h w) (p q c) -> b v c (h p) (w q)", h=side, w=side, p=patch_px, q=patch_px)


def patchify_audio(spectrogram: Float[Tensor, "B T F"], patch_size: int) -> Float[Tensor, "B N P"]:
    """Square patches, time by time, then from low to high frequency."""
    return rearrange(spectrogram, "b (t p) (f q) -> b (t f) (p q)", p=patch_size, q=patch_size)


def unpatchify_audio(patches: Float[Tensor, "B N P"], patch_size: int, num_times: int) -> Float[Tensor, "B T F"]:
    """The inverse of `patchify_audio`."""
    return rearrange(patches, "b (t f) (p q) -> b (t p) (f q)", t=num_times // patch_size, p=patch_size, q=patch_size)


def normalise_patches(patches: Float[Tensor, "B N P"]) -> Float[Tensor, "B N P"]:
    """Each patch less its mean, over its deviation: the target that MAE found best (arXiv 2111.06377, section 4.1)."""
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    return (patches - mean) / (variance + 1e-6).sqrt()


def sinusoids(positions: Float[Tensor, "*N"], width: int) -> Float[Tensor, "*N {width}"]:
    """Sines, then cosines of the positions at width / 2 geometric frequencies, from 1 to almost 1e-4 radian a unit."""
    rates = torch.exp(-math.log(10_000) * torch.arange(width // 2, device=positions.device) / (width // 2))
    angles = positions[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class Positions(nn.Module):
    """Fixed positions of every token of a clip, for one width: time with place or frequency, or order in the text."""

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        self.width = width
        video, audio, text = config.video, config.audio, config.text
        side = torch.arange(video.size_px // video.patch_px, dtype=torch.float32)
        place = torch.cat(
            [
                repeat(sinusoids(side, width // 4), "h d -> (h w) d", w=len(side)),
                repeat(sinusoids(side, width // 4), "w d -> (h w) d", h=len(side)),
            ],
            dim=-1,
        )
        times = (torch.arange(audio.num_times // audio.patch_size) + 0.5) * audio.patch_size * audio.hop_samples
        bands = torch.arange(audio.num_frequencies // audio.patch_size, dtype=torch.float32)
        ticks = times / audio.sample_rate_hz * TICKS_PER_SECOND
        audio_positions = torch.cat(
            [
                repeat(sinusoids(ticks, width // 2), "t d -> (t f) d", f=len(bands)),
                repeat(sinusoids(bands, width // 2), "f d -> (t f) d", t=len(times)),
            ],
            dim=-1,
        )
        order = torch.arange(text.num_tokens, dtype=torch.float32)
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("audio", audio_positions, persistent=False)
        self.register_buffer("text", sinusoids(order, width), persistent=False)

    def video(self, frame_seconds: Float[Tensor, "B V"]) -> Float[Tensor, "B N D"]:
        """Positions of the patches of frames shown at these seconds of the window."""
        time = sinusoids(frame_seconds * TICKS_PER_SECOND, self.width // 2)
        num_clips, num_frames = frame_seconds.shape
        both = torch.cat(
            [
                repeat(time, "b v d -> b v i d", i=len(self.place)),
                repeat(self.place, "i d -> b v i d", b=num_clips, v=num_frames),
            ],
            dim=-1,
        )
        return rearrange(both, "b v i d -> b (v i) d")


class LearnedPositions(nn.Module):
    """Trained tables instead of sinusoids (encoder.positions="learned"); initialised with the values of `Positions`.

    Frames have a table for each of V moments, evenly spread over the window; a frame takes what lies between the two
    moments nearest to it in time. So video and audio still share one clock.
    """

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        fixed = Positions(config, width)
        num_frames, self.window_seconds = config.video.num_frames, config.audio.window_seconds
        moments = (torch.arange(num_frames) + 0.5) / num_frames * self.window_seconds
        self.frames = nn.Parameter(rearrange(fixed.video(moments[None]), "1 (v i) d -> v i d", v=num_frames))
        self.audio = nn.Parameter(fixed.audio.clone())
        self.text = nn.Parameter(fixed.text.clone())

    def video(self, frame_seconds: Float[Tensor, "B V"]) -> Float[Tensor, "B N D"]:
        """Positions of the patches of frames shown at these seconds of the window."""
        num_frames = len(self.frames)
        moment = (frame_seconds / self.window_seconds * num_frames - 0.5).clamp(0, num_frames - 1)
        moments = torch.arange(num_frames, device=moment.device)
        share = (1 - (moment[..., None] - moments).abs()).clamp(min=0)  # B V V: each row sums to 1
        with in_float32(frame_seconds):
            positions = share @ self.frames.flatten(1)
        return rearrange(positions, "b v (i d) -> b (v i) d", d=self.frames.shape[-1])


class Embedding(nn.Module):
    """Patches and token ids to tokens: a linear layer or a table, plus positions and a modality embedding.

    Modalities in encoder.input_norms are normed at the end.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.encoder.width
        self.video = nn.Linear(3 * config.video.patch_px**2, width)
        self.audio = nn.Linear(config.audio.patch_size**2, width)
        self.text = nn.Embedding(config.text.vocabulary_size, width)
        self.modality = nn.Parameter(torch.randn(3, width) * 0.02)
        learned = config.encoder.positions == "learned"
        self.positions = LearnedPositions(config, width) if learned else Positions(config, width)
        norms = {name: nn.LayerNorm(width, eps=config.encoder.norm_eps) for name in config.encoder.input_norms}
        self.input_norms = nn.ModuleDict(norms)

    def embed_video(
        self,
        patches: Float[Tensor, "B K P"],
        frame_seconds: Float[Tensor, "B V"],
        indices: Int[Tensor, "B K"] | None = None,
    ) -> Float[Tensor, "B K D"]:
        """Tokens of the patches of frames: of all, or of those that stand at some indices."""
        places = self.positions.video(frame_seconds)
        return self._normed("video", self.video(patches) + _at(places, indices) + self.modality[0])

    def embed_audio(
        self, patches: Float[Tensor, "B K P"], indices: Int[Tensor, "B K"] | None = None
    ) -> Float[Tensor, "B K D"]:
        """Tokens of the patches of a spectrogram: of all, or of those that stand at some indices."""
        places = self.positions.audio.expand(patches.shape[0], -1, -1)
        return self._normed("audio", self.audio(patches) + _at(places, indices) + self.modality[1])

    def embed_text(self, token_ids: Int[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        """Tokens of a text."""
        return self._normed("text", self.text(token_ids) + self.positions.text[: token_ids.shape[1]] + self.modality[2])

    def _normed(self, modality: str, tokens: Float[Tensor, "B K D"]) -> Float[Tensor, "B K D"]:
        return self.input_norms[modality](tokens) if modality in self.input_norms else tokens


def _at(places: Float[Tensor, "B N D"], indices: Int[Tensor, "B K"] | None) -> Float[Tensor, "B K D"]:
    return places if indices is None else gather_tokens(places, indices)
