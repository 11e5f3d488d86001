"""Words become phrases with times and texts of clips; a kept transcript is the same when it is read again."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlsa.data.ingest.segments import Cut, Lengths, cut_windows, with_words
from vlsa.data.media.subtitles import TimedText
from vlsa.data.media.transcripts import Transcript, Word, keep_transcript, kept_transcript, phrases

SAID = (
    Word(0.5, 0.8, " The", 0.9),
    Word(0.8, 1.2, " door.", 0.5),
    Word(1.3, 1.9, " A", 0.9),
    Word(1.9, 2.4, " ship", 0.4),
    Word(5.0, 5.5, " came", 0.8),
)


def test_phrases_end_with_a_sentence_and_with_a_pause():
    assert phrases(SAID) == [
        TimedText(0.5, 1.2, "The door."),
        TimedText(1.3, 2.4, "A ship"),
        TimedText(5.0, 5.5, "came"),
    ]
    assert phrases(()) == []


def test_languages_without_spaces_are_joined_without_spaces():
    assert phrases([Word(0.0, 0.5, "你", 1.0), Word(0.5, 1.0, "好。", 1.0)]) == [TimedText(0.0, 1.0, "你好。")]


def test_a_phrase_without_a_pause_is_parted_before_it_is_too_long():
    words = [Word(float(second), second + 1.0, f" {second}", 1.0) for second in range(30)]
    found = phrases(words)
    assert all(phrase.stop_seconds - phrase.start_seconds <= 12 for phrase in found)
    assert " ".join(phrase.text for phrase in found) == " ".join(map(str, range(30)))


@settings(deadline=None)
@given(
    starts=st.lists(st.integers(0, 19_999), unique=True, max_size=40).map(sorted),
    window_seconds=st.floats(0.5, 9.0),
)
def test_each_word_is_in_one_window_in_order(starts: list[int], window_seconds: float):
    words = [Word(start / 1000, start / 1000, f" w{start}", 1.0) for start in starts]
    lengths = Lengths(file_seconds=20.0, window_seconds=window_seconds, shortest_seconds=0.5)
    plain = cut_windows(lengths)
    cuts = with_words(plain, words)
    assert " ".join(text for cut in cuts for text in cut.texts).split() == [f"w{start}" for start in starts]
    assert [(cut.start_seconds, cut.stop_seconds) for cut in cuts] == [
        (cut.start_seconds, cut.stop_seconds) for cut in plain
    ]
    assert {cut.text_kind for cut in cuts if cut.texts} <= {"transcript"}
    assert {cut.text_kind for cut in cuts if not cut.texts} <= {"caption"}


def test_a_faulty_cut_has_no_words():
    faulty = Cut(start_seconds=0.0, stop_seconds=9.0, reason="too_short", message="short")
    assert with_words([faulty], SAID) == [faulty]


def test_a_kept_transcript_is_read_as_it_was(tmp_path: Path):
    transcript = Transcript(SAID, "en", 0.75, ("a remark",))
    keep_transcript(tmp_path / "one.json", transcript)
    assert kept_transcript(tmp_path / "one.json") == transcript
    assert kept_transcript(tmp_path / "other.json") is None


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"words": [[0, 1, "word"]]},
        {"words": [[0, "late", "word", 1]]},
        {"words": [[0, 1, 7, 1]]},
        {"words": [[0, float("nan"), "word", 1]]},
        {"remarks": None},
        {"format": "other"},
    ],
)
def test_a_damaged_transcript_is_none(tmp_path: Path, change: dict[str, object]):
    path = tmp_path / "one.json"
    keep_transcript(path, Transcript(SAID, "en", 0.75))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert kept_transcript(path) is None
