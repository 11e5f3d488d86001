"""Which subtitle files belong to a media file, by name: language, kind, and which of several is read."""

import unicodedata

import pytest

from vlsa.data.ingest.sidecars import assign_sidecars, is_subtitles, unassigned


def read(media: list[str], subtitles: list[str]) -> dict[str, list[tuple[str, str | None]]]:
    found = assign_sidecars(media, subtitles)
    return {name: [(one.path, one.language) for one in sidecars.read] for name, sidecars in found.items()}


def unread(subtitles: list[str]) -> list[str]:
    found = assign_sidecars(["cat.mp4"], subtitles).values()
    return [path for sidecars in found for path, _ in sidecars.unread]


@pytest.mark.parametrize(("name", "language"), [
    ("cat.srt", None), ("cat.SRT", None), ("cat.en.srt", "en"), ("cat.EN.vtt", "en"), ("cat.eng.srt", "eng"),
    ("cat.pt-BR.srt", "pt-br"), ("cat.zh-Hans.srt", "zh-hans"), ("cat.en.sdh.srt", "en"), ("cat.sdh.en.srt", "en"),
    ("cat.forced.srt", None), ("cat.de.forced.vtt", "de"), ("cat.hi.srt", "hi"), ("cat.en.hi.srt", "en"),
    ("cat.und.srt", None), ("cat.default.en.cc.srt", "en"), ("cat.de.ass", "de"), ("cat.ssa", None),
    ("CAT.srt", None), ("Cat.EN.srt", "en"), ("cat.English.srt", "en"), ("cat.french.forced.srt", "fr"),
    ("cat.mp4.srt", None), ("cat.MP4.de.srt", "de"), ("cat.pt_BR.srt", "pt-br"), ("cat.en.ttml", "en"),
    ("cat.sbv", None), ("cat.sub", None), ("cat.ko.smi", "ko"), ("cat.sami", None),
    ("cat.transcript.vtt", None), ("cat.en.captions.srt", "en"),
])  # fmt: skip
def test_a_subtitle_file_is_of_the_media_that_its_name_begins_with_in_the_language_that_it_says(name, language):
    assert read(["cat.mp4", "dog.mp4"], [name]) == {"cat.mp4": [(name, language)]}


@pytest.mark.parametrize("name", [
    "catalogue.srt", "cat.backup.srt", "cat-en.srt", "sub/cat.srt", "cat.wav.srt", "cat.en.fr.srt", "cat..srt", ".srt",
])  # fmt: skip
def test_other_names_are_of_no_media(name):
    assert read(["cat.mp4"], [name]) == {}
    assert unassigned([name, "cat.en.srt"], assign_sidecars(["cat.mp4"], [name, "cat.en.srt"])) == (name,)


def test_of_names_that_differ_by_capital_letters_or_ending_the_one_that_is_repeated_counts():
    media = ["cat.mp4", "CAT.mp4", "cat.wav"]
    assert read(media, ["cat.wav.srt", "CAT.en.srt", "Cat.de.srt"]) == {
        "cat.wav": [("cat.wav.srt", None), ("Cat.de.srt", "de")],
        "CAT.mp4": [("CAT.en.srt", "en"), ("Cat.de.srt", "de")],
        "cat.mp4": [("Cat.de.srt", "de")],
    }


def test_of_each_language_the_best_file_is_read_and_the_others_are_named():
    names = ["cat.en.forced.srt", "cat.en.sdh.srt", "cat.en.vtt", "cat.en.srt", "cat.de.vtt", "cat.fr.forced.srt",
             "cat.sup", "cat.en.ass"]  # fmt: skip
    found = [("cat.en.srt", "en"), ("cat.de.vtt", "de"), ("cat.fr.forced.srt", "fr")]
    assert read(["cat.mp4"], names) == {"cat.mp4": found}
    assert unread(names) == ["cat.sup", "cat.en.vtt", "cat.en.ass", "cat.en.sdh.srt", "cat.en.forced.srt"]
    assert read(["cat.mp4"], [*names, "cat.srt"]) == {"cat.mp4": [("cat.srt", None), *found]}
    assert unread(["cat.srt", "cat.forced.srt"]) == ["cat.forced.srt"]
    assert unread(["cat.transcript.vtt", "cat.cc.vtt"]) == ["cat.cc.vtt"]  # of a meeting: the first says who speaks


def test_a_name_is_of_the_media_of_which_it_repeats_most():
    media = ["cat.mp4", "cat.en.mp4", "cat.wav", "sub/cat.mp4"]
    assert read(media, ["cat.en.srt", "cat.de.srt", "sub/cat.srt"]) == {
        "cat.en.mp4": [("cat.en.srt", None)],
        "cat.mp4": [("cat.de.srt", "de")],
        "cat.wav": [("cat.de.srt", "de")],
        "sub/cat.mp4": [("sub/cat.srt", None)],
    }


def test_names_are_compared_by_their_letters_not_by_their_bytes():
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert composed != apart
    assert read([f"{composed}.mp4"], [f"{apart}.en.srt"]) == {f"{composed}.mp4": [(f"{apart}.en.srt", "en")]}


def test_who_takes_one_language_takes_the_first_and_names_the_others():
    found = assign_sidecars(["cat.mp4"], ["cat.de.srt", "cat.en.srt", "cat.en.sdh.srt"])["cat.mp4"].first()
    assert [one.path for one in found.read] == ["cat.en.srt"]
    assert [path for path, _ in found.unread] == ["cat.en.sdh.srt", "cat.de.srt"]


def test_hidden_files_and_other_endings_are_no_subtitles():
    names = ("a.srt", "a.Vtt", "a.ass", "a.sub", ".a.srt", "a.txt")
    assert [is_subtitles(name) for name in names] == [True] * 4 + [False] * 2
