"""Two models over the same queries: how far apart they are, and whether another draw of queries could turn it round.

Reads files of results (results_file.py); feeds `vlsa compare`. Both models are scored on each resample of the queries:
what makes a query hard for both does not count as noise. Several training seeds of a model are averaged within each
resample: the interval is about the queries, and says nothing about further seeds.
Axes: Q queries, S resamples of a block, K metrics.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlsa.base.errors import ResultsError
from vlsa.retrieve.evaluate.bootstrap import Medians, interval, means, p_value, resamples
from vlsa.retrieve.evaluate.ranks import Ranks
from vlsa.retrieve.evaluate.results import direction_label, markdown_table, recall_at
from vlsa.retrieve.evaluate.results_file import Results

NUM_RESAMPLES = 10_000
TABLE_HEADER = ("direction", "metric", "A", "B", "A − B", "95% interval", "p")
_FACTS = {
    "split": "split",
    "protocol": "protocol",
    "tie_rule": "tie rule",
    "identical_captions_count": "whether identical captions count",
    "post_processing": "post-processing",
    "data_digest": "data (digest of ids and captions)",
}
"""What has to be equal, in the order in which a difference is told."""


@dataclass(frozen=True)
class Difference:
    """One metric of one direction: A's, B's, and A minus B; recalls are shares in [0, 1]."""

    direction: str
    metric: str
    """r1, r5, r10, r50 (higher is better), medr or meanr (lower is better)."""
    a: float
    b: float
    difference: float
    interval: tuple[float, float]
    """95%, of the difference."""
    p_value: float
    """Two-sided, of no difference."""
    num_queries: int
    num_items: int

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        names = {"direction": self.direction, "metric": self.metric, "N": self.num_items, "Q": self.num_queries}
        numbers = {"a": self.a, "b": self.b, "difference": self.difference}
        return {**names, **numbers, "interval": list(self.interval), "p": self.p_value}

    def row(self) -> tuple[str, ...]:
        """Cells under TABLE_HEADER; recalls in percent."""
        is_recall = self.metric not in ("medr", "meanr")
        factor, name = (100, f"R@{self.metric[1:]} %") if is_recall else (1, {"medr": "MedR"}.get(self.metric, "MeanR"))
        low, high = (f"{factor * end:+.1f}" for end in self.interval)
        values = (f"{factor * self.a:.1f}", f"{factor * self.b:.1f}", f"{factor * self.difference:+.1f}")
        return (direction_label(self.direction), name, *values, f"{low} to {high}", f"{self.p_value:.4f}")


@dataclass(frozen=True)
class Comparison:
    """All directions of A against B."""

    a: tuple[str, ...]
    """Files of A, one a training seed."""
    b: tuple[str, ...]
    facts: dict[str, Any]
    """Data, split and rules, which are the same for all files."""
    post: str
    num_resamples: int
    seed: int
    differences: tuple[Difference, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        how = {"post_processing": self.post, "num_resamples": self.num_resamples, "seed": self.seed}
        rows = [difference.as_dict() for difference in self.differences]
        return {"a": list(self.a), "b": list(self.b), **self.facts, **how, "differences": rows}

    def rows(self) -> list[tuple[str, ...]]:
        """Table rows under TABLE_HEADER."""
        return [difference.row() for difference in self.differences]

    def markdown(self) -> str:
        """The table in Markdown, with the line that says what was compared."""
        return "\n".join([*markdown_table(TABLE_HEADER, self.rows()), "", self.caption()])

    def caption(self) -> str:
        """One line: who, on what, and how."""
        post = "no post-processing" if self.post == "none" else f"{self.post}, which uses the whole set of queries"
        return (
            f"A: {', '.join(self.a)}. B: {', '.join(self.b)}. "
            f"{self.facts['data']}, split {self.facts['split']}, {post}. "
            f"Intervals and two-sided p by paired bootstrap over queries ({self.num_resamples:,} resamples, "
            f"seed {self.seed}); they do not cover the spread over training seeds."
        )


def compare(
    results_a: Sequence[Results],
    results_b: Sequence[Results],
    *,
    post: str = "none",
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """A against B, each one file or one a training seed; `post` names the re-ranking whose rows are compared.

    A side's value is the mean over its files. Memory: about 16 bytes a query for each metric and file, and 40 MiB.
    Raises ResultsError when two files are not of the same data, split, gallery, rules and post-processing.
    """
    assert results_a and results_b, "each side needs a file"
    assert num_resamples > 0, num_resamples
    for other in [*results_a[1:], *results_b]:
        _require_same(results_a[0], other, post)
    differences = []
    for direction in results_a[0].directions(post):
        sides = tuple([one.ranks[post][direction] for one in side] for side in (results_a, results_b))
        differences += _differences(direction, *sides, num_resamples, seed)
    first = results_a[0].facts
    facts = {name: first.get(name) for name in ("data", *_FACTS) if name != "post_processing"}
    paths = (tuple(one.path for one in side) for side in (results_a, results_b))
    return Comparison(*paths, facts, post, num_resamples, seed, tuple(differences))


def _require_same(one: Results, other: Results, post: str) -> None:
    for found in _conflicts(one, other, post):
        raise ResultsError(
            f"{other.path}: another {found} than {one.path}; the two cannot be compared query by query. "
            "Evaluate both runs on the same split of the same store with the same options."
        )


def _conflicts(one: Results, other: Results, post: str) -> Iterator[str]:
    """What differs between two files, in words."""
    for name, label in _FACTS.items():
        mine, theirs = one.facts.get(name), other.facts.get(name)
        if mine != theirs:
            told = {"data_digest": (one.facts["data"], other.facts["data"])}.get(name, (mine, theirs))
            yield label if name == "protocol" else f"{label} ({told[1]}, not {told[0]})"
    if post != "none":
        mine, theirs = (file.facts.get("post_processed", {}).get(post, {}).get("parameters") for file in (one, other))
        if None not in (mine, theirs) and mine != theirs:
            yield f"post-processing ({post} with {theirs}, not {mine})"
    yield from _conflicting_directions(one.directions(post), other.directions(post))


def _conflicting_directions(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    if list(mine) != list(theirs):
        yield f"set of directions ({', '.join(theirs)}, not {', '.join(mine)})"
    for name in mine:
        for key, label in (("N", "gallery"), ("Q", "set of queries")):
            if mine[name][key] != theirs[name][key]:
                yield f"{label} in {name} ({key} = {theirs[name][key]}, not {mine[name][key]})"
        for key, label in (("gallery_digest", "gallery"), ("queries_digest", "set of queries")):
            if mine[name][key] != theirs[name][key]:
                yield f"{label} in {name} (of the same size, but of other clips or captions)"


def _differences(
    direction: str, a: Sequence[Ranks], b: Sequence[Ranks], num_resamples: int, seed: int
) -> Iterator[Difference]:
    ks = recall_at(direction)
    names = (*(f"r{k}" for k in ks), "medr", "meanr")
    values = [np.mean([_statistics(ranks, ks) for ranks in side], axis=0) for side in (a, b)]
    samples = _resampled_differences(a, b, ks, num_resamples, seed)
    for column, name in enumerate(names):
        of_a, of_b = (float(side[column]) for side in values)
        drawn = samples[:, column]
        yield Difference(
            direction, name, of_a, of_b, of_a - of_b, interval(drawn), p_value(drawn), len(a[0]), a[0].num_items
        )


def _statistics(ranks: Ranks, ks: tuple[int, ...]) -> list[float]:
    expected = ranks.expected()
    return [*(float(ranks.hits(k).mean()) for k in ks), float(np.median(expected)), float(expected.mean())]


def _outcomes(ranks: Ranks, ks: tuple[int, ...]) -> np.ndarray:
    """The metrics that are means over queries, query by query."""
    return np.stack([*(ranks.hits(k) for k in ks), ranks.expected()], axis=1)


def _resampled_differences(
    a: Sequence[Ranks], b: Sequence[Ranks], ks: tuple[int, ...], num_resamples: int, seed: int
) -> np.ndarray:
    """A minus B in each resample: a column for each metric, in the order of `_differences`."""
    apart = sum(_outcomes(one, ks) / len(a) for one in a) - sum(_outcomes(one, ks) / len(b) for one in b)
    medians_a, medians_b = ([Medians(one.expected()) for one in side] for side in (a, b))
    blocks = []
    for counts in resamples(len(a[0]), num_resamples, seed):
        of_means = means(counts, apart)
        of_medians = np.mean([m(counts) for m in medians_a], axis=0) - np.mean([m(counts) for m in medians_b], axis=0)
        blocks.append(np.column_stack([of_means[:, :-1], of_medians, of_means[:, -1]]))
    return np.concatenate(blocks).round(12)  # what is equal but for the order of adding is equal
