"""Paired comparison: known differences, seeds, and what cannot be compared."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_lines import ROOT, call
from scipy.stats import norm, t

from vlsa.base.errors import ResultsError
from vlsa.retrieve.encode.embed import ClipEmbeddings
from vlsa.retrieve.encode.unit_vectors import unit_length
from vlsa.retrieve.evaluate.bootstrap import p_value, resamples
from vlsa.retrieve.evaluate.compare import CLEAR_AT, TABLE_HEADER, _Pair, compare
from vlsa.retrieve.evaluate.directions import data_digest, evaluate_embeddings
from vlsa.retrieve.evaluate.evaluate import Evaluation, PostProcessed
from vlsa.retrieve.evaluate.ranks import Ranks
from vlsa.retrieve.evaluate.rerank import dual_softmax
from vlsa.retrieve.evaluate.results_file import Results, read_results

NUM_CLIPS = 120


def noisy(noise: float, seed: int, num_clips: int = NUM_CLIPS, prefix: str = "clip") -> ClipEmbeddings:
    """Embeddings of the same clips as another model might give them."""
    truth = np.random.default_rng(0).normal(size=(num_clips, 12))
    rng = np.random.default_rng(seed)
    parts = [unit_length((truth + noise * rng.normal(size=truth.shape)).astype(np.float32)) for _ in range(3)]
    names, present = tuple(f"{prefix}-{n}" for n in range(num_clips)), np.ones(num_clips, bool)
    return ClipEmbeddings(names, parts[0], present, parts[1], present, parts[2], np.arange(num_clips), names)


def write(path: Path, embeddings: ClipEmbeddings, scale: float = 20.0, **changes) -> Path:
    """A file of results with one re-ranking."""
    again = evaluate_embeddings(embeddings, num_resamples=0, rerank=lambda q, v: dual_softmax(q, v, scale))
    facts = {"data": "store", "split": "test", "data_digest": data_digest(embeddings)} | changes
    Evaluation(
        num_clips=len(embeddings), num_texts=len(embeddings), directions=evaluate_embeddings(embeddings),
        post=(PostProcessed("dual-softmax", {"scale": scale}, again),), **facts,
    ).write(path)  # fmt: skip
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two models, one of them better, at three seeds each."""
    folder = tmp_path_factory.mktemp("results")
    for seed in range(3):
        write(folder / f"a{seed}.json", noisy(0.7, seed + 1))
        write(folder / f"b{seed}.json", noisy(1.0, seed + 11))
    return folder


def results(folder: Path, *names: str) -> list[Results]:
    return [read_results(folder / f"{name}.json") for name in names]


def by_name(comparison) -> dict[tuple[str, str], object]:
    return {(one.direction, one.metric): one for one in comparison.differences}


def test_a_file_against_itself_differs_in_nothing(folder):
    for one in compare(results(folder, "a0"), results(folder, "a0"), num_resamples=50).differences:
        assert (one.difference, one.interval, one.p_value) == (0.0, (0.0, 0.0), 1.0)


def test_the_same_seeds_in_another_order_differ_in_nothing(folder):
    sides = results(folder, "a0", "a1", "a2"), results(folder, "a2", "a0", "a1")
    for one in compare(*sides, num_resamples=50).differences:
        assert one.difference == pytest.approx(0, abs=1e-12)
        assert (one.interval, one.p_value) == ((0.0, 0.0), 1.0)


def test_the_better_model_is_named_and_swapping_the_two_turns_the_sign(folder):
    there = by_name(compare(results(folder, "a0"), results(folder, "b0"), num_resamples=500))
    back = by_name(compare(results(folder, "b0"), results(folder, "a0"), num_resamples=500))
    assert len(there) == 12 * 5 + 2
    for name in (("text_to_video", "r1"), ("text_to_audio", "r10"), ("text_to_media", "r1")):
        assert there[name].difference > 0
        assert there[name].interval[0] > 0
        assert there[name].p_value < 0.05
    assert there["text_to_video", "medr"].difference < 0
    for name, one in there.items():
        assert back[name].difference == -one.difference
        assert back[name].interval == pytest.approx([-end for end in reversed(one.interval)])
        assert back[name].p_value == one.p_value


def test_the_interval_and_p_are_those_of_the_paired_normal_law(folder):
    a, b = results(folder, "a0", "a1")
    one = by_name(compare([a], [b], num_resamples=4000))["text_to_video", "r5"]
    apart = a.ranks["none"]["text_to_video"].hits(5) - b.ranks["none"]["text_to_video"].hits(5)
    error = apart.std() / len(apart) ** 0.5
    assert one.difference == pytest.approx(apart.mean())
    half_width = (one.interval[1] - one.interval[0]) / 2
    assert half_width == pytest.approx(1.96 * error, rel=0.1)
    # Recall moves in steps of 1/Q, and a step is on both sides of zero: allow for it.
    assert one.p_value == pytest.approx(2 * norm.sf(abs(apart.mean()) / error), abs=0.15)


def test_each_resample_is_scored_as_a_loop_over_drawn_queries_would(folder):
    a, b = results(folder, "a0", "b0")
    mine, theirs = (one.ranks["none"]["audio_to_video"] for one in (a, b))
    found = by_name(compare([a], [b], num_resamples=60, seed=4))
    drawn = [np.repeat(np.arange(NUM_CLIPS), row.astype(int)) for row in np.concatenate([*resamples(NUM_CLIPS, 60, 4)])]
    for metric, statistic in (
        ("r10", lambda ranks, rows: ranks.hits(10)[rows].mean()),
        ("medr", lambda ranks, rows: np.median(ranks.expected()[rows])),
        ("meanr", lambda ranks, rows: ranks.expected()[rows].mean()),
    ):
        differences = [statistic(mine, rows) - statistic(theirs, rows) for rows in drawn]
        low, high = np.percentile(differences, [2.5, 97.5])
        wider = t.ppf(0.975, NUM_CLIPS - 1) / norm.ppf(0.975) * (NUM_CLIPS / (NUM_CLIPS - 1)) ** 0.5
        expected = np.mean(differences) + wider * (np.array([low, high]) - np.mean(differences))
        assert found["audio_to_video", metric].interval == pytest.approx(expected, rel=1e-5)


def test_several_seeds_are_averaged_and_narrow_nothing_but_noise(folder):
    sides = results(folder, "a0", "a1", "a2"), results(folder, "b0", "b1", "b2")
    found = by_name(compare(*sides, num_resamples=200))["text_to_video", "r1"]
    of_a = [one.ranks["none"]["text_to_video"].hits(1).mean() for one in sides[0]]
    assert found.a == pytest.approx(np.mean(of_a))
    single = by_name(compare(sides[0][:1], sides[1][:1], num_resamples=200))["text_to_video", "r1"]
    assert np.diff(found.interval) < np.diff(single.interval)


def made_results(path: str, above: np.ndarray, clip: np.ndarray | None) -> Results:
    """One direction whose queries have these ranks."""
    ranks = Ranks(above, np.zeros_like(above), np.ones_like(above), 1000, clip)
    direction = {"N": 1000, "Q": len(above), "queries_digest": "q", "gallery_digest": "g"}
    facts = {"data": "store", "split": "test", "model": {}, "directions": {"text_to_video": direction}}
    return Results(path, facts, {"none": {"text_to_video": ranks}})


def made_ranks(rng: np.random.Generator, hard: np.ndarray, spread: float, clip: np.ndarray, place: float) -> Ranks:
    """Ranks of a model: how hard each clip is for all models, for this one, and how good its seed is."""
    of_clips = hard + spread * rng.normal() + 0.7 * rng.normal(size=len(hard))
    above = np.exp(1.3 * (of_clips[clip] + 0.3 * rng.normal(size=len(clip))) + place).astype(np.int64)
    return Ranks(above, np.zeros_like(above), np.ones_like(above), 10**6, clip)


def shares_of_clear_differences(
    num_clips: int, num_captions: int, num_runs: int, *, num_seeds: int = 1, keep_clips: bool = True
) -> dict[str, float]:
    """How often each metric of two equal models differs at p < 0.05; captions of a clip mostly share its fate."""
    rng = np.random.default_rng(num_captions)
    clip, num_clear = np.repeat(np.arange(num_clips), num_captions), Counter()
    for _ in range(num_runs):
        hard = rng.normal(size=num_clips)
        spread = 0.3 if num_seeds > 1 else 0.0
        a, b = ([made_ranks(rng, hard, spread, clip, 0.6) for _ in range(num_seeds)] for _ in "ab")
        if not keep_clips:
            a, b = ([replace(one, clip=None) for one in side] for side in (a, b))
        for one in _Pair("text_to_video", a, b, False).differences(300, 0):
            num_clear[one.metric] += one.p_value < 0.05
    return {name: count / num_runs for name, count in num_clear.items()}


@pytest.mark.parametrize(("num_clips", "num_captions"), [(60, 1), (40, 5), (30, 12)])
def test_two_equal_models_differ_in_one_run_of_twenty_however_many_captions_a_clip_has(num_clips, num_captions):
    """5% and three standard errors of 600 runs, both ways; a median's p is conservative, since it moves in steps."""
    shares = shares_of_clear_differences(num_clips, num_captions, 600)
    for name in ("r1", "r5", "meanr"):
        assert 0.02 < shares[name] < 0.08, (name, shares)
    assert shares["medr"] < 0.08


def test_the_mean_rank_of_ten_clips_is_no_more_often_clear_than_that_of_many():
    assert shares_of_clear_differences(10, 1, 400)["meanr"] < 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_medians_of_two_seeds_that_are_equal_by_chance_do_not_make_a_difference_clear():
    assert shares_of_clear_differences(100, 1, 200, num_seeds=2)["medr"] < 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5


def test_no_interval_is_a_point_and_that_of_a_median_that_does_not_vary_is_not_known():
    """Both have the same ranks: another share of clips, 1 − 0.025^(1/C), may differ by N − 1 ranks."""
    above, clip = np.arange(200) % 5, np.arange(200)
    found = by_name(compare([made_results("a", above, clip)], [made_results("b", above, clip)], num_resamples=50))
    unseen = 1 - 0.025 ** (1 / 200)
    assert found["text_to_video", "meanr"].interval == pytest.approx((-999 * unseen, 999 * unseen))
    median = found["text_to_video", "medr"]
    assert (median.interval, median.as_dict()["interval"], median.row()[5], median.p_value) == (None, None, "–", 1)


def test_few_clips_widen_an_interval_to_that_of_student():
    """Difference of mean ranks over 8 clips: its interval is mean ± t(0.975, 7) s / sqrt(8)."""
    above = np.array([10, 40, 20, 90, 60, 30, 70, 50])
    a, b = made_results("a", above, None), made_results("b", np.roll(above, 1), None)
    found = by_name(compare([a], [b], num_resamples=20_000))["text_to_video", "meanr"]
    apart = above - np.roll(above, 1)
    half_width = t.ppf(0.975, 7) * apart.std(ddof=1) / 8**0.5
    assert np.diff(found.interval) == pytest.approx(2 * half_width, rel=0.1)


def test_captions_taken_for_clips_would_find_differences_in_equal_models():
    """What the interval is protected from: so results without clips are named in the caption."""
    assert shares_of_clear_differences(60, 5, 60, keep_clips=False)["r5"] > 0.15


def test_a_file_without_clips_takes_them_from_another_of_the_same_queries_or_is_named():
    clip = np.repeat(np.arange(50), 5)
    a, b = (np.random.default_rng(seed).integers(0, 2, 50)[clip] * 20 for seed in (1, 2))
    both = [compare([made_results("a", a, clip)], [made_results("b", b, c)], num_resamples=200) for c in (clip, None)]
    assert both[0].differences == both[1].differences
    assert both[1].without_clips == ()
    unknown = compare([made_results("a", a, None)], [made_results("b", b, None)], num_resamples=200)
    assert "a, b: written before results named the clip of each query" in unknown.caption()
    assert unknown.as_dict()["files_without_clips"] == ["a", "b"]
    assert np.diff(unknown.differences[0].interval) < 0.7 * np.diff(both[0].differences[0].interval)


def test_files_that_group_the_queries_otherwise_are_refused():
    above = np.arange(6)
    one = made_results("a", above, np.array([0, 0, 1, 1, 2, 2]))
    same, other = (made_results("b", above + 1, np.array(clip)) for clip in ([5, 5, 3, 3, 9, 9], [0, 0, 0, 1, 2, 2]))
    assert compare([one], [same], num_resamples=5).differences
    with pytest.raises(ResultsError, match="another grouping of queries by clip in text_to_video"):
        compare([one], [other])


def test_p_is_corrected_for_all_rows_and_clear_rows_are_marked(folder):
    found, alike = (
        compare(results(folder, "a0"), results(folder, other), num_resamples=4000) for other in ("b0", "a1")
    )
    ordered = sorted(found.differences, key=lambda one: one.p_value)
    assert ordered[0].p_holm == pytest.approx(min(len(ordered) * ordered[0].p_value, 1))
    assert all(one.p_holm >= one.p_value for one in ordered)
    marked = [row[-1].endswith("*") for row in found.rows()]
    assert marked == [one.p_holm < 0.05 for one in found.differences]
    assert any(marked)
    assert not any(row[-1].endswith("*") for row in alike.rows())
    assert len(found.rows()[0]) == len(TABLE_HEADER)
    assert found.as_dict()["differences"][0]["p_holm"] == found.differences[0].p_holm


def test_too_few_resamples_for_any_row_to_be_marked_are_said_to_be(folder):
    sides = results(folder, "a0"), results(folder, "b0")
    rows = len(compare(*sides, num_resamples=10).differences)
    enough = 40 * rows
    few, many = (compare(*sides, num_resamples=number) for number in (enough - 1, enough))
    assert f"of {rows} rows p (Holm) is at least 0.05. Give --resamples {enough} or more." in few.caption()
    assert not any(one.is_clear for one in few.differences)
    assert "No row can be marked" not in many.caption() and any(one.is_clear for one in many.differences)


def test_two_perfect_models_may_still_differ_by_what_200_clips_cannot_show():
    perfect = np.zeros(200, np.int64)
    found = compare([made_results("a", perfect, None)], [made_results("b", perfect, None)], num_resamples=20)
    unseen = 1 - 0.025 ** (1 / 200)
    assert found.differences[0].interval == pytest.approx((-unseen, unseen))
    assert found.differences[0].p_value == 1


def test_three_clips_cannot_show_a_difference_however_many_captions_they_have():
    clip, above = np.repeat(np.arange(3), 50), np.zeros(150, np.int64)
    found = compare([made_results("a", above, clip)], [made_results("b", above + 50, clip)], num_resamples=1000)
    assert found.differences[0].p_value == 0.25  # of a sign test: 2 / 2³
    assert found.differences[0].interval[0] < 0


def test_seeds_that_differ_more_than_the_models_are_no_difference():
    """Seeds of one model at 35% to 75%, of the other at 30% to 70%: clips alone would call it clear."""

    def side(name: str, shares: tuple[float, ...]) -> list[Results]:
        return [made_results(f"{name}{share}", (np.arange(2000) >= 2000 * share) * 50, None) for share in shares]

    found = compare(side("a", (0.35, 0.55, 0.75)), side("b", (0.3, 0.5, 0.7)), num_resamples=2000).differences[0]
    assert found.difference == pytest.approx(0.05)
    half_width = 2.776 * 0.2 * (2 / 3) ** 0.5  # t(0.975, 4), standard deviation of seeds, three a side
    assert found.interval == pytest.approx((0.05 - half_width, 0.05 + half_width), abs=0.06)
    assert found.p_value > 0.5


def test_re_ranked_rows_are_compared_with_re_ranked_rows(folder):
    found = compare(*[results(folder, name) for name in ("a0", "b0")], post="dual-softmax", num_resamples=20)
    again = read_results(folder / "a0.json").facts["post_processed"]["dual-softmax"]["directions"]
    assert by_name(found)["text_to_video", "r5"].a == pytest.approx(again["text_to_video"]["r5"])
    assert "dual-softmax, which uses the whole set of queries" in found.caption()
    assert found.as_dict()["post_processing"] == "dual-softmax"


def test_the_table_names_metrics_and_signs(folder):
    found = compare(*[results(folder, name) for name in ("a0", "b0")], num_resamples=20)
    row = found.rows()[0]
    assert row[:2] == ("text → video", "R@1 %")
    assert row[4].startswith("+")
    assert " to " in row[5]
    assert "| text → video | R@1 % |" in found.markdown()
    assert "paired bootstrap" in found.caption()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: write(path, noisy(1, 1), split="val"), "another split (val, not test)"),
        (lambda path: write(path, noisy(1, 1), identical_captions_count=True), "whether identical captions count"),
        (
            lambda path: write(path, noisy(1, 1, prefix="other"), data="other"),
            "another data (digest of ids and captions)",
        ),
        (lambda path: write(path, noisy(1, 1, prefix="other"), data="other"), "(other, not store)"),
        (lambda path: write(path, noisy(1, 1, 90), data_digest="same"), "gallery in text_to_video (N = 90, not 120)"),
        (lambda path: write(path, noisy(1, 1, prefix="x"), data_digest="same"), "of the same size, but of other clips"),
    ],
)
def test_results_of_other_data_or_rules_are_refused_by_name(tmp_path, make, words):
    one = write(tmp_path / "one.json", noisy(1, 2), **({"data_digest": "same"} if "text_to" in words else {}))
    if "other clips" in words:
        one = write(tmp_path / "one.json", noisy(1, 2), data_digest="same")
    make(tmp_path / "other.json")
    with pytest.raises(ResultsError) as caught:
        compare([read_results(one)], [read_results(tmp_path / "other.json")])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("protocol", "every tie is won", "another protocol than"),
        ("tie_rule", "optimistic", "another tie rule (optimistic"),
        ("post_processing", "sinkhorn", "another post-processing (sinkhorn, not none)"),
    ],
)
def test_results_of_another_protocol_are_refused_by_name(folder, name, value, words):
    one = read_results(folder / "a0.json")
    other = replace(read_results(folder / "b0.json"), facts={**read_results(folder / "b0.json").facts, name: value})
    with pytest.raises(ResultsError) as caught:
        compare([one], [other])
    assert words in str(caught.value)


def test_results_of_the_older_rule_of_identical_captions_are_refused(tmp_path):
    new = read_results(write(tmp_path / "new.json", noisy(1, 1, 20), identical_captions_count=True))
    old = replace(new, facts={name: value for name, value in new.facts.items() if name != "identical_captions"})
    with pytest.raises(
        ResultsError, match=r"another rule of identical captions \(None, not a caption counts for every"
    ):
        compare([new], [old])
    assert compare([new], [new], num_resamples=5).differences


MIDDLE, COVERING = ({"sampling": {"num_windows": n, "num_crops": m}} for n, m in ((1, 1), (8, 3)))


def with_model(folder: Path, name: str, **model) -> Results:
    found = read_results(folder / f"{name}.json")
    return replace(found, facts={**found.facts, "model": model})


def test_results_whose_clips_were_encoded_by_another_rule_are_named_and_never_averaged(folder):
    """Results of before 0.4 state no rule: they are of the middle window and the centre crop."""
    old, middle, covering = (
        with_model(folder, name, **model) for name, model in (("a0", {}), ("a1", MIDDLE), ("a2", COVERING))
    )
    apart = compare([old], [covering], num_resamples=5)
    label = "the middle window and the centre crop of a clip, B up to 8 windows and up to 3 crops of a clip"
    assert f"A encodes {label}" in apart.caption()
    assert apart.as_dict()["sampling"] == f"A encodes {label}"
    alike = compare([old, middle], results(folder, "b0"), num_resamples=5)
    assert "encoded: the middle window and the centre crop of a clip" in alike.caption()
    with pytest.raises(ResultsError, match=r"a2.json: encoded up to 8 windows .* seeds and arms have to be encoded"):
        compare([old, covering], results(folder, "b0"))


def test_files_of_one_trained_model_are_no_seeds_of_it(folder, monkeypatch):
    one, again, other = (
        with_model(folder, name, fingerprint=text, training_seed=0)
        for name, text in (("a0", "f"), ("a1", "f"), ("a2", "g"))
    )
    for sides in (([one, again], [other]), ([other], [one, again]), ([one, one], [other])):
        with pytest.raises(ResultsError, match=r"a[01].json: of the same trained model as .*a0.json; counted as two"):
            compare(*sides)
    assert compare([one, other], [again], num_resamples=5).differences
    monkeypatch.chdir(folder)
    refused = call("vlsa compare a0.json a0.json a0.json --against b0.json --against b1.json")
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)


def test_a_side_of_several_recipes_is_named_in_the_caption(folder):
    sides = [
        [with_model(folder, f"{side}{n}", recipe=r) for n, r in enumerate(rs)]
        for side, rs in (("a", "xy"), ("b", "zz"))
    ]
    caption = compare(*sides, num_resamples=5).caption()
    assert "A is the mean of models of several recipes: x, y." in caption
    assert "B is the mean" not in caption


def test_a_re_ranking_at_another_scale_or_that_is_not_there_is_refused(folder, tmp_path):
    other = read_results(write(tmp_path / "other.json", noisy(1, 1), scale=50.0))
    with pytest.raises(ResultsError, match=r"post-processing \(dual-softmax with \{'scale': 50.0\}, not"):
        compare(results(folder, "a0"), [other], post="dual-softmax")
    with pytest.raises(ResultsError, match="holds no sinkhorn rows"):
        compare(results(folder, "a0"), results(folder, "b0"), post="sinkhorn")


def test_the_command_prints_a_table_or_a_line_for_each_number(folder, monkeypatch):
    monkeypatch.chdir(folder)
    shown = call("vlsa compare a0.json b0.json --resamples 50")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.count("→") == 12 * 5 + 2
    assert "A: a0.json. B: b0.json. store, split test" in shown.stdout
    lines = call("vlsa compare a0.json a1.json --against b0.json --against b1.json --resamples 50 --json").stdout
    first = json.loads(lines.splitlines()[0])
    assert (first["direction"], first["metric"], first["N"]) == ("text_to_video", "r1", NUM_CLIPS)
    assert first["difference"] == pytest.approx(first["a"] - first["b"])


def test_the_command_refuses_in_one_line_with_code_2(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    write(tmp_path / "val.json", noisy(1, 1), split="val")
    result = call(f"vlsa compare a0.json {tmp_path}/val.json")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "another split (val, not test)" in result.stderr


def test_directions_that_only_one_side_has_are_left_out_and_named(folder):
    """Results of version 0.4 have seven, and models with heads for some pairs fewer."""
    new, old = read_results(folder / "a0.json"), read_results(folder / "b0.json")
    fewer = {name: part for name, part in old.facts["directions"].items() if name != "media_to_text"}
    ranks = {"none": {name: part for name, part in old.ranks["none"].items() if name in fewer}}
    old = replace(old, facts={**old.facts, "directions": fewer}, ranks=ranks)
    found = compare([new], [old], num_resamples=10)
    assert {one.direction for one in found.differences} == set(fewer)
    assert "Left out, as not all files have them: video+audio → text." in found.caption()


def test_the_document_says_how_many_rows_a_table_has_and_how_many_resamples_a_star_needs(tmp_path):
    path = write(tmp_path / "a.json", noisy(0.5, seed=1))
    other = write(tmp_path / "b.json", noisy(0.5, seed=2))
    num_rows = len(compare([read_results(path)], [read_results(other)], num_resamples=10).differences)
    least = next(num for num in range(1, 10_000) if num_rows * p_value(np.ones(num)) < CLEAR_AT)
    written = " ".join((ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8").split())
    assert f"has {num_rows} comparisons" in written
    assert f"It needs {least:,} resamples or more" in written
