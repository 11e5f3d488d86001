"""From media files, clips and texts to unit vectors, whatever runs the model: windows, crops, batches, means.

Reads media files (data/media/) or decoded clips; the base of the encoders of encoders.py and onnx/, which add one
method: the forward pass of a batch.
Axes: N items given, D width of the matching space, B rows of a forward pass.
"""

import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from vlsa.base.errors import MediaError, VlsaError
from vlsa.config import ModelConfig, num_shared
from vlsa.data.clip import Batch, Clip, ClipTensors
from vlsa.data.ingest.manifest import ClipRow
from vlsa.data.ingest.segments import floor_ms
from vlsa.data.loading.tokenizer import TextCoverage, Tokenizer
from vlsa.data.loading.transform import Crop, Window, clip_tensors
from vlsa.retrieve.encode.embed import Means, batches, unit_length
from vlsa.retrieve.encode.protocol import Media
from vlsa.retrieve.encode.sampling import COVERING, Sampling, WindowSpec, decode_windows


class MediaEncoder(ABC):
    """Everything about encoding but the forward pass: nothing is masked, and the choice of frames is regular."""

    def __init__(
        self,
        config: ModelConfig,
        tokenizer: Tokenizer,
        *,
        about: Mapping[str, Any] | None = None,
        batch_size: int = 32,
        sampling: Sampling = COVERING,
    ) -> None:
        self.config, self.tokenizer, self.batch_size, self.sampling = config, tokenizer, batch_size, sampling
        self._about = dict(about or {})

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Equal for two encoders only if their vectors can be compared."""

    @abstractmethod
    def forward(self, modality: str, batch: Batch) -> Float32[np.ndarray, "B D"]:
        """Unit vectors of one modality of a batch; rows without it carry no meaning."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(width={self.width}, window={self.window}, about={self._about})"

    @property
    def width(self) -> int:
        """D, of all spaces together."""
        return self.config.vector_width

    @property
    def spaces(self) -> tuple[str, ...]:
        """Where vectors are compared: "all", or with heads for each pair of modalities the pairs."""
        return self.config.objective.spaces

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

    def with_sampling(self, sampling: Sampling) -> "MediaEncoder":
        """The same model with another rule for long and wide media."""
        other = copy.copy(self)
        other.sampling = sampling
        return other

    @property
    def about(self) -> Mapping[str, Any]:
        """Where the model comes from and how media are sampled, for results and indexes."""
        return {**self._about, "sampling": self.sampling.as_dict(), "fingerprint": self.fingerprint}

    def encode_video(self, clips: Sequence[Media]) -> Float32[np.ndarray, "N D"]:
        """Vectors of the frames of video files, image files or clips.

        Media longer than the window, or wider than high, give the mean over windows and crops (`sampling`). Raises
        MediaError for a file without video; a decoded clip without frames gives a row of zeros.
        """
        return self._encode_media(clips, "video")

    def encode_audio(self, clips: Sequence[Media]) -> Float32[np.ndarray, "N D"]:
        """Vectors of the audio of audio files, video files or clips, as `encode_video`.

        Raises MediaError for a file without audio, or with nothing but silence; a decoded clip without audio, or with
        less than one patch of it, gives a row of zeros.
        """
        return self._encode_media(clips, "audio")

    def encode_text(self, texts: Sequence[str]) -> Float32[np.ndarray, "N D"]:
        """Vectors of texts. Raises VlsaError for an empty one."""
        _check_list("encode_text", texts)
        self._require_space("text")
        if not all(text.strip() for text in texts):
            raise VlsaError("encode_text: a text is empty; its vector would mean nothing. Leave it out.")
        # Texts of similar length share a batch, since a batch is as long as its longest.
        by_length = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        vectors = np.zeros((len(texts), self.width), np.float32)
        for part in batches(by_length, self.batch_size):
            batch = text_batch([texts[number] for number in part], self.config, self.tokenizer)
            vectors[part] = self.forward("text", batch)
        return unit_length(vectors, len(self.spaces))

    def _require_space(self, modality: str) -> None:
        if not num_shared(modality, modality, self.spaces):
            raise VlsaError(
                f"encode_{modality}: this model compares {', '.join(self.spaces)} alone; {modality} has no vector. "
                "Use a model that was trained on a pair with it."
            )

    def coverage(self, text: str) -> TextCoverage:
        """Which words of a text the model knows, and how many fit into it."""
        return self.tokenizer.coverage(text, self.config.text.num_tokens)

    def _encode_media(self, items: Sequence[Media], modality: str) -> Float32[np.ndarray, "N D"]:
        """Mean over each item's windows; a file in which the modality is nowhere is an error."""
        _check_list(f"encode_{modality}", items)
        self._require_space(modality)
        windows = ((n, window) for n, item in enumerate(items) for window in self._windows(item, modality))
        vectors = self._encode(windows, len(items), modality)
        for item, vector in zip(items, vectors, strict=True):
            if not vector.any() and not isinstance(item, Clip):
                raise _absent(os.fspath(item), modality)
        return vectors

    def _windows(self, item: Media, modality: str) -> Iterator[Clip]:
        """The windows of an item that have a modality, without the other one."""
        for window in self.window.cut(item) if isinstance(item, Clip) else self._read(os.fspath(item), modality):
            if modality == "video" and window.frames is not None:
                yield replace(window, sound=None, sample_rate_hz=None, texts=())
            elif modality == "audio" and window.sound is not None:
                yield replace(window, frames=None, frame_seconds=None, texts=())

    def _read(self, path: str, modality: str) -> list[Clip]:
        """The windows of a media file, by the extent that the index gives it: to the end of the shorter modality."""
        from vlsa.data.media.decode import decode_image, is_image, probe

        if os.path.isfile(path) and is_image(path):
            return [decode_image(path, self.config.video.size_px)]
        facts, is_video = probe(path), modality == "video"
        end_seconds = facts.video_end_seconds if is_video else facts.audio_end_seconds
        if not end_seconds:
            return []
        if end_seconds < 2 * facts.duration_seconds:  # else the other modality is a snippet, or a still image
            end_seconds = facts.duration_seconds
        row = ClipRow("file", path, 0.0, floor_ms(end_seconds) or end_seconds, (), "test")
        try:
            return decode_windows(self.window, row, video=is_video, audio=not is_video, facts=facts)
        except MediaError as error:
            if error.reason == "nothing":
                return []
            raise

    def _encode(self, windows: Iterable[tuple[int, Clip]], num_items: int, modality: str) -> Float32[np.ndarray, "N D"]:
        """Unit vectors of items from (item, window) pairs, in batches of views that run across windows and items."""
        items: list[int] = []

        def views() -> Iterator[tuple[int, ClipTensors]]:
            for item, window in windows:
                items.append(item)
                for view in self._views(window):
                    yield len(items) - 1, view

        of_windows, of_items = (Means(self.width, len(self.spaces)) for _ in range(2))
        for part in batches(views(), self.batch_size):
            numbers, tensors = zip(*part, strict=True)
            vectors = self.forward(modality, Batch.stack(list(tensors)))
            of_windows.add(numbers, unit_length(vectors, len(self.spaces)))
        if items:
            of_items.add(items, of_windows.vectors(len(items)))
        return of_items.vectors(num_items)

    def _views(self, clip: Clip) -> Iterator[ClipTensors]:
        """The tensors of a window: one for each crop of its frames."""
        window = Window(0.0, clip.duration_seconds, ())
        for place in [0.5] if clip.frames is None else self.window.crop_places(*clip.frames.shape[1:3]):
            yield clip_tensors(clip, window, self.config, self.tokenizer, crop=Crop(place=place))


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


def _check_list(where: str, items: Sequence[object]) -> None:
    if isinstance(items, str):
        raise VlsaError(f"{where}: one string given, which would be read letter by letter. Give a list: [{items!r}].")


def _absent(path: str, modality: str) -> MediaError:
    what, other = ("video", "audio") if modality == "video" else ("audio, or nothing but silence,", "video")
    return MediaError(
        f"{path}: no {what} in it, so there is nothing to encode as {modality}. "
        f"Choose another file, or encode it as {other}.",
        reason="no_video" if modality == "video" else "no_sound",
    )
