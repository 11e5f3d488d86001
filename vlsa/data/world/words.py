"""The captions of a log: a label, a full caption, and paraphrases that leave facts out.

Reads events.py; used by write.py and clips.py.
"""

from typing import Literal

import numpy as np

from vlsa.data.world.events import ClipLog, Facts

Level = Literal["label", "template", "paraphrase"]
NAMED = ("shape", "colour", "size", "material", "motion", "count", "tempo", "direction", "ambience", "companion")

SIZE_WORDS = {"small": ("small", "little", "tiny"), "medium": ("medium", "middling"), "big": ("big", "large", "huge")}
SHAPE_WORDS = {"ball": ("ball", "sphere"), "block": ("block", "cube"), "triangle": ("triangle",), "star": ("star",)}
MATERIAL_WORDS = {"wood": ("wooden",), "metal": ("metal", "steel"), "glass": ("glass",), "rubber": ("rubber",)}
MOTION_WORDS = {
    "bounce": ("bounces", "hops on the floor"),
    "knock": ("knocks between the walls", "flies from wall to wall"),
    "stairs": ("drops down the stairs", "tumbles down the steps"),
    "swing": ("swings against a post", "swings on a rope"),
}
COUNT_WORDS = {1: ("once",), 2: ("twice",), 3: ("three times",), 4: ("four times",), 5: ("five times",)}
TEMPO_WORDS = {"slow": ("slowly", "at a slow pace"), "fast": ("quickly", "fast")}
DIRECTION_WORDS = {"left": ("towards the left", "to the left"), "right": ("towards the right", "to the right")}
AMBIENCE_WORDS = {
    "bird": ("while a bird chirps", "while birds sing"),
    "hum": ("over a low hum", "while something hums"),
    "rain": ("while rain falls", "in the rain"),
}


def caption(log: ClipLog, rng: np.random.Generator, level: Level) -> str:
    """One caption. `label` is terse and always the same, `template` names every fact, `paraphrase` drops 20-50%.

    `template` and `paraphrase` choose among synonyms by `rng`.
    """
    facts = log.facts
    if level == "label":
        return f"{facts.colour} {facts.shape}, {facts.material}, {_label_motion(facts)}"
    if level == "template":
        return _sentence(facts, rng, set(NAMED), plain=True)
    named = [name for name in NAMED if name not in ("ambience", "companion")]
    named += ["ambience"] * (facts.ambience != "none") + ["companion"] * (facts.companion is not None)
    num_dropped = round(rng.uniform(0.2, 0.5) * len(named))
    kept = set(rng.permutation(named)[num_dropped:].tolist())
    return _sentence(facts, rng, kept, plain=False)


def captions(log: ClipLog, rng: np.random.Generator, split: str) -> tuple[str, ...]:
    """The captions of a clip: a full one; in training two paraphrases more."""
    levels: tuple[Level, ...] = ("template", "paraphrase", "paraphrase") if split == "train" else ("template",)
    return tuple(caption(log, rng, level) for level in levels)


def _label_motion(facts: Facts) -> str:
    verb = {"bounce": "bounces", "knock": "knocks", "stairs": "drops", "swing": "swings"}[facts.motion]
    return f"{verb} {facts.count} {'time' if facts.count == 1 else 'times'}"


def _pick(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[rng.integers(len(words))]


def _sentence(facts: Facts, rng: np.random.Generator, kept: set[str], plain: bool) -> str:
    """Subject, action, manner, surroundings; a paraphrase may put the surroundings first."""
    subject = _subject(facts, rng, kept)
    deed = _pick(rng, MOTION_WORDS[facts.motion]) if "motion" in kept else ""
    manner = [
        _pick(rng, words[getattr(facts, name)])
        for name, words in (("count", COUNT_WORDS), ("tempo", TEMPO_WORDS), ("direction", DIRECTION_WORDS))
        if name in kept
    ]
    if not deed and manner:
        deed = _pick(rng, ("moves", "goes"))
    around = _surroundings(facts, rng, kept)
    parts = [subject, deed, *manner]
    if not plain and len(around) == 1 and rng.integers(2):
        parts = [around[0] + ",", *parts]
    else:
        parts += around
    return " ".join(part for part in parts if part)


def _subject(facts: Facts, rng: np.random.Generator, kept: set[str]) -> str:
    words = [
        _pick(rng, table[getattr(facts, name)])
        for name, table in (("size", SIZE_WORDS), ("material", MATERIAL_WORDS))
        if name in kept
    ]
    if "colour" in kept:
        words.insert(1 if "size" in kept else 0, facts.colour)
    words.append(_pick(rng, SHAPE_WORDS[facts.shape]) if "shape" in kept else _pick(rng, ("thing", "object")))
    return ("an " if words[0] == "object" else "a ") + " ".join(words)


def _surroundings(facts: Facts, rng: np.random.Generator, kept: set[str]) -> list[str]:
    around = []
    if "companion" in kept and facts.companion is not None:
        colour, shape = facts.companion
        around.append(f"{_pick(rng, ('under', 'below'))} a {colour} {_pick(rng, SHAPE_WORDS[shape])}")
    if "ambience" in kept and facts.ambience != "none":
        around.append(_pick(rng, AMBIENCE_WORDS[facts.ambience]))
    return around
