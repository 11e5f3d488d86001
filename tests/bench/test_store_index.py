"""The made rows of bench/store_index.py are a store like any other, so that what it measures is what users wait for."""

import store_index

from vlsa.data.clip import digests_of, facts_of
from vlsa.data.store.reader import ClipStore


def test_the_made_rows_are_a_store_with_the_asked_number_of_clips(tmp_path):
    store_index.write_made_store(tmp_path / "store", 300)
    store = ClipStore.open(tmp_path / "store")
    wanted = store_index.made_clip(299)
    for clip in (store["clip-0000000299"], store.rows("train")[299], list(store.clips)[-1]):
        assert (clip.id, clip.texts, clip.sound_span) == (wanted.id, wanted.texts, wanted.sound_span)
    assert len(store) == 300 and facts_of(store.rows("train")).duration_seconds.sum() == 1800
    assert digests_of(store.clips) == ("0" * 16, None)


def test_shards_that_are_parsed_hold_the_same_clips(tmp_path):
    found = store_index.parsed(tmp_path / "parsed", 512)
    assert found["clips"] == 512 and found["seconds_a_million"] > 0
