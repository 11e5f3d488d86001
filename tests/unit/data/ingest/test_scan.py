"""A folder of real media files becomes rows; each bad file is reported once and spoils nothing else."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from media_files import grey, tone, truncate, write_media
from preparing import KillingEngine
from rights import of_anyone

from vlsa.base.errors import CaptionError, ManifestError
from vlsa.data.ingest import scan
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.ingest.scan import assign_splits, list_media
from vlsa.data.ingest.segments import Cut

SRT = "1\n00:00:00,200 --> 00:00:01,000\nhello\n\n2\n00:00:01,000 --> 00:00:01,800\n<i>world</i>\n"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of picture and sound."""
    pictures = [grey(10 + k) for k in range(20)]
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_media(path, pictures=pictures, frames_per_second=10, sound=tone(2.0), video_codec="mpeg4")


@pytest.fixture
def folder(tmp_path: Path, film: Path) -> Path:
    """cat.mp4 and sub/dog.mp4."""
    (tmp_path / "in/sub").mkdir(parents=True)
    shutil.copy(film, tmp_path / "in/cat.mp4")
    shutil.copy(film, tmp_path / "in/sub/dog.mp4")
    return tmp_path / "in"


def look(folder: Path, **settings: float) -> tuple[list[ClipRow], list[Rejection]]:
    return scan.scan(folder, num_workers=0, **settings)


def texts_by_stem(rows: list[ClipRow]) -> dict[str, list[tuple[str, ...]]]:
    stems = sorted({Path(row.path).stem for row in rows})
    return {stem: [row.texts for row in rows if Path(row.path).stem == stem] for stem in stems}


def test_files_without_words_become_windows(folder: Path) -> None:
    rows, rejections = look(folder, window_seconds=1.0)
    assert rejections == []
    assert [(row.path, row.start_seconds, row.stop_seconds) for row in rows] == [
        (str(folder / name), start, start + 1) for name in ("cat.mp4", "sub/dog.mp4") for start in (0.0, 1.0)
    ]
    assert rows == look(folder, window_seconds=1.0)[0]


def test_a_file_whose_worker_is_killed_from_outside_is_scanned_again(tmp_path: Path, film: Path) -> None:
    for name in ("killed.mp4", "whole.mp4"):
        shutil.copy(film, tmp_path / name)
    rows, rejections = scan.scan(tmp_path, window_seconds=2.0, engine=KillingEngine())
    assert (tmp_path / "killed.mark").exists() and rejections == []
    assert (rows, rejections) == scan.scan(tmp_path, window_seconds=2.0, num_workers=0)


def test_the_caption_table_comes_before_the_sidecar_before_the_embedded_subtitles(folder: Path) -> None:
    pictures, sound = [grey(k) for k in range(20)], tone(2.0)
    cues = [(0.5, 1.5, "embedded")]
    for name in ("cat", "bird", "cow"):
        path = folder / f"{name}.mp4"
        write_media(path, pictures=pictures, frames_per_second=10, sound=sound, video_codec="mpeg4", cues=cues)
    (folder / "captions.csv").write_text(
        "path,start_seconds,stop_seconds,text\ncat.mp4,,,table\n./sub/dog.mp4,0,1,too\n"
    )
    for name in ("cat", "bird"):
        (folder / f"{name}.srt").write_text(SRT)
    rows, rejections = look(folder)
    assert rejections == []
    assert texts_by_stem(rows) == {
        "bird": [("hello",), ("world",)],
        "cat": [("table",)],
        "cow": [("embedded",)],
        "dog": [("too",)],
    }


def test_subtitles_inside_of_a_sound_file_are_its_text(tmp_path: Path) -> None:
    write_media(tmp_path / "talk.m4a", sound=tone(2.0), cues=[(0.5, 1.5, "embedded")])
    rows, rejections = look(tmp_path)
    assert texts_by_stem(rows) == {"talk": [("embedded",)]} and rejections == []


def test_of_subtitles_in_several_languages_one_is_taken_and_the_others_are_named(folder: Path) -> None:
    for language, word in (("de", "hallo"), ("en", "hello"), ("en.forced", "sign")):
        (folder / f"cat.{language}.srt").write_text(SRT.replace("hello", word))
    rows, rejections = look(folder)
    assert texts_by_stem(rows)["cat"] == [("hello",), ("world",)]
    assert {(rejection.path, rejection.reason) for rejection in rejections} == {(str(folder / "cat.mp4"), "sidecar")}
    assert [rejection.message.partition(": not read; ")[0] for rejection in rejections] == [
        str(folder / name) for name in ("cat.en.forced.srt", "cat.de.srt")
    ]


def test_both_tables_are_read_and_captions_of_one_clip_come_together(folder: Path) -> None:
    (folder / "captions.csv").write_text("path,start_seconds,stop_seconds,text,id\ncat.mp4,0,2,one,my cat.1\n")
    (folder / "captions.jsonl").write_text(
        f'{{"path": "{folder}/cat.mp4", "start_seconds": 0, "stop_seconds": 2, "text": "two"}}\n'
    )
    row = look(folder)[0][0]
    assert row.texts == ("one", "two") and row.id == "my_cat_1"


def test_each_bad_file_is_reported_once_and_the_others_go_on(folder: Path, film: Path) -> None:
    (folder / "empty.mp4").touch()
    truncate(film, folder / "cut.mp4", 0.5)
    (folder / "text.mp4").write_text("not a film")
    shutil.copy(film, folder / "garbled.mp4")
    (folder / "garbled.srt").write_bytes(SRT.encode() + b"\x81")
    write_media(folder / "sound.wav", sound=tone(1.0), audio_codec="pcm_s16le")
    write_media(folder / "mute.mp4", pictures=[grey(k) for k in range(20)], frames_per_second=10, video_codec="mpeg4")
    table = (
        "path,start_seconds,stop_seconds,text\ngone.mp4,0,1,a\ngone.mp4,0,1,b\ncat.mp4,1,1.5,fine\ncat.mp4,70,71,late\n"
    )
    (folder / "captions.csv").write_text(table)
    rows, rejections = look(folder)
    assert Counter(Path(row.path).name for row in rows) == Counter(
        ["cat.mp4", "dog.mp4", "sound.wav", "mute.mp4", "garbled.mp4"]
    )
    reasons = {Path(rejection.path).name: rejection.reason for rejection in rejections}
    assert len(rejections) == len(reasons) == 6
    assert reasons == {
        "empty.mp4": "empty",
        "cut.mp4": "truncated",
        "text.mp4": "unreadable",
        "garbled.mp4": "captions",
        "gone.mp4": "missing",
        "cat.mp4": "outside",
    }
    for rejection in rejections:
        assert Path(rejection.path).name.removesuffix(".mp4") in rejection.message and "\n" not in rejection.message


def test_a_malformed_table_is_the_persons_to_mend(folder: Path) -> None:
    (folder / "captions.csv").write_text("path,begin,stop_seconds,text\n")
    with pytest.raises(CaptionError, match="start_seconds"):
        look(folder)


def test_hidden_and_other_files_are_passed_over(folder: Path, film: Path) -> None:
    (folder / ".trash").mkdir()
    for name in (".trash/old.mp4", ".hidden.mp4", "UPPER.MP4"):
        shutil.copy(film, folder / name)
    (folder / "notes.txt").write_text("nothing")
    assert list_media(folder).names == ("UPPER.MP4", "cat.mp4", "sub/dog.mp4")


def test_a_folder_that_may_not_be_looked_into_is_one_line_and_the_rest_continues(folder: Path) -> None:
    (folder / "captions.csv").write_text("path,start_seconds,stop_seconds,text\nsub/dog.mp4,0,1,a dog\n")
    (folder / "sub").chmod(0)
    with of_anyone():
        rows, rejections = look(folder)
    (folder / "sub").chmod(0o700)
    assert {Path(row.path).name for row in rows} == {"cat.mp4"}
    (rejection,) = rejections
    assert (rejection.id, rejection.path, rejection.reason) == ("sub", str(folder / "sub"), "permission")
    assert "cannot be looked into (Permission denied)" in rejection.message and "\n" not in rejection.message


def test_a_folder_that_is_missing_or_without_media_is_refused(tmp_path: Path, film: Path) -> None:
    with pytest.raises(ManifestError, match="no such folder"):
        look(tmp_path / "nowhere")
    with pytest.raises(ManifestError, match="not a folder"):
        look(film)
    with pytest.raises(ManifestError, match="no media files in it"):
        look(tmp_path)


def test_workers_find_what_one_process_finds(folder: Path) -> None:
    (folder / "text.mp4").write_text("not a film")
    seen: list[tuple[int, int, str]] = []
    found = scan.scan(folder, num_workers=2, progress=lambda *step: seen.append(step))
    assert found == look(folder)
    assert [step[:2] for step in seen] == [(1, 3), (2, 3), (3, 3)]


def made_cuts(num_files: int, clips_each: int) -> dict[str, list[Cut]]:
    cut = [Cut(start_seconds=float(k), stop_seconds=k + 1.0) for k in range(clips_each)]
    return {f"film-{number}.mp4": cut for number in range(num_files)}


def splits(cuts: dict[str, list[Cut]], test_share: float = 0.1) -> dict[str, list[str | None]]:
    return {name: [cut.split for cut in found] for name, found in assign_splits(cuts, test_share).items()}


def test_with_many_files_about_the_share_is_held_out_and_no_file_feeds_both() -> None:
    found = splits(made_cuts(500, 3))
    assert all(len(set(of_file)) == 1 for of_file in found.values())
    assert 30 <= sum(of_file[0] == "test" for of_file in found.values()) <= 70


def test_a_growing_folder_keeps_its_splits() -> None:
    few, many = splits(made_cuts(100, 1)), splits(made_cuts(300, 1))
    assert all(many[name] == split for name, split in few.items())


def test_with_few_files_the_last_clips_of_each_are_held_out() -> None:
    assert set(map(tuple, splits(made_cuts(3, 20)).values())) == {("train",) * 18 + ("test",) * 2}


@pytest.mark.parametrize(("num_files", "clips_each", "num_test"), [(1, 1, 0), (1, 2, 1), (9, 1, 1), (10, 1, 1)])
def test_something_is_held_out_if_anything_is_left(num_files: int, clips_each: int, num_test: int) -> None:
    found = splits(made_cuts(num_files, clips_each), test_share=0.001)
    assert sum(of_file.count("test") for of_file in found.values()) == num_test


def test_nothing_is_held_out_when_nothing_is_asked_for() -> None:
    for num_files in (3, 30):
        assert {split for of_file in splits(made_cuts(num_files, 5), 0.0).values() for split in of_file} == {"train"}


def test_once_the_table_names_a_split_the_rest_is_for_training() -> None:
    cuts = made_cuts(20, 2)
    cuts["film-3.mp4"] = [
        Cut(start_seconds=0.0, stop_seconds=1.0, split="val"),
        Cut(start_seconds=1.0, stop_seconds=2.0),
    ]
    found = splits(cuts)
    assert found.pop("film-3.mp4") == ["val", "train"]
    assert {split for of_file in found.values() for split in of_file} == {"train"}
