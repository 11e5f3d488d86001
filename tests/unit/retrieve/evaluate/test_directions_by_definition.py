"""Twelve directions against their definition in docs/evaluation.md, written down anew with loops over vectors."""

import numpy as np
import pytest

from vlsa.retrieve.encode.embed import ClipEmbeddings
from vlsa.retrieve.encode.unit_vectors import unit_length
from vlsa.retrieve.evaluate.directions import evaluate_embeddings
from vlsa.retrieve.evaluate.results import DIRECTIONS

PAIRS = ("audio-video", "audio-text", "video-text")
CORNERS = (-1.0, -0.5, 0.5, 1.0)
"""Vectors of few values, so that scores tie."""


def random_embeddings(seed: int, spaces: tuple[str, ...]) -> ClipEmbeddings:
    """Clips without some of their modalities, with equal vectors and equal captions."""
    rng = np.random.default_rng(seed)
    num_clips, width = int(rng.integers(3, 14)), 3
    owners = np.sort(rng.integers(num_clips, size=int(rng.integers(1, 2 * num_clips))))

    def vectors(modality: str, there: np.ndarray) -> np.ndarray:
        drawn = rng.choice(CORNERS, size=(len(there), len(spaces) * width)).astype(np.float32)
        drawn = unit_length(drawn, len(spaces))
        for number, space in enumerate(spaces):
            if space != "all" and modality not in space.split("-"):
                drawn[:, number * width : (number + 1) * width] = 0
        drawn[~there] = 0
        return drawn

    has_video, has_audio = (rng.random(num_clips) < 0.7 for _ in range(2))
    return ClipEmbeddings(
        ids=tuple(f"clip {number}" for number in range(num_clips)),
        video=vectors("video", has_video),
        has_video=has_video,
        audio=vectors("audio", has_audio),
        has_audio=has_audio,
        text=vectors("text", np.ones(len(owners), bool)),
        text_clip=owners,
        texts=tuple(f"caption {letter}" for letter in rng.choice(list("abcdef"), size=len(owners))),
        spaces=spaces,
    )


def things(clips: ClipEmbeddings, name: str) -> list[tuple[int, str | None, list[np.ndarray]]]:
    """Of each query or item: its clip, the caption that it is or has in it, and the vectors that it is made of."""
    media = {"video": (clips.has_video, clips.video), "audio": (clips.has_audio, clips.audio)}
    number_of_clips = len(clips.ids)
    if name in media:
        there, vectors = media[name]
        return [(clip, None, [vectors[clip]]) for clip in range(number_of_clips) if there[clip]]
    if name == "media":
        parts = {clip: [v[clip] for there, v in media.values() if there[clip]] for clip in range(number_of_clips)}
        return [(clip, None, vectors) for clip, vectors in parts.items() if vectors]
    captions = list(zip(clips.text_clip.tolist(), clips.texts, clips.text, strict=True))
    if name == "text":
        return [(clip, text, [vector]) for clip, text, vector in captions]
    there, vectors = media[name.removesuffix("_text")]
    return [(clip, text, [vectors[clip], vector]) for clip, text, vector in captions if there[clip]]


def score(query: list[np.ndarray], item: list[np.ndarray], one_space: bool) -> np.float32:
    """A dot product: of renormalised means in one space, the mean of the cosines with several."""

    def fused(parts: list[np.ndarray]) -> np.ndarray:
        total = np.mean(np.stack(parts).astype(np.float64), axis=0)
        if one_space and len(parts) > 1:
            length = float(np.sqrt((total**2).sum()))
            total = total / length if length > 1e-9 else np.zeros_like(total)
        return total.astype(np.float32).astype(np.float64)

    return np.float32((fused(query) * fused(item)).sum())


def expected(clips: ClipEmbeddings, direction: str, captions_count: bool) -> list[float] | None:
    """The mean rank of each query that has a right item, over random orders of ties; then how many have none."""
    query_name, item_name = DIRECTIONS[direction]
    queries, items = things(clips, query_name), things(clips, item_name)
    ranks, num_missing = [], 0
    for clip, text, vectors in queries:
        asked = {clip}
        if captions_count and query_name == "text":
            asked |= {
                other for other, words in zip(clips.text_clip.tolist(), clips.texts, strict=True) if words == text
            }
        right = {number for number, (owner, _, _) in enumerate(items) if owner in asked}
        if captions_count and item_name == "text":
            own = {items[number][1] for number in right}
            right |= {number for number, (_, words, _) in enumerate(items) if words in own}
        if not right:
            num_missing += 1
            continue
        scores = [score(vectors, other, clips.spaces == ("all",)) for _, _, other in items]
        best = max(scores[number] for number in right)
        wrong = [value for number, value in enumerate(scores) if number not in right]
        tied_right = sum(scores[number] == best for number in right)
        ranks.append(1 + sum(v > best for v in wrong) + sum(v == best for v in wrong) / (tied_right + 1))
    num_missing += len({clip for clip, _, _ in items} - {clip for clip, _, _ in queries})
    return [*ranks, num_missing] if ranks else None


def is_told(clips: ClipEmbeddings, direction: str) -> bool:
    """A direction that fuses two modalities is left out where no clip has all three."""
    fuses = any(side in ("media", "video_text", "audio_text") for side in DIRECTIONS[direction])
    has_text = {int(clip) for clip in clips.text_clip}
    whole = (clips.has_video[clip] and clips.has_audio[clip] and clip in has_text for clip in range(len(clips.ids)))
    return not fuses or any(whole)


@pytest.mark.parametrize("captions_count", [False, True])
@pytest.mark.parametrize("spaces", [("all",), PAIRS])
def test_ranks_and_missing_queries_of_every_direction_are_those_of_the_definition(spaces, captions_count):
    num_compared = 0
    for seed in range(12):
        clips = random_embeddings(seed, spaces)
        found = evaluate_embeddings(clips, num_resamples=0, identical_captions_count=captions_count)
        for direction in DIRECTIONS:
            wanted = expected(clips, direction, captions_count) if is_told(clips, direction) else None
            if wanted is None:
                assert direction not in found, (seed, direction)
                continue
            result = found[direction]
            assert [*result.ranks.expected(), result.num_missing] == pytest.approx(wanted), (seed, direction)
            num_compared += 1
    assert num_compared > 100
