"""A data set that is too small, or without a modality that has to be matched, is reported before training."""

import dataclasses
import logging

import pytest
from tiny import RATE_HZ, change, plain_clip, tiny_clips, tiny_run, tiny_store

from vlsa.base.errors import ConfigError, StoreError
from vlsa.data.loading.loader import MemoryClips
from vlsa.data.world.rendered import WorldClips, WorldSpec
from vlsa.pretrain.checkpoint import load_model
from vlsa.pretrain.loop import pretrain
from vlsa.pretrain.preflight import log_small_frames, require_pairs, summarise

BOTH = ("audio-video", "audio-text")


def source(**fields) -> MemoryClips:
    return MemoryClips({"train": [plain_clip(id=f"c{n}", **fields) for n in range(4)]})


def test_a_pair_is_matched_by_the_clips_that_have_both():
    assert summarise(source(), BOTH).num_matched == {"audio-video": 4, "audio-text": 4}
    assert summarise(source(texts=()), BOTH).num_matched == {"audio-video": 4, "audio-text": 0}
    assert set(summarise(source(rate_hz=None), BOTH).num_matched.values()) == {0}
    clips = MemoryClips({"train": [plain_clip(id="a", texts=()), plain_clip(id="b", rate_hz=None)]})
    assert summarise(clips, (*BOTH, "video-text")).num_matched == {"audio-video": 1, "audio-text": 0, "video-text": 1}


def test_one_clip_and_one_caption_are_not_called_several():
    one = summarise(MemoryClips({"train": [plain_clip(id="a", texts=("a bell",))]}), BOTH)
    assert str(one).startswith("1 clip, 1 distinct caption, ")
    assert str(summarise(source(texts=("a bell", "a dog")), BOTH)).startswith("4 clips, 2 distinct captions, ")


def some_silent(num_clips: int, num_silent: int) -> MemoryClips:
    return MemoryClips(
        {"train": [plain_clip(id=f"c{n}", rate_hz=None if n < num_silent else RATE_HZ) for n in range(num_clips)]}
    )


def test_one_clip_with_audio_among_silent_ones_has_no_other_to_be_told_from(tmp_path):
    with pytest.raises(StoreError, match="clips: 1 clip of split train has both audio and video, so that audio-video"):
        pretrain(tiny_run(), some_silent(8, 7), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    config = tiny_run()
    pairs = change(config.model, "objective", pairs=("audio-video", "video-text"))
    summary = require_pairs(some_silent(8, 7), dataclasses.replace(config, model=pairs))
    assert summary.num_matched == {"audio-video": 1, "video-text": 8}


@pytest.mark.parametrize("contrast", ["volume", "area", "product"])
def test_three_modalities_at_once_need_clips_that_have_them(tmp_path, contrast):
    config = tiny_run()
    config = dataclasses.replace(config, model=change(config.model, "objective", contrast=contrast))
    message = (
        rf"^clips: no clip of split train has video, audio and text, which .*contrast={contrast} .*=softmax, which"
    )
    with pytest.raises(StoreError, match=message):
        pretrain(config, source(texts=()), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_pairs_that_no_clips_have_get_no_space_and_the_same_command_resumes(tmp_path, caplog):
    """Untrained, such a space would have a say in every comparison of a modality with itself."""
    config, pairs = tiny_run(num_steps=2), ("audio-video", "audio-text", "video-text")
    config = dataclasses.replace(config, model=change(config.model, "objective", heads="pair", pairs=pairs))
    with caplog.at_level(logging.INFO, logger="vlsa"):
        pretrain(config, source(texts=()), tmp_path / "run")
    left_out = [record.message for record in caplog.records if "left out" in record.message]
    assert [message.rpartition("pair ")[2] for message in left_out] == [
        "audio-text is left out",
        "video-text is left out",
    ]
    model, _, saved = load_model(tmp_path / "run")
    assert model.heads.spaces == saved.model.objective.pairs == ("audio-video",)
    assert pretrain(config, source(texts=()), tmp_path / "run").finished


def test_a_batch_of_one_clip_is_refused_where_clips_are_contrasted(tmp_path):
    with pytest.raises(ConfigError, match=r"train\.batch_size=1: .* Set train\.batch_size=2"):
        pretrain(tiny_run(batch_size=1), source(), tmp_path / "run")
    config = tiny_run(batch_size=1, num_steps=1)
    local = dataclasses.replace(config, model=change(config.model, "objective", global_weight=0.0))
    assert pretrain(local, source(), tmp_path / "local").finished


def test_the_share_of_clips_that_can_be_matched_is_said_once(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="vlsa"):
        pretrain(tiny_run(num_steps=3, batch_size=8), some_silent(8, 4), tmp_path / "run")
    sizes = [record.message for record in caplog.records if "distinct caption" in record.message]
    assert len(sizes) == 1
    assert "8 clips, 1 distinct caption, 24 s" in sizes[0]
    assert "clips that can be matched: audio-video 50%, audio-text 50%" in sizes[0]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_pair_that_most_batches_lack_is_warned_of(caplog):
    config = tiny_run(batch_size=8)
    require_pairs(some_silent(80, 70), config).log(config)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert warnings[0].startswith("audio-video: a batch of 8 holds 1.0 clips with both on average")


@pytest.mark.parametrize(("num_clips", "init", "is_small"), [(999, (), True), (1000, (), False), (999, ("x",), False)])
def test_few_clips_from_scratch_are_said_to_teach_these_clips_alone(caplog, num_clips, init, is_small):
    config = tiny_run(init=init)
    clips = MemoryClips({"train": [plain_clip(id=f"c{n}", num_frames=1, seconds=0.1) for n in range(num_clips)]})
    with caplog.at_level(logging.INFO, logger="vlsa"):
        summary = require_pairs(clips, config)
        summary.log(config)
    assert summary.is_small == is_small
    assert (
        "teach a model these clips" in caplog.text and "--init starts from public weights" in caplog.text
    ) == is_small
    assert len(caplog.records) == 1


def test_footage_without_audio_cannot_be_matched_with_audio(tmp_path):
    with pytest.raises(StoreError, match="no clip of split train has both audio and video, so that audio-video has"):
        pretrain(tiny_run(), source(rate_hz=None), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_footage_without_captions_trains_what_it_can_and_says_so(caplog):
    with caplog.at_level(logging.INFO, logger="vlsa"):
        require_pairs(source(texts=()), tiny_run())
    assert "no clip of split train has both audio and text; the pair audio-text is left out" in caplog.text
    with pytest.raises(StoreError, match="both audio and text"):
        require_pairs(source(texts=()), tiny_run(), all_of_them=True)


@pytest.mark.parametrize(
    ("fields", "all_of_them", "advice"),
    [
        ({"rate_hz": None}, False, "or match what there is: --set model.objective.pairs=video-text."),
        ({"rate_hz": None}, True, "or match what there is: --pair video-text."),
        ({"rate_hz": None, "texts": ()}, False, "or train without matching: --recipe RECIPE/lpmm-only."),
        ({"rate_hz": None, "texts": ()}, True, "or choose other data: these have no pair at all."),
    ],
)
def test_what_the_clips_can_be_matched_by_is_told(fields, all_of_them, advice):
    with pytest.raises(StoreError) as caught:
        require_pairs(source(**fields), tiny_run(), all_of_them=all_of_them)
    assert str(caught.value).endswith(advice)


def test_frames_that_are_kept_smaller_than_the_model_takes_them_are_warned_of(tmp_path, caplog):
    store, world = tiny_store(tmp_path, tiny_clips(4)), WorldClips(WorldSpec(train=4, px=16))
    config = tiny_run()
    assert config.model.video.size_px == store.settings.short_side_px == 16
    larger = dataclasses.replace(config, model=change(config.model, "video", size_px=24))
    for clips in (store, world, source()):
        log_small_frames(clips, config)
    log_small_frames(source(), larger)  # nothing is known of clips in memory
    assert not caplog.records
    for clips in (store, world):
        log_small_frames(clips, larger)
        assert caplog.records.pop().levelname == "WARNING"
        assert "is 16 px, and the model takes 24 px: they are enlarged" in caplog.text
        assert caplog.text.rstrip().endswith("or set model.video.size_px=16")
        caplog.clear()


def test_what_is_only_reconstructed_needs_no_pair():
    config = tiny_run()
    config = dataclasses.replace(config, model=change(config.model, "objective", global_weight=0.0))
    require_pairs(source(rate_hz=None), config)
