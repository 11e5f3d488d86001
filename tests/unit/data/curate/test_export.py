"""What leaves a store is what is in it: read back by pyarrow, by the decoder, and by `vlsa prepare`."""

import json

import numpy as np
import pyarrow.parquet
import pytest
from command_lines import call
from stores import SETTINGS, scene, write_clips

from vlsa.base.errors import ConfigError, StoreError
from vlsa.data.curate import export
from vlsa.data.ingest import manifest
from vlsa.data.media.decode import decode, probe
from vlsa.data.store.codecs import decode_jpeg, decode_pcm
from vlsa.data.store.prepare import prepare
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shards import ShardWriter, shard_path, write_header


@pytest.fixture
def store(tmp_path):
    clips = [
        scene("a", 1, texts=("first", "second\nline")),
        scene("b", 2, audio=False, texts=()),
        scene("c", 3, video=False),
        scene("d", 4),
    ]
    return write_clips(tmp_path / "store", clips, test=("c",), shards=2)


def test_parquet_has_each_clip_byte_for_byte_in_the_file_of_its_split(store, tmp_path):
    paths = export.export_parquet(store, store.rows(), tmp_path / "out")
    assert [path.name for path in paths] == ["train-00000.parquet", "test-00000.parquet"]
    found = {row["id"]: row for path in paths for row in pyarrow.parquet.read_table(path).to_pylist()}
    assert found.keys() == set("abcd")
    for clip in store.rows():
        row, held = found[clip.id], store.read(clip)
        assert (row["split"], row["source"], tuple(row["texts"])) == (clip.split, clip.source, clip.texts)
        assert (row["start_seconds"], row["stop_seconds"]) == (clip.start_seconds, clip.stop_seconds)
        assert row["frame_seconds"] == clip.frame_seconds.tolist()
        frames = [decode_jpeg(frame["bytes"], *clip.size_px) for frame in row["frames"]]
        assert (held.frames is None and not frames) or np.array_equal(held.frames, frames)
        if held.sound is None:
            assert row["audio"] is None
        else:
            np.testing.assert_array_equal(decode_pcm(row["audio"]["bytes"][44:]), held.sound)


def test_parquet_says_what_its_columns_are(store, tmp_path):
    (path,) = export.export_parquet(store, store.rows("test"), tmp_path / "out")
    schema = pyarrow.parquet.read_schema(path)
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == schema.names
    assert (features["audio"]["_type"], features["frames"]["feature"]["_type"]) == ("Audio", "Image")


def test_a_new_file_begins_when_one_is_large(store, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "CLIPS_PER_GROUP", 1)
    monkeypatch.setattr(export, "MOST_FILE_BYTES", 10_000)
    paths = export.export_parquet(store, store.rows("train"), tmp_path / "out")
    assert [path.name for path in paths] == ["train-00000.parquet", "train-00001.parquet", "train-00002.parquet"]
    assert [pyarrow.parquet.read_metadata(path).num_rows for path in paths] == [1, 1, 1]


def test_plain_files_hold_the_frames_and_samples_of_the_store_at_their_times(store, tmp_path):
    rows = {row.id: row for row in manifest.read(export.export_files(store, store.rows(), tmp_path / "out"))}
    assert {row.id: row.path for row in rows.values()} == {
        name: str(tmp_path / "out" / f"{name}{'.wav' if name == 'c' else '.mov'}") for name in "abcd"
    }
    assert (tmp_path / "out" / "a.txt").read_text() == "first\nsecond line\n"
    assert not (tmp_path / "out" / "b.txt").exists()
    for clip in store.rows():
        row, held = rows[clip.id], store.read(clip)
        assert (row.texts, row.split, row.stop_seconds) == (clip.texts, clip.split, 1.5)
        assert probe(row.path).duration_seconds == pytest.approx(1.5, abs=0.002)
        times = (clip.frame_seconds + 0.01).tolist()
        back = decode(row.path, 0.0, 1.5, frame_times_seconds=times, short_side_px=32, sample_rate_hz=11_025)
        assert (back.frames is None) == (held.frames is None)
        if held.frames is not None:
            np.testing.assert_allclose(back.frame_seconds, held.frame_seconds, atol=2e-3)
            assert np.abs(back.frames.astype(int) - held.frames).mean() < 1
        assert (back.sound is None) == (held.sound is None)
        if held.sound is not None:
            np.testing.assert_allclose(back.sound, held.sound[: len(back.sound)], atol=1e-3)


def test_plain_files_can_be_prepared_again(store, tmp_path):
    rows = manifest.read(export.export_files(store, store.rows(), tmp_path / "out"))
    summary = prepare(rows, tmp_path / "again", store.settings, num_workers=0)
    assert summary.num_rejected == 0
    again = ClipStore.open(tmp_path / "again")
    assert [(clip.id, clip.split, clip.texts, clip.has_video, clip.has_sound) for clip in again.rows()] == [
        (clip.id, clip.split, clip.texts, clip.has_video, clip.has_sound) for clip in store.rows()
    ]


def test_a_transcript_stays_one_either_way(tmp_path):
    with ShardWriter(tmp_path / "store", 0, SETTINGS) as writer:
        writer.add(scene("a", 1), "train", "transcript")
        writer.commit()
    write_header(tmp_path / "store", SETTINGS, num_shards=1, base="")
    store = ClipStore.open(tmp_path / "store")
    [row] = manifest.read(export.export_files(store, store.rows(), tmp_path / "files"))
    [path] = export.export_parquet(store, store.rows(), tmp_path / "parquet")
    assert row.text_kind == pyarrow.parquet.read_table(path).to_pylist()[0]["text_kind"] == "transcript"


def test_damaged_bytes_and_a_folder_in_use_are_refused(store, tmp_path):
    with pytest.raises(ConfigError, match="not an empty folder"):
        export.export_files(store, store.rows(), store.path)
    path = shard_path(store.path, 0)
    data = bytearray(path.read_bytes())
    first = store["a"].frame_spans[0]
    data[first[0] + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"the member of \d+ bytes at \d+ is damaged"):
        export.export_parquet(store, store.rows(), tmp_path / "out")


def test_the_command_exports_either_way_and_leaves_out_what_is_asked(store, tmp_path):
    (tmp_path / "extra.txt").write_text("d\n")
    done = call(f"vlsa data export {store.path} {tmp_path / 'p'} --format parquet --without {tmp_path / 'extra.txt'}")
    assert done.exit_code == 0, done.output
    assert "3 clips in 2 files" in done.stdout
    files = call(f"vlsa data export {store.path} {tmp_path / 'f'} --format files")
    assert "4 clips" in files.stdout
    assert "vlsa prepare" in files.stdout
    assert call(f"vlsa data export {store.path} {tmp_path / 'x'} --format zip").exit_code == 2
