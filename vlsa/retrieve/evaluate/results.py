"""The results of an evaluation, as tables and as results.json.

Reads scores (metrics.py) by direction (directions.py); used by the command line, show/report.py and, through
results_file.py, compare.py.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlsa.retrieve.evaluate.items import parts_of
from vlsa.retrieve.evaluate.metrics import RECALL_AT, TIE_RULE, Scores
from vlsa.retrieve.evaluate.overlap import Overlap
from vlsa.retrieve.evaluate.ranks import Ranks
from vlsa.retrieve.evaluate.results_file import FORMAT, VERSION, write_results

DIRECTIONS = {
    f"{query}_to_{item}": (query, item)
    for query, item in [
        ("text", "video"), ("text", "audio"), ("audio", "video"),
        ("video", "text"), ("audio", "text"), ("video", "audio"), ("text", "media"), ("media", "text"),
        ("video_text", "audio"), ("audio", "video_text"), ("audio_text", "video"), ("video", "audio_text"),
    ]
}  # fmt: skip
"""Name -> query and gallery: the six of two modalities, and the six of two modalities fused against the third.

Media is video and audio fused, as an index has it.
"""
WATCHED = {name: DIRECTIONS[name] for name in list(DIRECTIONS)[:7]}
"""Those of one modality each, and text to media: what training logs and galleries show."""
WIDE_RECALL = 50
"""k of one more recall, between text and audio only, as is common in audio retrieval."""
TABLE_RECALL_AT = (*RECALL_AT, WIDE_RECALL)


def table_header(ks: Sequence[int]) -> tuple[str, ...]:
    """The columns of a table with R@k for these k."""
    return "direction", *(f"R@{k} %" for k in ks), "MedR", "chance R@1/5/10 %", "N", "Q"


# Results are comparable only if they state the same protocol: changing a letter here makes older files incomparable.
PROTOCOL = (
    "Each caption is a query; a clip as query takes the best rank among its captions. The gallery holds every item "
    "that has the modality. Scores: dot products rounded to float32. The headline is over queries with a right item; "
    "missing_counts_as_wrong is over all."
)
SAME_CAPTION = "a caption counts for every clip that has it where it is the whole query or the whole item"
"""The rule of identical captions, where they count; files of before 0.11 state none, and counted fused ones too."""
INTERVAL = "95%, cluster bootstrap over clips"


def direction_label(direction: str) -> str:
    """For tables: text_to_video becomes "text → video", text_to_media "text → video+audio"."""
    return " → ".join("+".join(parts_of(side)) for side in direction.split("_to_"))


def recall_at(direction: str) -> tuple[int, ...]:
    """The k of a direction's R@k."""
    return TABLE_RECALL_AT if set(direction.split("_to_")) == {"text", "audio"} else RECALL_AT


@dataclass(frozen=True)
class DirectionResult:
    """One direction: the scores over pairs of which both sides exist, chance, and the missing queries."""

    direction: str
    scores: Scores
    chance: Scores
    """Of a model that gives every item the same score, by the same tie rule."""
    num_missing: int
    """Further queries (captions, or clips) whose clip lacks one of the two modalities."""
    recall_missing_as_wrong: dict[int, float]
    """k -> recall over all queries, with the missing ones as wrong."""
    ranks: Ranks
    """The outcome of each query, for paired comparisons."""
    queries_digest: str
    gallery_digest: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, without the outcome of each query."""
        missing = {f"r{k}": share for k, share in self.recall_missing_as_wrong.items()}
        all_queries = {"Q": self.scores.num_queries + self.num_missing, "missing_queries": self.num_missing, **missing}
        digests = {"queries_digest": self.queries_digest, "gallery_digest": self.gallery_digest}
        others = {"chance": self.chance.as_dict(), "missing_counts_as_wrong": all_queries}
        return {**self.scores.as_dict(), **others, **digests}

    def row(self, ks: Sequence[int] = TABLE_RECALL_AT) -> tuple[str, ...]:
        """Cells under `table_header(ks)`; recalls in percent, "–" for one that is not measured."""
        recall = self.scores.recall
        recalls = [_percent(recall[k]) if k in recall else "–" for k in ks]
        chance = "/".join(_percent(self.chance.recall[k]) for k in RECALL_AT)
        size = (f"{self.scores.num_items:,}", f"{self.scores.num_queries:,}")
        return (direction_label(self.direction), *recalls, f"{self.scores.median_rank:g}", chance, *size)

    def note(self) -> str:
        """A sentence with the recalls that count queries without a correct item as wrong; empty if there are none."""
        if not self.num_missing:
            return ""
        recalls = "/".join(_percent(share) for share in self.recall_missing_as_wrong.values())
        names = "/".join(str(k) for k in self.recall_missing_as_wrong)
        where = f"{direction_label(self.direction)}: {self.num_missing:,} more queries lack one of the two sides"
        return f"{where}; counted as wrong, R@{names} are {recalls} %."


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


@dataclass(frozen=True)
class PostProcessed:
    """All directions again, after a re-ranking that uses all queries (rerank.py)."""

    name: str
    parameters: dict[str, Any]
    directions: dict[str, DirectionResult]


@dataclass(frozen=True)
class Within:
    """All directions again, each query ranked among the clips of its own folder or file (overlap.py)."""

    by: str
    """folder or file."""
    num_groups: int
    num_left_out: int
    """Clips that are alone in their group."""
    directions: dict[str, DirectionResult]

    @property
    def name(self) -> str:
        """Of its rows."""
        return f"within-{self.by}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, under the kind of group."""
        sizes = {"num_groups": self.num_groups, "num_left_out": self.num_left_out}
        return {self.by: {**sizes, "directions": _as_dicts(self.directions)}}

    def note(self) -> str:
        """A sentence about its rows."""
        left_out = f" {self.num_left_out:,} clips alone in theirs are left out;" if self.num_left_out else ""
        return (
            f"Rows {self.name}: each query is ranked only among the clips of its own {self.by} "
            f"({self.num_groups:,} in all);{left_out} N is that of the largest."
        )


@dataclass(frozen=True)
class Evaluation:
    """The scores and their conditions: data, split, sizes, seed, rules, code and versions."""

    data: str
    split: str
    num_clips: int
    num_texts: int
    directions: dict[str, DirectionResult]
    """Directions in which no clip has both modalities are left out."""
    seed: int = 0
    """Seed of the bootstrap."""
    identical_captions_count: bool = False
    model: dict[str, Any] = field(default_factory=dict)
    """Facts of the encoder: run, checkpoint, recipe, training seed, sampling, fingerprint."""
    commit: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    data_digest: str = ""
    """Of ids and captions of the split; the name of the data may differ from machine to machine."""
    post: tuple[PostProcessed, ...] = ()
    """Re-rankings, kept apart from `directions`."""
    within: Within | None = None
    overlap: Overlap | None = None

    def as_dict(self) -> dict[str, Any]:
        """The contents of results.json without the outcome of each query; recalls are shares in [0, 1]."""
        about = {"data": self.data, "data_digest": self.data_digest, "split": self.split}
        sizes = {"num_clips": self.num_clips, "num_texts": self.num_texts}
        rules = {"protocol": PROTOCOL, "tie_rule": TIE_RULE, "post_processing": "none", "interval": INTERVAL}
        rules |= {"identical_captions_count": self.identical_captions_count}
        rules |= {"identical_captions": SAME_CAPTION} if self.identical_captions_count else {}
        code = {"seed": self.seed, "commit": self.commit, "versions": self.versions}
        results: dict[str, Any] = {"directions": _as_dicts(self.directions)}
        if self.post:
            results["post_processed"] = {
                post.name: {"parameters": post.parameters, "directions": _as_dicts(post.directions)}
                for post in self.post
            }
        if self.within:
            results["within"] = self.within.as_dict()
        if self.overlap:
            results["overlap"] = self.overlap.as_dict()
        return {"format": FORMAT, "version": VERSION, **about, **sizes, "model": self.model, **rules, **code, **results}

    def write(self, path: str | Path) -> None:
        """Write results.json with the outcome of each query (results_file.py), atomically."""
        ranks = {
            name or "none": {direction: result.ranks for direction, result in directions.items()}
            for name, directions in self._groups()
        }
        write_results(path, self.as_dict(), ranks)

    def _groups(self) -> Iterator[tuple[str, dict[str, DirectionResult]]]:
        yield "", self.directions
        for one in (*self.post, *([self.within] if self.within else [])):
            yield one.name, one.directions

    @property
    def recall_at(self) -> tuple[int, ...]:
        """The k of the R@k that any direction has; those of the tables."""
        measured = {k for _, directions in self._groups() for one in directions.values() for k in one.scores.recall}
        return tuple(k for k in TABLE_RECALL_AT if k in measured)

    @property
    def header(self) -> tuple[str, ...]:
        """The columns of the tables."""
        return table_header(self.recall_at)

    def tables(self) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
        """Rows under `header` of the plain ranking, named "", of each re-ranking by name, and within groups."""
        for name, directions in self._groups():
            yield name, [result.row(self.recall_at) for result in directions.values()]

    def rows(self) -> list[tuple[str, ...]]:
        """Table rows under `header`, as text; recalls in percent; re-rankings and groups as rows of their own."""
        return [
            (f"{label}, {name}" if name else label, *cells) for name, rows in self.tables() for label, *cells in rows
        ]

    def markdown(self) -> str:
        """The table in Markdown, with its caption and notes."""
        notes = (f"\n{note}" for note in self.notes())
        return "\n".join([*markdown_table(self.header, self.rows()), "", self.caption(), *notes])

    def notes(self) -> list[str]:
        """Sentences: dashes, groups, recalls that count missing modalities as wrong, and warnings."""
        lacking = any(WIDE_RECALL not in result.scores.recall for result in self.directions.values())
        dash = lacking and WIDE_RECALL in self.recall_at
        notes = [f"R@{WIDE_RECALL} is measured between text and audio only (– elsewhere)."] if dash else []
        notes += [self.within.note()] if self.within else []
        notes += [result.note() for result in self.directions.values() if result.num_missing]
        return notes + self.warnings()

    def warnings(self) -> list[str]:
        """A sentence for each reason to doubt the scores."""
        return self.overlap.notes(self.split, self.identical_captions_count) if self.overlap else []

    def caption(self) -> str:
        """One line: data, split, gallery, tie rule, post-processing."""
        tied = sum(result.scores.num_tied for result in self.directions.values())
        same = "; identical captions count as correct" if self.identical_captions_count else ""
        fused = "; a+b is both fused" if any("+" in direction_label(name) for name in self.directions) else ""
        return (
            f"{self.data}, split {self.split}: {self.num_clips:,} clips, {self.num_texts:,} captions; "
            f"ties by {TIE_RULE} ({tied} tied queries){same}{fused}; {self._about_post()}."
        )

    def _about_post(self) -> str:
        if not self.post:
            return "no post-processing"
        names = "; ".join(f"{post.name} ({_parameters(post.parameters)})" for post in self.post)
        return f"no post-processing except in rows that name it, which use all queries: {names}"


def _parameters(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in parameters.items())


def _as_dicts(directions: dict[str, DirectionResult]) -> dict[str, Any]:
    return {name: result.as_dict() for name, result in directions.items()}


def markdown_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Lines of a Markdown table."""
    head = "| " + " | ".join(header) + " |"
    return [head, "|" + "---|" * (head.count(" | ") + 1), *("| " + " | ".join(row) + " |" for row in rows)]
