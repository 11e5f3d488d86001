"""The vectors of one modality, and the clip of each: what a query or an answer is taken from.

Reads embeddings; feeds pairs.py and answers.py. Axes: N clips, M items of the modality, D width.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from vlsa.retrieve.embed import ClipEmbeddings


@dataclass(frozen=True, eq=False)
class Side:
    """Items of one modality; a text is an item of its own."""

    vectors: Float[np.ndarray, "M D"]
    clip: Int64[np.ndarray, " M"]
    """Row of each item's clip."""
    texts: tuple[str, ...]
    """The words of each item, "" where it has none."""


def side_of(embeddings: ClipEmbeddings, modality: str) -> Side:
    """The items of video, audio, media (both fused) or text."""
    if modality == "text":
        return Side(embeddings.text, embeddings.text_clip, embeddings.texts)
    present = np.flatnonzero(getattr(embeddings, f"has_{modality}"))
    return Side(getattr(embeddings, modality)[present], present, ("",) * len(present))
