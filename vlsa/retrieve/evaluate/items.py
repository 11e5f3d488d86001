"""The items of one modality: what a query or an answer is taken from, and the clip of each.

Reads embeddings (embed.py); feeds directions.py and show/. Axes: M items of the modality, D width.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from vlsa.retrieve.encode.embed import ClipEmbeddings


@dataclass(frozen=True, eq=False)
class Items:
    """A vector and the row of its clip for each item; a text is an item of its own."""

    vectors: Float32[np.ndarray, "M D"]
    clip: Int64[np.ndarray, " M"]
    clip_ids: tuple[str, ...]
    """Of all clips."""
    texts: tuple[str, ...] | None = None
    """The caption that each item is; None for video, audio and media."""

    def text(self, item: int) -> str:
        """The caption that an item is; "" where it is none."""
        return self.texts[item] if self.texts else ""

    def digest(self, chosen: Bool[np.ndarray, " M"] | None = None) -> str:
        """Of ids and captions of the items, or of the chosen ones, in order."""
        numbers = np.arange(len(self.clip)) if chosen is None else np.flatnonzero(chosen)
        names = [self.clip_ids[clip] for clip in self.clip[numbers].tolist()]
        names += [self.texts[number] for number in numbers.tolist()] if self.texts else []
        return digest_of(names)


def items_of(embeddings: ClipEmbeddings, modality: str) -> Items:
    """The items of video, audio, media (both fused) or text."""
    if modality == "text":
        return Items(embeddings.text, embeddings.text_clip, embeddings.ids, embeddings.texts)
    present = np.flatnonzero(getattr(embeddings, f"has_{modality}"))
    return Items(getattr(embeddings, modality)[present], present, embeddings.ids)


def digest_of(names: Sequence[str]) -> str:
    """Of names in order."""
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogatepass")).hexdigest()[:16]
