"""VLSA's side of encoding: windows and texts as tensors of a batch, by the settings and the tokenizer of the model.

The base of the encoders of encoders.py and onnx/, which add one method: the forward pass of a batch.
Axes: B rows of a forward pass, D width of a vector in all its spaces.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from vlsa.config import ModelConfig
from vlsa.data.batch import Batch, ClipTensors
from vlsa.data.clip import Clip
from vlsa.data.loading.tokenizer import TextCoverage, Tokenizer
from vlsa.data.loading.transform import Crop, Window, clip_tensors
from vlsa.retrieve.encode.media_encoder import MediaEncoder
from vlsa.retrieve.encode.sampling import COVERING, Sampling, WindowSpec


class BatchEncoder(MediaEncoder):
    """A VLSA model as an encoder, but for its forward pass."""

    def __init__(
        self,
        config: ModelConfig,
        tokenizer: Tokenizer,
        *,
        about: Mapping[str, Any] | None = None,
        batch_size: int = 32,
        sampling: Sampling = COVERING,
    ) -> None:
        super().__init__(about=about, batch_size=batch_size, sampling=sampling)
        self.config, self.tokenizer = config, tokenizer
        self.width, self.spaces = config.vector_width, config.objective.spaces

    @abstractmethod
    def forward(self, modality: str, batch: Batch) -> Float32[np.ndarray, "B D"]:
        """Unit vectors of one modality of a batch; rows without it carry no meaning."""

    @property
    def window(self) -> WindowSpec:
        """What the model encodes of a stretch of media."""
        audio, video = self.config.audio, self.config.video
        return WindowSpec(
            window_seconds=audio.window_seconds,
            num_frames=video.num_frames,
            short_side_px=video.size_px,
            sample_rate_hz=audio.sample_rate_hz,
            sampling=self.sampling,
        )

    def views(self, window: Clip) -> Iterator[ClipTensors]:
        """The tensors of a window: one for each crop of its frames."""
        whole = Window(0.0, window.duration_seconds, ())
        for place in [0.5] if window.frames is None else self.window.crop_places(*window.frames.shape[1:3]):
            yield clip_tensors(window, whole, self.config, self.tokenizer, crop=Crop(place=place))

    def forward_media(self, modality: str, views: Sequence[ClipTensors]) -> Float32[np.ndarray, "B D"]:
        """Unit vectors of one modality of the tensors of windows."""
        return self.forward(modality, Batch.stack(list(views)))

    def forward_text(self, texts: Sequence[str]) -> Float32[np.ndarray, "B D"]:
        """Unit vectors of texts."""
        return self.forward("text", text_batch(texts, self.config, self.tokenizer))

    def coverage(self, text: str) -> TextCoverage:
        """Which words of a text the model knows, and how many fit into it."""
        return self.tokenizer.coverage(text, self.config.text.num_tokens)


def text_batch(texts: Sequence[str], config: ModelConfig, tokenizer: Tokenizer) -> Batch:
    """Texts as a batch that has nothing but token ids, and these only as far as the longest text goes.

    Padding beyond it costs time and changes a vector by rounding alone.
    """
    encoded = [tokenizer.encode(text, config.text.num_tokens) for text in texts]
    token_ids, padding = (torch.stack(parts) for parts in zip(*encoded, strict=True))
    longest = int((~padding).sum(dim=1).max())
    num_texts = len(texts)
    return Batch(
        ids=tuple(texts),
        video=torch.zeros(num_texts, 0, 3, 0, 0, dtype=torch.uint8),
        frame_seconds=torch.zeros(num_texts, 0),
        frame_padding=torch.ones(num_texts, 0, dtype=torch.bool),
        waveform=torch.zeros(num_texts, 0),
        num_samples=torch.zeros(num_texts, dtype=torch.int64),
        token_ids=token_ids[:, :longest],
        text_padding=padding[:, :longest],
    )
