"""The digest of a file's bytes: equal for copies alone. Used to follow files that were moved."""

import hashlib
import os

from vlsa.base.files import open_regular


def content_digest(path: str | os.PathLike[str]) -> str:
    """BLAKE2b of all bytes, 32 hex digits. Raises OSError, also for what is no regular file.

    Reads about 1 GB a second from memory, else as fast as the disk, and so takes far less time than decoding. Less than
    the whole does not do: an edit within uncompressed media leaves the start, the middle and the end as they are.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
