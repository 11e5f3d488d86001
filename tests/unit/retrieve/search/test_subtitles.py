"""Words that stand in subtitles are found in a folder, where the meaning of the question points elsewhere."""

import pytest
from fake_encoder import FakeEncoder, write_numbered_sound

from vlsa.retrieve.index.build import build_index
from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.pieces import question_of

SAID = [
    "ferry", "harbour", "anchor", "lighthouse", "seagull", "rope", "captain", "compass",
    "storm", "barrel", "island", "whistle", "tractor", "barn", "haystack", "rooster",
    "plough", "orchard", "meadow", "windmill", "shepherd", "scarecrow", "beehive", "stable",
]  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """File n says the number n and a word, and sounds as the number of the file after the next; one is silent."""
    folder = tmp_path_factory.mktemp("subtitles")
    (folder / "footage").mkdir()
    for number, word in enumerate(SAID):
        write_numbered_sound(folder / "footage" / f"{word}.wav", (number + 2) % len(SAID), 3.0)
        cue = f"1\n00:00:01,000 --> 00:00:02,000\nA {word.capitalize()}, of {number}.\n"
        (folder / "footage" / f"{word}.srt").write_text(cue, encoding="utf-8")
    build_index(FakeEncoder(), folder / "footage", folder / "index", num_workers=0)
    return Library.open(folder / "index", encoder=FakeEncoder())


def paths_and_words(library: Library, text: str) -> list[tuple[str, bool]]:
    """Of the first five: the file, and whether the words of the question occur there."""
    moments = library.ask(question_of(text, k=5)).moments
    return [(moment.path, any(reason.modality == "words" for reason in moment.why)) for moment in moments]


def test_each_word_of_the_subtitles_is_found_alone(library):
    for word in SAID:
        assert {path for path, occurs in paths_and_words(library, word) if occurs} == {f"{word}.wav"}


def test_each_word_is_among_the_first_five_next_to_what_sounds_as_the_question(library):
    for number, word in enumerate(SAID):
        found = paths_and_words(library, f"{number} {word}")
        assert (f"{word}.wav", True) in found
        assert number == 0 or f"{SAID[number - 2]}.wav" in {path for path, _ in found}
