"""The superuser with the rights of anyone else: what may not be read or entered cannot be, whoever runs the tests."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

VERSION = 0x20080522
"""Of the two structures of capset(2): three sets of 64 bits."""
OVERRIDING = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: to read whatever the mode of a file says."""


@contextmanager
def of_anyone() -> Iterator[None]:
    """Until the end of the block this thread, and those that it starts, may do what the modes of files allow."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0, os.strerror(ctypes.get_errno())
    before = sets[0]
    try:
        sets[0] = before & ~OVERRIDING
        assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())
        yield
    finally:
        sets[0] = before
        assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())
