"""VLSA: one transformer for video, sound and words. READ THIS FIRST.

Paper: Unified Video-Language Pre-training with Synchronized Audio (arXiv 2405.07202). A training step is `step`:

1. patches and words become tokens; most patches are left out, some words become [MASK]       (section 3.2)
2. the shared encoder runs once, packed: each modality by itself, and all of them together      (Eq. 3-4)
3. the decoder rebuilds what was hidden from what all of them saw: LPMM                         (Eq. 5)
4. the mean of each modality's own tokens is matched with the sound's of the same clip: GAM     (Eq. 6-7)

Reads `Batch` of data/; feeds pretrain/loop.py (`Losses`) and retrieve/ (`encode_*`).
Axes: B clips, V frames, I patches of a frame, K visible tokens, N tokens, L words, D width.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from vlsa.config import MODALITIES, ModelConfig
from vlsa.data.clip import Batch
from vlsa.model import losses, masking, patches
from vlsa.model.collectives import sum_over_processes
from vlsa.model.decoder import Decoder, Hidden, Reconstruction, Visible
from vlsa.model.encoder import Encoder
from vlsa.model.matching import GlobalMatching
from vlsa.model.noise import draw_noise
from vlsa.model.spectrogram import LogSpectrogram
from vlsa.model.types import Content, Globals, Losses, MaskNoise, Masks, Noise, PairNoise, Parts, SpecialTokens, Tokens

CALIBRATION_CLIPS = 256
"""As many clips of a batch are enough for two means and two deviations, and fit into memory as floats."""


class VLSA(nn.Module):
    """The model of the paper; every option is a field of `ModelConfig`."""

    def __init__(self, config: ModelConfig, special_tokens: SpecialTokens) -> None:
        super().__init__()
        self.config = config
        self.special_tokens = special_tokens
        self.spectrogram = LogSpectrogram(config.audio)
        self.register_buffer("pixel_scale", torch.tensor([0.45, 0.225]))
        self.register_buffer("sound_scale", torch.tensor([0.0, 1.0]))
        self.embedding = patches.Embedding(config)
        self.encoder = Encoder(config.encoder)
        self.decoder = Decoder(config) if config.objective.local_weight else None
        self.matching = GlobalMatching(config)
        self.precision = torch.float32
        self.apply(_initialise)

    # ---- a training step ------------------------------------------------------------------------------------------

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """Loss of a batch (Eq. 8). All randomness (masks, re-pairing) comes from `generator`, a CPU generator."""
        return self.step(batch, self.draw_noise(len(batch), generator).to(batch.video.device))

    def step(self, batch: Batch, noise: Noise) -> Losses:
        """Loss of a batch (Eq. 8), a function of tensors alone: the device is never waited for.

        With several processes: this one's part of the loss of all their clips.
        """
        parts = self.parts(batch, noise.masks)
        return self.losses(parts.terms | self.global_losses(parts.globals, noise.pairs), parts.globals)

    def parts(self, batch: Batch, noise: MaskNoise, counts: Float[Tensor, " 3"] | None = None) -> Parts:
        """What each clip gives by itself: its part of LPMM and its globals.

        LPMM is a mean over the `counts` of all clips; None: these and those of the other processes are all.
        """
        content = self.content(batch)
        masks = self.draw_masks(content, noise)
        counts = sum_over_processes(self.counts(content, masks)) if counts is None else counts
        with self.low_precision():
            isolated, joint = self.encode(self.visible_tokens(content, masks))
            rebuilt = self.reconstruct(content, masks, joint) if self.decoder else None
        terms = self.local_losses(content, masks, rebuilt, counts) if rebuilt else {}
        return Parts(terms, self.matching.pool(isolated))

    def encode_no_grad(self, batch: Batch, noise: MaskNoise) -> tuple[Globals, Float[Tensor, " 3"]]:
        """The globals of some clips as `parts` finds them, and the counts of what LPMM hides of them."""
        content = self.content(batch)
        masks = self.draw_masks(content, noise)
        with self.low_precision():
            seen = self.matching.add_tokens(self.visible_tokens(content, masks))
            isolated = self.encoder.joint(seen) if self.is_joint else self.encoder.isolated(seen)
        return self.matching.pool(isolated), self.counts(content, masks)

    def global_losses(self, globals_: Globals, noise: PairNoise) -> dict[str, Float[Tensor, ""]]:
        """GAM (Eq. 7), if it is trained: clips told apart by their globals."""
        return self.matching(globals_, noise) if self.config.objective.global_weight else {}

    def losses(self, terms: dict[str, Float[Tensor, ""]], globals_: Globals | None = None) -> Losses:
        """The terms weighed and summed (Eq. 8), with the globals that they are of."""
        total = sum((self.weight(name) * term for name, term in terms.items()), torch.zeros(()))
        return Losses(total, terms, globals_.detach() if globals_ else None)

    def low_precision(self) -> AbstractContextManager[object]:
        """Matrix products in bfloat16 where `compute.precision` asks for it; losses are computed outside."""
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.pixel_scale.device.type, self.precision)

    def draw_noise(
        self, num_clips: int, generator: torch.Generator | None = None, rows: tuple[int, int] | None = None
    ) -> Noise:
        """All the randomness of a step of G clips, of which these `rows` (start, stop) are at hand; all by default."""
        return draw_noise(self.config, num_clips, generator, rows)

    def weight(self, term: str) -> float:
        """What a term of the loss counts (Eq. 8): lambda for GAM; matching within it may have a weight of its own."""
        objective = self.config.objective
        if term.startswith("local"):
            return objective.local_weight
        return objective.global_weight * (objective.matching_weight if term.startswith("global_match") else 1.0)

    @torch.no_grad()
    def calibrate(self, batch: Batch) -> None:
        """Take the mean and deviation of pixels and spectrogram values from a batch: inputs then have unit scale.

        Without it dim footage or quiet sound enters as one large constant. The scales travel in the checkpoint.
        """
        batch = batch.rows(0, CALIBRATION_CLIPS)
        frames = batch.video[~batch.frame_padding].float() / 255
        if len(frames):
            self.pixel_scale.copy_(torch.stack([frames.mean(), frames.std().clamp(min=1e-3)]))
        times = torch.arange(self.config.audio.num_times, device=batch.waveform.device) * self.config.audio.hop_samples
        values = self.spectrogram(batch.waveform)[times < batch.num_samples[:, None]]
        if len(values):
            self.sound_scale.copy_(torch.stack([values.mean(), values.std().clamp(min=1e-3)]))

    def pixels(
        self, patches: UInt8[Tensor, "B N P"], indices: Int[Tensor, "B K"] | None = None
    ) -> Float[Tensor, "B K P"]:
        """Patches (all, or those at some indices) at the scale that `calibrate` found."""
        chosen = patches if indices is None else masking.gather_tokens(patches, indices)
        mean, deviation = self.pixel_scale * 255
        return (chosen.float() - mean) / deviation

    def audio_patches(self, batch: Batch) -> Float[Tensor, "B N P"]:
        """Patches of the spectrograms, at the scale that `calibrate` found."""
        spectrogram = (self.spectrogram(batch.waveform) - self.sound_scale[0]) / self.sound_scale[1]
        return patches.patchify_audio(spectrogram, self.config.audio.patch_size)

    def video_padding(self, batch: Batch) -> Bool[Tensor, "B N"]:
        """True at the patches of frames that are not real."""
        return repeat(batch.frame_padding, "b v -> b (v i)", i=self.config.video.patches_per_frame)

    def content(self, batch: Batch) -> Content:
        """Frames and spectrograms as patches."""
        return Content(
            video=patches.patchify_video(batch.video, self.config.video.patch_px),
            frame_seconds=batch.frame_seconds,
            video_padding=self.video_padding(batch),
            audio=self.audio_patches(batch),
            audio_padding=self.spectrogram.padding(batch.num_samples),
            token_ids=batch.token_ids,
            text_padding=batch.text_padding,
        )

    def draw_masks(self, content: Content, noise: MaskNoise) -> Masks:
        """Hide 75% of each frame's patches, 75% of the audio patches, 15% of the words (section 3.2)."""
        config, num_groups = self.config, self.config.video.num_frames
        frames = rearrange(content.video_padding, "b (v i) -> b v i", v=num_groups)
        bands = rearrange(content.audio_padding, "b n -> b 1 n")
        video_noise = rearrange(noise.visible_video, "b (v i) -> b v i", v=num_groups)
        visible_video = masking.visible_patches(video_noise, frames, config.video.mask_share)
        visible_audio = masking.visible_patches(noise.visible_audio[:, None], bands, config.audio.mask_share)
        share = config.decoder.decoded_share
        ends = (content.token_ids == self.special_tokens.start) | (content.token_ids == self.special_tokens.stop)
        return Masks(
            visible_video=visible_video,
            visible_audio=visible_audio,
            masked_video=masking.some_masked(visible_video, noise.masked_video, share),
            masked_audio=masking.some_masked(visible_audio, noise.masked_audio, share),
            text_mask=masking.mask_tokens(noise.text_mask, content.text_padding | ends, config.text.mask_share),
        )

    def visible_tokens(self, content: Content, masks: Masks) -> dict[str, Tokens]:
        """Tokens of what stays visible; hidden patches are left out before they are embedded."""
        embedding = self.embedding
        token_ids = content.token_ids.masked_fill(masks.text_mask, self.special_tokens.mask)
        pixels = self.pixels(content.video, masks.visible_video)
        values = masking.gather_tokens(content.audio, masks.visible_audio)
        return {
            "video": Tokens(
                embedding.embed_video(pixels, content.frame_seconds, masks.visible_video),
                content.video_padding.gather(1, masks.visible_video),
            ),
            "audio": Tokens(
                embedding.embed_audio(values, masks.visible_audio),
                content.audio_padding.gather(1, masks.visible_audio),
            ),
            "text": Tokens(embedding.embed_text(token_ids), content.text_padding),
        }

    def encode(self, seen: dict[str, Tokens]) -> tuple[dict[str, Tokens], dict[str, Tokens]]:
        """Outputs of the isolated passes (for GAM) and of the joint pass (for LPMM), in one packed call.

        With matching_attention="joint", or when only one of the two is trained, there is one pass, which serves as
        both.
        """
        seen = self.matching.add_tokens(seen)
        if self.is_joint:
            isolated = joint = self.encoder.joint(seen)
        elif not self.decoder:
            isolated = joint = self.encoder.isolated(seen)
        else:
            isolated, joint = self.encoder.both(seen)
        return isolated, self.matching.without_tokens(joint)

    def counts(self, content: Content, masks: Masks) -> Float[Tensor, " 3"]:
        """Hidden patches of picture and sound that are real and decoded, and hidden words: what LPMM is a mean over."""
        real_video = ~content.video_padding.gather(1, masks.masked_video)
        real_audio = ~content.audio_padding.gather(1, masks.masked_audio)
        return torch.stack([real_video.sum(), real_audio.sum(), masks.text_mask.sum()]).float()

    def local_losses(
        self, content: Content, masks: Masks, rebuilt: Reconstruction, counts: Float[Tensor, " 3"] | None = None
    ) -> dict[str, Float[Tensor, ""]]:
        """LPMM (Eq. 5): hidden patches and words of each modality, rebuilt from what is visible of all.

        `counts`: of the whole batch, when these are a part of its clips.
        """
        video, audio, words = self.counts(content, masks) if counts is None else counts
        video_target = self.target(self.pixels(content.video, masks.masked_video))
        audio_target = self.target(masking.gather_tokens(content.audio, masks.masked_audio))
        video_padding = content.video_padding.gather(1, masks.masked_video)
        audio_padding = content.audio_padding.gather(1, masks.masked_audio)
        return {
            "local_video": losses.patch_loss(rebuilt.video, video_target, video_padding, video),
            "local_audio": losses.patch_loss(rebuilt.audio, audio_target, audio_padding, audio),
            "local_text": losses.text_loss(rebuilt.text, content.token_ids, masks.text_mask, words),
        }

    def reconstruct(self, content: Content, masks: Masks, joint: dict[str, Tokens]) -> Reconstruction:
        """What the decoder makes of the hidden patches, and of all words, from the joint pass."""
        assert self.decoder is not None, "trained without LPMM"
        order = torch.arange(content.token_ids.shape[1], device=content.token_ids.device).expand_as(content.token_ids)
        places = {"video": masks.visible_video, "audio": masks.visible_audio, "text": order}
        visible = {name: Visible(part.tokens, places[name], part.padding) for name, part in joint.items()}
        hidden = {
            "video": Hidden(masks.masked_video, content.video_padding.gather(1, masks.masked_video)),
            "audio": Hidden(masks.masked_audio, content.audio_padding.gather(1, masks.masked_audio)),
        }
        return self.decoder(visible, hidden, content.frame_seconds)

    def target(self, hidden: Float[Tensor, "B M P"]) -> Float[Tensor, "B M P"]:
        """What the decoder has to rebuild of a patch."""
        return patches.normalise_patches(hidden) if self.config.objective.normalise_targets else hidden

    @property
    def is_joint(self) -> bool:
        """Whether the joint pass is the only one."""
        objective = self.config.objective
        return objective.matching_attention == "joint" or not objective.global_weight

    # ---- answers --------------------------------------------------------------------------------------------------

    def globals(self, batch: Batch) -> Globals:
        """Globals of each modality by itself, nothing hidden: what retrieval compares."""
        return self._globals({name: self.all_tokens(batch, name) for name in MODALITIES})

    def all_tokens(self, batch: Batch, name: str) -> Tokens:
        """Tokens of everything that a batch has of a modality, nothing hidden."""
        if name == "text":
            return Tokens(self.embedding.embed_text(batch.token_ids), batch.text_padding)
        if name == "audio":
            values = self.embedding.embed_audio(self.audio_patches(batch))
            return Tokens(values, self.spectrogram.padding(batch.num_samples))
        pixels = self.pixels(patches.patchify_video(batch.video, self.config.video.patch_px))
        return Tokens(self.embedding.embed_video(pixels, batch.frame_seconds), self.video_padding(batch))

    def encode_video(self, batch: Batch) -> Float[Tensor, "B D"]:
        """Unit vectors of the pictures; rows without a picture carry no meaning."""
        return self._encode_alone(batch, "video")

    def encode_audio(self, batch: Batch) -> Float[Tensor, "B D"]:
        """Unit vectors of the sounds; rows without sound carry no meaning."""
        return self._encode_alone(batch, "audio")

    def encode_text(self, batch: Batch) -> Float[Tensor, "B D"]:
        """Unit vectors of the texts; rows without text carry no meaning."""
        return self._encode_alone(batch, "text")

    def _encode_alone(self, batch: Batch, name: str) -> Float[Tensor, "B D"]:
        return self._globals({name: self.all_tokens(batch, name)}).vectors[name]

    def _globals(self, seen: dict[str, Tokens]) -> Globals:
        return self.matching.pool(self.encoder.isolated(self.matching.add_tokens(seen)))


def _initialise(module: nn.Module) -> None:
    """As MAE: Xavier-uniform linear layers, biases at zero. Words start as large as the positions beside them."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.7)
