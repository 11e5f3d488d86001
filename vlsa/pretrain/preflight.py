"""How far a data set goes, before anything is trained: its size, and which of its clips an objective can match.

Reads the facts of the clips (no media is decoded); used by loop.py and finetune.py.
"""

import logging
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vlsa.base.console import duration
from vlsa.base.errors import ConfigError, StoreError
from vlsa.config import MODALITIES, Config, Pair
from vlsa.data.clip import Dataset, facts_of

FEW_CLIPS = 1000
"""Below this a model trained from scratch memorises its clips (docs/training.md)."""
FEW_MATCHED = 4
"""Expected clips a batch with both modalities of a pair; below, most steps have hardly a negative."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataSummary:
    """Facts of the training clips, and how many of them have both modalities of each pair."""

    name: str
    num_clips: int
    num_captions: int
    """Distinct ones."""
    seconds: float
    num_matched: dict[Pair, int]
    is_small: bool
    """Whether a model that starts from these clips alone would learn them, and not footage like them."""

    def __str__(self) -> str:
        clips, captions = (f"{num:,} {noun}{'s' * (num != 1)}" for num, noun in self._counts())
        size = f"{clips}, {captions}, {duration(self.seconds)}"
        matched = ", ".join(f"{pair} {num / max(self.num_clips, 1):.0%}" for pair, num in self.num_matched.items())
        return f"{size}; clips that can be matched: {matched}" if matched else size

    def _counts(self) -> tuple[tuple[int, str], ...]:
        return (self.num_clips, "clip"), (self.num_captions, "distinct caption")

    def log(self, config: Config) -> None:
        """One line about the data; a warning for each pair that a batch seldom holds."""
        advice = (
            f". From scratch, fewer than about {FEW_CLIPS:,} clips teach a model these clips, not footage like them: "
            "vlsa evaluate on held-out clips measures it; --init starts from public weights"
        )
        _LOG.info("%s: %s%s", self.name, self, advice if self.is_small else "")
        for pair, num_matched in self.num_matched.items():
            expected = config.train.batch_size * num_matched / self.num_clips
            if expected < FEW_MATCHED and num_matched >= 2:
                _LOG.warning(
                    "%s: a batch of %d holds %.1f clips with both on average, so that most steps learn little of this "
                    "pair; raise train.batch_size, or add such clips",
                    pair,
                    config.train.batch_size,
                    expected,
                )


def summarise(source: Dataset, pairs: Sequence[Pair], *, from_scratch: bool = True) -> DataSummary:
    """The facts of a data set's training clips."""
    facts = facts_of(source.rows("train"))
    num_clips, has = len(facts.duration_seconds), facts.modalities
    return DataSummary(
        name=str(getattr(source, "path", "clips")),
        num_clips=num_clips,
        num_captions=_num_distinct(source.texts("train")),
        seconds=float(facts.duration_seconds.sum()),
        num_matched={pair: int(np.all([has[name] for name in pair.split("-")], axis=0).sum()) for pair in pairs},
        is_small=from_scratch and num_clips < FEW_CLIPS,
    )


def log_small_frames(source: Dataset, config: Config) -> None:
    """A warning for frames that are kept smaller than the model takes them, and would be enlarged."""
    video = config.model.video
    if small := small_frames(source, video.size_px):
        fitting_px = max((kept_px(source) or 0) // video.patch_px, 1) * video.patch_px
        _LOG.warning("%s; prepare the data for this recipe, or set model.video.size_px=%d", small, fitting_px)


def small_frames(source: Dataset, size_px: int) -> str:
    """What is said of frames that are kept smaller than a model takes them; empty if they are not."""
    short_px = kept_px(source)
    if short_px is None or short_px >= size_px:
        return ""
    return (
        f"{getattr(source, 'path', 'clips')}: the short side of its frames is {short_px} px, and the model takes "
        f"{size_px} px: they are enlarged, which costs more and shows no more"
    )


def kept_px(source: Dataset) -> int | None:
    """The short side of the frames of a store or a made world; None where it is not known."""
    holders = getattr(source, "settings", None), getattr(source, "spec", None)
    return getattr(holders[0], "short_side_px", None) or getattr(holders[1], "px", None)


def _num_distinct(texts: Iterable[str]) -> int:
    """By hashes of 64 bits, so that ten million texts take 80 MB."""
    return len(np.unique(np.fromiter(map(hash, texts), np.int64)))


def require_pairs(source: Dataset, config: Config, *, all_of_them: bool = False) -> DataSummary:
    """The facts of the training clips, when GAM can match them.

    Raises ConfigError for batches of one clip, StoreError when no pair, or with `all_of_them` not each pair, has two
    clips; otherwise such a pair is logged as left out.
    """
    objective = config.model.objective
    pairs = objective.pairs if objective.global_weight else ()
    summary = summarise(source, pairs, from_scratch=not config.train.init)
    if pairs and config.train.batch_size < 2:
        raise ConfigError(
            "train.batch_size=1: a clip has no other clip to be contrasted with, so that nothing would be matched. "
            "Set train.batch_size=2 or more, or model.objective.global_weight=0."
        )
    if objective.global_weight and objective.is_triple:
        _require_triples(source, summary.name, objective.contrast)
    missing = [pair for pair in pairs if summary.num_matched[pair] < 2]
    if not missing:
        return summary
    found = [_shortage(summary, pair) for pair in missing]
    if len(missing) == len(pairs) or all_of_them:
        raise StoreError(
            f"{found[0]}, so that {missing[0]} has nothing to match. Add what is missing (captions, or footage with "
            f"audio), or {_instead(source, all_of_them)}."
        )
    for what, pair in zip(found, missing, strict=True):
        _LOG.info("%s; the pair %s is left out", what, pair)
    return summary


def _instead(source: Dataset, is_finetuning: bool) -> str:
    """What could be trained on these clips."""
    num_matched = summarise(source, typing.get_args(Pair)).num_matched
    pairs = [pair for pair, num in num_matched.items() if num >= 2]
    if is_finetuning:
        names = [f"--pair {pair}" for pair in pairs]
        return f"match what there is: {' '.join(names)}" if names else "choose other data: these have no pair at all"
    if pairs:
        return f"match what there is: --set model.objective.pairs={','.join(pairs)}"
    return "train without matching: --recipe RECIPE/lpmm-only"


def _shortage(summary: DataSummary, pair: Pair) -> str:
    one, other = pair.split("-")
    return f"{summary.name}: {summary.num_matched[pair] or 'no'} clip of split train has both {one} and {other}"


def without_unmatched_pairs(config: Config, summary: DataSummary) -> Config:
    """The settings without pairs that no clips have, if each pair has a space: it would be compared in untrained."""
    objective = config.model.objective
    if objective.heads != "pair" or not objective.global_weight:
        return config
    pairs = tuple(pair for pair in objective.pairs if summary.num_matched[pair] >= 2)
    return replace(config, model=replace(config.model, objective=replace(objective, pairs=pairs)))


def _require_triples(source: Dataset, name: str, contrast: str) -> None:
    has = facts_of(source.rows("train")).modalities
    num_clips, num_whole = len(has["text"]), int(np.all([has[name] for name in MODALITIES], axis=0).sum())
    if 2 <= num_whole < num_clips / 2:
        _LOG.warning(
            "%d of %d clips have video, audio and text; model.objective.contrast=%s learns from no other",
            num_whole,
            num_clips,
            contrast,
        )
    if num_whole < 2:
        raise StoreError(
            f"{name}: {num_whole or 'no'} clip of split train has video, audio and text, which "
            f"model.objective.contrast={contrast} contrasts at once. Add what is missing, or set "
            "model.objective.contrast=softmax, which takes pairs."
        )
