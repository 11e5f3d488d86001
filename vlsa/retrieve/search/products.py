"""Products of one vector, or the best of several, with many, which may be stored in half precision. NumPy alone.

Used by searched.py and near.py. NumPy widens float16 by one number at a time; here whole blocks are widened by a shift
of their bits: a float16 shifted by 13 bits is a float32 that is too small by 2^112, subnormal numbers included.
Axes: N rows, D width of a vector, Q vectors that are asked with.
"""

import numpy as np
from jaxtyping import Float16, Float32

BLOCK_ROWS = 512
"""Rows that are widened at a time: they stay in the cache of a core."""
_SCALE = np.float32(2.0**112)
_SIGN_AND_NUMBER = np.int32(-1879056384)
"""Of a float16 that was shifted by 13 bits: 0x8fffe000, without the bits that its sign left behind."""

Vectors = Float32[np.ndarray, "N D"] | Float16[np.ndarray, "N D"]
"""Vectors as an index holds them."""


def dot(rows: Vectors, vector: Float32[np.ndarray, " D"]) -> Float32[np.ndarray, " N"]:
    """The product of each row with a vector."""
    if rows.dtype == np.float32:
        return rows @ vector
    found = np.empty(len(rows), np.float32)
    scaled = vector * _SCALE
    for first in range(0, len(rows), BLOCK_ROWS):
        block = slice(first, first + BLOCK_ROWS)
        np.dot(_shifted(rows[block]), scaled, out=found[block])
    return found


def best_dot(rows: Vectors, vectors: Float32[np.ndarray, "Q D"]) -> Float32[np.ndarray, " N"]:
    """The largest product of each row with any of the vectors."""
    if len(vectors) == 1:
        return dot(rows, vectors[0])
    found = np.empty(len(rows), np.float32)
    for first in range(0, len(rows), BLOCK_ROWS):
        block = slice(first, first + BLOCK_ROWS)
        np.max(widened(rows[block]) @ vectors.T, axis=1, out=found[block])
    return found


def widened(rows: Vectors) -> Float32[np.ndarray, "N D"]:
    """The same numbers as float32; what is float32 is not copied."""
    return rows if rows.dtype == np.float32 else _shifted(rows) * _SCALE


def _shifted(rows: Float16[np.ndarray, "N D"]) -> Float32[np.ndarray, "N D"]:
    """The numbers times 2^-112. Infinite and nan ones are not among the vectors of an index."""
    bits = np.ascontiguousarray(rows).view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= _SIGN_AND_NUMBER
    return bits.view(np.float32)
