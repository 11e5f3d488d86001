"""VLSA: one transformer for video, sound and words. READ THIS FIRST.

Paper: Unified Video-Language Pre-training with Synchronized Audio (arXiv 2405.07202). A training step is `forward`:

1. patches and words become tokens; most patches are left out, some words become [MASK]       (section 3.2)
2. the shared encoder runs once, packed: each modality by itself, and all of them together      (Eq. 3-4)
3. the decoder rebuilds what was hidden from what all of them saw: LPMM                         (Eq. 5)
4. the mean of each modality's own tokens is matched with the sound's of the same clip: GAM     (Eq. 6-7)

Reads `Batch` of data/; feeds pretrain/loop.py (`Losses`) and retrieve/ (`encode_*`).
Axes: B clips, V frames, I patches of a frame, K visible tokens, N tokens, L words, D width.
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from vlsa.config import MODALITIES, ModelConfig
from vlsa.data.clip import Batch
from vlsa.data.spectrogram import LogSpectrogram
from vlsa.model import losses, masking, patches
from vlsa.model.decoder import Decoder, Hidden, Rebuilt, Visible
from vlsa.model.encoder import Transformer, groups_of
from vlsa.model.state import Content, Globals, Losses, Masks, Seen, SpecialWords

MAX_SCALE = 100.0
"""Ceiling of a learned 1 / tau."""
CALIBRATION_CLIPS = 256
"""As many clips of a batch are enough for two means and two deviations, and fit into memory as floats."""


class VLSA(nn.Module):
    """The model of the paper; every option is a field of `ModelConfig`."""

    def __init__(self, config: ModelConfig, special_words: SpecialWords) -> None:
        super().__init__()
        self.config = config
        self.special_words = special_words
        encoder, objective = config.encoder, config.objective
        self.spectrogram = LogSpectrogram(config.audio)
        self.register_buffer("pixel_scale", torch.tensor([0.45, 0.225]))
        self.register_buffer("sound_scale", torch.tensor([0.0, 1.0]))
        self.embedding = patches.Embedding(config)
        self.encoder = Transformer(encoder.num_layers, encoder.width, encoder.num_heads, encoder.mlp_ratio)
        self.decoder = Decoder(config) if objective.local_weight else None
        num_features = encoder.width * (1 if objective.matching_features == "product" else 2)
        self.matching = nn.ModuleDict({pair: nn.Linear(num_features, 1) for pair in objective.pairs})
        log_scale = torch.tensor(math.log(1 / objective.temperature))
        self.log_scale = nn.Parameter(log_scale, requires_grad=objective.learn_temperature)
        self.apply(_initialise)

    # ---- a training step ------------------------------------------------------------------------------------------

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """Loss of a batch (Eq. 8). All randomness (masks, re-pairing) comes from `generator`, a CPU generator."""
        objective = self.config.objective
        content = self.content(batch)
        masks = self.draw_masks(content, generator)
        seen = self.visible_tokens(content, masks)
        isolated, joint = self.encode(seen)
        terms = {}
        if self.decoder:
            terms |= self.local_losses(content, masks, joint)
        if objective.global_weight:
            terms |= self.global_losses(self.pool(isolated), generator)
        weights = {"local": objective.local_weight, "global": objective.global_weight}
        total = sum((weights[name.split("_")[0]] * term for name, term in terms.items()), torch.zeros(()))
        return Losses(total, terms)

    @torch.no_grad()
    def calibrate(self, batch: Batch) -> None:
        """Take the mean and deviation of pixels and spectrogram values from a batch: inputs then have unit scale.

        Without it dim footage or quiet sound enters as one large constant. The scales travel in the checkpoint.
        """
        batch = batch.first(CALIBRATION_CLIPS)
        frames = batch.video[~batch.frame_padding].float() / 255
        if len(frames):
            self.pixel_scale.copy_(torch.stack([frames.mean(), frames.std().clamp(min=1e-3)]))
        times = torch.arange(self.config.audio.num_times, device=batch.sound.device) * self.config.audio.hop_samples
        values = self.spectrogram(batch.sound)[times < batch.num_samples[:, None]]
        if len(values):
            self.sound_scale.copy_(torch.stack([values.mean(), values.std().clamp(min=1e-3)]))

    def pixels(
        self, patches: UInt8[Tensor, "B N P"], indices: Int[Tensor, "B K"] | None = None
    ) -> Float[Tensor, "B K P"]:
        """Patches (all, or those at some indices) at the scale that `calibrate` found."""
        chosen = patches if indices is None else masking.gather_tokens(patches, indices)
        mean, deviation = self.pixel_scale * 255
        return (chosen.float() - mean) / deviation

    def content(self, batch: Batch) -> Content:
        """Frames and spectrograms as patches."""
        config = self.config
        spectrogram = (self.spectrogram(batch.sound) - self.sound_scale[0]) / self.sound_scale[1]
        return Content(
            video=patches.patchify_video(batch.video, config.video.patch_px),
            frame_seconds=batch.frame_seconds,
            video_padding=repeat(batch.frame_padding, "b v -> b (v i)", i=config.video.patches_per_frame),
            audio=patches.patchify_audio(spectrogram, config.audio.patch_size),
            audio_padding=self.spectrogram.padding(batch.num_samples),
            words=batch.words,
            word_padding=batch.word_padding,
        )

    def draw_masks(self, content: Content, generator: torch.Generator | None = None) -> Masks:
        """Hide 75% of each frame's patches, 75% of the audio patches, 15% of the words (section 3.2)."""
        config, device = self.config, content.video.device

        def noise(like: Tensor) -> Tensor:
            return torch.rand(like.shape, generator=generator).to(device, non_blocking=True)

        frames = rearrange(content.video_padding, "b (v i) -> b v i", i=config.video.patches_per_frame)
        bands = rearrange(content.audio_padding, "b n -> b 1 n")
        visible_video = masking.visible_patches(noise(frames), frames, config.video.mask_share)
        visible_audio = masking.visible_patches(noise(bands), bands, config.audio.mask_share)
        share = config.decoder.decoded_share
        ends = (content.words == self.special_words.start) | (content.words == self.special_words.stop)
        return Masks(
            visible_video=visible_video,
            visible_audio=visible_audio,
            hidden_video=masking.some_hidden(visible_video, noise(content.video_padding), share),
            hidden_audio=masking.some_hidden(visible_audio, noise(content.audio_padding), share),
            hidden_words=masking.hide_words(noise(content.words), content.word_padding | ends, config.text.mask_share),
        )

    def visible_tokens(self, content: Content, masks: Masks) -> dict[str, Seen]:
        """Tokens of what stays visible; hidden patches are left out before they are embedded."""
        embedding = self.embedding
        words = content.words.masked_fill(masks.hidden_words, self.special_words.mask)
        return {
            "video": Seen(
                embedding.embed_video(
                    self.pixels(content.video, masks.visible_video), content.frame_seconds, masks.visible_video
                ),
                content.video_padding.gather(1, masks.visible_video),
            ),
            "audio": Seen(
                embedding.embed_audio(masking.gather_tokens(content.audio, masks.visible_audio), masks.visible_audio),
                content.audio_padding.gather(1, masks.visible_audio),
            ),
            "text": Seen(embedding.embed_text(words), content.word_padding),
        }

    def encode(self, seen: dict[str, Seen]) -> tuple[dict[str, Seen], dict[str, Seen]]:
        """Outputs of the isolated passes (for GAM) and of the joint pass (for LPMM), in one packed call.

        With matching_attention="joint", or when only one of the two is trained, there is one pass, which serves as
        both.
        """
        objective = self.config.objective
        tokens = torch.cat([part.tokens for part in seen.values()], dim=1)
        paddings = [part.padding for part in seen.values()]
        if objective.matching_attention == "joint" or not objective.global_weight:
            isolated = joint = self.encoder(tokens, groups_of([torch.cat(paddings, dim=1)]))
        elif not self.decoder:
            isolated = joint = self.encoder(tokens, groups_of(paddings))
        else:
            isolated, joint = self.encoder.forward_both(tokens, paddings, self.config.encoder.fusion_layers)
        return self._split(isolated, paddings), self._split(joint, paddings)

    @staticmethod
    def _split(outputs: Float[Tensor, "B N D"], paddings: list[Tensor]) -> dict[str, Seen]:
        parts = outputs.split([padding.shape[1] for padding in paddings], dim=1)
        return {name: Seen(*part) for name, part in zip(MODALITIES, zip(parts, paddings, strict=True), strict=True)}

    def rebuild(self, content: Content, masks: Masks, joint: dict[str, Seen]) -> Rebuilt:
        """Hidden patches, and all words, from the joint outputs of what is visible of all modalities."""
        assert self.decoder is not None
        return self.decoder(
            video=Visible(joint["video"].tokens, masks.visible_video, joint["video"].padding),
            audio=Visible(joint["audio"].tokens, masks.visible_audio, joint["audio"].padding),
            text=joint["text"].tokens,
            text_padding=joint["text"].padding,
            hidden_video=Hidden(masks.hidden_video, content.video_padding.gather(1, masks.hidden_video)),
            hidden_audio=Hidden(masks.hidden_audio, content.audio_padding.gather(1, masks.hidden_audio)),
            frame_seconds=content.frame_seconds,
        )

    def local_losses(self, content: Content, masks: Masks, joint: dict[str, Seen]) -> dict[str, Float[Tensor, ""]]:
        """LPMM (Eq. 5): hidden patches and words of each modality, rebuilt from what is visible of all."""
        rebuilt = self.rebuild(content, masks, joint)
        video_target = self.target(self.pixels(content.video, masks.hidden_video))
        audio_target = self.target(masking.gather_tokens(content.audio, masks.hidden_audio))
        video_padding = content.video_padding.gather(1, masks.hidden_video)
        audio_padding = content.audio_padding.gather(1, masks.hidden_audio)
        return {
            "local_video": losses.patch_loss(rebuilt.video, video_target, video_padding),
            "local_audio": losses.patch_loss(rebuilt.audio, audio_target, audio_padding),
            "local_text": losses.word_loss(rebuilt.words, content.words, masks.hidden_words),
        }

    def target(self, hidden: Float[Tensor, "B M P"]) -> Float[Tensor, "B M P"]:
        """What the decoder has to rebuild of a patch."""
        return patches.normalise_patches(hidden) if self.config.objective.normalise_targets else hidden

    def pool(self, encoded: dict[str, Seen]) -> Globals:
        """The mean of each modality's outputs (Eq. 6), at unit length."""
        pooled = {name: losses.mean_pool(part.tokens, part.padding) for name, part in encoded.items()}
        return Globals(
            vectors={name: F.normalize(vector, dim=-1) for name, vector in pooled.items()},
            present={name: ~part.padding.all(dim=-1) for name, part in encoded.items()},
        )

    def global_losses(
        self, globals_: Globals, generator: torch.Generator | None = None
    ) -> dict[str, Float[Tensor, ""]]:
        """GAM (Eq. 7): for each pair of modalities, InfoNCE both ways and matching."""
        terms = {}
        num_clips = len(globals_.vectors["audio"])
        shift = int(torch.randint(1, max(num_clips, 2), (), generator=generator))
        for pair in self.config.objective.pairs:
            one, other = pair.split("-")
            a, b = globals_.vectors[one], globals_.vectors[other]
            present = globals_.present[one] & globals_.present[other]
            present_false = globals_.present[one] & globals_.present[other].roll(shift) & (num_clips > 1)
            name = pair.replace("-", "_")
            terms[f"global_contrast_{name}"] = losses.contrastive_loss(a, b, self.scale, present)
            terms[f"global_match_{name}"] = losses.matching_loss(
                self.match(pair, a, b), self.match(pair, a, b.roll(shift, dims=0)), present, present_false
            )
        return terms

    def match(self, pair: str, one: Float[Tensor, "B D"], other: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
        """Logit that two globals belong to one clip: one fully connected layer (Eq. 7).

        On a concatenation such a layer is the sum of a term for each global, so that no pairing can beat chance; its
        default input is their product (times D, so that its elements are of order one).
        """
        if self.config.objective.matching_features == "product":
            features = one * other * one.shape[-1]
        else:
            features = torch.cat([one, other], dim=-1) * one.shape[-1] ** 0.5
        return self.matching[pair](features).squeeze(-1)

    @torch.no_grad()
    def limit_scale(self) -> None:
        """Bring a learned 1 / tau back under its ceiling, so that it can come down again; called after each update."""
        self.log_scale.clamp_(max=math.log(MAX_SCALE))

    @property
    def scale(self) -> Float[Tensor, ""]:
        """1 / tau."""
        return self.log_scale.exp()

    # ---- answers --------------------------------------------------------------------------------------------------

    def globals(self, batch: Batch) -> Globals:
        """Globals of each modality by itself, nothing hidden: what retrieval compares."""
        content = self.content(batch)
        embedding = self.embedding
        seen = {
            "video": Seen(
                embedding.embed_video(self.pixels(content.video), content.frame_seconds), content.video_padding
            ),
            "audio": Seen(embedding.embed_audio(content.audio), content.audio_padding),
            "text": Seen(embedding.embed_text(content.words), content.word_padding),
        }
        return self.pool({name: self._encode_alone(part) for name, part in seen.items()})

    def encode_video(self, batch: Batch) -> Float[Tensor, "B D"]:
        """Unit vectors of the pictures; rows without a picture carry no meaning."""
        content = self.content(batch)
        tokens = self.embedding.embed_video(self.pixels(content.video), content.frame_seconds)
        return self.pool({"video": self._encode_alone(Seen(tokens, content.video_padding))}).vectors["video"]

    def encode_audio(self, batch: Batch) -> Float[Tensor, "B D"]:
        """Unit vectors of the sounds; rows without sound carry no meaning."""
        content = self.content(batch)
        tokens = self.embedding.embed_audio(content.audio)
        return self.pool({"audio": self._encode_alone(Seen(tokens, content.audio_padding))}).vectors["audio"]

    def encode_text(self, batch: Batch) -> Float[Tensor, "B D"]:
        """Unit vectors of the texts; rows without text carry no meaning."""
        part = Seen(self.embedding.embed_text(batch.words), batch.word_padding)
        return self.pool({"text": self._encode_alone(part)}).vectors["text"]

    def _encode_alone(self, part: Seen) -> Seen:
        return Seen(self.encoder(part.tokens, groups_of([part.padding])), part.padding)


def _initialise(module: nn.Module) -> None:
    """As MAE: Xavier-uniform linear layers, biases at zero. Words start as large as the positions beside them."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.7)
