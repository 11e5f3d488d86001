"""Folders as people have them: links, loops, tables in sub-folders, names in several forms."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.media_files import write_media
from vlsa.data.ingest.listing import list_media, near_name, read_tables, relative_name
from vlsa.data.ingest.scan import scan

HEADER = "path,start_seconds,stop_seconds,text\n"


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def captioned(folder: Path) -> dict[str, list[str]]:
    """Texts by the name of their file."""
    return {name: [row.text for row in rows] for name, rows in read_tables(folder, list_media(folder)).items()}


def test_tables_in_sub_folders_count_from_their_own_folder(tmp_path: Path):
    for name in ("cat.mp4", "sub/cat.mp4", "sub/deep/dog.mp4"):
        touch(tmp_path / name)
    (tmp_path / "captions.csv").write_text(f"{HEADER}cat.mp4,,,one\nsub/cat.mp4,,,two\n")
    (tmp_path / "sub" / "captions.csv").write_text(f"{HEADER}cat.mp4,,,three\ndeep/dog.mp4,,,four\n../cat.mp4,,,five\n")
    assert captioned(tmp_path) == {
        "cat.mp4": ["one", "five"],
        "sub/cat.mp4": ["two", "three"],
        "sub/deep/dog.mp4": ["four"],
    }


def test_a_linked_folder_is_followed_and_a_loop_is_reported(tmp_path: Path):
    touch(tmp_path / "elsewhere" / "deep" / "cat.mp4")
    folder = tmp_path / "footage"
    touch(folder / "own" / "dog.mp4")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "again").symlink_to(folder / "own")
    (folder / "loop").symlink_to(folder)
    (folder / "around").symlink_to(tmp_path)
    (tmp_path / "elsewhere" / "deep" / "back").symlink_to(tmp_path / "elsewhere")
    listing = list_media(folder)
    assert listing.names == ("linked/deep/cat.mp4", "own/dog.mp4")
    assert set(listing.repeats) == {"again", "loop", "around", "linked/deep/back"}
    found = listing.rejections(folder)
    assert {line.reason for line in found} == {"linked"} and all("\n" not in line.message for line in found)


def test_a_linked_file_is_one_file(tmp_path: Path):
    folder = tmp_path / "footage"
    touch(folder / "cat.mp4")
    (folder / "copy.mp4").symlink_to(folder / "cat.mp4")
    (folder / "other.mp4").symlink_to(touch(tmp_path / "dog.mp4"))
    listing = list_media(folder)
    assert listing.names == ("cat.mp4", "other.mp4") and set(listing.repeats) == {"copy.mp4"}


@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_accents_may_be_composed_or_not(tmp_path: Path, written: str):
    other = {"NFC": "NFD", "NFD": "NFC"}[written]
    name = unicodedata.normalize(other, "caf\u00e9.mp4")
    touch(tmp_path / name)
    row = f"{unicodedata.normalize(written, name)},0,2,a\n"
    (tmp_path / "captions.csv").write_text(HEADER + row, encoding="utf-8")
    assert captioned(tmp_path) == {name: ["a"]}


def test_back_slashes_separate_folders_unless_a_name_has_one(tmp_path: Path):
    touch(tmp_path / "sub" / "cat.mp4")
    touch(tmp_path / "sub\\dog.mp4")
    (tmp_path / "captions.csv").write_text(f"{HEADER}sub\\cat.mp4,0,2,a\nsub\\dog.mp4,0,2,b\n")
    assert captioned(tmp_path) == {"sub/cat.mp4": ["a"], "sub\\dog.mp4": ["b"]}


def test_a_whole_path_names_the_file_of_a_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    touch(tmp_path / "footage" / "cat.mp4")
    (tmp_path / "footage" / "captions.csv").write_text(f"{HEADER}{tmp_path}/footage/cat.mp4,0,2,a\n")
    monkeypatch.chdir(tmp_path)
    assert captioned(Path("footage")) == {"cat.mp4": ["a"]}
    (tmp_path / "link").symlink_to(tmp_path / "footage")
    assert relative_name(Path("link"), f"{tmp_path}/footage/cat.mp4") == "cat.mp4"
    assert relative_name(Path("footage"), "../other.mp4") == f"{tmp_path}/other.mp4"


def test_a_file_outside_of_the_folder_needs_leave(tmp_path: Path):
    folder = tmp_path / "footage"
    touch(folder / "cat.mp4")
    touch(tmp_path / "dog.mp4")
    (folder / "captions.csv").write_text(f"{HEADER}../dog.mp4,0,2,a\n{tmp_path}/dog.mp4,0,2,a\n")
    for allowed, reason in ((False, "not_allowed"), (True, "empty")):
        rejections = scan(folder, num_workers=0, allow_outside=allowed)[1]
        assert [line.reason for line in rejections if "dog" in line.path] == [reason]


def test_a_name_that_is_nearly_right_is_suggested(tmp_path: Path):
    touch(tmp_path / "holiday_2024.mp4")
    (tmp_path / "captions.csv").write_text(f"{HEADER}holiday-2024.mp4,0,2,a\n")
    missing = next(line for line in scan(tmp_path, num_workers=0)[1] if line.reason == "missing")
    assert "There is 'holiday_2024.mp4'" in missing.message


@pytest.mark.parametrize(("written", "meant"), [("CAT", "cat.mp4"), ("sub/dog", "sub/dog.mov"), ("loop.mp4", None)])
def test_what_is_suggested_is_a_name_without_its_ending_and_never_the_name_itself(
    tmp_path: Path, written: str, meant: str | None
):
    for name in ("cat.mp4", "sub/dog.mov"):
        touch(tmp_path / name)
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "captions.csv").write_text(f"{HEADER}{written},0,2,a\n")
    missing = next(line for line in scan(tmp_path, num_workers=0)[1] if line.id == written)
    assert missing.reason == "missing"
    assert (f"There is '{meant}'." in missing.message) if meant else ("There is" not in missing.message)


def test_a_name_is_looked_for_only_next_to_it_in_a_large_folder():
    names = [f"a/film-{number:05}.mp4" for number in range(5000)]
    assert near_name("a/film_00007.mp4", names) == "a/film-00007.mp4"
    assert near_name("a/film_04999.mp4", names) != "a/film-04999.mp4"
    assert near_name("b/film_00007.mp4", names) is None


def test_capital_letters_of_a_table_do_not_count_where_one_file_is_meant(tmp_path: Path):
    for name in ("cat.mp4", "Sub/Dog.mp4", "owl.mp4", "OWL.mp4"):
        touch(tmp_path / name)
    (tmp_path / "captions.csv").write_text(
        f"{HEADER}CAT.MP4,,,one\nsub\\dog.MP4,,,two\nowl.mp4,,,three\nOwl.mp4,,,four\n"
    )
    found = {"cat.mp4": ["one"], "Sub/Dog.mp4": ["two"], "owl.mp4": ["three"], "Owl.mp4": ["four"]}
    assert captioned(tmp_path) == found


def test_deleted_files_and_thumbnails_of_drives_are_no_footage(tmp_path: Path):
    for place in ("$RECYCLE.BIN/S-1-5", "System Volume Information", "#recycle", "@eaDir/cat.mp4", "__MACOSX", "cats"):
        touch(tmp_path / place / "film.mp4")
    listed = list_media(tmp_path)
    assert listed.names == ("cats/film.mp4",) and not listed.rejections(tmp_path)


def test_animations_are_media_and_still_images_are_not(tmp_path: Path):
    images = [Image.new("RGB", (8, 8), (level, 0, 0)) for level in (0, 100, 200)]
    for name in ("a.gif", "b.webp", ".hidden.webp"):
        images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=300)
    images[0].save(tmp_path / "c.webp")
    images[0].save(tmp_path / "d.png")
    assert list_media(tmp_path).names == ("a.gif", "b.webp")


def test_text_and_playlists_are_no_media_whatever_a_table_calls_them(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("hello\n" * 50)
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:2,\n../a.ts\n#EXT-X-ENDLIST\n")
    (tmp_path / "join.mp4").write_text("ffconcat version 1.0\nfile 'a.ts'\n")
    (tmp_path / "call.mp4").write_text(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"
    )
    (tmp_path / "captions.csv").write_text(f"{HEADER}notes.txt,,,x\nlist.m3u8,,,x\n")
    rows, rejections = scan(tmp_path, num_workers=0)
    assert rows == [] and {line.reason for line in rejections} == {"unreadable"} and len(rejections) == 4


def test_what_a_linked_table_holds_is_not_printed(tmp_path: Path):
    (tmp_path / "secret").write_text("secret:x:0:0:words\n")
    folder = tmp_path / "footage"
    touch(folder / "cat.mp4")
    (folder / "captions.csv").symlink_to(tmp_path / "secret")
    with pytest.raises(Exception, match="none of them") as caught:
        scan(folder, num_workers=0)
    assert "words" not in str(caught.value)


def test_a_subtitle_file_of_no_media_is_reported(tmp_path: Path):
    for name in ("dog.mp4", "dog.English.srt", "dog_en.srt", "Subs/dog.srt", "dog.en.2.srt"):
        touch(tmp_path / name)
    found = list_media(tmp_path).rejections(tmp_path)
    assert [(line.id, line.reason) for line in found] == [
        (name, "sidecar") for name in ("Subs/dog.srt", "dog.en.2.srt", "dog_en.srt")
    ]


def test_media_of_another_ending_are_named_and_other_files_are_not_opened(tmp_path: Path):
    for name in ("film", "film.blob", "film.txt", ".film"):
        (tmp_path / name).write_bytes(b"\0\0\0\x20ftypisom\0\0\2\0")
    (tmp_path / "photo.blob").write_bytes(b"\0\0\0\x20ftypheic\0\0\0\0")
    (tmp_path / "notes").write_text("words")
    found = list_media(tmp_path).rejections(tmp_path)
    assert [(line.id, line.reason) for line in found] == [("film", "ending"), ("film.blob", "ending")]
    assert [line.id for line in list_media(tmp_path).rejections(tmp_path, {"film": []})] == ["film.blob"]


def test_recordings_whose_ending_says_nothing_are_named_whatever_their_container(tmp_path: Path):
    silence = {"sound": np.zeros(48_000, np.float32)}
    made = [
        ("ts", "aac"), ("m2ts", "ac3"), ("wav", "pcm_s16le"), ("aiff", "pcm_s16be"), ("caf", "pcm_s16be"),
        ("wv", "wavpack"), ("tta", "tta"), ("au", "pcm_s16be"), ("ogg", "libopus"), ("flac", "flac"),
        ("mkv", "flac"),
    ]  # fmt: skip
    for ending, codec in made:
        write_media(tmp_path / f"made.{ending}", audio_codec=codec, **silence).rename(tmp_path / f"{ending}.rec")
    (tmp_path / "letters.rec").write_bytes(b"G" + b"GO " * 60)
    found = list_media(tmp_path).rejections(tmp_path)
    assert [(line.id, line.reason) for line in found] == sorted((f"{ending}.rec", "ending") for ending, _ in made)


def test_of_unfinished_downloads_and_previews_of_cameras_it_is_said_what_they_are(tmp_path: Path):
    names = ("GL010001.LRV", "cat.mp4.part", "dog.mp4.crdownload", "fox.blob", "owl.wav.tmp")
    for name in names:
        (tmp_path / name).write_bytes(b"\0\0\0\x20ftypisom\0\0\2\0")
    found = list_media(tmp_path).rejections(tmp_path)
    assert [(line.id, line.reason) for line in found] == [(name, "ending") for name in names]
    words = ["preview", "unfinished", "unfinished", "Rename", "unfinished"]
    assert all(word in line.message for word, line in zip(words, found, strict=True))


def test_caption_tables_in_capital_letters_are_read_and_those_of_other_kinds_reported(tmp_path: Path):
    touch(tmp_path / "cat.mp4")
    (tmp_path / "Captions.CSV").write_text(f"{HEADER}cat.mp4,,,one\n")
    touch(tmp_path / "sub" / "captions.xlsx")
    touch(tmp_path / "captions.tsv")
    touch(tmp_path / "captions.backup.csv")
    assert captioned(tmp_path) == {"cat.mp4": ["one"]}
    found = list_media(tmp_path).rejections(tmp_path)
    assert [(line.reason, line.id) for line in found] == [("sidecar", "captions.tsv"), ("sidecar", "sub/captions.xlsx")]
    assert "captions.csv" in found[0].message


def test_files_that_may_hold_the_words_of_a_media_file_are_named_unless_it_has_text(tmp_path: Path):
    words = {"cat.txt", "cat.docx", "cat.TextGrid", "cat.eaf", "cat.json"}
    others = {"cat.info.json", "dog.json", "notes.txt", "cat.pdf", "captions.csv", "owl.txt", "hen.tsv"}
    for name in ("cat.mp4", "dog.wav", "owl.mp4", "hen.mp4", *words, *others):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "cat.json").write_text('{"text": " a bell", "segments": [{"start": 1}]}')
    (tmp_path / "dog.json").write_text('{"title": "a dog", "views": 3}')
    (tmp_path / "hen.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\na hen\n")
    listed = list_media(tmp_path)
    found = listed.rejections(tmp_path, captioned={"owl.mp4": []})
    assert {(one.id, one.reason) for one in found} == {(name, "sidecar") for name in words}
    assert all("captions.csv (path,text" in one.message for one in found)


@pytest.mark.parametrize("form", ["file://{folder}/my%20f%C3%A9.mp4", "file:///{folder}/my fé.mp4", "my fé.mp4"])
def test_a_table_may_have_addresses_of_files(tmp_path: Path, form: str):
    (tmp_path / "my fé.mp4").write_bytes(b"x")
    (tmp_path / "captions.csv").write_text(f"path,text\n{form.format(folder=tmp_path)},a bell\n")
    assert list(read_tables(tmp_path, list_media(tmp_path))) == ["my fé.mp4"]


def test_a_file_of_the_same_name_in_another_folder_is_suggested():
    names = ("2024/ferry.mp4", "2024/gate.mp4", "2023/gate.mp4")
    assert near_name("C:\\footage\\ferry.mp4", names) == near_name("/mnt/old/ferry.mp4", names) == "2024/ferry.mp4"
    assert near_name("/mnt/old/gate.mp4", names) is None
