"""Fingerprints link the same footage however it was changed, and nothing else; the search leaves no close pair out."""

import json
from dataclasses import replace

import numpy as np
import pytest
from command_lines import call
from PIL import Image
from stores import RATE_HZ, notes, renamed, scene, smooth_frames, write_clips

from vlsa.base.errors import ConfigError, StoreError
from vlsa.data.clip import Clip
from vlsa.data.curate.dedup import duplicate_groups, links_by, read_ids, read_links
from vlsa.data.curate.fingerprints import chosen_frames, fingerprint, frame_hashes_of, sound_hashes_of
from vlsa.data.curate.near_duplicates import Link, links_between, near_duplicates
from vlsa.data.curate.near_hashes import Hashes, near_pairs, num_bits


def footage(seed: int, start_seconds: float = 0.0, stop_seconds: float = 2.0) -> Clip:
    """A stretch of four seconds of a scene."""
    first, last = round(start_seconds * 8), round(stop_seconds * 8)
    return Clip(
        id="x",
        source="x",
        start_seconds=0,
        stop_seconds=stop_seconds - start_seconds,
        frames=smooth_frames(seed, 32)[first:last],
        frame_seconds=np.arange(last - first) / 8,
        sound=notes(seed, 4.0)[round(start_seconds * RATE_HZ) : round(stop_seconds * RATE_HZ)],
        sample_rate_hz=RATE_HZ,
    )


def linked(a: Clip, b: Clip) -> dict[str, float]:
    """Offsets of the links between two clips of different files, by modality."""
    return {link.by: link.offset_seconds for link in links_between("ab", "ab", [fingerprint(a), fingerprint(b)])}


def resized(clip: Clip, width: int, height: int, box: tuple[float, float, float, float] | None = None) -> Clip:
    frames = [
        np.asarray(Image.fromarray(f).resize((width, height), Image.Resampling.BICUBIC, box)) for f in clip.frames
    ]
    return replace(clip, frames=np.stack(frames))


def noisy(clip: Clip, gain: float) -> Clip:
    rng = np.random.default_rng(5)
    frames = clip.frames + rng.normal(0, 6, clip.frames.shape)
    sound = gain * (clip.sound + rng.normal(0, 0.0005, clip.sound.shape))
    return replace(clip, frames=frames.clip(0, 255).astype(np.uint8), sound=sound.astype(np.float32))


@pytest.mark.parametrize(
    "change",
    [
        lambda clip: clip,
        lambda clip: noisy(clip, 0.3),
        lambda clip: resized(clip, 24, 16),
        lambda clip: resized(clip, 48, 32, (1.2, 0.8, 46.8, 31.2)),
        lambda clip: resized(clip, 48, 32, (2.4, 0, 48, 30.4)),
    ],
    ids=["equal", "noise and loudness", "scaled", "cropped in the middle", "cropped at a corner"],
)
def test_changed_footage_is_linked_by_video_and_audio_without_an_offset(change):
    for seed in range(2):
        found = linked(footage(seed), change(footage(seed)))
        assert found.keys() == {"video", "audio"}
        assert found["video"] == pytest.approx(0, abs=0.3)  # a drift of the scene may undo a crop at a corner
        assert found["audio"] == pytest.approx(0, abs=0.05)


def test_a_shift_by_half_a_window_is_found_with_its_offset():
    found = linked(footage(1, 0, 2), footage(1, 1, 3))
    assert found["video"] == pytest.approx(1, abs=0.13)
    assert found["audio"] == pytest.approx(1, abs=0.05)


def test_different_footage_is_not_linked():
    clips = [footage(seed) for seed in range(6)]
    names = [str(n) for n in range(6)]
    assert links_between(names, names, [fingerprint(clip) for clip in clips]) == []


def test_one_still_background_with_something_else_moving_in_it_is_not_the_same():
    def passing(column: int, step: int) -> Clip:
        frames = np.repeat(smooth_frames(0, 1), 16, axis=0).copy()
        for k in range(16):
            frames[k, 12:22, (column + step * k) % 40 : (column + step * k) % 40 + 8] = 255
        return replace(footage(0), frames=frames, sound=None, sample_rate_hz=None)

    assert "video" in linked(passing(0, 2), passing(0, 2))
    assert linked(passing(0, 2), passing(38, -2)) == {}


def test_plain_frames_and_silence_have_no_fingerprint():
    plain = replace(footage(0), frames=np.full((16, 32, 48, 3), 90, np.uint8), sound=np.zeros(2 * RATE_HZ, np.float32))
    found = fingerprint(plain)
    assert (len(found.frame_hashes), len(found.sound_hashes)) == (0, 0)
    assert linked(plain, plain) == {}


def test_a_hash_does_not_depend_on_brightness_contrast_or_loudness():
    grey = smooth_frames(3, 1).mean(-1)[:, :32, :32].astype(np.float32)
    np.testing.assert_array_equal(frame_hashes_of(grey), frame_hashes_of(0.5 * grey + 60))
    assert num_bits(frame_hashes_of(grey)).tolist() == [31]  # as many of 63 as are above their median
    sound = notes(3, 1.0)
    np.testing.assert_array_equal(sound_hashes_of(sound, RATE_HZ)[1], sound_hashes_of(sound / 4, RATE_HZ)[1])


def test_frames_are_taken_at_most_eight_times_a_second():
    assert chosen_frames(np.arange(6) / 8) == [0, 1, 2, 3, 4, 5]
    assert chosen_frames(np.arange(30) / 30) == [0, 4, 8, 12, 15, 19, 23, 27]
    assert chosen_frames(np.empty(0)) == []


@pytest.mark.parametrize("kind", [np.uint32, np.uint64])
def test_close_hashes_are_found_among_many_without_comparing_each_with_each(kind):
    rng = np.random.default_rng(0)
    width, count = np.dtype(kind).itemsize * 8, 4000
    bits = rng.integers(0, 2**width - 1, count, dtype=np.uint64, endpoint=True).astype(kind)
    flips = kind(0)
    for k in rng.choice(width, 3, replace=False).tolist():
        flips |= kind(1) << kind(k)
    both = np.concatenate([bits, bits ^ flips])
    numbers = np.arange(2 * count)
    i, j = near_pairs(Hashes(both, numbers, np.zeros(2 * count, np.float32), numbers))
    assert (num_bits(both[i] ^ both[j]) <= 0.22 * width).all()
    found = {(min(a, b), max(a, b)) for a, b in zip(i.tolist(), j.tolist(), strict=True)}
    missed = sum((n, n + count) not in found for n in range(count))
    assert missed <= 0.02 * count


def test_bits_are_counted():
    assert num_bits(np.array([0, 1, 255, 2**63 + 2**32], np.uint64)).tolist() == [0, 1, 8, 2]


@pytest.fixture
def store(tmp_path):
    same = scene("a", 1, texts=())
    clips = [
        same,
        scene("b", 2),
        renamed(same, "c", texts=("a text",)),
        renamed(same, "d", frames=None, frame_seconds=None, texts=("a text",)),
        renamed(scene("e", 2), "e", source="b.mp4"),
    ]
    return write_clips(tmp_path / "store", clips)


def test_a_store_is_searched_across_its_files_only(store):
    links = near_duplicates(store, store.rows(), num_workers=0)
    assert [(link.a, link.b, link.by) for link in links] == [
        ("a", "c", "audio"),
        ("a", "c", "video"),
        ("a", "d", "audio"),
        ("c", "d", "audio"),
    ]


def test_of_a_group_the_clip_with_more_modalities_and_text_is_kept(store):
    (group,) = duplicate_groups(store.rows(), near_duplicates(store, store.rows(), num_workers=0))
    assert ([clip.id for clip in group.clips], group.kept) == (["a", "c", "d"], {"c"})


def test_the_ends_of_a_chain_that_share_nothing_are_both_kept(store):
    chain = [Link("a", "b", "video", 1, 1), Link("b", "c", "video", 1, 1)]
    (group,) = duplicate_groups([store[name] for name in "bca"], chain)
    assert all(name in group.kept or {x for link in chain for x in (link.a, link.b) if name in (link.a, link.b)}
               & group.kept for name in "abc")  # fmt: skip
    assert not {"a", "b"} <= group.kept
    assert not {"b", "c"} <= group.kept


def test_both_counts_only_what_two_clips_have(store):
    links = near_duplicates(store, store.rows(), num_workers=0)
    clips = {clip.id: clip for clip in store.rows()}
    assert len(links_by(links, "both", clips)) == 4
    only_audio = [link for link in links if link.by == "audio"]
    assert [(link.a, link.b) for link in links_by(only_audio, "both", clips)] == [("a", "d"), ("c", "d")]
    assert {link.by for link in links_by(links, "video", clips)} == {"video"}
    with pytest.raises(ConfigError, match="either, both, video, audio"):
        links_by(links, "picture", clips)


def test_the_command_prints_groups_and_writes_pairs_and_what_can_go(store, tmp_path):
    out, extra = tmp_path / "near.jsonl", tmp_path / "extra.txt"
    done = call(f"vlsa data dedup {store.path} --workers 0 --out {out} --keep-one {extra}")
    assert done.exit_code == 0, done.output
    assert "5 clips: 3 in 1 groups of near-duplicates; 2 can be left out." in done.stdout
    known = {clip.id: clip for clip in store.rows()}
    assert read_ids(extra, known) == {"a", "d"}
    assert len(read_links(out, known)) == 4
    lines = call(f"vlsa data dedup {store.path} --workers 0 --by video --json").stdout.splitlines()
    assert [(line["group"], line["a"], line["b"]) for line in map(json.loads, lines)] == [(1, "a", "c")]


def test_lists_of_another_store_are_refused(store, tmp_path):
    known = {clip.id: clip for clip in store.rows()}
    (tmp_path / "ids.txt").write_text("a\nzebra\n")
    with pytest.raises(StoreError, match="no clip 'zebra'"):
        read_ids(tmp_path / "ids.txt", known)
    with pytest.raises(StoreError, match="not a report of near-duplicates"):
        read_links(tmp_path / "ids.txt", known)
