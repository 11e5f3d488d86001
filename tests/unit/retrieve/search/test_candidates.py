"""Answers of a large index by candidates, against the same answers by all windows."""

import numpy as np
import pytest

from vlsa.retrieve.encode.unit_vectors import fuse, unit_length
from vlsa.retrieve.search import answer as answering
from vlsa.retrieve.search import candidates, rough, searched
from vlsa.retrieve.search.answer import answer
from vlsa.retrieve.search.asked import Asked
from vlsa.retrieve.search.question import Part, Question
from vlsa.retrieve.search.searched import Cosines, Searched
from vlsa.retrieve.search.sketch import Sketch
from vlsa.retrieve.search.windows import Windows

NUM_FILES, PER_FILE, WIDTH, NUM_TOPICS = 60, 50, 32, 40
PAIRS = ("audio-video", "audio-text", "video-text")
TOPICS = unit_length(np.random.default_rng(0).normal(size=(NUM_TOPICS, WIDTH)).astype(np.float32))


def near(topics, spread=0.6):
    noise = np.random.default_rng(len(topics)).normal(size=(len(topics), WIDTH)).astype(np.float32) / WIDTH**0.5
    return unit_length(TOPICS[topics] + spread * noise)


def placed(rows, modality, spaces):
    """A vector in the spaces of its modality, another one in each."""
    parts = [
        np.roll(rows, number, axis=1) if space == "all" or modality in space.split("-") else 0 * rows
        for number, space in enumerate(spaces)
    ]
    return np.concatenate(parts, axis=1)


def made(spaces=("all",), dtype=np.float32):
    """Files whose topic lasts for five windows; every seventh window is silent."""
    num_windows = NUM_FILES * PER_FILE
    file, start = np.repeat(np.arange(NUM_FILES), PER_FILE), np.tile(np.arange(PER_FILE) * 1.5, NUM_FILES)
    generator = np.random.default_rng(1)
    topics = np.repeat(generator.integers(0, NUM_TOPICS, num_windows // 5), 5)
    heard = placed(near(topics)[:, ::-1], "audio", spaces)
    heard[::7] = 0
    texts = tuple(f"word{n % 20} and more" for n in range(NUM_FILES))
    at = np.full(NUM_FILES, 10.0)
    return Searched(
        paths=tuple(f"{number}.mp4" for number in range(NUM_FILES)),
        windows=Windows(file, start, start + 3),
        vectors={"video": placed(near(topics), "video", spaces).astype(dtype), "audio": heard.astype(dtype)},
        text_places=Windows(np.arange(NUM_FILES), at, at + 2),
        texts=texts,
        text_vectors=placed(near(generator.integers(0, NUM_TOPICS, NUM_FILES)), "text", spaces).astype(dtype),
        spaces=spaces,
    )


def asked(topic, weight=1.0, column="media", spaces=("all",)):
    modality = "text" if column == "media" else column
    vector = near([topic], 1.0)
    return Asked(
        weight, modality, column, placed(vector[:, ::-1] if column == "audio" else vector, modality, spaces), 1
    )


def words_in(column, topic, weight=1.0):
    """A part of words that is compared with one column, whatever the others are compared with."""
    vector = near([topic], 1.0)
    return Asked(weight, "text", column, vector[:, ::-1].copy() if column == "audio" else vector, 1)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A large index is one of over 1,000 windows here."""
    monkeypatch.setattr(answering, "MOST_EXACT", 1000)
    for name, value in {"CANDIDATES": 300, "FEW_KEPT": 100, "RANKED": 100, "GROWN": 60}.items():
        monkeypatch.setattr(candidates, name, value)
    monkeypatch.setattr(answering, "RANKED", 100)
    monkeypatch.setattr(searched, "SAMPLE", 1500)
    monkeypatch.setattr(rough, "DIRECTIONS", 16)


def places(found):
    return [(moment.path, moment.best_start_seconds) for moment in found.moments]


def compared(index, parts, question=None, **options):
    """The answers by candidates and by all windows."""
    question = question or Question(parts=(Part("text", "words"),))
    return answer(index, question, parts, **options), answer(index, question, parts, exact=True, **options)


QUESTIONS = {
    "words": [asked(3)],
    "a sum": [asked(3), asked(5, 0.5, "audio")],
    "without something": [asked(3), asked(3, -1.0, "audio")],
    "in texts": [asked(6, 1.0, "text")],
    "each part elsewhere": [
        words_in("video", 3),
        words_in("audio", 7),
        words_in("text", 5),
        words_in("video", 8, -0.5),
    ],
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_candidates_give_the_answer_of_all_windows(name):
    found, right = compared(made(), QUESTIONS[name])
    assert found.num_windows == right.num_windows == NUM_FILES * PER_FILE
    assert len({*places(found)} & {*places(right)}) >= 9
    first, best = found.moments[0], right.moments[0]
    assert (first.path, first.best_start_seconds) == (best.path, best.best_start_seconds)
    cosines, exact = ({reason.modality: reason.score for reason in one.why} for one in (first, best))
    assert cosines == pytest.approx(exact, abs=1e-6)  # candidates are compared exactly


def test_the_stand_out_of_a_sample_is_nearly_that_of_all_and_ranks_are_estimated():
    found, right = compared(made(), [asked(3)])
    for one, other in zip(found.moments, right.moments, strict=True):
        assert one.stand_out == pytest.approx(other.stand_out, rel=0.1)
        ranks, exact = ({reason.modality: reason.rank for reason in moment.why} for moment in (one, other))
        assert ranks.keys() == exact.keys()
        assert all(abs(np.log2(ranks[name] / exact[name])) < 1 for name in ranks)
    assert found.stands_out == right.stands_out


@pytest.mark.parametrize("share", [0.01, 0.03, 0.2])
def test_a_filter_costs_no_answers_whatever_it_keeps(share):
    index = made()
    kept = (np.arange(NUM_FILES) < share * NUM_FILES)[index.windows.file]
    found, right = compared(index, [asked(3)], kept=kept)
    assert len({*places(found)} & {*places(right)}) >= 0.9 * len(right.moments) > 0


def test_words_that_occur_are_candidates_and_phrases_hold():
    index = made()
    words = np.where(np.arange(NUM_FILES) % 20 == 3, 4.0, np.nan)
    found, right = compared(index, [asked(0)], words=words)
    assert places(found)[:3] == places(right)[:3] and found.stands_out
    apart = Question(parts=(Part("text", "words", target="text"), Part("text", "more")), target="video")
    found, right = compared(index, [words_in("text", 0), words_in("video", 0)], apart, words=words)
    assert places(found)[:3] == places(right)[:3]
    why = [[(one.modality, one.rank) for one in moment.why if one.modality == "words"] for moment in found.moments]
    assert why[0] == [("words", 1)] and why[:3] == [
        [(one.modality, one.rank) for one in moment.why if one.modality == "words"] for moment in right.moments[:3]
    ]
    phrase = Question(parts=(Part("text", "words"),), phrases=("word7 and",))
    found, right = compared(index, [asked(0)], phrase)
    assert {path for path, _ in places(found)} == {"7.mp4", "27.mp4", "47.mp4"} and places(found) == places(right)


@pytest.mark.parametrize("options", [{"group_by": "file"}, {"max_per_file": 1}, {"fold_above": 0.9}, {"k": 50}])
def test_grouping_folding_and_limits_hold(options):
    question = Question(parts=(Part("text", "words"),), **options)
    found, right = compared(made(), [asked(3)], question)
    assert len(found.moments) >= 0.9 * len(right.moments)
    assert len({*places(found)[:10]} & {*places(right)[:10]}) >= 8


def test_where_candidates_hold_too_few_answers_all_windows_are_compared(monkeypatch):
    for name in ("CANDIDATES", "GROWN"):
        monkeypatch.setattr(candidates, name, 5)
    question = Question(parts=(Part("text", "words"),), group_by="file", k=30)
    found, right = compared(made(), [asked(3)], question)
    assert places(found) == places(right)


def test_with_a_space_for_each_pair_the_sketch_is_of_the_spaces_that_are_asked():
    index = made(PAIRS)
    for part in (asked(3, spaces=PAIRS), asked(4, 1.0, "audio", PAIRS)):
        found, right = compared(index, [part])
        assert len({*places(found)} & {*places(right)}) >= 8
    assert dict(index.sketches.keys()) == {"media": (1, 2), "audio": (0, 1)}


@pytest.mark.parametrize("spaces", [("all",), PAIRS])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_media_are_compared_as_the_fused_vector_is(spaces, dtype):
    index = made(spaces, dtype)
    parts = {name: rows.astype(np.float32) for name, rows in index.vectors.items()}
    part = asked(3, spaces=spaces)
    np.testing.assert_allclose(Cosines(index).of(part), fuse(parts, spaces) @ part.vectors[0], atol=2e-6)
    alone = index.at(np.arange(0, 70, 7))
    np.testing.assert_allclose(Cosines(alone).of(part), Cosines(index).of(part)[:70:7], atol=1e-7)


def test_a_sketch_along_all_directions_is_the_product_itself():
    rows = near(np.arange(NUM_TOPICS))
    whole = Sketch.of(rows, [rows[:15], rows[15:]], WIDTH)
    np.testing.assert_allclose(whole.products(rows[7:8]), rows @ rows[7], atol=1e-5)
    flat = np.concatenate([rows[:, :4], np.zeros((NUM_TOPICS, 4), np.float32)], axis=1)
    np.testing.assert_allclose(Sketch.of(flat, [flat], 4).products(flat[7:8]), flat @ flat[7], atol=1e-5)
