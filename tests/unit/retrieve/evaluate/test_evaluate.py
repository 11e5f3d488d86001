"""Twelve directions on made clips with a stand-in encoder: who counts, against which gallery, and what is written."""

import json
from dataclasses import replace

import numpy as np
import pytest
from fake_encoder import CollapsedEncoder, FakeEncoder, numbered_clip

from vlsa.base.errors import VlsaError
from vlsa.data.clip import Clip
from vlsa.data.loading.loader import MemoryClips, MemoryRow
from vlsa.retrieve.encode.embed import ClipEmbeddings, embed_clips
from vlsa.retrieve.encode.unit_vectors import unit_length
from vlsa.retrieve.evaluate import directions, evaluate
from vlsa.retrieve.evaluate.directions import evaluate_within
from vlsa.retrieve.evaluate.evaluate import DIRECTIONS, Evaluation, Evaluator, evaluate_embeddings, evaluate_store
from vlsa.retrieve.evaluate.items import items_of
from vlsa.retrieve.evaluate.results_file import read_results
from vlsa.retrieve.index.rows import IndexRow


def store_of(clips: list[Clip]) -> MemoryClips:
    return MemoryClips({"test": clips, "train": [numbered_clip(99)]})


def full_clips(count: int) -> list[Clip]:
    return [numbered_clip(number, texts=(f"clip {number}", f"again clip {number}")) for number in range(count)]


def directions_of(clips: list[Clip], encoder=None, **options):
    return evaluate_embeddings(embed_clips(encoder or FakeEncoder(), clips), num_resamples=0, **options)


def test_a_perfect_encoder_finds_everything_first_in_twelve_directions():
    results = directions_of(full_clips(12))
    assert list(results) == list(DIRECTIONS)
    for result in results.values():
        assert result.scores.recall[1] == 1
        assert result.scores.median_rank == 1
        assert result.num_missing == 0


def test_a_collapsed_encoder_scores_exactly_chance_in_every_direction():
    for result in directions_of(full_clips(20), CollapsedEncoder()).values():
        assert result.scores.recall == pytest.approx(result.chance.recall)
        assert result.scores.median_rank == pytest.approx(result.chance.median_rank)
        assert result.scores.num_tied == result.scores.num_queries


def test_every_caption_is_a_query_and_a_clip_takes_its_best_caption():
    clips = [numbered_clip(1, texts=("clip 1", "clip 7")), numbered_clip(2, texts=("clip 2",)), numbered_clip(7)]
    results = directions_of(clips)
    assert results["text_to_video"].scores.num_queries == 3
    assert results["text_to_video"].scores.num_items == 3  # the clip without words is in the gallery all the same
    assert results["text_to_video"].scores.recall[1] == pytest.approx(2 / 3)  # "clip 7" finds clip 7, not its own
    assert results["video_to_text"].scores.num_queries == 2
    assert results["video_to_text"].scores.num_items == 3
    assert results["video_to_text"].scores.recall[1] == 1


def test_clips_without_sound_are_outside_the_headline_and_wrong_in_the_other_figure():
    clips = [numbered_clip(n, sound=n % 4 != 0, texts=(f"clip {n}", f"also {n}")) for n in range(8)]
    results = directions_of(clips)
    text_to_audio = results["text_to_audio"]
    assert (text_to_audio.scores.num_queries, text_to_audio.scores.num_items) == (12, 6)
    assert (text_to_audio.scores.recall[1], text_to_audio.num_missing) == (1, 4)
    assert text_to_audio.recall_missing_as_wrong[1] == pytest.approx(12 / 16)
    assert text_to_audio.note() == (
        "text → audio: 4 more queries lack one of the two sides; counted as wrong, "
        "R@1/5/10/50 are 75.0/75.0/75.0/75.0 %."
    )
    assert results["text_to_video"].note() == ""
    assert results["audio_to_text"].num_missing == 2  # a silent clip is one missing query
    assert results["audio_to_text"].recall_missing_as_wrong[1] == pytest.approx(6 / 8)
    assert results["text_to_video"].num_missing == 0


def test_a_missing_picture_counts_on_either_side():
    clips = [numbered_clip(n, picture=n > 0, sound=n < 5) for n in range(6)]
    results = directions_of(clips)
    assert {results[name].scores.num_queries for name in ("audio_to_video", "video_to_audio")} == {4}
    assert {results[name].num_missing for name in ("audio_to_video", "video_to_audio")} == {2}


def test_directions_without_a_single_pair_are_left_out():
    results = directions_of([numbered_clip(n, sound=False, texts=(f"clip {n}",)) for n in range(3)])
    assert list(results) == ["text_to_video", "video_to_text"]


def test_identical_captions_count_for_each_other_only_when_asked():
    clips = [numbered_clip(1, texts=("a bell 1",)), numbered_clip(2, texts=("a bell 1",))]
    strict, shared = directions_of(clips), directions_of(clips, identical_captions_count=True)
    assert strict["text_to_video"].scores.recall[1] == pytest.approx(0.5)
    assert shared["text_to_video"].scores.recall[1] == 1
    assert strict["audio_to_text"].scores.recall[1] == pytest.approx(0.5)
    assert shared["audio_to_text"].scores.recall[1] == 1


def test_a_caption_that_two_clips_share_does_not_make_the_others_sound_right_for_a_clips_own_video():
    """Clips 1 and 2 have the caption "x", and each sounds like the other one."""
    numbers, concepts = np.arange(3), np.eye(3, dtype=np.float32)
    everyone = np.ones(3, bool)
    given = ClipEmbeddings(
        ("0", "1", "2"),
        concepts,
        everyone,
        concepts[[0, 2, 1]],
        everyone,
        concepts[[0, 1, 1]],
        numbers,
        ("y", "x", "x"),
    )
    strict, shared = (
        {
            name: result.ranks.expected().tolist()
            for name, result in evaluate_embeddings(given, num_resamples=0, identical_captions_count=counts).items()
        }
        for counts in (False, True)
    )
    for name in ("audio_to_video", "video_text_to_audio", "audio_to_video_text", "audio_text_to_video"):
        assert shared[name] == strict[name], name
    assert shared["video_to_audio_text"] == strict["video_to_audio_text"]
    assert strict["audio_to_video"] == [1, 2.5, 2.5]  # tied with clip 0, below each other
    assert strict["text_to_audio"] == [1, 2.5, 1]
    assert shared["text_to_audio"] == [1, 1, 1]  # a caption alone asks for either
    assert strict["audio_to_text"] == [1, 2, 1.5]
    assert shared["audio_to_text"] == [1, pytest.approx(4 / 3), 1]


def test_captions_that_nobody_shares_give_the_same_with_and_without_identical_captions():
    clips = [numbered_clip(n, sound=n % 3 > 0, texts=(f"clip {n}", f"again {n}")[: n % 3]) for n in range(9)]
    embeddings = embed_clips(FakeEncoder(), clips)
    for query, item in DIRECTIONS.values():
        sides = items_of(embeddings, query), items_of(embeddings, item)
        (mask, fast), (slow_mask, slow) = (directions._positives(*sides, shared) for shared in (None, embeddings))
        np.testing.assert_array_equal(mask, slow_mask)
        np.testing.assert_array_equal(fast.items, slow.items)
        np.testing.assert_array_equal(fast.offsets, slow.offsets)


def noisy_embeddings(num_clips: int = 40, noise: float = 1.0, seed: int = 0) -> ClipEmbeddings:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(num_clips, 8))
    parts = [unit_length((truth + noise * rng.normal(size=truth.shape)).astype(np.float32)) for _ in range(3)]
    names = tuple(f"clip-{n}" for n in range(num_clips))
    present, rows = np.ones(num_clips, bool), np.arange(num_clips)
    return ClipEmbeddings(names, parts[0], present, parts[1], present, parts[2], rows, names)


def test_fused_media_are_the_vectors_that_the_index_keeps():
    clips = [numbered_clip(n, picture=n != 1, sound=n != 2, texts=(f"clip {n}",)) for n in range(4)]
    embeddings = embed_clips(FakeEncoder(), clips)
    for n, vector in enumerate(embeddings.media):
        video = embeddings.video[n] if embeddings.has_video[n] else None
        audio = embeddings.audio[n] if embeddings.has_audio[n] else None
        row = IndexRow(id="x", path="x", spaces=("all",), start_seconds=0.0, stop_seconds=1.0, video=video, audio=audio)
        np.testing.assert_array_equal(row.media, vector)
        np.testing.assert_allclose(np.linalg.norm(vector), 1, rtol=1e-6)
    assert directions_of(clips)["text_to_media"].scores.num_items == 4  # one modality is enough to be found


def test_two_noisy_views_fused_are_found_better_than_either():
    recall = {name: result.scores.recall[1] for name, result in evaluate_embeddings(noisy_embeddings(200)).items()}
    assert recall["text_to_media"] > max(recall["text_to_video"], recall["text_to_audio"]) + 0.02


def test_recall_at_50_is_between_text_and_sound_only():
    results = evaluate_embeddings(noisy_embeddings(60), num_resamples=0)
    with_50 = {name for name, result in results.items() if 50 in result.scores.recall}
    assert with_50 == {"text_to_audio", "audio_to_text"}
    assert 50 in results["text_to_audio"].recall_missing_as_wrong
    assert results["text_to_audio"].chance.recall[50] == pytest.approx(50 / 60)
    assert results["text_to_video"].row()[4] == "–"


def test_re_rankings_stand_apart_with_their_parameters_and_leave_the_plain_rows_alone(tmp_path):
    store = MemoryClips({"test": full_clips(6), "train": full_clips(9)[6:]})
    plain = evaluate_store(FakeEncoder(), store, num_resamples=0)
    names = ["dual-softmax", "sinkhorn:50", "qb-norm"]
    found = evaluate_store(FakeEncoder(), store, num_resamples=0, post=names)
    assert [result.scores for result in found.directions.values()] == [r.scores for r in plain.directions.values()]
    assert [(post.name, post.parameters["scale"]) for post in found.post] == [
        ("dual-softmax", 100.0), ("sinkhorn", 50.0), ("qb-norm", 20.0),
    ]  # fmt: skip
    assert found.post[2].parameters["num_bank"] == 6
    assert set(found.post[2].directions) == {"text_to_video", "text_to_audio", "text_to_media"}
    assert len(found.rows()) == 12 + 12 + 12 + 3
    assert found.rows()[12][0] == "text → video, dual-softmax"
    assert "use all queries: dual-softmax (scale 100.0); sinkhorn" in found.caption()
    found.write(tmp_path / "results.json")
    facts = read_results(tmp_path / "results.json").facts
    assert facts["post_processing"] == "none"
    assert facts["post_processed"]["sinkhorn"]["parameters"] == {"scale": 50.0, "num_rounds": 10}


@pytest.mark.parametrize(
    ("split", "post", "words"),
    [
        ("train", "qb-norm", "would meet themselves"),
        ("test", "qb-norm", "has no captions"),
        ("test", "sinkhron", "Did you mean sinkhorn?"),
        ("test", "sinkhorn:0", "a number from 0.001"),
        ("test", "sinkhorn:nan", "a number from 0.001"),
        ("test", "sinkhorn:warm", "a number from 0.001"),
    ],
)
def test_a_re_ranking_that_cannot_be_is_refused_in_one_line(split, post, words):
    store = MemoryClips({"test": full_clips(3), "train": [numbered_clip(n) for n in range(7, 9)]})
    with pytest.raises(VlsaError, match=words) as caught:
        evaluate_store(FakeEncoder(), store, split, post=[post])
    assert "\n" not in str(caught.value)


def test_a_re_ranking_given_twice_is_refused():
    with pytest.raises(VlsaError, match="given twice"):
        evaluate_store(FakeEncoder(), store_of(full_clips(3)), post=["sinkhorn", "sinkhorn:9"])


def test_digests_tell_other_words_and_other_clips_apart():
    clips = full_clips(4)
    same = directions_of(clips)["text_to_video"], directions_of(full_clips(4))["text_to_video"]
    assert same[0].queries_digest == same[1].queries_digest
    other_words = [*clips[:3], numbered_clip(3, texts=("clip 3", "once more clip 3"))]
    changed = directions_of(other_words)["text_to_video"]
    assert changed.queries_digest != same[0].queries_digest
    assert changed.gallery_digest == same[0].gallery_digest
    embeddings = [embed_clips(FakeEncoder(), group) for group in (clips, full_clips(4), other_words)]
    first, again, other = (directions.data_digest(one) for one in embeddings)
    assert first == again != other


def test_a_split_of_one_clip_cannot_be_ranked():
    with pytest.raises(VlsaError, match=r"split 'test' holds 1 clip") as caught:
        evaluate_store(FakeEncoder(), store_of(full_clips(1)))
    assert "\n" not in str(caught.value)


def test_clips_of_one_modality_cannot_be_evaluated():
    with pytest.raises(VlsaError, match="two of video, audio and text"):
        evaluate_store(FakeEncoder(), store_of([numbered_clip(n, sound=False) for n in range(3)]))


def evaluation(count: int = 12) -> Evaluation:
    return evaluate_store(FakeEncoder(), store_of(full_clips(count)), data="made/store", num_resamples=20, seed=5)


def test_results_name_data_sizes_rules_code_and_versions(tmp_path):
    evaluation().write(tmp_path / "deep" / "results.json")
    results = json.loads((tmp_path / "deep" / "results.json").read_text(encoding="utf-8"))
    assert (results["data"], results["split"], results["seed"]) == ("made/store", "test", 5)
    assert (results["num_clips"], results["num_texts"]) == (12, 24)
    assert "expectation" in results["tie_rule"]
    assert results["post_processing"] == "none"
    assert results["model"] == {"recipe": "fake", "sampling": {"num_windows": 8, "num_crops": 3}}
    assert results["version"] == 3
    assert "Each caption is a query" in results["protocol"]
    assert len(results["data_digest"]) == 16
    assert results["versions"]["numpy"] == np.__version__
    text_to_video = results["directions"]["text_to_video"]
    assert (text_to_video["N"], text_to_video["Q"], text_to_video["r1"]) == (12, 24, 1.0)
    assert text_to_video["chance"]["r10"] == pytest.approx(10 / 12)
    assert set(text_to_video["intervals"]) == {"r1", "r5", "r10", "medr", "meanr"}
    assert text_to_video["missing_counts_as_wrong"] == {"Q": 24, "missing_queries": 0, "r1": 1.0, "r5": 1.0, "r10": 1.0}
    assert not list(tmp_path.glob("deep/*.tmp"))


def test_the_table_has_chance_beside_each_score():
    header, first = evaluation(200).header, evaluation(200).rows()[0]
    cells = dict(zip(header, first, strict=True))
    assert cells["direction"] == "text → video"
    assert cells["R@10 %"] == "100.0"
    assert cells["chance R@1/5/10 %"] == "0.5/2.5/5.0"
    assert (cells["N"], cells["Q"]) == ("200", "400")
    assert "| text → video | 100.0 |" in evaluation(200).markdown()
    assert "made/store, split test" in evaluation().caption()


def test_the_training_loops_evaluator_gives_flat_numbers():
    evaluator = Evaluator(store_of(full_clips(5)), wrap=lambda model, tokenizer: model)
    numbers = evaluator(FakeEncoder(), None)
    assert numbers["text_to_audio/r1"] == 1.0
    assert numbers["video_to_audio/medr"] == 1.0
    assert len(numbers) == 7 * 4 + 2  # and R@50 in two directions


def sourced(number: int, source: str, texts: tuple[str, ...] = ()) -> Clip:
    return replace(numbered_clip(number, texts=texts or (f"clip {number}",)), source=source)


class SourcedRow(MemoryRow):
    """A row that names its media file, as those of a store do."""

    @property
    def source(self) -> str:
        return self.clip.source


class SourcedClips(MemoryClips):
    def rows(self, split=None):
        return [SourcedRow(row.clip, row.split) for row in super().rows(split)]


def test_captions_of_several_clips_are_warned_of_with_their_share(tmp_path):
    clips = [numbered_clip(n, texts=("a bell 1",) if n < 3 else (f"clip {n}", f"too {n}")) for n in range(5)]
    clips[4] = replace(clips[4], texts=("clip 4", "clip 4"))  # twice for one clip: no other clip has it
    found = evaluate_store(FakeEncoder(), store_of(clips), num_resamples=0)
    assert any("3 of 7 captions (42.9 %) also belong to another clip; only a caption's own" in n for n in found.notes())
    found.write(tmp_path / "results.json")
    overlap = read_results(tmp_path / "results.json").facts["overlap"]
    assert overlap["captions_of_several_clips"] == {"queries": 3, "share": pytest.approx(3 / 7)}
    counted = evaluate_store(FakeEncoder(), store_of(clips), num_resamples=0, identical_captions_count=True)
    assert any("each of those clips counts as right" in note for note in counted.notes())
    assert not any("Warning" in note for note in evaluation().notes())


def test_files_with_clips_in_both_splits_are_warned_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    test = [sourced(n, f"film-{n % 3}.mp4") for n in range(6)]
    train = [sourced(50, str(tmp_path / "film-1.mp4")), sourced(51, "other.mp4")]
    (warning,) = evaluate_store(FakeEncoder(), SourcedClips({"test": test, "train": train}), num_resamples=0).warnings()
    assert "2 clips of split test are of 1 files that split train holds clips of" in warning
    apart = SourcedClips({"test": test, "train": train[1:]})
    assert evaluate_store(FakeEncoder(), apart, num_resamples=0).warnings() == []


class FolderEncoder(FakeEncoder):
    """Tells folders apart (numbers 0-9, 10-19, ...) and nothing within one."""

    def _stack(self, numbers: list[int]) -> np.ndarray:
        return super()._stack([number // 10 for number in numbers])


def test_a_model_that_tells_folders_apart_alone_scores_chance_within_a_folder(tmp_path):
    clips = [sourced(10 * folder + n, f"/footage/{folder}/{n}.mp4") for folder in range(5) for n in range(4)]
    clips.append(sourced(90, "/footage/alone/0.mp4"))
    found = evaluate_store(FolderEncoder(), SourcedClips({"test": clips}), num_resamples=20, within="folder")
    whole, within = (one["text_to_video"] for one in (found.directions, found.within.directions))
    assert whole.scores.recall[1] == pytest.approx((20 / 4 + 1) / 21)
    assert whole.scores.recall[5] > 3 * whole.chance.recall[5]
    assert within.scores.recall == pytest.approx(within.chance.recall)
    assert within.scores.recall[1] == pytest.approx(1 / 4)
    assert (within.scores.num_queries, within.scores.num_items, found.within.num_left_out) == (20, 4, 1)
    assert (found.within.num_groups, within.ranks.num_clips) == (5, 20)
    assert any("ranked only among the clips of its own folder (5 in all); 1 clips alone" in n for n in found.notes())
    assert ("text → video, within-folder", "25.0") in [row[:2] for row in found.rows()]
    found.write(tmp_path / "results.json")
    again = read_results(tmp_path / "results.json")
    assert again.directions("within-folder")["text_to_video"]["r1"] == pytest.approx(1 / 4)
    assert again.ranks["within-folder"]["text_to_video"].num_clips == 20


def test_a_perfect_model_finds_everything_within_a_file_too():
    clips = [sourced(n, f"/footage/{n % 2}.mp4") for n in range(6)]
    found = evaluate_store(FakeEncoder(), SourcedClips({"test": clips}), num_resamples=0, within="file")
    assert {result.scores.recall[1] for result in found.within.directions.values()} == {1}
    assert found.within.directions["audio_to_video"].scores.num_items == 3


def test_a_group_without_sound_counts_its_queries_as_missing_and_measures_the_rest():
    clips = [numbered_clip(n, sound=n < 3, texts=(f"clip {n}",)) for n in range(6)]
    whole = directions_of(clips)
    within = evaluate_within(embed_clips(FakeEncoder(), clips), [np.arange(3), np.arange(3, 6)], num_resamples=0)
    assert list(within) == list(whole)
    for name, result in within.items():
        assert result.num_missing == whole[name].num_missing
        assert result.scores.num_queries == whole[name].scores.num_queries
        assert result.recall_missing_as_wrong == pytest.approx(whole[name].recall_missing_as_wrong)
    assert (within["video_to_audio"].num_missing, within["video_to_audio"].recall_missing_as_wrong[1]) == (3, 0.5)
    assert (within["text_to_media"].num_missing, within["text_to_media"].scores.num_queries) == (0, 6)


def test_where_all_items_of_a_group_are_right_its_query_is_left_out_and_its_missing_ones_count():
    clips = [numbered_clip(n, sound=n != 1, texts=(f"clip {n}",)) for n in range(5)]
    groups = [np.arange(2), np.arange(2, 5)]  # the first has one sound
    found = evaluate_within(embed_clips(FakeEncoder(), clips), groups, num_resamples=0)["text_to_audio"]
    assert (found.scores.num_queries, found.num_missing, found.scores.num_items) == (3, 1, 3)
    assert found.recall_missing_as_wrong[1] == pytest.approx(3 / 4)
    assert found.ranks.clip.tolist() == [2, 3, 4]


@pytest.mark.parametrize(
    ("store", "within", "words"),
    [
        (store_of(full_clips(3)), "folder", "do not name their media files"),
        (SourcedClips({"test": [sourced(n, f"/{n}/x.mp4") for n in range(3)]}), "folder", "no folder holds two clips"),
        (store_of(full_clips(3)), "foldr", "Did you mean folder?"),
    ],
)
def test_a_group_that_cannot_be_is_refused_in_one_line_before_anything_is_encoded(store, within, words):
    class Unused(FakeEncoder):
        def _stack(self, numbers):
            raise AssertionError("encoded before the group was checked")

    with pytest.raises(VlsaError, match=words) as caught:
        evaluate_store(Unused(), store, num_resamples=0, within=within)
    assert "\n" not in str(caught.value)


def test_the_dash_of_a_recall_that_is_not_measured_is_explained():
    assert evaluation().notes() == ["R@50 is measured between text and audio only (– elsewhere)."]


def test_a_recall_that_no_direction_has_is_no_column():
    found = evaluate_store(FakeEncoder(), store_of([numbered_clip(n) for n in range(9)]), num_resamples=0)
    assert "R@50 %" not in found.header and found.notes() == []
    assert {len(row) for row in found.rows()} == {len(found.header)}
    assert "–" not in found.markdown() and "| R@10 % | MedR |" in found.markdown()
    assert "R@50 %" in evaluation().header and "| R@50 % |" in evaluation().markdown()


def test_results_name_the_commit_of_the_code_that_began_to_run(monkeypatch):
    monkeypatch.setattr(evaluate, "source_commit", lambda: "before")

    class Slow(FakeEncoder):
        def encode_text(self, texts):
            monkeypatch.setattr(evaluate, "source_commit", lambda: "after")
            return super().encode_text(texts)

    assert evaluate_store(Slow(), store_of(full_clips(2)), num_resamples=0).commit == "before"


def test_only_frames_of_the_window_are_read():
    """Of frames at 0, 0.25 and 0.5 s the last is on screen at both wanted times, 0.5 and 1.5 s."""

    class Watched(FakeEncoder):
        def encode_video(self, clips):
            assert [clip.frame_seconds.tolist() for clip in clips] == [[0.5], [0.5]]
            return super().encode_video(clips)

    evaluate_store(Watched(), store_of(full_clips(2)), num_resamples=0)
