"""Which clips of a folder are held out, where no caption table says so. Pure functions of names; used by scan.py."""

import hashlib
from collections import Counter
from dataclasses import replace

from vlsa.data.ingest.segments import Cut

FEWEST_FILES_FOR_SPLIT = 10


def assign_splits(cuts: dict[str, list[Cut]], test_share: float) -> dict[str, list[Cut]]:
    """Give every clip its split (rules: scan.py). `cuts` has the files that give clips, each in order of time."""
    if any(cut.split for found in cuts.values() for cut in found):
        return {name: [replace(cut, split=cut.split or "train") for cut in found] for name, found in cuts.items()}
    if len(cuts) >= FEWEST_FILES_FOR_SPLIT:
        num_test = _split_by_file(cuts, test_share)
    else:
        num_test = _split_by_time(cuts, test_share)
    return {
        name: [
            replace(cut, split="test" if k >= len(found) - num_test[name] else "train") for k, cut in enumerate(found)
        ]
        for name, found in cuts.items()
    }


def _split_by_file(cuts: dict[str, list[Cut]], test_share: float) -> Counter[str]:
    """How many clips of each file are held out: all or none."""
    places = {name: _hash_share(name) for name in cuts}
    chosen = {name for name in cuts if places[name] < test_share}
    if not chosen and test_share > 0:
        chosen = {min(cuts, key=lambda name: places[name])}
    return Counter({name: len(cuts[name]) for name in chosen})


def _split_by_time(cuts: dict[str, list[Cut]], test_share: float) -> Counter[str]:
    """How many of the last clips of each file are held out; at least one in all, if another is left to learn from."""
    num_test = Counter({name: int(len(found) * test_share + 0.5) for name, found in cuts.items()})
    if test_share > 0 and not num_test.total() and sum(map(len, cuts.values())) >= 2:
        num_test[max(cuts, key=lambda name: len(cuts[name]))] = 1
    return num_test


def _hash_share(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    digest = hashlib.sha1(name.encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
