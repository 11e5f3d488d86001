"""Named tensors on disk: in one safetensors file, or row by row in several, one of each process.

    training.safetensors                    all of each tensor
    training-00001-of-00004.safetensors     of each tensor the rows of rank 0; where they lie is in the header

What was written by so many processes is read by any number. Used by checkpoint.py, whose saves are atomic.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vlsa.base.errors import CheckpointError
from vlsa.base.files import open_regular
from vlsa.base.processes import in_parts, num_processes, rank

ROWS = "rows"
"""Key of a header: for the name of a tensor that is in parts, its first row here and its rows in all."""
OF_ONE_PROCESS = (ROWS, "seconds", "precision")
"""Keys that differ between the parts of one save."""


def part_path(path: Path, number: int, num_parts: int) -> Path:
    """The name of a part, counted from 0."""
    return path.with_name(f"{path.stem}-{number + 1:05d}-of-{num_parts:05d}{path.suffix}")


def all_parts(path: Path) -> list[Path]:
    """The files that a path belongs to, in order: itself alone, or all parts. Raises CheckpointError for one gone."""
    name = re.fullmatch(r"(.+)-\d{5}-of-(\d{5})", path.stem)
    if not name:
        return [path]
    whole, num_parts = path.with_name(name[1] + path.suffix), int(name[2])
    if not num_parts:
        raise damaged(path, "of 0 parts")
    paths = [part_path(whole, number, num_parts) for number in range(num_parts)]
    gone = next((part for part in paths if not part.is_file()), None)
    if gone:
        raise damaged(path, f"no {gone.name} next to it")
    return paths


def find(path: Path) -> Path | None:
    """The file of that name, or the first of its parts; None if there is neither."""
    if path.is_file():
        return path
    return min(path.parent.glob(f"{path.stem}-*-of-*{path.suffix}"), default=None)


def row_range(tensor: Tensor) -> tuple[int, int] | None:
    """First row of a tensor that this process holds, and the row after the last; None when it holds all."""
    if not in_parts(tensor):
        return None
    size = -(-len(tensor) // num_processes())
    first = min(rank() * size, len(tensor))
    assert len(tensor.to_local()) == min(size, len(tensor) - first), "parts are of equal size, as by torch.chunk"
    return first, first + len(tensor.to_local())


def write(tensors: Mapping[str, Tensor], path: Path, header: dict[str, str]) -> None:
    """Write and read back: rank 0 the tensors that are whole, each rank its rows of those that are in parts.

    Raises CheckpointError when the disk gives back other bytes, and OSError or SafetensorError when it refuses.
    """
    ranges = {name: row_range(tensor) for name, tensor in tensors.items()}
    if any(ranges.values()):
        path = part_path(path, rank(), num_processes())
        places = {name: [rows[0], len(tensors[name])] for name, rows in ranges.items() if rows and rows[1] > rows[0]}
        header = header | {ROWS: json.dumps(places)}
        own = {name: tensors[name].to_local() for name in places}  # type: ignore[attr-defined]
    elif rank() > 0:
        return
    else:
        own = {}
    if rank() == 0:
        own |= {name: tensor for name, tensor in tensors.items() if ranges[name] is None}
    _write_checked(own, path, header)


def _write_checked(tensors: dict[str, Tensor], path: Path, header: dict[str, str]) -> None:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, path, header)
    sync(path)
    with safe_open(path, "pt") as file:
        same = all(_equal(tensor, file.get_tensor(name)) for name, tensor in tensors.items())
    if not same:
        raise CheckpointError(f"{path}: the disk gave back other bytes than were written; check the disk.")


def _equal(tensor: Tensor, back: Tensor) -> bool:
    """Bit for bit, also where a value is not a number."""
    same_kind = (tensor.shape, tensor.dtype) == (back.shape, back.dtype)
    return same_kind and torch.equal(*(part.reshape(-1).view(torch.uint8) for part in (tensor, back)))


def read(
    path: Path, wanted: Mapping[str, tuple[int, int] | None] | None = None
) -> tuple[dict[str, Tensor], dict[str, tuple[int, ...]], dict[str, Any]]:
    """Tensors by name, their whole shapes, and the header; of tensors that are `wanted` in part those rows alone.

    Raises CheckpointError for files that are damaged, cut short, incomplete, or not of one save.
    """
    _require_utf8(path)
    pieces: dict[str, list[tuple[int, Tensor]]] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    headers = []
    part = path
    try:
        for part in all_parts(path):
            with _open(part) as file:
                headers.append(dict(file.metadata() or {}))
                places = _places(headers[-1])
                for name in file.keys():  # noqa: SIM118 - it is no dictionary
                    stored = file.get_slice(name)
                    first, num_rows = places.get(name, (0, None))
                    shape = stored.get_shape()
                    shapes[name] = (num_rows, *shape[1:]) if num_rows else tuple(shape)
                    rows = (wanted or {}).get(name)
                    piece = file.get_tensor(name) if rows is None else _cut(stored, first, shape[0], rows)
                    pieces.setdefault(name, []).append((first, piece))
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise damaged(part, error) from error
    if any(_common(header) != _common(headers[0]) for header in headers):
        raise damaged(path, "its parts are not of one save")
    whole = {name: rows or (0, shapes[name][0]) for name, rows in _ranges(shapes, wanted or {}).items()}
    return {name: _joined(pieces[name], whole.get(name), path) for name in pieces}, shapes, headers[0]


def header(path: Path) -> dict[str, str]:
    """That of a file, or of any of its parts. Raises CheckpointError."""
    try:
        with _open(path) as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise damaged(path, error) from error


def _open(path: Path) -> Any:
    """A safetensors file. Raises SafetensorError, and OSError, also for a pipe or a device."""
    open_regular(path).close()
    return safe_open(path, "pt")


def _places(header: dict[str, str]) -> dict[str, tuple[int, int]]:
    """First row here and rows in all, of each tensor that is in parts. Raises ValueError, TypeError."""
    places = {name: (first, num_rows) for name, (first, num_rows) in json.loads(header.get(ROWS, "{}")).items()}
    for name, (first, num_rows) in places.items():
        if not (type(first) is type(num_rows) is int and 0 <= first < num_rows):
            raise ValueError(f"{name}: rows from {first} of {num_rows}")
    return places


def _cut(stored: Any, first: int, num_rows: int, rows: tuple[int, int]) -> Tensor:
    start, stop = (min(max(row - first, 0), num_rows) for row in rows)
    return stored[start:stop]


def _ranges(shapes: dict[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, int] | None]) -> dict[str, Any]:
    return {name: wanted.get(name) for name, shape in shapes.items() if shape}


def _joined(pieces: list[tuple[int, Tensor]], rows: tuple[int, int] | None, path: Path) -> Tensor:
    """The pieces in order. Raises CheckpointError unless they are the asked rows, each once."""
    if rows is None:
        return pieces[0][1]
    place = rows[0]
    found = [(max(first, rows[0]), piece) for first, piece in sorted(pieces, key=lambda one: one[0]) if len(piece)]
    for first, piece in found:
        if first != place:
            raise damaged(path, f"rows {place} to {first} of a tensor are in none of its parts, or in two")
        place += len(piece)
    if place != rows[1]:
        raise damaged(path, f"rows {place} to {rows[1]} of a tensor are in none of its parts")
    if len(found) == 1:
        return found[0][1]
    return torch.cat([piece for _, piece in found]) if found else pieces[0][1]


def _common(header: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in header.items() if name not in OF_ONE_PROCESS}


def _require_utf8(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise CheckpointError(
            f"{path}: its name is not UTF-8; the library that reads weights takes no other. Rename the folder."
        ) from error


def damaged(path: Path, what: object) -> CheckpointError:
    """The one line for a file that cannot be trusted, with the way back if a run has one."""
    remedy = "Copy it again."
    folder = path if path.is_dir() else path.parent
    if folder.parent.name == "checkpoints":  # elsewhere the folder may hold anything
        remedy += f" Delete the folder {folder} to go back to the checkpoint before it."
    reason = " ".join(str(what).split())[:300]
    return CheckpointError(f"{path}: damaged or cut short ({reason}); its weights cannot be trusted. {remedy}")


def sync(path: Path) -> None:
    """Make the disk keep a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
