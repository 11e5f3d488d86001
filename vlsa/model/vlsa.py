"""VLSA: one transformer for video, audio and text. READ THIS FIRST.

Paper: Unified Video-Language Pre-training with Synchronized Audio (arXiv 2405.07202). A training step is `step`:

1. `content`, `draw_masks`: frames and spectrograms as patches; most patches and some text tokens are masked (3.2)
2. `visible_tokens`: what stays visible is embedded
3. `encode`: the shared encoder, each modality on its own (isolated) and all of them together (joint), Eq. 3-4
4. `reconstruct`, `local_losses`: the decoder predicts what was masked from the joint outputs; LPMM, Eq. 5
5. `heads`: the isolated outputs of each modality become its global, their mean; Eq. 6, heads.py
6. `global_losses`: globals are contrasted with the audio's; GAM, Eq. 7: read on in matching.py

Reads `Batch` of data/; feeds pretrain/loop.py (`Losses`) and retrieve/ (`encode_*`).
Axes: B clips, V frames, I patches of a frame, N patches or tokens, K visible, M decoded, D width, P values of a patch,
W values of a global.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from vlsa.base.processes import sum_over_processes
from vlsa.config import MODALITIES, ModelConfig
from vlsa.data.batch import Batch
from vlsa.model import losses, masking, patches
from vlsa.model.decoder import Decoder, Masked, Reconstruction, Visible
from vlsa.model.encoder import Encoder
from vlsa.model.heads import Heads
from vlsa.model.matching import GlobalMatching
from vlsa.model.noise import MaskNoise, Noise, PairNoise, draw_noise
from vlsa.model.spectrogram import LogSpectrogram
from vlsa.model.types import Content, Globals, Losses, Masks, Parts, SpecialTokens, Tokens

CALIBRATION_CLIPS = 256
"""Clips that `calibrate` reads: enough for a mean and a deviation, and few enough to fit into memory as floats."""


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
        self.heads = Heads(config)
        self.matching = GlobalMatching(config)
        self.precision = torch.float32
        self.apply(_initialise)

    # ---- a training step ------------------------------------------------------------------------------------------

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """Loss of a batch (Eq. 8), with masks and negative pairs drawn from `generator`, a CPU generator."""
        return self.step(batch, self.draw_noise(len(batch), generator).to(batch.video.device))

    def step(self, batch: Batch, noise: Noise) -> Losses:
        """Loss of a batch (Eq. 8): a function of tensors alone that never waits for the device.

        With several processes: the part of this one's clips in the loss of all.
        """
        parts = self.parts(batch, noise.masks)
        return self.losses(parts.terms | self.global_losses(parts.globals, noise.pairs), parts)

    def parts(self, batch: Batch, noise: MaskNoise, counts: Float[Tensor, " 3"] | None = None) -> Parts:
        """What is computed of each clip on its own: its part of LPMM, and its globals.

        LPMM is a mean over the `counts` of the whole batch; None: the clips of this call, in all processes, are it.
        """
        content = self.content(batch)
        masks = self.draw_masks(content, noise)
        counts = sum_over_processes(self.counts(content, masks)) if counts is None else counts
        with self.low_precision():
            isolated, joint = self.encode(self.visible_tokens(content, masks))
            prediction = self.reconstruct(content, masks, joint) if self.decoder else None
        terms = self.local_losses(content, masks, prediction, counts) if prediction else {}
        return Parts(terms, self.heads(isolated), counts)

    def global_losses(self, globals_: Globals, noise: PairNoise) -> dict[str, Float[Tensor, ""]]:
        """GAM (Eq. 7): every clip contrasted with the batch by its globals; no terms if GAM is not trained."""
        return self.matching(globals_, noise) if self.config.objective.global_weight else {}

    def losses(self, terms: dict[str, Float[Tensor, ""]], parts: Parts | None = None) -> Losses:
        """The weighted sum of the terms (Eq. 8); of `parts` come what the log needs besides."""
        total = sum((self.weight(name) * term for name, term in terms.items()), torch.zeros(()))
        return Losses(total, terms, *((parts.globals.detach(), parts.counts) if parts else ()))

    def weight(self, term: str) -> float:
        """Weight of a term in the loss (Eq. 8): lambda for GAM, in which pairs and matching may have their own."""
        objective, (kind, _, pair) = self.config.objective, term.removeprefix("global_").partition("_")
        if term.startswith("local"):
            return objective.local_weight
        within = {"match": objective.matching_weight, "teach": objective.teacher_weight}.get(kind, 1.0)
        return objective.global_weight * within * objective.pair_weights.get(pair.replace("_", "-"), 1.0)

    def encode_no_grad(self, batch: Batch, noise: MaskNoise) -> tuple[Globals, Float[Tensor, " 3"]]:
        """The globals of `parts`, and the counts of its LPMM, without the rest (for gradient caching)."""
        content = self.content(batch)
        masks = self.draw_masks(content, noise)
        with self.low_precision():
            tokens = self.heads.add_tokens(self.visible_tokens(content, masks))
            isolated = self.encoder.joint(tokens) if self.is_joint else self.encoder.isolated(tokens)
        return self.heads(isolated), self.counts(content, masks)

    def draw_noise(
        self, num_clips: int, generator: torch.Generator | None = None, rows: tuple[int, int] | None = None
    ) -> Noise:
        """The randomness of a step of G clips, or of some `rows` (start, stop) of them."""
        return draw_noise(self.config, num_clips, generator, rows)

    def low_precision(self) -> AbstractContextManager[object]:
        """Matrix products in bfloat16 where `compute.precision` asks for it; losses are computed outside."""
        is_exact = self.precision == torch.float32
        return nullcontext() if is_exact else torch.autocast(self.pixel_scale.device.type, self.precision)

    # ---- its stages -----------------------------------------------------------------------------------------------

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
        """Mask 75% of the patches of each frame, 75% of the audio patches, 15% of the text tokens (section 3.2)."""
        config, special = self.config, self.special_tokens
        frames, frame_noise = (
            rearrange(part, "b (v i) -> b v i", v=config.video.num_frames)
            for part in (content.video_padding, noise.visible_video)
        )
        visible_video = masking.visible_patches(frame_noise, frames, config.video.mask_share)
        audio_noise, audio_padding = noise.visible_audio[:, None], content.audio_padding[:, None]
        visible_audio = masking.visible_patches(audio_noise, audio_padding, config.audio.mask_share)
        never = content.text_padding | (content.token_ids == special.start) | (content.token_ids == special.stop)
        text_mask = masking.mask_tokens(noise.text_mask, never, config.text.mask_share)
        return Masks(
            visible_video=visible_video,
            visible_audio=visible_audio,
            masked_video=masking.some_masked(visible_video, noise.masked_video, config.decoder.decoded_share),
            masked_audio=masking.some_masked(visible_audio, noise.masked_audio, config.decoder.decoded_share),
            text_mask=text_mask,
            masked_text=masking.masked_positions(text_mask, config.text.mask_share),
        )

    def visible_tokens(self, content: Content, masks: Masks) -> dict[str, Tokens]:
        """Tokens of the visible patches (masked ones are dropped before the embedding), and of the text with [MASK]."""
        embedding, video, audio = self.embedding, masks.visible_video, masks.visible_audio
        pixels, values = self.pixels(content.video, video), masking.gather_tokens(content.audio, audio)
        token_ids = content.token_ids.masked_fill(masks.text_mask, self.special_tokens.mask)
        return {
            "video": Tokens(
                embedding.embed_video(pixels, content.frame_seconds, video), content.video_padding.gather(1, video)
            ),
            "audio": Tokens(embedding.embed_audio(values, audio), content.audio_padding.gather(1, audio)),
            "text": Tokens(embedding.embed_text(token_ids), content.text_padding),
        }

    def encode(self, tokens: dict[str, Tokens]) -> tuple[dict[str, Tokens], dict[str, Tokens]]:
        """Outputs of the isolated passes (for GAM) and of the joint pass (for LPMM), in one packed call.

        With matching_attention="joint", or when only one of the two is trained, one pass serves as both.
        """
        tokens = self.heads.add_tokens(tokens)
        if self.is_joint:
            isolated = joint = self.encoder.joint(tokens)
        elif not self.decoder:
            isolated = joint = self.encoder.isolated(tokens)
        else:
            isolated, joint = self.encoder.both(tokens)
        return isolated, self.heads.without_tokens(joint)

    def reconstruct(self, content: Content, masks: Masks, joint: dict[str, Tokens]) -> Reconstruction:
        """Predictions of the decoder for the masked patches and tokens, from the joint outputs."""
        assert self.decoder is not None, "trained without LPMM"
        order = torch.arange(content.token_ids.shape[1], device=content.token_ids.device).expand_as(content.token_ids)
        indices = {"video": masks.visible_video, "audio": masks.visible_audio, "text": order}
        visible = {name: Visible(part.tokens, indices[name], part.padding) for name, part in joint.items()}
        return self.decoder(visible, self.decoded(content, masks), content.frame_seconds)

    def local_losses(
        self, content: Content, masks: Masks, prediction: Reconstruction, counts: Float[Tensor, " 3"] | None = None
    ) -> dict[str, Float[Tensor, ""]]:
        """LPMM (Eq. 5): how well the masked patches and tokens of each modality are predicted.

        `counts`: of the whole batch, where these clips are a part of it.
        """
        counts = self.counts(content, masks) if counts is None else counts
        video, audio, text = self.decoded(content, masks).values()
        pixels, values = self.pixels(content.video, video.indices), masking.gather_tokens(content.audio, audio.indices)
        token_ids = content.token_ids.gather(1, text.indices)
        return {
            "local_video": losses.patch_loss(prediction.video, self.target(pixels), video.padding, counts[0]),
            "local_audio": losses.patch_loss(prediction.audio, self.target(values), audio.padding, counts[1]),
            "local_text": losses.text_loss(prediction.text, token_ids, text.padding, counts[2]),
        }

    def decoded(self, content: Content, masks: Masks) -> dict[str, Masked]:
        """The masked patches and tokens that are decoded, and which of them count."""
        video, audio, text = masks.masked_video, masks.masked_audio, masks.masked_text
        return {
            "video": Masked(video, content.video_padding.gather(1, video)),
            "audio": Masked(audio, content.audio_padding.gather(1, audio)),
            "text": Masked(text, ~masks.text_mask.gather(1, text)),
        }

    def counts(self, content: Content, masks: Masks) -> Float[Tensor, " 3"]:
        """Decoded patches of video and audio and decoded tokens that are real: what LPMM is a mean over."""
        return torch.stack([(~part.padding).sum() for part in self.decoded(content, masks).values()]).float()

    def target(self, values: Float[Tensor, "B M P"]) -> Float[Tensor, "B M P"]:
        """What the decoder is to predict of a patch."""
        return patches.normalise_patches(values) if self.config.objective.normalise_targets else values

    @property
    def is_joint(self) -> bool:
        """Whether the joint pass is the only one."""
        return self.config.objective.matching_attention == "joint" or not self.config.objective.global_weight

    # ---- its inputs, at unit scale --------------------------------------------------------------------------------

    @torch.no_grad()
    def calibrate(self, batch: Batch) -> None:
        """Set mean and deviation of pixels and spectrogram values from a batch; saved with the weights."""
        batch = batch.rows(0, CALIBRATION_CLIPS)
        frames = batch.video[~batch.frame_padding].float() / 255
        if len(frames):
            self.pixel_scale.copy_(torch.stack([frames.mean(), frames.std().clamp(min=1e-3)]))
        times = torch.arange(self.config.audio.num_times, device=batch.waveform.device) * self.config.audio.hop_samples
        values = self.spectrogram(batch.waveform)[times < batch.num_samples[:, None]]
        if len(values):
            self.sound_scale.copy_(torch.stack([values.mean(), values.std().clamp(min=1e-3)]))

    def pixels(self, raw: UInt8[Tensor, "B N P"], indices: Int[Tensor, "B K"] | None = None) -> Float[Tensor, "B K P"]:
        """Patches (all, or those at some indices) at the scale of `calibrate`."""
        chosen = raw if indices is None else masking.gather_tokens(raw, indices)
        mean, deviation = self.pixel_scale * 255
        return (chosen.float() - mean) / deviation

    def audio_patches(self, batch: Batch) -> Float[Tensor, "B N P"]:
        """Patches of the spectrograms at the scale of `calibrate`."""
        spectrogram = (self.spectrogram(batch.waveform) - self.sound_scale[0]) / self.sound_scale[1]
        return patches.patchify_audio(spectrogram, self.config.audio.patch_size)

    def video_padding(self, batch: Batch) -> Bool[Tensor, "B N"]:
        """True at the patches of frames that are padding."""
        return repeat(batch.frame_padding, "b v -> b (v i)", i=self.config.video.patches_per_frame)

    # ---- embeddings for retrieval ---------------------------------------------------------------------------------

    def globals(self, batch: Batch) -> Globals:
        """Isolated globals of every modality, with nothing masked."""
        return self._globals(batch, *MODALITIES)

    def encode_video(self, batch: Batch) -> Float[Tensor, "B W"]:
        """Globals of the videos; rows without frames carry no meaning."""
        return self._globals(batch, "video").vectors["video"]

    def encode_audio(self, batch: Batch) -> Float[Tensor, "B W"]:
        """Globals of the audio; rows without audio carry no meaning."""
        return self._globals(batch, "audio").vectors["audio"]

    def encode_text(self, batch: Batch) -> Float[Tensor, "B W"]:
        """Globals of the texts; rows without text carry no meaning."""
        return self._globals(batch, "text").vectors["text"]

    def all_tokens(self, batch: Batch, name: str) -> Tokens:
        """All tokens of a modality, with nothing masked."""
        if name == "text":
            return Tokens(self.embedding.embed_text(batch.token_ids), batch.text_padding)
        if name == "audio":
            tokens = self.embedding.embed_audio(self.audio_patches(batch))
            return Tokens(tokens, self.spectrogram.padding(batch.num_samples))
        pixels = self.pixels(patches.patchify_video(batch.video, self.config.video.patch_px))
        return Tokens(self.embedding.embed_video(pixels, batch.frame_seconds), self.video_padding(batch))

    def _globals(self, batch: Batch, *names: str) -> Globals:
        tokens = self.heads.add_tokens({name: self.all_tokens(batch, name) for name in names})
        return self.heads(self.encoder.isolated(tokens))


def _initialise(module: nn.Module) -> None:
    """As MAE: Xavier-uniform linear layers with zero biases. Token embeddings have the scale of their positions."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.7)
