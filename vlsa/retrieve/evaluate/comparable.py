"""Which files of results can be compared: of the same data by the same rules, and the seeds of a side of one model.

Reads files of results (results_file.py); feeds compare.py and reproduce/tables.py.
Axes: Q queries.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vlsa.base.errors import ResultsError
from vlsa.retrieve.evaluate.results import direction_label
from vlsa.retrieve.evaluate.results_file import Results, one_line

FACTS = {
    "split": "split",
    "protocol": "protocol",
    "tie_rule": "tie rule",
    "identical_captions_count": "whether identical captions count",
    "identical_captions": "rule of identical captions",
    "post_processing": "post-processing",
    "data_digest": "data (digest of ids and captions)",
}
"""What has to be equal, in the order in which a difference is reported."""


def require_same(files: Sequence[Results], post: str = "none") -> None:
    """Raises ResultsError when a file is not of the same data, split, gallery and rules as the first one.

    `post` names the re-ranking whose rows are compared.
    """
    for other in files[1:]:
        for found in _conflicts(files[0], other, post):
            raise ResultsError(
                f"{other.path}: another {found} than {files[0].path}; the two cannot be compared query by query. "
                "Evaluate both runs on the same split of the same store with the same options."
            )


def require_seeds(side: Sequence[Results]) -> None:
    """Raises ResultsError when files of a side are not of different trained models."""
    known: dict[str, Results] = {}
    for file in side:
        model = _model_of(file)
        if model in known:
            raise ResultsError(
                f"{file.path}: of the same trained model as {known[model].path}; counted as two seeds, it would make "
                "intervals and p too small. Give one file for each training seed."
            )
        known[model] = file


def require_one_sampling(files: Sequence[Results]) -> None:
    """Raises ResultsError when files that are averaged, or stand in one table, encode other windows or crops."""
    first = files[0]
    for file in files:
        if file.sampling != first.sampling:
            raise ResultsError(
                f"{file.path}: encoded {file.sampling.label()}, {first.path} {first.sampling.label()}; seeds and arms "
                "have to be encoded by one rule. Evaluate again with the same --windows and --crops."
            )


def _model_of(file: Results) -> str:
    """Equal for two files of one trained model: its fingerprint and seed; the file's path where they are not known."""
    fingerprint, seed = (file.facts["model"].get(name) for name in ("fingerprint", "training_seed"))
    return f"{fingerprint} {seed}" if fingerprint else os.path.realpath(file.path)


def sampling_note(side: Sequence[Results], other: Sequence[Results]) -> str:
    """How much of each clip was encoded, for both sides where it differs."""
    mine, theirs = side[0].sampling.label(), other[0].sampling.label()
    return f"A encodes {mine}, B {theirs}" if mine != theirs else f"encoded: {mine}"


def recipes_note(name: str, side: Sequence[Results]) -> str:
    """A sentence about a side whose files are of several recipes; empty when they are of one."""
    recipes = sorted({one_line(file.facts["model"].get("recipe", "unknown")) for file in side})
    return f"{name} is the mean of models of several recipes: {', '.join(recipes)}." if len(recipes) > 1 else ""


def _conflicts(one: Results, other: Results, post: str) -> Iterator[str]:
    """What differs between two files, in words."""
    for name, label in FACTS.items():
        mine, theirs = one.facts.get(name), other.facts.get(name)
        if mine != theirs:
            shown = {"data_digest": (one.facts["data"], other.facts["data"])}.get(name, (mine, theirs))
            yield label if name == "protocol" else f"{label} ({one_line(shown[1])}, not {one_line(shown[0])})"
    if post != "none":
        mine, theirs = (file.facts.get("post_processed", {}).get(post, {}).get("parameters") for file in (one, other))
        if None not in (mine, theirs) and mine != theirs:
            yield f"post-processing ({post} with {one_line(theirs)}, not {one_line(mine)})"
    yield from _conflicting_directions(one.directions(post), other.directions(post))
    for name, ranks in one.ranks[post].items():
        if name in other.ranks[post] and not _same_clips(ranks.clip, other.ranks[post][name].clip):
            yield f"grouping of queries by clip in {name}"


def _same_clips(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Whether the same queries are of one clip, whatever numbers the clips have; so is what is not known."""
    if one is None or other is None:
        return True
    places = (np.unique(clip, return_index=True, return_inverse=True)[1:] for clip in (one, other))
    first, second = (first[inverse] for first, inverse in places)  # for each query, the first one of its clip
    return np.array_equal(first, second)


def _conflicting_directions(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    common = [name for name in mine if name in theirs]
    if not common:
        yield f"set of directions ({one_line(', '.join(theirs))}, not {one_line(', '.join(mine))})"
    for name in common:
        for key, label in (("N", "gallery"), ("Q", "set of queries")):
            if mine[name][key] != theirs[name][key]:
                yield f"{label} in {name} ({key} = {theirs[name][key]}, not {mine[name][key]})"
        for key, label in (("gallery_digest", "gallery"), ("queries_digest", "set of queries")):
            if mine[name][key] != theirs[name][key]:
                yield f"{label} in {name} (of the same size, but of other clips or captions)"


def common_directions(files: Sequence[Results], post: str = "none") -> tuple[list[str], str]:
    """Directions that all files have, in order, and a sentence about those that only some have; empty without any."""
    every = [list(file.directions(post)) for file in files]
    common = [name for name in every[0] if all(name in names for names in every)]
    others = sorted({name for names in every for name in names} - set(common))
    labels = one_line(", ".join(map(direction_label, others)), 400)  # of all directions
    return common, f"Left out, as not all files have them: {labels}." if others else ""


def files_without_clips(files: Sequence[Results]) -> tuple[str, ...]:
    """Those that do not say which queries are of one clip, unless another file of the same queries does."""
    unknown = [one for one in files if any(ranks.clip is None for ranks in one.ranks["none"].values())]
    return tuple(one.path for one in unknown) if len(unknown) == len(files) else ()


def without_clips_note(paths: Sequence[str]) -> str:
    """A sentence about files that do not say which queries are of one clip; empty when there are none."""
    if not paths:
        return ""
    return (
        f"{', '.join(paths)}: written before results named the clip of each query, so each query counts as a clip of "
        "its own; where clips have several captions, intervals and p are too small. Evaluate again."
    )
