"""Keep freed memory in the process: a training step on CPU asks for the same large blocks again and again.

glibc hands blocks of over 32 MB back to the system at once, and the next step pays for fresh pages. Called by loop.py
before it trains on CPU; measured in docs/log.md.
"""

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Parameters of mallopt(3)."""


def keep_freed_memory() -> bool:
    """Let malloc keep what is freed; False where the C library has no mallopt."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, 2**31 - 1), mallopt(M_TOP_PAD, 2**26)])
