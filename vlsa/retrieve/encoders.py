"""A trained model behind three methods: pictures, sounds and words to unit vectors of one space.

Reads a checkpoint (pretrain/checkpoint.py), media files (data/media.py) or decoded clips; feeds embed.py, index.py and
search.py. Whatever has these three methods can stand in its place.
Axes: N items given, D width of the matching space, B clips of a forward pass.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from vlsa.data.clip import Batch, Clip
from vlsa.data.loader import MemoryClips, MemoryRow, read_tensors
from vlsa.data.manifest import ClipRow
from vlsa.data.tokenizer import Tokenizer
from vlsa.data.transform import choose_window
from vlsa.errors import MediaError, VlsaError
from vlsa.retrieve.embed import ClipEncoder, unit_length
from vlsa.retrieve.windows import Take, read_window, window_starts
from vlsa.settings import to_dict

if TYPE_CHECKING:
    from vlsa.model.vlsa import VLSA

Media = str | os.PathLike[str] | Clip
"""A media file, or a clip already decoded."""


@runtime_checkable
class Encoder(ClipEncoder, Protocol):
    """What index and search ask of a model beside the three methods, which take media files as well as clips."""

    @property
    def fingerprint(self) -> str:
        """Equal for two encoders only if their vectors can be compared."""

    @property
    def about(self) -> Mapping[str, Any]:
        """Facts for results.json: run, checkpoint, recipe, training seed, fingerprint."""

    def knows(self, text: str) -> bool:
        """Whether a text has anything in it that the model has learned."""

    @property
    def take(self) -> Take:
        """What the model takes of a stretch of a media file."""


def load(run_path: str | Path, device: torch.device | str | None = None) -> "VlsaEncoder":
    """The model of a run, ready to encode: `vlsa.load("RUN").encode_text(["a bell rings"])`. Raises CheckpointError.

    device: None = the GPU if there is one.
    """
    from vlsa.pretrain.checkpoint import load_model, model_file

    model, tokenizer, config = load_model(run_path)
    model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    about = {
        "run": str(run_path),
        "checkpoint": model_file(run_path).parent.name,
        "recipe": config.recipe,
        "training_seed": config.train.seed,
    }
    return VlsaEncoder(model, tokenizer, about=about)


class VlsaEncoder:
    """VLSA as an encoder. Nothing is hidden, each modality is seen by itself, and the choice of frames is regular."""

    def __init__(
        self, model: "VLSA", tokenizer: Tokenizer, *, about: Mapping[str, Any] | None = None, batch_size: int = 32
    ) -> None:
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        self.config = model.config
        self._about = dict(about or {})

    def __repr__(self) -> str:
        return f"VlsaEncoder(width={self.width}, take={self.take}, about={self._about})"

    @property
    def width(self) -> int:
        """D."""
        return self.config.encoder.width

    @property
    def take(self) -> Take:
        """What the model takes of a stretch of a media file."""
        audio, video = self.config.audio, self.config.video
        return Take(
            window_seconds=audio.window_seconds,
            num_frames=video.num_frames,
            short_side_px=video.size_px,
            sample_rate_hz=audio.sample_rate_hz,
        )

    @property
    def about(self) -> Mapping[str, Any]:
        """Where the model comes from, for results and indexes."""
        return {**self._about, "fingerprint": self.fingerprint}

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the weights, the settings of the model, and the vocabulary."""
        digest = hashlib.sha256(json.dumps(to_dict(self.config), sort_keys=True).encode())
        digest.update(self.tokenizer.to_json().encode())
        for name, weight in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()[:16]

    def encode_video(self, clips: Sequence[Media]) -> Float32[np.ndarray, "N D"]:
        """Vectors of what is seen in video files, image files or clips.

        A file longer than the window gives the mean over up to eight windows. Raises MediaError for a file without a
        picture; a decoded clip without one gives a row of zeros.
        """
        return self._encode_media(clips, "video", self.model.encode_video)

    def encode_audio(self, clips: Sequence[Media]) -> Float32[np.ndarray, "N D"]:
        """Vectors of what is heard in sound files, video files or clips, as `encode_video`.

        Raises MediaError for a file without sound, or with nothing but silence; a decoded clip without sound, or with
        less than one patch of it, gives a row of zeros.
        """
        return self._encode_media(clips, "audio", self.model.encode_audio)

    def encode_text(self, texts: Sequence[str]) -> Float32[np.ndarray, "N D"]:
        """Vectors of words. Raises VlsaError for an empty text."""
        _check_list("encode_text", texts)
        if not all(text.strip() for text in texts):
            raise VlsaError("encode_text: a text is empty; its vector would mean nothing. Leave it out.")
        clips = [_only_words(number, text) for number, text in enumerate(texts)]
        return self._encode(enumerate(clips), len(clips), self.model.encode_text)

    def knows(self, text: str) -> bool:
        """Whether a piece of the text is in the model's vocabulary."""
        tokenizer = self.tokenizer
        pieces = set(tokenizer.encode(text, self.config.text.num_tokens)[0].tolist())
        meaningless = {
            tokenizer.padding_id,
            tokenizer.start_id,
            tokenizer.stop_id,
            tokenizer.backend.token_to_id("[UNK]"),
        }
        return bool(pieces - meaningless)

    def frame_indices(self, frame_seconds: np.ndarray, duration_seconds: float) -> tuple[int, ...]:
        """The frames of a clip that the model looks at."""
        return choose_window(frame_seconds, duration_seconds, self.config, None).frame_indices

    def _encode_media(
        self, items: Sequence[Media], modality: str, encode: Callable[[Batch], Tensor]
    ) -> Float32[np.ndarray, "N D"]:
        """Mean over each item's windows; a file in which the modality is nowhere is an error."""
        _check_list(f"encode_{modality}", items)
        windows = ((n, window) for n, item in enumerate(items) for window in self._windows(item, modality))
        vectors = self._encode(windows, len(items), encode)
        for item, vector in zip(items, vectors, strict=True):
            if not vector.any() and not isinstance(item, Clip):
                raise _absent(os.fspath(item), modality)
        return vectors

    def _windows(self, item: Media, modality: str) -> Iterator[Clip]:
        """The parts of an item that are looked at, reduced to one modality; none when it is absent."""
        for clip in [item] if isinstance(item, Clip) else self._read(os.fspath(item), modality):
            kept = _only_picture(clip) if modality == "video" else _only_sound(clip)
            if kept:
                yield kept

    def _read(self, path: str, modality: str) -> Iterator[Clip]:
        from vlsa.data.media import decode_image, is_image, probe

        if os.path.isfile(path) and is_image(path):
            yield decode_image(path, self.config.video.size_px)
            return
        facts, picture = probe(path), modality == "video"
        end_seconds = facts.video_end_seconds if picture else facts.audio_end_seconds
        for start_seconds in window_starts(end_seconds, self.take.window_seconds) if end_seconds else ():
            stop_seconds = min(start_seconds + self.take.window_seconds, end_seconds)
            row = ClipRow("window", path, start_seconds, stop_seconds, (), "test")
            try:
                yield read_window(self.take, row, picture=picture, sound=not picture, facts=facts)
            except MediaError as error:
                if error.reason != "nothing":  # a silent window adds nothing; the others may be heard
                    raise

    def _encode(
        self, clips: Iterable[tuple[int, Clip]], num_items: int, encode: Callable[[Batch], Tensor]
    ) -> Float32[np.ndarray, "N D"]:
        """Unit vectors of items from (item, clip) pairs, in batches that do not care where an item ends."""
        total = np.zeros((num_items, self.width), np.float32)
        stream, memory = iter(clips), MemoryClips({})
        while part := list(islice(stream, self.batch_size)):
            numbers = [number for number, _ in part]
            rows = [MemoryRow(clip, "") for _, clip in part]
            batch = Batch.stack([read_tensors(memory, row, self.config, self.tokenizer) for row in rows])
            np.add.at(total, numbers, self._forward(encode, batch))
        return unit_length(total)

    def _forward(self, encode: Callable[[Batch], Tensor], batch: Batch) -> Float32[np.ndarray, "B D"]:
        device = next(self.model.parameters()).device
        was_training = self.model.training
        self.model.eval()
        with torch.no_grad():  # not inference_mode: a table cached in it would break the next training step
            vectors = encode(batch.to(device)).float().cpu().numpy()
        self.model.train(was_training)
        return vectors


def _check_list(where: str, items: Sequence[object]) -> None:
    if isinstance(items, str):
        raise VlsaError(f"{where}: one string given, which would be read letter by letter. Give a list: [{items!r}].")


def _only_picture(clip: Clip) -> Clip | None:
    if clip.frames is None:
        return None
    return Clip(**_place(clip), frames=clip.frames, frame_seconds=clip.frame_seconds)


def _only_sound(clip: Clip) -> Clip | None:
    if clip.sound is None:
        return None
    return Clip(**_place(clip), sound=clip.sound, sample_rate_hz=clip.sample_rate_hz)


def _only_words(number: int, text: str) -> Clip:
    return Clip(id=f"text-{number}", source="", start_seconds=0.0, stop_seconds=0.0, texts=(text,))


def _place(clip: Clip) -> dict[str, Any]:
    names = ("id", "source", "start_seconds", "stop_seconds")
    return {name: getattr(clip, name) for name in names}


def _absent(path: str, modality: str) -> MediaError:
    what, other = ("picture", "audio") if modality == "video" else ("sound to hear", "video")
    return MediaError(
        f"{path}: no {what} in it, so there is nothing to encode as {modality}. "
        f"Choose another file, or encode it as {other}.",
        reason=f"no_{'picture' if modality == 'video' else 'sound'}",
    )
