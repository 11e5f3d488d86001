"""The items of one modality: what a query or an answer is taken from, and the clip of each.

Reads embeddings (embed.py); feeds directions.py and show/. Axes: M items of the modality, D width.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, Int64

from vlsa.retrieve.encode.embed import ClipEmbeddings
from vlsa.retrieve.encode.unit_vectors import fuse


@dataclass(frozen=True, eq=False)
class Items:
    """A vector and the row of its clip for each item; a text is an item of its own."""

    vectors: Float32[np.ndarray, "M D"]
    clip: Int64[np.ndarray, " M"]
    clip_ids: tuple[str, ...]
    """Of all clips."""
    texts: tuple[str, ...] | None = None
    """The caption that each item is, or has in it; None for video, audio and media."""
    parts: Mapping[str, Float32[np.ndarray, "M D"]] = field(default_factory=dict)
    """The vectors that were fused, by modality; empty for an item of one modality."""

    def single(self) -> list[Float32[np.ndarray, "M D"]]:
        """The vectors before they were fused, one array for each modality."""
        return list(self.parts.values()) or [self.vectors]

    def text(self, item: int) -> str:
        """The caption that an item is; "" where it is none."""
        return self.texts[item] if self.texts else ""

    def digest(self, chosen: Bool[np.ndarray, " M"] | None = None) -> str:
        """Of ids and captions of the items, or of the chosen ones, in order."""
        numbers = np.arange(len(self.clip)) if chosen is None else np.flatnonzero(chosen)
        names = [self.clip_ids[clip] for clip in self.clip[numbers].tolist()]
        names += [self.texts[number] for number in numbers.tolist()] if self.texts else []
        return digest_of(names)


FUSED = {"media": ("video", "audio"), "video_text": ("video", "text"), "audio_text": ("audio", "text")}
"""Two modalities of a clip as one query or item, by name."""


def parts_of(name: str) -> tuple[str, ...]:
    """The modalities that an item is made of."""
    return FUSED.get(name, (name,))


def items_of(embeddings: ClipEmbeddings, modality: str) -> Items:
    """The items of video, audio, media (both fused), text, or of a text fused with its clip's video or audio.

    Media is of every clip with video or audio, as in an index; a text is fused where its clip has the other modality.
    """
    if modality == "text":
        return Items(embeddings.text, embeddings.text_clip, embeddings.ids, embeddings.texts)
    if modality in FUSED and "text" in FUSED[modality]:
        other = FUSED[modality][0]
        numbers = np.flatnonzero(getattr(embeddings, f"has_{other}")[embeddings.text_clip])
        clip = embeddings.text_clip[numbers]
        parts = {other: getattr(embeddings, other)[clip], "text": embeddings.text[numbers]}
        texts = tuple(embeddings.texts[number] for number in numbers.tolist())
        return Items(fuse(parts, embeddings.spaces), clip, embeddings.ids, texts, parts)
    present = np.flatnonzero(getattr(embeddings, f"has_{modality}"))
    parts = {part: getattr(embeddings, part)[present] for part in FUSED.get(modality, ())}
    return Items(getattr(embeddings, modality)[present], present, embeddings.ids, parts=parts)


def digest_of(names: Sequence[str]) -> str:
    """Of names in order."""
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogatepass")).hexdigest()[:16]
