"""CLAP: sounds and texts in one space.

Axes: B windows, D width.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32

from vlsa.retrieve.encode.public.encoder import WINDOW_SECONDS, PublicEncoder
from vlsa.retrieve.encode.public.files import PublicCheckpoint
from vlsa.retrieve.encode.public.library import model_of, on, part_of, pooled, transformers
from vlsa.retrieve.encode.public.names import SPACES
from vlsa.retrieve.encode.sampling import WindowSpec

SPECIAL_POSITIONS = 2
"""The positions of RoBERTa's tokens start behind the number of the padding."""


class ClapEncoder(PublicEncoder):
    """CLAP as an encoder of audio and text."""

    spaces = SPACES["clap"]

    @classmethod
    def open(cls, checkpoint: PublicCheckpoint, device: torch.device) -> "ClapEncoder":
        """Raises CheckpointError."""
        library = transformers()
        model = model_of(library.ClapModel, checkpoint, device)
        features = part_of(library.ClapFeatureExtractor, checkpoint)
        window = WindowSpec(
            window_seconds=min(float(features.max_length_s), WINDOW_SECONDS),
            num_frames=0,
            short_side_px=0,
            sample_rate_hz=features.sampling_rate,
        )
        tokenizer = part_of(library.AutoTokenizer, checkpoint)
        return cls(checkpoint, model, tokenizer, features, window, model.config.projection_dim)

    @property
    def num_tokens(self) -> int:
        return min(super().num_tokens, self.model.config.text_config.max_position_embeddings - SPECIAL_POSITIONS)

    def forward_media(self, modality: str, views: Sequence[np.ndarray]) -> Float32[np.ndarray, "B D"]:
        """A vector for each window.

        No window is longer than what the model takes, so none is cut at random; and none is marked as longer, which
        the library does to a random one of a batch where `fusion` is set.
        """
        rate_hz = self._window.sample_rate_hz
        inputs = self.processor(list(views), sampling_rate=rate_hz, return_tensors="pt")
        features = inputs["input_features"].to(self.device, self.model.dtype)
        is_longer = torch.zeros(len(views), 1, dtype=torch.bool, device=self.device)
        with torch.inference_mode():
            return pooled(self.model.get_audio_features(features, is_longer=is_longer)).float().cpu().numpy()

    def forward_text(self, texts: Sequence[str]) -> Float32[np.ndarray, "B D"]:
        """A vector for each text."""
        inputs = on(self.device, self.tokens(texts), ("input_ids", "attention_mask"))
        with torch.inference_mode():
            return pooled(self.model.get_text_features(**inputs)).float().cpu().numpy()
