"""Two models over the same queries: how far apart they are, and whether other clips or seeds could reverse it.

Reads files of results (results_file.py); feeds `vlsa compare` and reproduce/tables.py. Both models are scored on the
same resamples of the clips: what makes a clip hard for both does not count as noise. Several training seeds of a model
are averaged within each resample, and the spread between them is added (bootstrap.over_seeds).
Axes: Q queries, B resamples, M training seeds of a side, K metrics.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from vlsa.retrieve.evaluate.bootstrap import (
    Medians,
    bounded_interval,
    for_few_clips,
    holm,
    interval,
    means,
    over_seeds,
    p_value,
    resampled_queries,
)
from vlsa.retrieve.evaluate.comparable import (
    FACTS,
    common_directions,
    files_without_clips,
    recipes_note,
    require_one_sampling,
    require_same,
    require_seeds,
    sampling_note,
    without_clips_note,
)
from vlsa.retrieve.evaluate.ranks import Ranks
from vlsa.retrieve.evaluate.results import direction_label, markdown_table, recall_at
from vlsa.retrieve.evaluate.results_file import Results, one_line

NUM_RESAMPLES = 10_000
TABLE_HEADER = ("direction", "metric", "A", "B", "A − B", "95% interval", "p", "p (Holm)")
CLEAR_AT = 0.05
"""A row is marked where its corrected p lies below."""


@dataclass(frozen=True)
class Difference:
    """One metric of one direction: A's, B's, and A minus B; recalls are shares in [0, 1]."""

    direction: str
    metric: str
    """r1, r5, r10, r50 (higher is better), medr or meanr (lower is better)."""
    a: float
    b: float
    difference: float
    interval: tuple[float, float] | None
    """95%, of the difference; None = not known, since a median does not vary over the resamples."""
    p_value: float
    """Two-sided, of no difference."""
    p_holm: float
    """The same, corrected for all rows of the table."""
    num_queries: int
    num_items: int

    @property
    def is_clear(self) -> bool:
        """Whether it differs from zero, all rows of the table considered."""
        return self.p_holm < CLEAR_AT

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        names = {"direction": self.direction, "metric": self.metric, "N": self.num_items, "Q": self.num_queries}
        numbers = {"a": self.a, "b": self.b, "difference": self.difference}
        chance = {"p": self.p_value, "p_holm": self.p_holm, "clear": self.is_clear}
        return {**names, **numbers, "interval": self.interval and list(self.interval), **chance}

    def row(self) -> tuple[str, ...]:
        """Cells under TABLE_HEADER; recalls in percent."""
        is_recall = self.metric not in ("medr", "meanr")
        factor, name = (100, f"R@{self.metric[1:]} %") if is_recall else (1, {"medr": "MedR"}.get(self.metric, "MeanR"))
        ends = " to ".join(f"{factor * end:+.1f}" for end in self.interval) if self.interval else "–"
        values = (f"{factor * self.a:.1f}", f"{factor * self.b:.1f}", f"{factor * self.difference:+.1f}")
        chance = (f"{self.p_value:.4f}", f"{self.p_holm:.4f}{' *' if self.is_clear else ''}")
        return (direction_label(self.direction), name, *values, ends, *chance)


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
    sampling: str
    """How much of each clip was encoded."""
    notes: str = ""
    """Sentences about sides whose files are of several recipes, and about directions that not all files have."""
    without_clips: tuple[str, ...] = ()
    """Files that do not say which queries are of one clip, where no other file of the same queries does."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        how = {"post_processing": self.post, "num_resamples": self.num_resamples, "seed": self.seed}
        how |= {"sampling": self.sampling, "files_without_clips": list(self.without_clips)}
        rows = [difference.as_dict() for difference in self.differences]
        return {"a": list(self.a), "b": list(self.b), **self.facts, **how, "differences": rows}

    def rows(self) -> list[tuple[str, ...]]:
        """Table rows under TABLE_HEADER."""
        return [difference.row() for difference in self.differences]

    def markdown(self) -> str:
        """The table in Markdown, with the line that says what was compared."""
        return "\n".join([*markdown_table(TABLE_HEADER, self.rows()), "", self.caption()])

    def caption(self) -> str:
        """One line: which files, on what, and how."""
        post = {"none": "no post-processing"}.get(self.post, self.post)
        post += ", which uses the whole set of queries" if self.post != "none" and "within-" not in self.post else ""
        num_seeds = max(len(self.a), len(self.b))
        seeds = "and training seeds" if num_seeds > 1 else "; the spread over training seeds is not known from one"
        parts = [
            f"A: {', '.join(self.a)}. B: {', '.join(self.b)}. "
            f"{one_line(self.facts['data'], 1000)}, split {one_line(self.facts['split'])}, {post}; {self.sampling}. "
            f"Intervals and two-sided p by paired bootstrap over clips ({self.num_resamples:,} resamples, "
            f"seed {self.seed}) {seeds}. p (Holm) is corrected for all {len(self.differences)} rows; "
            f"* marks those below {CLEAR_AT:g}.".replace(" ;", ";"),
            self.too_few_note(),
            self.notes,
            without_clips_note(self.without_clips),
        ]
        return " ".join(filter(None, parts))

    def too_few_note(self) -> str:
        """A sentence where no row could be marked, however far apart A and B are; else empty.

        The least p is that of resamples which all fall on one side: 2 / (resamples + 1).
        """
        rows = len(self.differences)
        least = min(2 * rows / (self.num_resamples + 1), 1.0)
        if least < CLEAR_AT:
            return ""
        return (
            f"No row can be marked with so few resamples: of {rows} rows p (Holm) is at least {least:.2g}. "
            f"Give --resamples {round(2 * rows / CLEAR_AT)} or more."
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

    A side's value is the mean over its files. Memory: about 16 bytes a query for each metric and file, and 40 MiB. The
    same files on both sides differ in nothing. Raises ResultsError when two files are not of the same data, split,
    gallery, rules and post-processing, or when two of a side are of one trained model or encoded by different rules.
    """
    assert results_a and results_b, "each side needs a file"
    assert num_resamples > 0, num_resamples
    require_same([*results_a, *results_b], post)
    for side in (results_a, results_b):
        require_seeds(side)
        require_one_sampling(side)
    paths = tuple(tuple(one.path for one in side) for side in (results_a, results_b))
    files = [*results_a, *results_b]
    differences: list[Difference] = []
    directions, left_out = common_directions(files, post)
    for direction in directions:
        ranks = [file.ranks[post][direction] for file in files]
        pair = _Pair(direction, ranks[: len(results_a)], ranks[len(results_a) :], sorted(paths[0]) == sorted(paths[1]))
        differences += pair.differences(num_resamples, seed)
    corrected = zip(differences, holm([one.p_value for one in differences]), strict=True)
    differences = [replace(one, p_holm=p_holm) for one, p_holm in corrected]
    first = results_a[0].facts
    facts = {name: first.get(name) for name in ("data", *FACTS) if name != "post_processing"}
    notes = " ".join(filter(None, (recipes_note("A", results_a), recipes_note("B", results_b), left_out)))
    return Comparison(
        *paths, facts, post, num_resamples, seed, tuple(differences), sampling_note(results_a, results_b), notes,
        files_without_clips(files),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Pair:
    """One direction of both sides."""

    direction: str
    a: Sequence[Ranks]
    b: Sequence[Ranks]
    is_same: bool
    """Whether both sides are the same files."""

    def differences(self, num_resamples: int, seed: int) -> Iterator[Difference]:
        """One a metric; p is not corrected yet."""
        ks = recall_at(self.direction)
        ranks = next((one for one in (*self.a, *self.b) if one.clip is not None), self.a[0])
        values = [np.array([_statistics(one, ks) for one in side]) for side in (self.a, self.b)]
        samples = self._samples(ks, ranks, num_resamples, seed)
        for column, name in enumerate((*(f"r{k}" for k in ks), "medr", "meanr")):
            a, b = (float(side[:, column].mean()) for side in values)
            drawn = samples[:, column]
            ends = interval(drawn) if self.is_same else _interval(name, drawn, a - b, ranks)
            # With few clips even a sign test in which all agree cannot say more.
            p = min(max(p_value(drawn), 2.0 ** (1 - ranks.num_clips)), 1.0)
            yield Difference(self.direction, name, a, b, a - b, ends, p, p, len(ranks), ranks.num_items)

    def _samples(self, ks: tuple[int, ...], ranks: Ranks, num: int, seed: int) -> Float64[np.ndarray, "B K"]:
        """A minus B in each resample: a column for each metric."""
        if self.is_same:
            return np.zeros((num, len(ks) + 2))
        sides = [[_Resampled(one, ks) for one in side] for side in (self.a, self.b)]
        blocks: list[list[np.ndarray]] = [[], []]
        for counts in resampled_queries(ranks.clips, num, seed):
            for side, drawn in zip(sides, blocks, strict=True):
                drawn.append(np.stack([one(counts) for one in side], axis=1))
        a, b = (np.concatenate(drawn) for drawn in blocks)  # B M K
        apart = over_seeds(for_few_clips(a.mean(axis=1) - b.mean(axis=1), ranks.num_clips), [a, b], seed)
        return apart.round(12)  # what is equal but for the order of adding is equal


def _interval(
    name: str, samples: Float64[np.ndarray, " B"], difference: float, ranks: Ranks
) -> tuple[float, float] | None:
    """95% interval of a metric's difference, which lies between bounds; None for a median that does not vary."""
    if name == "medr":
        return interval(samples) if np.ptp(samples) > 0 else None
    bound = ranks.num_items - 1.0 if name == "meanr" else 1.0
    return bounded_interval(samples, difference, ranks.num_clips, -bound, bound)


class _Resampled:
    """The metrics of one file over each resample, in the order of `_statistics`."""

    def __init__(self, ranks: Ranks, ks: tuple[int, ...]) -> None:
        expected = ranks.expected()
        self._values = np.stack([*(ranks.hits(k) for k in ks), expected], axis=1)
        self._medians = Medians(expected)

    def __call__(self, counts: Float64[np.ndarray, "S Q"]) -> Float64[np.ndarray, "S K"]:
        of_means = means(counts, self._values)
        return np.column_stack([of_means[:, :-1], self._medians(counts), of_means[:, -1]])


def _statistics(ranks: Ranks, ks: tuple[int, ...]) -> list[float]:
    """Recalls, median rank and mean rank."""
    expected = ranks.expected()
    return [*(float(ranks.hits(k).mean()) for k in ks), float(np.median(expected)), float(expected.mean())]
