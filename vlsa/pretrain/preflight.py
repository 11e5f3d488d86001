"""Whether a data set has the modalities that an objective matches, before anything is trained.

Reads the facts of the clips (no media is decoded); used by loop.py and finetune.py.
"""

import logging
from collections.abc import Sequence
from typing import Any

from vlsa.base.errors import StoreError
from vlsa.config import Config, Pair
from vlsa.data.clip import Dataset

WORDS = {"video": "a picture", "audio": "sound", "text": "words"}


def unmatched(source: Dataset, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs of which no training clip has both modalities."""
    rows = source.rows("train")
    return [pair for pair in pairs if not any(all(_has(row, name) for name in pair.split("-")) for row in rows)]


def require_pairs(source: Dataset, config: Config, *, all_of_them: bool = False) -> None:
    """Raises StoreError when GAM has nothing to match; a part of it that has nothing is a note, or an error too."""
    objective = config.model.objective
    pairs = objective.pairs if objective.global_weight else ()
    missing = unmatched(source, pairs)
    if not missing:
        return
    one, other = (WORDS[name] for name in missing[0].split("-"))
    told = f"{getattr(source, 'path', 'clips')}: no clip of split train has both {one} and {other}"
    if len(missing) == len(pairs) or all_of_them:
        raise StoreError(
            f"{told}, so that {missing[0]} has nothing to match. Add what is missing (captions, or footage with sound) "
            "or match other pairs."
        )
    logging.getLogger(__name__).info("%s; the pair %s is left out", told, missing[0])


def _has(row: Any, modality: str) -> bool:
    if modality == "video":
        return len(row.frame_seconds) > 0
    return row.num_samples > 0 if modality == "audio" else len(row.texts) > 0
