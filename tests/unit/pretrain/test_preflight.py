"""A data set without a modality that has to be matched is told before training, not after."""

import dataclasses
import logging

import pytest
from tiny import change, plain_clip, tiny_run

from vlsa.base.errors import StoreError
from vlsa.data.loading.loader import MemoryClips
from vlsa.pretrain.loop import pretrain
from vlsa.pretrain.preflight import require_pairs, unmatched

BOTH = ("audio-video", "audio-text")


def source(**fields) -> MemoryClips:
    return MemoryClips({"train": [plain_clip(id=f"c{n}", **fields) for n in range(4)]})


def test_a_pair_is_matched_when_one_clip_has_both():
    assert unmatched(source(), BOTH) == []
    assert unmatched(source(texts=()), BOTH) == ["audio-text"]
    assert unmatched(source(rate_hz=None), (*BOTH, "video-text")) == list(BOTH)
    clips = MemoryClips({"train": [plain_clip(id="a", texts=()), plain_clip(id="b", rate_hz=None)]})
    assert unmatched(clips, BOTH) == ["audio-text"]


def test_footage_without_sound_cannot_be_matched_with_sound(tmp_path):
    with pytest.raises(
        StoreError, match="no clip of split train has both sound and a picture, so that audio-video has"
    ):
        pretrain(tiny_run(), source(rate_hz=None), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_footage_without_words_trains_what_it_can_and_says_so(caplog):
    with caplog.at_level(logging.INFO, logger="vlsa"):
        require_pairs(source(texts=()), tiny_run())
    assert "no clip of split train has both sound and words; the pair audio-text is left out" in caplog.text
    with pytest.raises(StoreError, match="both sound and words"):
        require_pairs(source(texts=()), tiny_run(), all_of_them=True)


def test_what_is_only_rebuilt_needs_no_pair():
    config = tiny_run()
    config = dataclasses.replace(config, model=change(config.model, "objective", global_weight=0.0))
    require_pairs(source(rate_hz=None), config)
