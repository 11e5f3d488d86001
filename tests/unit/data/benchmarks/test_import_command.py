"""The whole way of the command line: real small media, `vlsa import`, then `vlsa prepare` on what it wrote."""

import json
import tarfile
from pathlib import Path

import pytest
from command_lines import call
from media_files import grey, tone, truncate, write_media

from vlsa.data.benchmarks.adapters import ADAPTERS
from vlsa.data.ingest.manifest import read
from vlsa.data.store.reader import ClipStore


@pytest.fixture
def audiocaps(tmp_path, monkeypatch):
    """Two whole videos, a cut one that is damaged, a silent one; annotations of these and of one more."""
    monkeypatch.chdir(tmp_path)
    media = tmp_path / "media"
    media.mkdir()
    pictures = [grey(10 * k) for k in range(24)]
    for name in ("-long_video", "short_video"):
        write_media(
            media / f"{name}.mp4", pictures=pictures, frames_per_second=2, sound=tone(12.0), video_codec="mpeg4"
        )
    truncate(media / "short_video.mp4", media / "damaged_000007.mp4", 0.4)
    write_media(media / "silent.mp4", pictures=pictures, frames_per_second=2, video_codec="mpeg4")
    rows = ["1,-long_video,1,rain", "2,-long_video,1,heavy rain", "3,damaged,7,hail", "4,silent,0,snow", "5,gone,0,fog"]
    header = "audiocap_id,youtube_id,start_time,caption"
    (tmp_path / "test.csv").write_text("\n".join([header, *rows]) + "\n")
    (tmp_path / "train.csv").write_text(f"{header}\n9,short_video,0,wind\n")
    return tmp_path


def test_a_data_set_is_imported_and_prepared(audiocaps):
    line = "vlsa import audiocaps train.csv test.csv --media media out/clips.jsonl --workers 1 --allow-count"
    result = call(line)
    assert result.exit_code == 0, result.output
    assert "5 clips: 1 train (1 caption), 4 test (5 captions)" in result.stdout
    assert "has 2 clips: 1 train (1 caption), 1 test (2 captions); 2 clips with audio" in result.stdout
    assert "Next: vlsa prepare out/clips.jsonl STORE" in result.stdout
    report = [json.loads(line) for line in (audiocaps / "out/clips_report.jsonl").read_text().splitlines()]
    assert {row["id"].partition("@")[0]: row["reason"] for row in report} == {
        "damaged": "truncated",
        "silent": "no_sound",
        "gone": "missing",
    }
    rows = {row.id: row for row in read(audiocaps / "out/clips.jsonl")}
    assert rows["-long_video@1000-11000"].texts == ("rain", "heavy rain")
    prepared = call("vlsa prepare out/clips.jsonl store --recipe tiny --workers 0")
    assert prepared.exit_code == 0, prepared.output
    store = ClipStore.open(audiocaps / "store")
    clips = {clip.id: clip for clip in store.clips}
    assert {id: clip.split for id, clip in clips.items()} == {
        "-long_video@1000-11000": "test",
        "short_video@0-10000": "train",
    }
    assert all(clip.has_sound and clip.has_video and clip.duration_seconds == 10 for clip in clips.values())


def test_shards_of_media_are_unpacked_imported_and_prepared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_media("a.mp4", pictures=[grey(100)] * 8, frames_per_second=2, sound=tone(4.0), video_codec="mpeg4")
    for shard in ("train-0", "test-0"):
        with tarfile.open(f"{shard}.tar", "w") as tar:
            tar.add("a.mp4", "1.mp4")
            Path("1.json").write_text(json.dumps({"caption": f"a tone of {shard}"}))
            tar.add("1.json")
    line = "vlsa import webdataset '{train,test}-0.tar' --columns text=caption --media unpacked clips.jsonl --workers 0"
    result = call(line)
    assert result.exit_code == 0, result.output
    assert (
        "2 clips: 1 train (1 caption), 1 test (1 caption); 2 clips with audio. Nothing was left out." in result.stdout
    )
    prepared = call("vlsa prepare clips.jsonl store --recipe tiny --workers 0")
    assert prepared.exit_code == 0, prepared.output
    assert {clip.texts[0]: clip.split for clip in ClipStore.open(tmp_path / "store").clips} == {
        "a tone of train-0": "train",
        "a tone of test-0": "test",
    }


def test_the_help_lists_every_data_set_with_a_line():
    shown = call("vlsa import --help").stdout
    for name, adapter in ADAPTERS.items():
        assert f" {name} {adapter.about} " in " ".join(shown.split()), name  # a long line goes on in the next
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("vlsa import audiocap train.csv --media media m.jsonl", "Did you mean audiocaps?"),
        (
            "vlsa import vggsound train.csv --media media m.jsonl",
            "vlsa: train.csv: not an annotation file",
        ),
        ("vlsa import audiocaps train.csv --media nowhere --allow-count m.jsonl", "nowhere: no such folder"),
        ("vlsa import audiocaps no.csv --media media m.jsonl", "no.csv: cannot be read"),
        ("vlsa import audiocaps media --media media m.jsonl", "media: cannot be read"),
        ("vlsa import audiocaps train.csv --media media --variant 9k m.jsonl", "it has no variants"),
    ],
)
def test_a_persons_mistake_is_one_line_and_code_2(audiocaps, line, words):
    result = call(line)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert words in result.stderr
    assert result.stderr.startswith("vlsa: ")
    assert result.stderr.count("\n") == 1
