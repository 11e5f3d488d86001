"""All figures of a run: what is written, what is left out with a line, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from command_lines import call
from PIL import Image, ImageColor
from tiny import make_model, plain_clip, tiny_clips, tiny_config

from vlsa.base.errors import ConfigError, StoreError, VlsaError
from vlsa.data.loading.loader import MemoryClips
from vlsa.retrieve.encode import encoders
from vlsa.retrieve.encode.encoders import VlsaEncoder
from vlsa.show import figures
from vlsa.show.compute.reconstruction import ReconstructedClip, TextToken, Versions
from vlsa.show.compute.sound_map import SoundMap, Target
from vlsa.show.figures import write_figures
from vlsa.show.plots.canvas import ORANGE, TEAL
from vlsa.show.plots.reconstruction_plot import LINE_CHARACTERS, MASKED, draw_reconstructions, token_lines
from vlsa.show.plots.sound_map_plot import SoundMapPlot, draw_sound_maps, envelope

ALL = ["reconstructions.png", "where_is_the_sound.png", "gallery.html", "embedding.png", "figures.json"]


@pytest.fixture
def encoder(tokenizer, batch):
    """Makes a fresh tiny model; settings of its objective may be changed."""

    def make(**objective) -> VlsaEncoder:
        model = make_model(tiny_config(**objective), tokenizer)
        model.calibrate(batch)
        return VlsaEncoder(model, tokenizer, about={"run": "run"})

    return make


def size_of(path) -> tuple[int, int]:
    """Width and height in pixels."""
    with Image.open(path) as picture:
        return picture.size


def num_pixels(path, colour: str) -> int:
    """How many pixels have a colour, exactly."""
    with Image.open(path) as image:
        return int((np.asarray(image.convert("RGB")) == ImageColor.getrgb(colour)).all(axis=-1).sum())


def clips_of(clips) -> MemoryClips:
    return MemoryClips({"test": clips})


def test_a_run_on_made_clips_gets_every_figure_and_every_number(encoder, tmp_path):
    drawn = write_figures(encoder(), clips_of(tiny_clips(6)), tmp_path / "new" / "out", data="made", num_clips=2)
    assert [path.name for path in drawn.files] == ALL
    assert drawn.notes == []
    out = tmp_path / "new" / "out"
    masked_patches = num_pixels(out / "reconstructions.png", "#{:02x}{:02x}{:02x}".format(*MASKED))
    waveforms = num_pixels(out / "where_is_the_sound.png", TEAL)
    positive, negative = (num_pixels(out / "embedding.png", colour) for colour in (TEAL, ORANGE))
    assert min(masked_patches, waveforms) > 1000
    assert min(positive, negative) > 10  # of the legend: the points are half transparent
    record = json.loads((tmp_path / "new" / "out" / "figures.json").read_text(encoding="utf-8"))
    assert (record["data"], record["split"], record["num_clips"]) == ("made", "test", 6)
    assert (record["left_out"], record["files"]) == ([], ALL[:-1])
    assert {number["figure"] for number in record["numbers"]} == {"reconstructions", "where is the sound", "embedding"}
    hit = next(number for number in record["numbers"] if number["number"] == "maximum on the sounding object")
    assert sorted(hit["baselines"]) == ["another clip's audio", "chance"]
    assert hit["interval"][0] <= hit["value"] <= hit["interval"][1]


def test_clips_that_lack_things_are_drawn_with_what_they_have(encoder, tmp_path):
    clips = [
        *tiny_clips(2),
        plain_clip(rate_hz=None, id="silent"),
        plain_clip(num_frames=0, id="blind", texts=()),
        plain_clip(texts=(), id="textless $x$ <b>"),
    ]
    drawn = write_figures(encoder(), clips_of(clips), tmp_path, num_clips=5)
    assert [path.name for path in drawn.files] == ALL


def test_a_run_without_a_decoder_is_reported_in_one_line_and_gets_the_others(encoder, tmp_path):
    drawn = write_figures(encoder(local_weight=0.0), clips_of(tiny_clips(4)), tmp_path, num_clips=1)
    assert [path.name for path in drawn.files] == ALL[1:]
    (note,) = drawn.notes
    assert "no decoder" in note
    assert "\n" not in note


def test_footage_of_which_nothing_is_known_gets_pictures_and_a_line_that_says_so(encoder, tmp_path):
    clips = [dataclasses.replace(clip, source="holiday.mp4") for clip in tiny_clips(4)]
    drawn = write_figures(encoder(), clips_of(clips), tmp_path, num_clips=1)
    assert [path.name for path in drawn.files] == ALL
    assert ["no hit rate" in note for note in drawn.notes] == [True]
    assert not [number for number in drawn.numbers if number.figure == "where is the sound"]


def test_clips_without_sound_get_no_map_and_a_line(encoder, tmp_path):
    clips = [plain_clip(rate_hz=None, id=f"silent-{n}", texts=(f"a bell rings {n}",)) for n in range(3)]
    drawn = write_figures(encoder(), clips_of(clips), tmp_path, num_clips=2)
    assert "where_is_the_sound.png" not in [path.name for path in drawn.files]
    assert any("both video and audio" in note for note in drawn.notes)
    assert all("\n" not in note for note in drawn.notes)


def test_a_lone_clip_without_anything_to_compare_is_still_reconstructed(encoder, tmp_path):
    drawn = write_figures(encoder(), clips_of([plain_clip(rate_hz=None, texts=())]), tmp_path, num_clips=1)
    assert [path.name for path in drawn.files] == ["reconstructions.png", "figures.json"]


def test_when_nothing_can_be_drawn_it_is_an_error(encoder, tmp_path):
    with pytest.raises(VlsaError, match="nothing could be drawn") as caught:
        write_figures(encoder(local_weight=0.0), clips_of([plain_clip(rate_hz=None, texts=())]), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_split_without_clips_is_refused(encoder, tmp_path):
    with pytest.raises(StoreError, match="no clip in split val"):
        write_figures(encoder(), clips_of(tiny_clips(2)), tmp_path / "out", split="val")
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_refused_before_any_work(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "embed_store", lambda *_, **__: pytest.fail("too late"))
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="cannot be made"):
            write_figures(encoder(), clips_of(tiny_clips(2)), out)
    monkeypatch.setattr(figures.os, "access", lambda *_: False)
    with pytest.raises(ConfigError, match="no right to write"):
        write_figures(encoder(), clips_of(tiny_clips(2)), tmp_path)


def test_a_missing_library_is_named_with_what_to_install(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(figures.importlib.util, "find_spec", lambda name: None if name == "sklearn" else object())
    with pytest.raises(ConfigError, match=r"scikit-learn not installed.*\.\[figures\]"):
        write_figures(encoder(), clips_of([]), tmp_path)


def test_no_clips_asked_for_is_refused(encoder, tmp_path):
    with pytest.raises(ConfigError, match="--clips 0"):
        write_figures(encoder(), clips_of([]), tmp_path, num_clips=0)


def test_the_command_prints_numbers_and_files_and_notes_go_to_stderr(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr("vlsa.data.loading.dataset.open_dataset", lambda _: clips_of(tiny_clips(4)))
    monkeypatch.setattr(encoders, "load_run", lambda _: encoder(local_weight=0.0))
    line = f"vlsa show run --data store --out {tmp_path} --clips 1"
    result = call(line)
    assert result.exit_code == 0, result.output
    assert "maximum on the sounding object" in result.stdout
    assert "chance" in result.stdout
    assert "gallery.html" in result.stdout
    assert "no decoder" in result.stderr
    numbers = [json.loads(row) for row in call(f"{line} --json").stdout.splitlines()]
    assert {number["figure"] for number in numbers} == {"where is the sound", "embedding"}


def test_a_loud_moment_is_the_highest_of_the_envelope():
    sound = np.zeros(6000, np.float32)
    sound[3000:3010] = -0.25
    times, loudness = envelope(sound, seconds=3.0)
    assert loudness.max() == 1
    assert times[loudness.argmax()] == pytest.approx(1.5, abs=0.01)
    assert (envelope(np.zeros(10, np.float32), 1.0)[1] == 0).all()


def test_long_texts_are_broken_into_lines_that_fit():
    words = [TextToken("word", "guessing" if n % 5 == 0 else None) for n in range(120)] + [TextToken("##s")]
    lines = token_lines(words)
    assert len(lines) > 3
    assert [word for line in lines for _, word in line] == words
    for line in lines:
        ends = [column + max(len(word.piece), len(word.prediction or "")) for column, word in line]
        starts = [column for column, _ in line]
        assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
        assert ends[-1] <= LINE_CHARACTERS


def test_drawing_nothing_is_one_line(tmp_path):
    with pytest.raises(VlsaError, match="no clip to draw"):
        draw_reconstructions([], tmp_path / "x.png", normalised=True)
    with pytest.raises(VlsaError, match="both video and audio"):
        draw_sound_maps([], tmp_path / "x.png")


def test_more_clips_make_a_higher_picture_of_the_same_width(tmp_path):
    empty = np.zeros((0, 4), np.float32)
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    clip = ReconstructedClip("a", Versions(frames, frames > 0, frames), Versions(empty, empty > 0, empty), (), {})
    one, three = (draw_reconstructions([clip] * n, tmp_path / f"{n}.png", normalised=False) for n in (1, 3))
    assert size_of(one)[0] == size_of(three)[0]
    assert size_of(three)[1] > 2 * size_of(one)[1]


def test_the_maximum_and_the_object_are_outlined_where_they_are(tmp_path):
    """With the object where the map is highest, green and white stand in that part of the frame, and nowhere else."""
    own = np.zeros((1, 2, 2), np.float32)
    own[0, 0, 1] = 1
    found = SoundMap("a", own, None, np.zeros(1))
    target = Target(own > 0, np.zeros_like(own, dtype=bool))
    frames = np.zeros((1, 32, 32, 3), np.uint8)
    shown = SoundMapPlot("a", found, frames, np.ones(100, np.float32), 0.0, 1.0, target)
    pixels = np.asarray(Image.open(draw_sound_maps([shown], tmp_path / "m.png")).convert("RGB")).astype(int)
    green = (pixels[..., 1] > 200) & (pixels[..., 0] < 150) & (pixels[..., 2] < 210)
    dark = (pixels.max(axis=-1) < 10).nonzero()
    rows, columns = green.nonzero()
    middle = (np.median(rows), np.median(columns))
    assert middle[1] > np.median(dark[1])  # to the right of the dark patches
    assert rows.max() < dark[0].max()  # and above the lowest of them
