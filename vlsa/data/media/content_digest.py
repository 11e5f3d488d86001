"""Whether two files hold the same bytes, found without reading much of them. Used to follow files that were moved."""

import hashlib
import os

SAMPLE_BYTES = 1 << 20
NUM_SAMPLES = 3
WHOLE, SAMPLED = "whole", "sampled"


def content_digest(path: str | os.PathLike[str]) -> str:
    """BLAKE2b of the size and the bytes: all of them up to 3 MiB (`whole:...`), else the first, middle and last MiB
    (`sampled:...`). Raises OSError.

    Encoded media changes at its start or end (its index of packets) with any edit that matters; an edit within
    uncompressed media may leave the samples as they are, so a sampled digest does not vouch for a file that was written
    again in place.
    """
    size = os.stat(path).st_size
    kind = WHOLE if size <= NUM_SAMPLES * SAMPLE_BYTES else SAMPLED
    digest = hashlib.blake2b(f"{size}:".encode(), digest_size=16)
    with open(path, "rb") as file:
        if kind == WHOLE:
            digest.update(file.read())
        else:
            for start in (0, (size - SAMPLE_BYTES) // 2, size - SAMPLE_BYTES):
                file.seek(start)
                digest.update(file.read(SAMPLE_BYTES))
    return f"{kind}:{digest.hexdigest()}"
