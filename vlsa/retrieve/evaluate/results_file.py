"""results.json: written whole, read back and checked, with the outcome of each query in a second file.

Reads and writes what results.py and compare.py hold. An outcome is three counts and the clip of the query: wrong items
above the best right one, wrong items tied with it, right items tied with it. They lie in
RESULTS.outcomes-DIGEST.safetensors, as int32 arrays named POST/DIRECTION/COUNT, whose SHA-256 is in the JSON. Version 2
has no clips, and small results of it have the counts in the JSON itself:

    "outcomes": {"above": [0, 3, 17], "tied": {"2": [4, 1]}}

where `tied` names only queries that differ from [0, 1].
"""

import errno
import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from vlsa.base.errors import ConfigError, ResultsError
from vlsa.base.files import write_atomically
from vlsa.retrieve.encode.sampling import Sampling
from vlsa.retrieve.evaluate.ranks import Ranks

FORMAT, VERSION, OLD_VERSION = "vlsa-results", 3, 2
FORMAT_WITHIN = 1000
"""Bytes from the start of a file, among which its format is named."""
MOST_JSON_BYTES = 2**28
MOST_NESTED = 16
"""Levels of objects and lists in each other; results have 6."""
MOST_ITEMS = 2**62
COUNTS = ("above", "tied_wrong", "tied_right")
_DIGEST_DIGITS = 12
"""Of the outcomes' SHA-256, in their file's name."""
_TEXTS = ("data", "data_digest", "split", "protocol", "tie_rule", "post_processing")

RanksByPost = Mapping[str, Mapping[str, Ranks]]
"""Name of the post-processing ("none" for the plain ranking) -> direction -> ranks."""


@dataclass(frozen=True, eq=False)
class Results:
    """A file of results, read back."""

    path: str
    facts: dict[str, Any]
    """The JSON."""
    ranks: dict[str, dict[str, Ranks]]
    """Post-processing ("none" for the plain ranking) -> direction -> each query's outcome."""

    @property
    def sampling(self) -> Sampling:
        """How much of each clip was encoded."""
        return Sampling.of(self.facts["model"])

    def directions(self, post: str = "none") -> dict[str, Any]:
        """The JSON of each direction. Raises ResultsError when the file holds no such post-processing."""
        if post not in self.ranks:
            raise ResultsError(
                f"{self.path}: holds no {post} rows (it has {', '.join(self.ranks)}); there is nothing to compare. "
                f"Evaluate again with {_option(post)}."
            )
        return _sections(self.facts)[post]


def _option(post: str) -> str:
    return f"--within {post.removeprefix('within-')}" if post.startswith("within-") else f"--post {post}"


def one_line(text: object, most: int = 150) -> str:
    """What a file says, as part of a message: on one line, without control characters, not too long."""
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(str(text).split()))
    return line if len(line) <= most else line[:most] + "..."


def write_results(path: str | Path, facts: Mapping[str, Any], ranks: RanksByPost) -> None:
    """Write the outcome of each query, then the JSON of an evaluation (Evaluation.as_dict): both, or none of them.

    Outcomes have their digest in their name, so results that were there stay whole until the JSON is replaced. Ranks
    whose clips are not known get a clip for each query.
    """
    target = Path(path)
    require_place(target)
    replaced, outcomes = _outcomes_of(target), _write_outcomes(target, ranks)
    written = _dump({**facts, "outcomes_file": outcomes})
    write_atomically(target, written.encode(errors="backslashreplace") + b"\n")  # of a file's name, as JSON escapes
    if replaced is not None and replaced.name != outcomes["name"]:
        replaced.unlink(missing_ok=True)


def _outcomes_of(target: Path) -> Path | None:
    """The file of outcomes of results that are about to be replaced; None where there are none that can be read."""
    try:
        _require_file(target, MOST_JSON_BYTES)
        name = str(json.loads(target.read_bytes())["outcomes_file"]["name"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    is_ours = re.fullmatch(rf"{re.escape(target.stem)}\.outcomes(-[0-9a-f]+)?\.safetensors", name)
    return target.with_name(name) if is_ours else None


def require_place(path: Path) -> None:
    """Raises ResultsError when results cannot be written there, or would replace something else; makes its folder."""
    if path.is_dir():
        raise ResultsError(f"{path}: is a folder; results are a file. Name one, such as {path / 'results.json'}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ResultsError(f"{path.parent}: no right to write there; the results would be lost. Name another folder.")
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            is_ours = FORMAT.encode() in file.read(FORMAT_WITHIN)
        if not is_ours:
            raise ResultsError(f"{path}: holds something else than results, which would be lost. Name another file.")


def _sections(facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The directions of the plain ranking, of each re-ranking, and within groups."""
    named = {**facts.get("post_processed", {}), **{f"within-{by}": one for by, one in facts.get("within", {}).items()}}
    return {**{name: section["directions"] for name, section in named.items()}, "none": facts["directions"]}


def _write_outcomes(target: Path, ranks: RanksByPost) -> dict[str, str]:
    tensors = {
        f"{post}/{name}/{part}": values.astype(np.int32)
        for post, group in ranks.items()
        for name, one in group.items()
        for part, values in (*((count, getattr(one, count)) for count in COUNTS), ("clip", one.clips))
    }
    data = save(tensors)
    digest = hashlib.sha256(data).hexdigest()
    sidecar = target.with_name(f"{target.stem}.outcomes-{digest[:_DIGEST_DIGITS]}.safetensors")
    write_atomically(sidecar, data)
    return {"name": sidecar.name, "sha256": digest}


def _dump(value: Any, margin: str = "") -> str:
    """JSON with a line for each key, and lists in one line."""
    if not (isinstance(value, dict) and value):
        return json.dumps(value, ensure_ascii=False)
    inner = margin + "  "
    lines = [f"{inner}{json.dumps(key, ensure_ascii=False)}: {_dump(part, inner)}" for key, part in value.items()]
    return "{\n" + ",\n".join(lines) + f"\n{margin}}}"


def read_results(path: str | Path) -> Results:
    """What `write_results` wrote, or version 2 of it. Raises ResultsError for a file that is missing or malformed."""
    facts = _read_json(Path(path))
    try:
        _check_facts(facts)
        with _open_outcomes(Path(path), facts) as outcomes:
            ranks = {
                post: {name: _ranks(direction, outcomes, f"{post}/{name}", facts) for name, direction in group.items()}
                for post, group in _sections(facts).items()
            }
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, SafetensorError, ConfigError) as error:
        raise _malformed(path, f"{type(error).__name__} {error}") from error
    return Results(str(path), facts, dict(sorted(ranks.items(), key=lambda group: group[0] != "none")))


def _malformed(path: str | Path, why: str) -> ResultsError:
    return ResultsError(
        f"{path}: not whole ({one_line(why)}); its numbers cannot be trusted. Write it again with vlsa evaluate --out."
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        _require_file(path, MOST_JSON_BYTES)
        facts = json.loads(path.read_bytes())
    except OSError as error:
        raise ResultsError(
            f"{path}: cannot be read ({error.strerror}); there is nothing to compare. "
            "Write one with vlsa evaluate RUN --data STORE --out FILE."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ResultsError(
            f"{path}: not JSON, or cut short; it holds no results. Write it again with vlsa evaluate --out."
        ) from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise ResultsError(f"{path}: not a file of results; vlsa evaluate RUN --data STORE --out FILE writes one.")
    if facts.get("version") not in (OLD_VERSION, VERSION):
        raise ResultsError(
            f"{path}: results of version {one_line(facts.get('version'))}, this code reads versions {OLD_VERSION} and "
            f"{VERSION}, which hold the outcome of each query. Evaluate the run again."
        )
    return facts


def _require_file(path: Path, most_bytes: float = math.inf) -> None:
    """Raises OSError for what is no regular file, since a pipe or a device may never end, and for a larger one."""
    found = path.stat()
    for wrong, number in ((not stat.S_ISREG(found.st_mode), errno.EINVAL), (found.st_size > most_bytes, errno.EFBIG)):
        if wrong:
            raise OSError(number, os.strerror(number))


def _check_facts(facts: Mapping[str, Any]) -> None:
    """Raises LookupError, TypeError or ValueError when a fact is missing or of another type."""
    _require_shallow(facts)
    if not all(isinstance(facts[name], str) for name in _TEXTS) or not isinstance(facts["model"], dict):
        raise ValueError("a fact about data, split, protocol or model is of another type")
    if not all(
        type(number) is int and number < MOST_ITEMS for number in Sampling.of(facts["model"]).as_dict().values()
    ):
        raise ValueError("a number of windows or crops that is not a count")
    if not isinstance(facts.get("commit"), str | None) or type(facts.get("identical_captions_count")) is not bool:
        raise ValueError("the commit, or whether identical captions count, is of another type")
    sections = _sections(facts)
    if not sections["none"]:
        raise ValueError("there is no direction")
    printed = (*(facts[name] for name in _TEXTS), *sections, *(name for group in sections.values() for name in group))
    "".join(printed).encode(errors="surrogateescape")  # half a character, which no terminal takes


def _require_shallow(facts: Mapping[str, Any]) -> None:
    """Raises ValueError for nesting that results do not have, and for a number that is not finite."""
    values: list[Any] = [facts]
    for _ in range(MOST_NESTED):
        if any(isinstance(value, float) and not math.isfinite(value) for value in values):
            raise ValueError("a number is not finite")
        containers = [list(value.values()) if isinstance(value, dict) else value for value in values]
        values = [part for one in containers if isinstance(one, list) for part in one]
        if not values:
            return
    raise ValueError(f"more than {MOST_NESTED} levels of nesting")


def _open_outcomes(path: Path, facts: Mapping[str, Any]) -> Any:
    """The file of outcomes, open for reading; none for small results of version 2."""
    named = facts.get("outcomes_file")
    if named is None:
        return nullcontext()
    sidecar = path.with_name(Path(named["name"]).name)
    try:
        _require_file(sidecar)
        with sidecar.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ResultsError(
            f"{path.with_name(one_line(sidecar.name))}: cannot be read ({error.strerror}); it holds the outcome of "
            f"each query of {path.name}. Keep the two files together, or evaluate again."
        ) from error
    if digest != named["sha256"]:
        raise ResultsError(f"{sidecar}: not the outcomes that belong to {path.name}; evaluate again.")
    return safe_open(sidecar, framework="numpy")


def _ranks(direction: Mapping[str, Any], outcomes: Any, key: str, facts: Mapping[str, Any]) -> Ranks:
    """Raises LookupError, TypeError or ValueError for what cannot be the outcome of Q queries among N items."""
    num_queries, num_items = direction["Q"], direction["N"]
    if {type(num_queries), type(num_items)} != {int} or num_items > MOST_ITEMS:
        raise ValueError(f"{key}: sizes that are not counts")
    if not (isinstance(direction["queries_digest"], str) and isinstance(direction["gallery_digest"], str)):
        raise ValueError(f"{key}: no digests")
    chance = [share for name, share in direction.get("chance", {}).items() if name in ("r1", "r5", "r10", "r50")]
    if not all(type(share) in (int, float) and 0 <= share <= 1 for share in chance):
        raise ValueError(f"{key}: a recall of chance that is not a share")
    if outcomes is None:
        counts, clip = _from_inline(direction["outcomes"] if facts["version"] == OLD_VERSION else None), None
    else:
        counts = [_array(outcomes, f"{key}/{count}", num_queries) for count in COUNTS]
        clip = _array(outcomes, f"{key}/clip", num_queries) if facts["version"] == VERSION else None
    above, wrong, right = counts
    fits = above.shape == wrong.shape == right.shape == (num_queries,) and num_queries > 0
    if not fits or (above < 0).any() or (wrong < 0).any() or (right < 1).any() or (sum(counts) > num_items).any():
        raise ValueError(f"{key}: outcomes that cannot be of {num_queries} queries among {num_items} items")
    return Ranks(above, wrong, right, num_items, clip)


def _array(outcomes: Any, name: str, num_queries: int) -> np.ndarray:
    """An array of the file of outcomes. Raises SafetensorError when it is missing, ValueError when it cannot be."""
    found = outcomes.get_slice(name)
    if (found.get_shape(), found.get_dtype()) != ([num_queries], "I32"):
        raise ValueError(f"{name}: {found.get_dtype()}{found.get_shape()}, not I32[{num_queries}]")
    return outcomes.get_tensor(name).astype(np.int64)


def _from_inline(outcomes: Any) -> list[np.ndarray]:
    if not all(type(count) is int for count in outcomes["above"]):
        raise ValueError("outcomes are not whole numbers")
    above = np.array(outcomes["above"], np.int64)
    wrong, right = np.zeros_like(above), np.ones_like(above)
    for query, (tied_wrong, tied_right) in outcomes["tied"].items():
        if str(int(query)) != query or int(query) < 0 or {type(tied_wrong), type(tied_right)} != {int}:
            raise ValueError(f"ties of query {query} are not whole numbers")
        wrong[int(query)], right[int(query)] = tied_wrong, tied_right
    return [above, wrong, right]
