"""What the encoders of public checkpoints have in common: windows, crops, texts, and whole words.

The base of frames.py, clap.py and pe_av.py, which add the preprocessing and the forward pass of the public library.
Axes: F frames, H W pixels, D width of a vector in all its spaces, B rows of a forward pass.
"""

import bisect
import copy
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from vlsa.base.errors import StoreError
from vlsa.data.clip import Clip
from vlsa.data.loading.tokenizer import TextCoverage
from vlsa.retrieve.encode.media_encoder import MediaEncoder
from vlsa.retrieve.encode.public.files import PublicCheckpoint
from vlsa.retrieve.encode.sampling import WindowSpec

WINDOW_SECONDS = 10.0
"""What CLAP reads at once; frames are spread over as much, so that the windows of a sum are the same."""
_ALONE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_ALONE}]|(?:(?![{_ALONE}])\w)+|\S")
"""Letters of Chinese and Japanese, which have no spaces, each alone; other words; other signs."""
VIEWS_PER_PASS = 8
"""Windows or crops of a forward pass: with eight frames each, 64 images."""


class PublicEncoder(MediaEncoder):
    """A public checkpoint as an encoder."""

    def __init__(
        self, checkpoint: PublicCheckpoint, model: Any, tokenizer: Any, processor: Any, window: WindowSpec, width: int
    ) -> None:
        super().__init__(about={"run": str(checkpoint.name)}, batch_size=VIEWS_PER_PASS)
        self.checkpoint, self.model, self.tokenizer, self.processor = checkpoint, model, tokenizer, processor
        self._window, self.width = window, width

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def num_tokens(self) -> int:
        """Tokens that a text can have, special ones included."""
        return min(self.tokenizer.model_max_length, self.model.config.text_config.max_position_embeddings)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of weights, settings and vocabulary, and of how frames and sound are taken."""
        taken = self._window
        rule = f"{taken.window_seconds:g}s-{taken.num_frames}f-{taken.short_side_px}px-{taken.sample_rate_hz}hz"
        return f"{self.checkpoint.name.family}-{self.checkpoint.digest()}-{rule}"

    @property
    def window(self) -> WindowSpec:
        """What the model encodes of a stretch of media."""
        return replace(self._window, sampling=self.sampling)

    def with_window_seconds(self, window_seconds: float) -> "PublicEncoder":
        """The same model for windows of another length."""
        other = copy.copy(self)
        other.__dict__.pop("fingerprint", None)
        other._window = replace(self._window, window_seconds=window_seconds)
        return other

    @property
    def about(self) -> Mapping[str, Any]:
        """Where the model comes from and how media are sampled, for results and indexes."""
        from vlsa.retrieve.encode.public.library import transformers

        return {**super().about, "transformers": transformers().__version__, "num_frames": self._window.num_frames}

    def views(self, window: Clip) -> Iterator[Any]:
        """The frames of a window, once for each crop of wide ones, or its samples.

        A window that is seen once is given whole: the library's own rule crops or squeezes it.
        """
        if window.frames is None:
            yield self._samples(window)
            return
        places = self.window.crop_places(*window.frames.shape[1:3])
        yield from (window.frames,) if len(places) == 1 else (square(window.frames, place) for place in places)

    def _samples(self, window: Clip) -> np.ndarray:
        assert window.sound is not None, "a window of one modality"
        if window.sample_rate_hz != self._window.sample_rate_hz:
            raise StoreError(
                f"{window.id}: audio at {window.sample_rate_hz} Hz, {self.checkpoint.name.family} takes "
                f"{self._window.sample_rate_hz} Hz; what is above {(window.sample_rate_hz or 0) // 2} Hz is lost. "
                f"Prepare again with --sample-rate {self._window.sample_rate_hz}."
            )
        return window.sound[: round(self._window.window_seconds * self._window.sample_rate_hz)]

    def tokens(self, texts: Sequence[str], padding: bool | str = True) -> dict[str, Any]:
        """Texts as the library's tokenizer has them, cut to what the model takes."""
        limit = {"truncation": True, "max_length": self.num_tokens}
        return dict(self.tokenizer(list(texts), padding=padding, return_tensors="pt", **limit))

    def coverage(self, text: str) -> TextCoverage:
        """Which words of a text the model knows, and how many fit into it: of most vocabularies it knows all.

        Each letter of Chinese and Japanese is a word, and so is a sign such as an emoji. Of a first word that does not
        fit, what does is one, and the rest another.
        """
        spans = [match.span() for match in _WORD.finditer(text) if _is_word(match[0])]
        starts, ends = [start for start, _ in spans], [end for _, end in spans]
        num_used = self._num_fitting(text, ends)
        if ends and not num_used and (fitting := self._num_fitting(text, range(starts[0] + 1, ends[0]))):
            starts[:1], ends[:1] = [starts[0], starts[0] + fitting], [starts[0] + fitting, ends[0]]
            num_used = 1
        words = [text[start:end] for start, end in zip(starts[:num_used], ends, strict=False)]
        unknown = tuple(word for word in words if not self._knows(word))
        return TextCoverage(tuple(word for word in words if word not in unknown), unknown, len(ends))

    def _num_fitting(self, text: str, ends: Sequence[int]) -> int:
        """Of places where a text may be cut, how many leave no more tokens than the model takes."""

        def num_tokens(end: int) -> int:
            return len(self.tokenizer(text[:end])["input_ids"])

        return bisect.bisect_right(ends, self.num_tokens, key=num_tokens)

    def _knows(self, word: str) -> bool:
        """Whether a piece of a word is known: of SentencePiece the mark of its start alone is none."""
        ids = self.tokenizer(word, add_special_tokens=False)["input_ids"]
        pieces = zip(ids, self.tokenizer.convert_ids_to_tokens(ids), strict=True)
        return any(number != self.tokenizer.unk_token_id and piece.strip("\u2581") for number, piece in pieces)


def _is_word(written: str) -> bool:
    return written[0].isalnum() or written[0] == "_" or unicodedata.category(written[0]) == "So"


def square(frames: UInt8[np.ndarray, "F H W 3"], place: float) -> UInt8[np.ndarray, "F S S 3"]:
    """The largest square of frames, at a place from 0 to 1 along the long side."""
    height, width = frames.shape[1:3]
    side = min(height, width)
    top, left = round((height - side) * place), round((width - side) * place)
    return frames[:, top : top + side, left : left + side]
