"""What a store holds, counted by hand."""

import json

from command_lines import call
from stores import scene, write_clips

from vlsa.data.curate.description import describe, human_bytes
from vlsa.data.ingest.manifest import Rejection
from vlsa.data.media.transcripts import FOLDER_NAME, Transcript, Word, keep_transcript

LEFT_OUT = Rejection("old", "old.mp4", None, None, "truncated", "old.mp4: cut short. Copy it again.")
REMARK = Rejection("cat", "cat.mp4", None, None, "cues", "cat.srt: 2 cues cannot be read.")


def made(tmp_path):
    clips = [
        scene("a", 1, choices=("deinterlaced",)),
        scene("b", 2, audio=False, choices=("deinterlaced", "on-white")),
        scene("c", 3, video=False, texts=()),
        scene("d", 4, source="a.mp4"),
    ]
    return write_clips(tmp_path / "store", clips, test=("c",), rejections=(LEFT_OUT, REMARK), shards=2)


def test_clips_are_counted_by_split_and_by_what_they_lack(tmp_path):
    found = describe(made(tmp_path))
    assert [(one.split, one.num_clips, one.num_without) for one in found.splits] == [
        ("train", 3, (0, 1, 0)),
        ("test", 1, (1, 0, 1)),
        ("all", 4, (1, 1, 1)),
    ]
    assert found.splits[-1].hours * 3600 == 4 * 1.5
    assert (found.num_files, found.sizes_px, found.sample_rates_hz) == (3, {"48 x 32": 3}, {11025: 3})
    assert (found.length_seconds.least, found.frames_per_clip.most) == (1.5, 12)
    assert (found.choices, found.rejected, found.notes) == (
        {"deinterlaced": 2, "on-white": 1},
        {"truncated": 1},
        {"cues": 1},
    )


def test_transcripts_and_the_languages_heard_are_counted(tmp_path):
    store = made(tmp_path)
    folder = store.path / FOLDER_NAME
    folder.mkdir()
    hello = (Word(0.0, 0.5, " hello", 0.9),)
    for number, (words, language) in enumerate([(hello, "en"), (hello, "de"), (hello, "en"), ((), "fr")]):
        keep_transcript(folder / f"{number}.json", Transcript(words, language, 0.9))
    (folder / "damaged.json").write_text("{")
    assert describe(store).languages_heard == {"en": 2, "de": 1}
    shown = call(f"vlsa data describe {store.path}").stdout
    assert "en (2 files), de (1 files)" in shown and "transcript" not in shown

    heard = write_clips(tmp_path / "heard", [scene("a", 1), scene("b", 2)], transcribed=["b"])
    assert [(one.num_with_text, one.num_transcribed) for one in describe(heard).splits][-1] == (2, 1)
    assert "1 clips" in call(f"vlsa data describe {heard.path}").stdout


def test_bytes_are_those_of_the_files(tmp_path):
    store = made(tmp_path)
    found = describe(store)
    on_disk = sum(path.stat().st_size for path in store.path.rglob("*") if path.is_file())
    assert found.stored_bytes == on_disk > found.frame_bytes + found.sound_bytes
    assert found.sound_bytes == 3 * (44 + 2 * round(1.5 * 11025))
    assert found.paper_bytes == 900_000 * on_disk / 4


def test_the_command_prints_tables_or_one_object(tmp_path):
    path = made(tmp_path).path
    shown = call(f"vlsa data describe {path}")
    assert shown.exit_code == 0, shown.output
    for words in ("deinterlaced", "truncated", "copy it again", "48 x 32 (3 clips)", "900,000 such clips"):
        assert words in shown.stdout
    values = json.loads(call(f"vlsa data describe {path} --json").stdout)
    assert values["splits"][-1]["num_clips"] == 4
    assert values["rejected"] == {"truncated": 1}


def test_a_store_of_rejections_alone_is_described(tmp_path):
    store = write_clips(tmp_path / "store", [], rejections=(LEFT_OUT,))
    found = describe(store)
    assert (found.splits[-1].num_clips, found.length_seconds, found.rejected) == (0, None, {"truncated": 1})
    assert call(f"vlsa data describe {store.path}").exit_code == 0


def test_bytes_are_short_for_people():
    assert [human_bytes(n) for n in (0, 712, 48_340, 1.236e9, 129e9, 4.2e15)] == [
        "0 B",
        "712 B",
        "48.3 kB",
        "1.24 GB",
        "129 GB",
        "4.2e+03 TB",
    ]
