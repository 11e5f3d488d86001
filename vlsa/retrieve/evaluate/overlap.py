"""What makes an evaluation too easy or unfair: captions that clips share, files in two splits, mixed sources.

Reads embeddings and the rows of a data set; feeds evaluate.py. Rows without a `source` (a made world, clips in memory)
say nothing about files. Axes: N clips.
"""

import os
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from vlsa.base.errors import ConfigError, VlsaError
from vlsa.config.overrides import nearest
from vlsa.data.clip import Dataset, sources_of
from vlsa.retrieve.encode.embed import ClipEmbeddings

TRAIN_SPLIT = "train"
GROUPS = {"folder": os.path.dirname, "file": os.path.realpath}
"""Name of a kind of group -> the group of a clip, from the path of its media file."""


@dataclass(frozen=True)
class Overlap:
    """What the clips of a split share with each other, and with the training split."""

    num_texts: int
    num_shared_texts: int
    """Captions that another clip of the split has too, letter for letter."""
    num_trained_clips: int
    """Clips of files that the training split holds clips of, too."""
    num_trained_files: int

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        captions = {"queries": self.num_shared_texts, "share": self.num_shared_texts / max(self.num_texts, 1)}
        files = {"clips": self.num_trained_clips, "files": self.num_trained_files}
        return {"captions_of_several_clips": captions, "files_also_in_train": files}

    def notes(self, split: str, identical_captions_count: bool) -> list[str]:
        """A sentence for each kind of overlap that there is."""
        notes = []
        if self.num_shared_texts:
            share = f"{self.num_shared_texts:,} of {self.num_texts:,} captions"
            percent = f"{100 * self.num_shared_texts / self.num_texts:.1f} %"
            rule = (
                "each of those clips counts as right, which raises the recall of chance too"
                if identical_captions_count
                else "only a caption's own clip counts as right; --identical-captions counts each of them"
            )
            notes.append(f"Warning: {share} ({percent}) also belong to another clip; {rule}.")
        if self.num_trained_clips:
            notes.append(
                f"Warning: {self.num_trained_clips:,} clips of split {split} are of {self.num_trained_files:,} files "
                f"that split {TRAIN_SPLIT} holds clips of, too; a model that was trained on that split is measured too "
                "well. Put all clips of a file into one split."
            )
        return notes


def overlap_of(embeddings: ClipEmbeddings, dataset: Dataset, split: str) -> Overlap:
    """What the clips of a split share with each other, and with the training split."""
    clips_of_text = defaultdict(set)
    for text, clip in zip(embeddings.texts, embeddings.text_clip.tolist(), strict=True):
        clips_of_text[text].add(clip)
    own, trained = (_files(dataset, one) if split != TRAIN_SPLIT else [] for one in (split, TRAIN_SPLIT))
    shared = set(own) & set(trained)
    return Overlap(
        num_texts=len(embeddings.texts),
        num_shared_texts=sum(len(clips_of_text[text]) > 1 for text in embeddings.texts),
        num_trained_clips=sum(file in shared for file in own),
        num_trained_files=len(shared),
    )


def _files(dataset: Dataset, split: str) -> list[str]:
    """The real path of each clip's media file, where rows name one."""
    sources = list(filter(None, sources_of(dataset.rows(split))))
    real = {source: os.path.realpath(source) for source in set(sources)}
    return [real[source] for source in sources]


def check_within(within: str | None) -> None:
    """Raises ConfigError for an unknown kind of group."""
    if within is not None and within not in GROUPS:
        raise ConfigError(f"--within {within}: no such group of clips. {nearest(within, GROUPS)}")


def groups_of(dataset: Dataset, split: str, within: str, data: str) -> list[Int64[np.ndarray, " _"]]:
    """The numbers of the clips of each folder, or file; one that is alone there is left out: it would always be found.

    Raises VlsaError when the clips have no source, or when no two of them are of one group.
    """
    sources = sources_of(dataset.rows(split))
    if not all(sources):
        raise VlsaError(
            f"{data}: its clips do not name their media files; --within {within} cannot group them. Leave it out."
        )
    groups = defaultdict(list)
    for number, source in enumerate(sources):
        groups[GROUPS[within](source)].append(number)
    several = [np.array(numbers, np.int64) for numbers in groups.values() if len(numbers) > 1]
    if not several:
        raise VlsaError(
            f"{data}: no {within} holds two clips of split {split!r}; there is nothing to rank within one. "
            f"Leave --within {within} out."
        )
    return several


def clips_of(embeddings: ClipEmbeddings, rows: Int64[np.ndarray, " N"]) -> ClipEmbeddings:
    """Some of the clips, in order, with their texts."""
    place = np.full(len(embeddings), -1)
    place[rows] = np.arange(len(rows))
    texts = np.flatnonzero(place[embeddings.text_clip] >= 0)
    media = {name: getattr(embeddings, name)[rows] for name in ("video", "has_video", "audio", "has_audio")}
    return ClipEmbeddings(
        ids=tuple(embeddings.ids[row] for row in rows.tolist()),
        text=embeddings.text[texts],
        text_clip=place[embeddings.text_clip[texts]],
        texts=tuple(embeddings.texts[number] for number in texts.tolist()),
        spaces=embeddings.spaces,
        fusion=embeddings.fusion,
        **media,
    )
