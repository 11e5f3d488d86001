"""The way from a question to moments, with an encoder that reads numbers and vectors that stand for them."""

from dataclasses import replace

import numpy as np
import pytest
from fake_encoder import FakeEncoder, concept, number_in, write_numbered_sound, write_numbered_tape
from media_files import numbered, write_media

from vlsa.base.errors import MediaError, VlsaError
from vlsa.retrieve.search.answer import answer
from vlsa.retrieve.search.asked import MOST_WINDOWS, asked_vectors
from vlsa.retrieve.search.pieces import question_of
from vlsa.retrieve.search.question import Part, Question
from vlsa.retrieve.search.searched import Cosines, Searched
from vlsa.retrieve.search.windows import Windows

NUM_FILES, PER_FILE = 40, 4
"""File f shows f and sounds as 100 + f; its third window shows f + 1 of the next file; texts say so."""


def made():
    file = np.repeat(np.arange(NUM_FILES), PER_FILE)
    start = np.tile(np.arange(PER_FILE) * 2.0, NUM_FILES)
    windows = Windows(file, start, start + 2)
    shown = [number + (place == 4.0) for number, place in zip(file, start, strict=True)]
    video = np.stack([concept(int(number)) for number in shown])
    audio = np.stack([concept(100 + int(number)) for number in file])
    audio[::PER_FILE] = 0  # the first window of a file is silent
    texts = tuple(f"this is number {number}" for number in range(NUM_FILES))
    places = Windows(np.arange(NUM_FILES), np.full(NUM_FILES, 6.5), np.full(NUM_FILES, 7.5))
    vectors = {"video": video, "audio": audio}
    text_vectors = np.stack([concept(200 + number) for number in range(NUM_FILES)])
    return Searched(tuple(f"{n}.mp4" for n in range(NUM_FILES)), windows, vectors, places, texts, text_vectors)


SEARCHED = made()


def stored(span):
    (number,) = (n for n, path in enumerate(SEARCHED.paths) if path == span.path)
    row = number * PER_FILE + 1
    return {"video": SEARCHED.vectors["video"][row : row + 1], "audio": SEARCHED.vectors["audio"][row : row + 1]}


def ask(question, **options):
    return answer(SEARCHED, question, asked_vectors(question, FakeEncoder(), stored), **options)


def place(moment):
    return moment.path, moment.start_seconds, moment.stop_seconds


def test_words_find_what_is_shown_as_one_moment_and_say_why():
    found = ask(question_of("number 7", target="video"))
    assert found.stands_out and found.num_windows == NUM_FILES * PER_FILE
    assert {place(moment) for moment in found.moments[:3]} == {("7.mp4", 0, 4), ("7.mp4", 6, 8), ("6.mp4", 4, 6)}
    assert [reason.modality for reason in found.moments[0].why] == ["video"]
    assert found.moments[0].why[0].score == pytest.approx(1, abs=1e-5) and found.moments[0].why[0].rank == 1
    last = next(moment for moment in found.moments if place(moment) == ("7.mp4", 6, 8))
    assert last.texts == ("this is number 7",)


def test_the_sum_of_words_and_a_sound_is_where_both_are(tmp_path):
    write_numbered_sound(tmp_path / "107.wav", 107)
    best = ask(question_of("number 8", like_sound=[str(tmp_path / "107.wav")], target="media")).moments[0]
    assert (best.path, best.best_start_seconds) == ("7.mp4", 4) and {reason.modality for reason in best.why} == {
        "video",
        "audio",
    }


def test_what_the_answer_should_be_unlike_is_not_first(tmp_path):
    write_numbered_sound(tmp_path / "107.wav", 107)
    question = question_of("number 7", like_sound=[f"{tmp_path / '107.wav'}^-1"])
    first = {(moment.path, moment.best_start_seconds) for moment in ask(question).moments[:2]}
    assert first == {("7.mp4", 0), ("6.mp4", 4)}  # silent, or with the sound of another file


def test_nothing_stands_out_where_nothing_is_like_the_question():
    unknown = ask(question_of("number 777", target="video"))
    assert not unknown.stands_out and len(unknown.moments) == 10
    assert not ask(question_of("number 7", target="video"), margin=1000.0).stands_out


def test_a_quoted_phrase_keeps_the_windows_in_which_it_occurs():
    found = ask(question_of('"number 7"', k=5))
    assert [place(moment) for moment in found.moments] == [("7.mp4", 6, 8)] and found.stands_out
    assert [reason.modality for reason in found.moments[0].why if reason.modality == "words"] == ["words"]
    assert ask(question_of('number 3 "number 777"')).moments == ()
    assert not ask(question_of('number 3 "number 777"')).stands_out


def test_a_phrase_and_what_it_should_be_unlike_are_a_question():
    found = ask(Question(parts=(Part("text", "number 7", -1.0),), phrases=("number 7",)))
    assert [moment.path for moment in found.moments] == ["7.mp4"]


def test_phrases_alone_need_no_vectors():
    found = answer(SEARCHED, Question(phrases=("number 7",)), [])
    assert [moment.path for moment in found.moments] == ["7.mp4"]


def test_windows_where_the_words_occur_come_first_even_where_the_meaning_is_far():
    words = np.full(NUM_FILES, np.nan)
    words[30] = 5.0
    found = ask(question_of("number 7"), words=words)
    assert place(found.moments[0]) == ("30.mp4", 6, 8) and found.stands_out
    assert ("words", 1, 5.0) in [(reason.modality, reason.rank, reason.score) for reason in found.moments[0].why]
    assert "7.mp4" in {moment.path for moment in found.moments[1:4]}
    assert place(ask(question_of("number 7", target="video"), words=words).moments[0]) != ("30.mp4", 6, 8)


def test_the_meaning_of_texts_is_compared_with_the_texts():
    (best,) = ask(question_of("number 207", target="text", k=1)).moments
    assert place(best) == ("7.mp4", 6, 8) and best.why[0].modality == "text"


def test_a_filter_keeps_rows_and_does_not_change_how_far_they_stand_out():
    kept = SEARCHED.windows.file == 6
    every, some = (ask(question_of("number 7", target="video"), kept=mask) for mask in (None, kept))
    assert place(some.moments[0]) == ("6.mp4", 4, 6) and {moment.path for moment in some.moments} == {"6.mp4"}
    (same,) = (moment for moment in every.moments if place(moment) == ("6.mp4", 4, 6))
    assert some.moments[0].stand_out == same.stand_out
    assert ask(question_of("number 7"), kept=np.zeros(NUM_FILES * PER_FILE, bool)).moments == ()


def test_a_stretch_of_the_index_finds_its_like():
    found = ask(question_of(like_moment=["7.mp4@2-4"], k=1)).moments
    assert found[0].path == "7.mp4"


def test_a_clip_asks_with_what_it_has(tmp_path):
    write_numbered_sound(tmp_path / "107.wav", 107)
    (asked,) = asked_vectors(Question(parts=(Part("audio", str(tmp_path / "107.wav@0-1")),)), FakeEncoder(), stored)
    np.testing.assert_allclose(asked.vectors[0], concept(107), atol=1e-6)
    assert (asked.modality, asked.column, asked.num_spaces, asked.weight) == ("audio", "audio", 1, 1)
    both = asked_vectors(Question(parts=(Part("moment", "7.mp4@2-4", 3.0),)), FakeEncoder(), stored)
    assert [(one.modality, one.column, one.weight) for one in both] == [
        ("video", "video", 1.5),
        ("audio", "audio", 1.5),
    ]


@pytest.mark.parametrize("stretch", ["", "@0-12"])
def test_a_long_example_is_a_question_for_each_of_its_windows_and_each_finds_its_moment(tmp_path, stretch):
    numbers = [103, 110, 117, 124, 131, 138]
    write_numbered_tape(tmp_path / "tape.wav", numbers)
    for kind in ("audio", "clip"):
        (asked,) = asked_vectors(Question(parts=(Part(kind, f"{tmp_path}/tape.wav{stretch}"),)), FakeEncoder(), stored)
        np.testing.assert_allclose(asked.vectors, [concept(number) for number in numbers], atol=1e-6)
        assert (asked.modality, asked.column, asked.weight) == ("audio", "audio", 1)
    found = ask(question_of(like_sound=[f"{tmp_path}/tape.wav{stretch}"], k=6))
    assert {moment.path for moment in found.moments} == {f"{number - 100}.mp4" for number in numbers}
    assert found.stands_out and all(moment.why[0].score == pytest.approx(1, abs=1e-5) for moment in found.moments)


def test_a_stretch_of_a_long_example_is_asked_alone(tmp_path):
    write_numbered_tape(tmp_path / "tape.wav", [103, 110, 117, 124])
    (asked,) = asked_vectors(question_of(like_sound=[f"{tmp_path}/tape.wav@0:02-0:06"]), FakeEncoder(), stored)
    np.testing.assert_allclose(asked.vectors, [concept(110), concept(117)], atol=1e-6)


def test_of_a_very_long_example_windows_are_spread_evenly_from_end_to_end(tmp_path):
    numbers = [100 + place % 60 for place in range(63)]
    write_numbered_tape(tmp_path / "tape.wav", numbers)
    (asked,) = asked_vectors(question_of(like_sound=[str(tmp_path / "tape.wav")]), FakeEncoder(), stored)
    np.testing.assert_allclose(asked.vectors, [concept(number) for number in numbers[::2]], atol=1e-6)
    assert len(asked.vectors) == MOST_WINDOWS


@pytest.mark.parametrize("number", [7, 8, 9])
def test_what_is_unlike_a_long_example_is_unlike_each_part_of_it(tmp_path, number):
    write_numbered_tape(tmp_path / "tape.wav", [107, 108, 109])
    words, tape = Part("text", f"number {number}"), Part("audio", str(tmp_path / "tape.wav"), -2.0)
    heard = {f"{one}.mp4" for one in (7, 8, 9)}
    alone, without = (ask(Question(parts=parts, k=2)).moments for parts in ((words,), (words, tape)))
    assert heard & {moment.path for moment in alone if moment.best_start_seconds}
    assert not heard & {moment.path for moment in without if moment.best_start_seconds}  # the first is silent


def test_a_long_example_weighs_as_much_as_its_part_says_however_many_windows_it_has(tmp_path):
    write_numbered_tape(tmp_path / "tape.wav", [103, 110, 117])
    write_numbered_sound(tmp_path / "alone.wav", 110)
    texts, cosines = Part("text", "number 10", 3.0), Cosines(SEARCHED)
    for name in ("tape.wav", "alone.wav"):
        parts = asked_vectors(Question(parts=(texts, Part("audio", str(tmp_path / name), 0.5))), FakeEncoder(), stored)
        assert [one.weight for one in parts] == [3.0, 0.5]
        rows = np.stack([concept(number) for number in ((103, 110, 117) if name == "tape.wav" else (110,))])
        right = (SEARCHED.vectors["audio"] @ rows.T).max(axis=1)
        right[::PER_FILE] = np.nan
        np.testing.assert_allclose(cosines.of(parts[1]), right, atol=1e-6)


def test_a_stretch_ends_where_its_file_does_and_one_behind_the_end_is_refused(tmp_path):
    write_numbered_sound(tmp_path / "107.wav", 107)
    media = write_media(tmp_path / "a.mp4", pictures=numbered(75))
    for path, to, column in ((tmp_path / "107.wav", 2.0, "audio"), (media, 3.0, "video")):
        whole, beyond = (
            asked_vectors(Question(parts=(Part(column, f"{path}@1-{stop}"),)), FakeEncoder(), stored)
            for stop in (to, 60)
        )
        np.testing.assert_array_equal(beyond[0].vectors, whole[0].vectors)
        with pytest.raises(MediaError, match=f"ends at 0:00:0{to:.0f}; there is nothing at 0:00:05 to ask with"):
            asked_vectors(Question(parts=(Part(column, f"{path}@5-60"),)), FakeEncoder(), stored)


class RankEncoder(FakeEncoder):
    """Sees 16 columns and hears 16 others, whose cosines share no scale."""

    spaces, width, fusion = ("video-text", "audio-text"), 32, "rank"

    def encode_text(self, texts):
        numbers = [number_in(text) for text in texts]
        return np.stack([np.concatenate([concept(number), concept(100 + number)]) for number in numbers])


def apart():
    """As SEARCHED, each modality in a space of its own, and what is heard ten times as near together."""
    seen, heard = SEARCHED.vectors["video"], SEARCHED.vectors["audio"]
    vectors = {"video": np.hstack([seen, 0 * seen]), "audio": np.hstack([0 * heard, heard / 10])}
    texts = np.hstack([SEARCHED.text_vectors] * 2)
    return replace(SEARCHED, vectors=vectors, text_vectors=texts, spaces=RankEncoder.spaces)


def test_spaces_without_a_common_scale_are_ranked_alone_and_fused_by_rank():
    searched, question = apart(), question_of("number 7", k=3)
    asked = asked_vectors(question, RankEncoder(), stored)
    assert [(one.column, one.space, one.num_spaces) for one in asked] == [("video", 0, 1), ("audio", 1, 1)]
    assert not asked[0].vectors[:, 16:].any() and not asked[1].vectors[:, :16].any()
    best = answer(searched, question, asked).moments[0]
    ranks = {reason.modality: reason.rank for reason in best.why}
    assert best.score == pytest.approx(np.mean([61 / (60 + rank) for rank in ranks.values()]), rel=0.05)
    assert best.path == "7.mp4" and best.stand_out > 3


class PairEncoder(FakeEncoder):
    """Compares sound with words, and nothing with video."""

    spaces = ("audio-text",)


def test_what_an_encoder_has_no_space_for_is_one_line():
    with pytest.raises(VlsaError, match="compares audio-text, not text with video"):
        asked_vectors(question_of("number 7", target="video"), PairEncoder(), stored)
    (only,) = asked_vectors(question_of(like_moment=["7.mp4@2-4"]), PairEncoder(), stored)
    assert (only.modality, only.column) == ("audio", "audio")
    with pytest.raises(VlsaError, match="has no word that this model knows"):
        asked_vectors(question_of("zebra"), FakeEncoder(), stored)


def test_a_stretch_that_the_index_does_not_hold_is_one_line():
    with pytest.raises(MediaError, match=r"nothing at 0:00:01-0:00:02 that can be compared"):
        asked_vectors(question_of(like_moment=["x.mp4@1-2"]), FakeEncoder(), lambda span: {})
