"""Media files that are damaged in the ways that files are: cut, flipped, swapped, lying about sizes, joined, misnamed.

`mutate` makes the file with a number out of whole ones; the same number makes the same file.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from containers import FILES, write_in

FRAMES_PER_SECOND, SECONDS = 25, 4
HUGE = (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x10000000, 0)


def write_whole_files(folder: Path, names: Sequence[str] = tuple(FILES)) -> list[Path]:
    """A file of each row of `containers.FILES`, 4 s long: a square that moves and turns brighter, and a rising tone."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, name in enumerate(names):
        row = FILES[name]
        pictures = moving(SECONDS * FRAMES_PER_SECOND, *row.get("size_px", (64, 48)))
        path = folder / f"{number:02}_{name.replace(' ', '_')}.{name.split()[0]}"
        paths.append(write_in(path, name, pictures, rising(row.get("rate_hz", 48_000))))
    return paths


def moving(num_pictures: int, width_px: int, height_px: int) -> list[np.ndarray]:
    """A bright square that moves over a pattern, so that no two pictures (uint8 H W 3) are alike."""
    y, x = np.mgrid[:height_px, :width_px]
    pattern = (60 + 40 * np.sin(8 * x / width_px) * np.cos(7 * y / height_px)).astype(np.uint8)
    pictures = []
    for number in range(num_pictures):
        picture = np.repeat(pattern[..., None], 3, axis=2)
        left = number * (width_px - width_px // 4) // num_pictures
        picture[height_px // 3 : 2 * height_px // 3, left : left + width_px // 4] = 150 + number % 50 * 2
        pictures.append(picture)
    return pictures


def rising(rate_hz: int) -> np.ndarray:
    """4 s of a tone that rises from 200 to 2,000 Hz, float32 S."""
    seconds = np.arange(SECONDS * rate_hz) / rate_hz
    return (0.5 * np.sin(2 * np.pi * (200 * seconds + 225 * seconds**2))).astype(np.float32)


def truncated(data: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """Cut short."""
    return data[: int(len(data) * random.uniform(0.02, 0.99))]


def header_flipped(data: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """Some bits of the first kilobyte."""
    return _flipped(data, random, 0, min(1024, len(data)))


def body_flipped(data: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """Some bits of the rest."""
    return _flipped(data, random, min(1024, len(data) // 2), len(data))


def _flipped(data: bytes, random: np.random.Generator, start: int, stop: int) -> bytes:
    flipped = bytearray(data)
    for place in random.integers(start, stop, random.choice([1, 3, 10])):
        flipped[place] ^= 1 << int(random.integers(8))
    return bytes(flipped)


def swapped(data: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """Two neighbouring boxes of an MP4, or two stretches of another file, in the wrong order."""
    bounds = _boxes(data) or sorted(random.integers(0, len(data), 3).tolist())
    first = int(random.integers(len(bounds) - 2)) if len(bounds) > 3 else 0
    a, b, c = bounds[first : first + 3]
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def _boxes(data: bytes) -> list[int]:
    """Where the top-level boxes of an MP4 begin, and the end; empty for another file."""
    bounds, place = [], 0
    while data[4:8] == b"ftyp" and place + 8 <= len(data):
        bounds.append(place)
        place += max(int.from_bytes(data[place : place + 4], "big"), 8)
    return [*bounds, len(data)] if len(bounds) > 1 else []


def sizes_huge(data: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """Numbers of four bytes in the header that are not what they were."""
    changed = bytearray(data)
    for place in random.integers(0, min(2048, len(data) - 4), random.choice([1, 2, 5])):
        order = "big" if random.integers(2) else "little"
        changed[place : place + 4] = int(random.choice(HUGE)).to_bytes(4, order)
    return bytes(changed)


def joined(data: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """Another file after it, whole or in part."""
    return data + other[int(random.choice([0, len(other) // 2])) :]


def misnamed(data: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """The same; its name is of another kind."""
    return data


def noisy(data: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """Noise in the place of a stretch, or of all."""
    start, stop = sorted(random.integers(0, len(data), 2).tolist())
    start, stop = (0, len(data)) if random.integers(8) == 0 else (start, stop)
    return data[:start] + random.bytes(stop - start) + data[stop:]


MUTATIONS = (truncated, header_flipped, body_flipped, swapped, sizes_huge, joined, misnamed, noisy)


def mutate(whole: Sequence[Path], number: int, folder: Path) -> Path:
    """The mutated file with a number; its name tells of which file it was made, and how."""
    random = np.random.default_rng(number)
    path, mutation = whole[number % len(whole)], MUTATIONS[(number + number // len(whole)) % len(MUTATIONS)]
    other = whole[int(random.integers(len(whole)))]
    suffix = other.suffix if mutation is misnamed else path.suffix
    made = folder / f"{number:05}-{mutation.__name__}-{path.stem}{suffix}"
    made.write_bytes(mutation(path.read_bytes(), other.read_bytes(), random))
    return made
