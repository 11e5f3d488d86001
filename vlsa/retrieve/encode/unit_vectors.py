"""Vectors of unit length in each space, and two modalities as one vector. NumPy alone, so that a search starts fast.

Used by embed.py and media_encoder.py, index/ and search/. Axes: N rows, D width of a vector in all its spaces.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from vlsa.config import MODALITIES, num_shared


def unit_length(vectors: Float32[np.ndarray, "N D"], num_spaces: int = 1) -> Float32[np.ndarray, "N D"]:
    """Rows scaled to length 1 in each space; zeros stay zeros."""
    in_spaces = vectors.reshape(len(vectors), num_spaces, vectors.shape[1] // num_spaces)
    length = np.linalg.norm(in_spaces.astype(np.float64), axis=2, keepdims=True)
    return (in_spaces / np.maximum(length, 1e-12)).astype(np.float32).reshape(vectors.shape)


def fuse(parts: Mapping[str, Float32[np.ndarray, "N D"]], spaces: Sequence[str]) -> Float32[np.ndarray, "N D"]:
    """Two modalities as one vector, to be compared with the third; a row of zeros is absent.

    In one space the renormalised mean of those that are present. With a space for each pair the mean itself, so that
    the score with the third modality is the mean of its cosines with those that are present and compared with it.
    """
    if tuple(spaces) == ("all",):
        return unit_length(np.sum(list(parts.values()), axis=0))
    (third,) = set(MODALITIES) - set(parts)
    compared = [part for name, part in parts.items() if num_shared(name, third, spaces)]
    if not compared:
        return np.zeros_like(next(iter(parts.values())))
    num_present = np.sum([part.any(axis=1) for part in compared], axis=0)
    return (np.sum(compared, axis=0) / np.maximum(num_present, 1)[:, None]).astype(np.float32)
