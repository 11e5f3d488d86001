"""results.json: written whole, read back and checked, with the outcome of each query.

Reads and writes what results.py and compare.py hold. An outcome is three counts: wrong items above the best right one,
wrong items tied with it, right items tied with it. In the file:

    "outcomes": {"above": [0, 3, 17], "tied": {"2": [4, 1]}}

`tied` names only queries that differ from [0, 1]. With more than MOST_INLINE queries in a direction the counts of all
directions lie in a file beside it, RESULTS.outcomes.safetensors, whose digest is in the JSON.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from vlsa.base.errors import ResultsError
from vlsa.base.files import write_atomically
from vlsa.retrieve.evaluate.ranks import Ranks

FORMAT, VERSION = "vlsa-results", 2
FORMAT_WITHIN = 1000
"""Bytes from the beginning of a file, among which its format is named."""
MOST_INLINE = 20_000
COUNTS = ("above", "tied_wrong", "tied_right")

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

    def directions(self, post: str = "none") -> dict[str, Any]:
        """The JSON of each direction. Raises ResultsError when the file holds no such post-processing."""
        if post not in self.ranks:
            raise ResultsError(
                f"{self.path}: holds no {post} rows (it has {', '.join(self.ranks)}); there is nothing to compare. "
                f"Evaluate again with --post {post}."
            )
        return _sections(self.facts)[post]


def write_results(path: str | Path, facts: Mapping[str, Any], ranks: RanksByPost) -> None:
    """Write the JSON of an evaluation (Evaluation.as_dict) with each query's outcome, whole or not at all."""
    target = Path(path)
    require_place(target)
    facts = json.loads(json.dumps(facts))  # a copy to write into
    if max(len(one) for group in ranks.values() for one in group.values()) > MOST_INLINE:
        facts["outcomes_file"] = _write_beside(target, ranks)
    else:
        for post, section in _sections(facts).items():
            for name, direction in section.items():
                direction["outcomes"] = _inline(ranks[post][name])
    write_atomically(
        target, _dump(facts).encode(errors="backslashreplace") + b"\n"
    )  # of a file's name, as JSON escapes


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
    post_processed = facts.get("post_processed", {})
    return {"none": facts["directions"], **{name: post["directions"] for name, post in post_processed.items()}}


def _inline(ranks: Ranks) -> dict[str, Any]:
    tied = np.flatnonzero((ranks.tied_wrong != 0) | (ranks.tied_right != 1)).tolist()
    pairs = {str(query): [int(ranks.tied_wrong[query]), int(ranks.tied_right[query])] for query in tied}
    return {"above": ranks.above.tolist(), "tied": pairs}


def _write_beside(target: Path, ranks: RanksByPost) -> dict[str, str]:
    tensors = {
        f"{post}/{name}/{count}": getattr(one, count).astype(np.int32)
        for post, group in ranks.items()
        for name, one in group.items()
        for count in COUNTS
    }
    data, beside = save(tensors), target.with_name(f"{target.stem}.outcomes.safetensors")
    write_atomically(beside, data)
    return {"name": beside.name, "sha256": hashlib.sha256(data).hexdigest()}


def _dump(value: Any, margin: str = "") -> str:
    """JSON with a line for each key, and lists in one line."""
    if not (isinstance(value, dict) and value):
        return json.dumps(value, ensure_ascii=False)
    inner = margin + "  "
    lines = [f"{inner}{json.dumps(key, ensure_ascii=False)}: {_dump(part, inner)}" for key, part in value.items()]
    return "{\n" + ",\n".join(lines) + f"\n{margin}}}"


def read_results(path: str | Path) -> Results:
    """What `write_results` wrote. Raises ResultsError when the file is missing, cut, or something else."""
    facts = _read_json(Path(path))
    try:
        beside = _read_beside(Path(path), facts.get("outcomes_file"))
        ranks = {
            post: {name: _ranks(direction, beside, f"{post}/{name}") for name, direction in section.items()}
            for post, section in _sections(facts).items()
        }
        texts = ("data", "data_digest", "split", "protocol", "tie_rule", "post_processing")
        whole = all(isinstance(facts[name], str) for name in texts) and isinstance(facts["model"], dict)
        printed = (*(facts[name] for name in texts), *(name for section in ranks.values() for name in section))
        "".join(printed).encode(errors="surrogateescape")  # half a character, which no terminal takes
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _broken(path, f"{type(error).__name__} {error}".strip()) from error
    if not whole or not ranks["none"]:
        raise _broken(path, "a fact about data, split or protocol is missing, or there is no direction")
    return Results(str(path), facts, ranks)


def _broken(path: str | Path, why: str) -> ResultsError:
    told = " ".join(why.split())[:150]
    return ResultsError(
        f"{path}: not whole ({told}); its numbers cannot be trusted. Write it again with vlsa evaluate --out."
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
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
    if facts.get("version") != VERSION:
        raise ResultsError(
            f"{path}: results of version {facts.get('version')}, this code reads version {VERSION}, which holds the "
            "outcome of each query. Evaluate the run again."
        )
    return facts


def _read_beside(path: Path, named: Any) -> dict[str, np.ndarray]:
    if named is None:
        return {}
    beside = path.with_name(Path(named["name"]).name)
    try:
        data = beside.read_bytes()
    except OSError as error:
        raise ResultsError(
            f"{beside}: cannot be read ({error.strerror}); it holds the outcome of each query of {path.name}. "
            "Keep the two files together, or evaluate again."
        ) from error
    if hashlib.sha256(data).hexdigest() != named["sha256"]:
        raise ResultsError(f"{beside}: not the outcomes that belong to {path.name}; evaluate again.")
    try:
        return load(data)
    except SafetensorError as error:
        raise _broken(beside, str(error)) from error


def _ranks(direction: Mapping[str, Any], beside: Mapping[str, np.ndarray], key: str) -> Ranks:
    """Raises LookupError, TypeError or ValueError for what cannot be the outcome of Q queries among N items."""
    num_queries, num_items = direction["Q"], direction["N"]
    if {type(num_queries), type(num_items)} != {int}:
        raise ValueError(f"{key}: sizes that are no counts")
    if not (isinstance(direction["queries_digest"], str) and isinstance(direction["gallery_digest"], str)):
        raise ValueError(f"{key}: no digests")
    if beside:
        counts = [beside[f"{key}/{count}"].astype(np.int64) for count in COUNTS]
    else:
        counts = _from_inline(direction["outcomes"])
    above, wrong, right = counts
    fits = above.shape == wrong.shape == right.shape == (num_queries,) and num_queries > 0
    if not fits or (above < 0).any() or (wrong < 0).any() or (right < 1).any() or (sum(counts) > num_items).any():
        raise ValueError(f"{key}: outcomes that cannot be of {num_queries} queries among {num_items} items")
    return Ranks(above, wrong, right, num_items)


def _from_inline(outcomes: Mapping[str, Any]) -> list[np.ndarray]:
    if not all(type(count) is int for count in outcomes["above"]):
        raise ValueError("outcomes are not whole numbers")
    above = np.array(outcomes["above"], np.int64)
    wrong, right = np.zeros_like(above), np.ones_like(above)
    for query, (tied_wrong, tied_right) in outcomes["tied"].items():
        if str(int(query)) != query or int(query) < 0 or {type(tied_wrong), type(tied_right)} != {int}:
            raise ValueError(f"ties of query {query} are not whole numbers")
        wrong[int(query)], right[int(query)] = tied_wrong, tied_right
    return [above, wrong, right]
