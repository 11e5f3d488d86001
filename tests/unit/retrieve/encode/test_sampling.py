"""One rule for long and wide media: windows cover the time, crops cover the frame, and nothing else is read."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from fake_encoder import FakeEncoder, numbered_clip
from media_files import grey, tone, write_media
from PIL import Image
from tiny import RATE_HZ, change, make_model, plain_clip, tiny_clips, tiny_config

from vlsa.base.errors import ConfigError, SearchIndexError
from vlsa.data.batch import Batch
from vlsa.data.clip import Clip, WrappedDataset
from vlsa.data.engine.workers import Heartbeat
from vlsa.data.ingest.manifest import ClipRow
from vlsa.data.loading.covering import covering_starts
from vlsa.data.loading.loader import MemoryClips, read_tensors
from vlsa.retrieve.encode.embed import embed_clips, embed_rows, embed_store
from vlsa.retrieve.encode.encoders import VlsaEncoder
from vlsa.retrieve.encode.protocol import Encoder
from vlsa.retrieve.encode.sampling import COVERING, MIDDLE, Sampling, WindowSpec, decode_file, decode_rows
from vlsa.retrieve.encode.unit_vectors import unit_length
from vlsa.retrieve.index.index import Index

WINDOW_SECONDS = tiny_config().audio.window_seconds  # 3.07


@pytest.fixture(scope="module")
def encoder(config, tokenizer, batch) -> VlsaEncoder:
    """An untrained model with the default sampling."""
    model = make_model(config, tokenizer)
    model.calibrate(batch)
    return VlsaEncoder(model, tokenizer, batch_size=3)


def long_clip(num_parts: int = 4, **fields) -> Clip:
    """Made clips of 3 s, one after another."""
    parts = tiny_clips(num_parts)
    whole = {
        "frames": np.concatenate([part.frames for part in parts]),
        "frame_seconds": np.concatenate([part.frame_seconds + 3.0 * k for k, part in enumerate(parts)]),
        "sound": np.concatenate([part.sound for part in parts]),
        "stop_seconds": 3.0 * num_parts,
        "id": "long",
    }
    return dataclasses.replace(parts[0], **(whole | fields))


def wide_clip(paint: int | None = None, width: int = 28, height: int = 16, seed: int = 0) -> Clip:
    """A wide clip of noise; `paint` covers all but the central square."""
    frames = np.random.default_rng(seed).integers(0, 256, (24, height, width, 3), dtype=np.uint8)
    if paint is not None:
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        kept = frames[:, top : top + side, left : left + side].copy()
        frames[:] = paint
        frames[:, top : top + side, left : left + side] = kept
    return plain_clip(frames=frames)


# --- windows


@pytest.mark.parametrize(("seconds", "starts"), [
    (0.0, [0.0]), (3.0, [0.0]), (6.0, [0.0]), (6.1, [0.05]), (9.0, [0.0, 3.0]), (30.0, [0.0, 6.0, 12.0, 18.0, 24.0]),
])  # fmt: skip
def test_windows_cover_a_stretch_evenly_and_a_sliver_adds_none(seconds, starts):
    assert covering_starts(seconds, 6.0, 8) == pytest.approx(starts)


def test_of_more_windows_than_are_allowed_the_first_starts_and_the_last_ends_the_stretch():
    starts = covering_starts(6000.0, 6.0, 8)
    assert (len(starts), starts[0], starts[-1]) == (8, 0.0, 5994.0)
    assert np.ptp(np.diff(starts)) == pytest.approx(0, abs=1e-9)
    assert covering_starts(6000.0, 6.0, 1) == [2997.0]


def test_the_default_covers_half_a_minute_at_the_window_of_the_paper():
    spec = WindowSpec(window_seconds=65_535 / 11_025, num_frames=8, short_side_px=224, sample_rate_hz=11_025)
    for seconds in (10.0, 20.0, 30.0, 45.0):
        times = np.linspace(0, seconds, 1000)
        encoded = np.any([(start <= times) & (times <= stop) for start, stop in spec.stretches(seconds)], axis=0)
        assert encoded.mean() > 0.98


def test_a_long_clip_is_the_renormalised_mean_over_windows_of_the_plain_vectors(encoder, config, tokenizer):
    """The reference is the model itself on tensors that the loader makes of each part alone."""
    clip, parts = long_clip(), encoder.window.cut(long_clip())
    assert [part.start_seconds for part in parts] == pytest.approx(covering_starts(12.0, WINDOW_SECONDS, 8))
    source = MemoryClips({"test": parts})
    batch = Batch.stack([read_tensors(source, row, config, tokenizer) for row in source.rows()])
    for modality in ("video", "audio"):
        with torch.no_grad():
            expected = getattr(encoder.model, f"encode_{modality}")(batch).mean(dim=0).numpy()
        vector = getattr(encoder, f"encode_{modality}")([clip])[0]
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-6)


def test_every_part_of_a_long_clip_counts_and_with_one_window_only_the_middle_does(encoder):
    clip = long_clip()
    changed = dataclasses.replace(clip, frames=clip.frames.copy(), sound=clip.sound.copy())
    changed.frames[:24], changed.sound[: 3 * RATE_HZ] = 255 - clip.frames[:24], clip.sound[: 3 * RATE_HZ][::-1]
    middle = encoder.with_sampling(MIDDLE)
    for modality in ("encode_video", "encode_audio"):
        assert np.abs(np.diff(getattr(encoder, modality)([clip, changed]), axis=0)).max() > 1e-4
        np.testing.assert_array_equal(*getattr(middle, modality)([clip, changed]))


def test_with_one_window_a_clip_has_the_vector_of_the_loader_s_middle_bit_by_bit(encoder, config, tokenizer):
    clips = [long_clip(), *tiny_clips(3), plain_clip(seconds=1.0, num_frames=8), plain_clip(height=16, width=28)]
    source = MemoryClips({"test": clips})
    batch = Batch.stack([read_tensors(source, row, config, tokenizer) for row in source.rows()])
    middle = encoder.with_sampling(MIDDLE)
    middle.batch_size = len(clips)
    np.testing.assert_array_equal(middle.encode_video(clips), unit_length(encoder.forward("video", batch)))
    np.testing.assert_array_equal(middle.encode_audio(clips), unit_length(encoder.forward("audio", batch)))


def test_a_window_of_a_clip_is_not_cut_again(encoder):
    for clip in (long_clip(), plain_clip(num_frames=100, seconds=12.3, start_seconds=0.1, stop_seconds=12.4)):
        for part in encoder.window.cut(clip):
            (again,) = encoder.window.cut(part)
            np.testing.assert_array_equal(again.frames, part.frames)
            np.testing.assert_array_equal(again.sound, part.sound)
            np.testing.assert_allclose(again.frame_seconds, part.frame_seconds, atol=1e-9)


# --- one vector, whichever way a clip is given


@pytest.mark.parametrize("batch_size", [1, 2, 5, 32])
def test_a_stored_and_a_decoded_clip_have_one_vector_at_every_batch_size(encoder, batch_size):
    clips = [long_clip(), *tiny_clips(2), long_clip(2, id="two"), wide_clip()]
    stored = embed_store(encoder, MemoryClips({"test": clips}), "test", batch_size=batch_size)
    given = embed_clips(encoder, iter(clips), batch_size=batch_size)
    assert stored.ids == given.ids == tuple(clip.id for clip in clips)
    for found in (stored, given):
        np.testing.assert_allclose(found.video, encoder.encode_video(clips), atol=1e-6)
        np.testing.assert_allclose(found.audio, encoder.encode_audio(clips), atol=1e-6)
    assert stored.text_clip.tolist() == [n for n, clip in enumerate(clips) for _ in clip.texts]


def test_windows_of_many_clips_share_a_batch(encoder, monkeypatch):
    sizes, forward = [], encoder.forward
    monkeypatch.setattr(
        encoder, "forward", lambda kind, batch: sizes.append((kind, len(batch))) or forward(kind, batch)
    )
    monkeypatch.setattr(encoder, "batch_size", 8)
    clips = [dataclasses.replace(clip, texts=clip.texts[:1]) for clip in (long_clip(2), long_clip(4), *tiny_clips(2))]
    embed_clips(encoder, clips, batch_size=8)  # 2 + 4 + 1 + 1 windows
    assert sizes == [("video", 8), ("audio", 8), ("text", 4)]


class _Recorded(WrappedDataset):
    """Notes what is read."""

    def __init__(self, source) -> None:
        super().__init__(source)
        self.frames, self.samples = [], []

    def read(self, clip, *, frame_indices=None, sound_range=None):
        self.frames += frame_indices
        self.samples.append(sound_range)
        return self.source.read(clip, frame_indices=frame_indices, sound_range=sound_range)


def test_only_the_frames_and_samples_of_the_windows_are_read(encoder):
    clip = long_clip(4)
    source = _Recorded(MemoryClips({"test": [clip]}))
    two = encoder.with_sampling(Sampling(num_windows=2))
    embed_rows(two, source, source.rows())
    starts = [0.0, 12.0 - WINDOW_SECONDS]
    assert source.samples == [
        (round(start * RATE_HZ), min(round((start + WINDOW_SECONDS) * RATE_HZ), 12 * RATE_HZ)) for start in starts
    ]
    times = [start + share * WINDOW_SECONDS for start in starts for share in (0.25, 0.75)]
    assert source.frames == [int(np.flatnonzero(clip.frame_seconds <= time)[-1]) for time in times]


def test_a_long_file_has_one_vector_as_a_question_and_as_a_clip_of_an_index(encoder, tmp_path):
    frames = [grey(level) for level in np.linspace(10, 250, 220).astype(int)]  # 8.8 s
    path = str(write_media(tmp_path / "long.mp4", pictures=frames, sound=tone(8.8, on_seconds=[(0.5, 2.0)])))
    asked_video, asked_audio = encoder.encode_video([path])[0], encoder.encode_audio([path])[0]
    row = ClipRow("row", path, 0.0, 8.8, ("a tone",), "test")
    (clip,), rejections = decode_rows(encoder.window, [row], _beat)
    assert (rejections, clip.id, clip.texts, clip.duration_seconds) == ([], "row", ("a tone",), 8.8)
    indexed = embed_clips(encoder, [clip])
    np.testing.assert_allclose(indexed.video[0], asked_video, atol=1e-5)
    assert indexed.audio[0] @ asked_audio > 0.9999
    assert indexed.texts == ("a tone",)


@pytest.mark.parametrize("frames_per_second", [0.5, 1, 2, 25])
def test_each_frame_of_a_slow_video_counts_once_as_a_question_and_as_a_clip_of_an_index(
    config, tokenizer, tmp_path, frames_per_second
):
    encoder = VlsaEncoder(make_model(change(config, "video", num_frames=8), tokenizer), tokenizer)
    frames = [grey(level) for level in np.linspace(10, 250, int(8 * frames_per_second)).astype(int)]
    path = str(write_media(tmp_path / "slow.mp4", pictures=frames, frames_per_second=frames_per_second))
    (clip,), _ = decode_rows(encoder.window, [ClipRow("row", path, 0.0, 8.0, (), "test")], _beat)
    windows = encoder.window.cut(clip)
    for window in windows:
        assert 1 <= len(window.frames) <= min(8, math.ceil(frames_per_second * window.duration_seconds) + 1)
        assert (np.diff(window.frame_seconds) > 0).all()
        np.testing.assert_array_equal(encoder.window.cut(window)[0].frames, window.frames)
    assert len(windows) == 3
    np.testing.assert_allclose(embed_clips(encoder, [clip]).video, encoder.encode_video([path]), atol=1e-6)


def _beat(*_: object) -> None:
    pass


def test_a_worker_decodes_the_windows_and_nothing_between_them(encoder, tmp_path):
    spec = dataclasses.replace(encoder.window, window_seconds=1.0, sampling=Sampling(num_windows=2))
    path = str(write_media(tmp_path / "long.mp4", pictures=[grey(9)] * 250, sound=tone(10.0)))
    beat: Heartbeat = _beat
    (clip,), _ = decode_rows(spec, [ClipRow("row", path, 0.0, 10.0, (), "test")], beat)
    assert clip.frames is clip.sound is None
    assert [(part.start_seconds, part.stop_seconds) for part in spec.cut(clip)] == [(0.0, 1.0), (9.0, 10.0)]
    assert [len(part.sound) for part in spec.cut(clip)] == [RATE_HZ] * 2
    assert [len(part.frames) for part in spec.cut(clip)] == [spec.num_frames] * 2


# --- crops


@pytest.mark.parametrize(("height", "width", "places"), [
    (16, 16, [0.5]), (100, 102, [0.5]), (90, 120, [0.0, 1.0]), (90, 160, [0.0, 0.5, 1.0]), (160, 90, [0.0, 0.5, 1.0]),
    (10, 90, [0.0, 0.5, 1.0]),
])  # fmt: skip
def test_crops_cover_a_frame_from_edge_to_edge(encoder, height, width, places):
    assert encoder.window.crop_places(height, width) == places
    assert dataclasses.replace(encoder.window, sampling=MIDDLE).crop_places(height, width) == [0.5]


@pytest.mark.parametrize("aspect", [1.0, 1.04, 4 / 3, 1.5, 16 / 9, 1.9, 2.4, 3.0, 5.0])
def test_whatever_is_half_as_wide_as_the_frame_is_high_lies_whole_in_one_of_enough_crops(encoder, aspect):
    """Up to the remainder of a twentieth of a square that is left out; with fewer crops than needed there are gaps."""
    height, width = 1000, round(1000 * aspect)
    enough = dataclasses.replace(encoder.window, sampling=Sampling(num_crops=99)).crop_places(height, width)
    lefts = [(width - height) * place for place in enough]
    for left in np.linspace(0, width - 450, 500):
        assert any(crop - 1 <= left and left + 450 <= crop + height + 1 for crop in lefts)
    fewer = [(width - height) * place for place in np.linspace(0, 1, len(enough) - 1)] if len(enough) > 2 else []
    assert not fewer or max(np.diff(fewer)) > height / 2


@pytest.mark.parametrize(("width", "height"), [(28, 16), (16, 28), (22, 16)])
def test_painting_the_sides_of_a_frame_changes_its_vector_and_the_centre_crop_does_not_see_it(encoder, width, height):
    clips = [wide_clip(paint, width, height) for paint in (None, 0, 255)]
    found = encoder.encode_video(clips)
    assert max(found[0] @ found[1], found[0] @ found[2]) < 0.9999
    centre = encoder.with_sampling(MIDDLE).encode_video(clips)
    np.testing.assert_allclose(centre, centre[:1].repeat(3, axis=0), atol=1e-7)


def test_a_wide_clip_is_the_renormalised_mean_of_its_square_crops(encoder):
    clip = wide_clip()
    squares = [dataclasses.replace(clip, frames=clip.frames[:, :, left : left + 16]) for left in (0, 6, 12)]
    mean = encoder.encode_video(squares).mean(axis=0)
    np.testing.assert_allclose(encoder.encode_video([clip])[0], mean / np.linalg.norm(mean), atol=1e-6)


def test_a_square_clip_has_the_vector_of_its_only_crop_bit_by_bit(encoder):
    clips = tiny_clips(3)
    np.testing.assert_array_equal(encoder.encode_video(clips), encoder.with_sampling(MIDDLE).encode_video(clips))


# --- the setting


@pytest.mark.parametrize("values", [{"num_windows": 0}, {"num_crops": -1}])
def test_no_window_or_no_crop_is_refused(values):
    with pytest.raises(ConfigError, match="must be at least 1"):
        Sampling(**values)


def test_the_sampling_is_stated_and_another_one_leaves_the_fingerprint_alone(encoder):
    assert encoder.about["sampling"] == {"num_windows": 8, "num_crops": 3}
    other = encoder.with_sampling(Sampling(num_windows=2))
    assert other.about["sampling"] == {"num_windows": 2, "num_crops": 3}
    assert other.fingerprint == encoder.fingerprint
    assert encoder.sampling == COVERING
    assert isinstance(encoder, Encoder)
    assert isinstance(FakeEncoder(), Encoder)


@pytest.mark.parametrize("made_with", [MIDDLE, Sampling(num_windows=3, num_crops=2), COVERING])
def test_an_index_is_asked_with_the_sampling_that_it_was_made_with(encoder, tmp_path, made_with):
    Index.create(tmp_path / "index", encoder.with_sampling(made_with))
    assert Index.open(tmp_path / "index", encoder=encoder).encoder.sampling == made_with


def test_an_index_of_an_earlier_version_is_asked_by_the_middle_window_and_the_centre_crop(tmp_path):
    index = Index.create(tmp_path / "index", FakeEncoder())
    del index.facts["model"]["sampling"]
    index.write_facts()
    assert Index.open(tmp_path / "index", encoder=FakeEncoder()).encoder.window.sampling == MIDDLE


@pytest.mark.parametrize("damaged", [3, {"num_windows": 0, "num_crops": 1}, {"num_windows": "8"}, {"windows": 8}])
def test_an_index_whose_sampling_is_damaged_is_one_line(tmp_path, damaged):
    index = Index.create(tmp_path / "index", FakeEncoder())
    index.facts["model"]["sampling"] = damaged
    index.write_facts()
    with pytest.raises(SearchIndexError, match=r"index\.json is damaged"):
        Index.open(tmp_path / "index", encoder=FakeEncoder())


# --- precision


def test_bfloat16_gives_nearly_the_vectors_of_float32(config, tokenizer, batch):
    encoder = VlsaEncoder(make_model(change(config, "encoder", num_layers=4), tokenizer), tokenizer)
    encoder.model.calibrate(batch)
    clips, texts = [*tiny_clips(6), long_clip()], ["a bell rings twice", "a red ball falls"]
    exact = [encoder.encode_video(clips), encoder.encode_audio(clips), encoder.encode_text(texts)]
    encoder.model.precision = torch.bfloat16
    rounded = [encoder.encode_video(clips), encoder.encode_audio(clips), encoder.encode_text(texts)]
    for one, other in zip(exact, rounded, strict=True):
        assert other.dtype == np.float32
        assert not np.array_equal(one, other)
        assert (one * other).sum(axis=1).min() >= 0.999


def test_progress_counts_clips_not_windows():
    seen = []
    clips = [dataclasses.replace(numbered_clip(n), stop_seconds=n + 7.0) for n in range(3)]
    embed_rows(FakeEncoder(), MemoryClips({"test": clips}), MemoryClips({"test": clips}).rows(), batch_size=4,
               progress=lambda done, total, _: seen.append((done, total)))  # fmt: skip
    assert seen[-1] == (3, 3)


def test_an_image_has_no_sound_whatever_its_name_and_one_that_moves_is_a_film(tmp_path):
    frames = [Image.new("RGB", (32, 32), (level,) * 3) for level in (0, 120, 240)]
    frames[0].save(tmp_path / "moves.webp", save_all=True, append_images=frames[1:], duration=1000)
    frames[0].save(tmp_path / "still.png")
    (tmp_path / "still.png").rename(tmp_path / "photo.mp4")
    spec = WindowSpec(window_seconds=1.0, num_frames=2, short_side_px=32, sample_rate_hz=8000)
    for name, num_windows in (("photo.mp4", 1), ("moves.webp", 3)):
        assert decode_file(spec, str(tmp_path / name), "audio") == []
        windows = decode_file(spec, str(tmp_path / name), "video")
        assert len(windows) == num_windows and all(window.frames is not None for window in windows)
