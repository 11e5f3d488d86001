"""`prepare --drop`: clips that lack a modality are left out, and named."""

import json
from dataclasses import replace

import pytest
from command_lines import call
from preparing import SETTINGS, made_clip, made_rows, run

from vlsa.base.errors import ConfigError, StoreError
from vlsa.data.store.prepare import prepare
from vlsa.data.store.shards import StoreSettings


def settings(*drop):
    return replace(SETTINGS, drop=drop)


def some_decoder(row, settings):
    """Clips without video; clip-1 has no audio either, but (for a moment) frames are not looked at."""
    clip = made_clip(row, settings)
    return replace(clip, sound=None, sample_rate_hz=None) if row.id == "clip-1" else clip


def rows_of_three():
    first, second, third = made_rows(3)
    return [first, second, replace(third, texts=())]


@pytest.mark.parametrize(
    ("drop", "reasons"),
    [
        (("no_sound",), {"clip-1": "no_sound"}),
        (("no_text",), {"clip-2": "no_text"}),
        (("no_text", "no_sound"), {"clip-1": "no_sound", "clip-2": "no_text"}),
    ],
)
def test_clips_that_lack_something_are_left_out_with_that_reason(tmp_path, drop, reasons):
    store = tmp_path / "store"
    summary = prepare(rows_of_three(), store, settings(*drop), num_workers=0, decode=some_decoder)
    report = [json.loads(line) for line in (store / "prepare_report.jsonl").read_text().splitlines()]
    assert {line["id"]: line["reason"] for line in report} == reasons
    assert summary.num_clips == 3 - len(reasons) and f"--drop {report[0]['reason']}" in report[0]["message"]


def test_clips_without_text_are_not_decoded_to_be_dropped(tmp_path):
    def decode(row, settings):
        assert row.texts, "decoded in vain"
        return made_clip(row, settings)

    summary = prepare(rows_of_three(), tmp_path / "store", settings("no_text"), num_workers=0, decode=decode)
    assert summary.num_clips == 2


def test_a_store_without_any_clip_left_says_what_was_dropped(tmp_path):
    with pytest.raises(StoreError, match="--drop no_video"):
        prepare(made_rows(2), tmp_path / "store", settings("no_video"), num_workers=0, decode=made_clip)


def test_a_store_is_continued_with_the_same_drops_only(tmp_path):
    rows, store = rows_of_three(), tmp_path / "store"
    prepare(rows, store, settings("no_text", "no_sound"), num_workers=0, decode=some_decoder)
    prepare(rows, store, settings("no_sound", "no_text"), num_workers=0, decode=some_decoder)
    with pytest.raises(StoreError, match="other settings: drop"):
        prepare(rows, store, settings("no_text"), num_workers=0, decode=some_decoder)


def test_a_store_that_drops_nothing_is_one_that_earlier_versions_read(tmp_path):
    run(made_rows(2), tmp_path / "store")
    assert "drop" not in json.loads((tmp_path / "store" / "store.json").read_text())["settings"]


def test_what_clips_cannot_be_dropped_for_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no_frames.*no_video, no_sound, no_text"):
        StoreSettings(drop=("no_frames",))
    (tmp_path / "footage").mkdir()
    result = call(f"vlsa prepare {tmp_path / 'footage'} {tmp_path / 'store'} --drop no_frames")
    assert result.exit_code == 2 and "no_video, no_sound, no_text" in result.stderr
