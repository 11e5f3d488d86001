"""Training curves: what is read of metrics.jsonl, and that a picture comes of it."""

import json
import math

import numpy as np
import pytest
from PIL import Image, ImageColor
from tiny import tiny_clips

from vlsa.base.errors import VlsaError
from vlsa.config import Config
from vlsa.config.overrides import override, to_dict
from vlsa.data.loading.loader import MemoryClips
from vlsa.retrieve.evaluate.evaluate import Evaluator
from vlsa.show.plots.curves import MOST_POINTS, averaged, contrasted_clips, draw_curves, panels, read_series, style


def write_metrics(path, records) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def test_a_later_line_for_a_step_counts_as_after_a_resumed_run(tmp_path):
    write_metrics(tmp_path / "m.jsonl", [{"step": 1, "loss": 5.0}, {"step": 2, "loss": 4.0}, {"step": 2, "loss": 3.0}])
    steps, values = read_series(tmp_path / "m.jsonl")["loss"]
    assert (steps.tolist(), values.tolist()) == ([1, 2], [5.0, 3.0])


def test_a_torn_last_line_is_ignored(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"step": 1, "loss": 5.0}\n{"step": 2, "lo')
    assert read_series(tmp_path / "m.jsonl")["loss"][0].tolist() == [1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no training step"),
        ("words\n", r":1: not JSON"),
        ('{"loss": 1}\n', "with a step"),
        ('{"step": {}, "loss": 1}\n', "with a step"),
        ('[{"step": 1}]\n', "with a step"),
        (f'{{"step": {10**30}, "loss": 1}}\n', "with a step"),
        ('{"step": -1, "loss": 1}\n', "with a step"),
        (f'{{"step": 1, "loss": {10**400}}}\n', ":1: not JSON"),
        ("[" * 100_000 + "\n", ":1: not JSON"),
        ("\udcff\n", ":1: not JSON"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(tmp_path, content, message):
    (tmp_path / "m.jsonl").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(VlsaError, match=message) as caught:
        draw_curves(tmp_path / "m.jsonl", tmp_path / "m.png")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(VlsaError, match="cannot be read"):
        read_series(tmp_path / "gone.jsonl")


def test_averaging_keeps_short_curves_and_the_mean_of_long_ones():
    steps, values = np.arange(10), np.arange(10) ** 2.0
    np.testing.assert_array_equal(averaged(steps, values)[1], values)
    steps, values = np.arange(1001), np.random.default_rng(0).normal(size=1001)
    short_steps, short = averaged(steps, values)
    assert len(short) <= MOST_POINTS + 1
    assert (np.diff(short_steps) > 0).all()
    assert short[0] == pytest.approx(values[:9].mean())


def pixels_of(image: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels in the colour of a curve."""
    return (image == ImageColor.getrgb(style(name)[0])).all(axis=-1).nonzero()


def test_each_curve_is_drawn_in_its_panel_at_the_values_of_its_steps(tmp_path):
    records = [{"step": k, "loss": 9 / k, "local_video": 1 / k, "global_match": 2 / k} for k in range(1, 9)]
    records.append({"step": 8, "text_to_video/r10": 0.5, "name": "not a number"})
    write_metrics(tmp_path / "m.jsonl", records)
    with Image.open(draw_curves(tmp_path / "m.jsonl", tmp_path / "m.png")) as file:
        image = np.asarray(file.convert("RGB"))
    height, width = image.shape[:2]
    rows, columns = pixels_of(image, "video")
    assert rows.max() < height / 2  # the second of four panels
    assert columns.min() > width / 2
    at = {k: np.median(rows[columns == round(columns.min() + (k - 1) / 7 * np.ptp(columns))]) for k in (2, 4, 7)}
    for step, row in at.items():
        fall = (1 - 1 / step) / (1 - 1 / 8)  # from 1 at step 1 to 1/8 at step 8
        assert (row - rows.min()) / np.ptp(rows) == pytest.approx(fall, abs=0.03)
    rows, columns = pixels_of(image, "text → video")
    assert rows.min() > height / 2  # the fourth
    assert columns.min() > width / 2


def series(**values: list[float]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {name: (np.arange(1, len(points) + 1), np.array(points)) for name, points in values.items()}


def drawn(**values: list[float]) -> dict[str, list[str]]:
    """Titles of the panels that hold something, with their curves."""
    return {panel.title: list(panel.curves) for panel in panels(series(**values)) if panel.curves}


def test_every_value_that_training_writes_has_its_place():
    one = [1.0, 2.0]
    assert drawn(
        loss=one,
        alignment_audio_text=one,
        uniformity_audio=one,
        uniformity_text=one,
        gradient_norm=one,
        temperature=one,
        clips_per_second=one,
        data_wait_share=one,
        mfu=one,
        learning_rate=one,  # set, not found
    ) == {
        "loss": ["loss"],
        "alignment of positive pairs": ["audio text"],
        "uniformity (0 collapsed, -4 uniform)": ["audio", "text"],
        "gradient norm": ["gradient_norm"],
        "temperature": ["temperature"],
        "throughput": ["clips_per_second"],
        "data wait and model FLOPs utilisation": ["waiting for data, %", "MFU, %"],
    }


def test_shares_are_drawn_in_percent():
    panel = next(panel for panel in panels(series(mfu=[0.5, 0.25])) if panel.curves)
    assert panel.curves["MFU, %"][1].tolist() == [50.0, 25.0]


def test_a_temperature_that_nobody_learns_is_not_drawn_and_an_older_run_s_scale_is_turned_over():
    assert drawn(temperature=[0.07, 0.07]) == drawn(scale=[14.2857, 14.2857]) == {}
    panel = next(panel for panel in panels(series(scale=[10.0, 20.0])) if panel.curves)
    assert panel.curves["temperature"][1].tolist() == [0.1, 0.05]


def test_the_scores_that_the_loop_writes_on_its_way_are_drawn(model, tokenizer):
    scores = Evaluator(MemoryClips({"test": tiny_clips(3, "test")}))(model, tokenizer)
    (curves,) = drawn(**{name: [value] for name, value in scores.items()}).values()
    assert len(curves) == 7
    assert "text → video" in curves


def test_chance_is_drawn_where_it_is_known():
    one = [1.0, 2.0]
    matching = next(
        p for p in panels(series(global_contrast_audio_text=one, global_match_audio_text=one), 20) if p.curves
    )
    assert matching.chance == {"contrast": pytest.approx(2 * math.log(20)), "match": pytest.approx(math.log(2))}
    assert next(p for p in panels(series(global_contrast_audio_text=one)) if p.curves).chance == {}
    assert next(p for p in panels(series(loss=one), 20) if p.curves).chance == {}


def test_the_terms_of_a_fused_teacher_have_a_panel_of_their_own():
    one = [1.0, 2.0]
    found = drawn(global_contrast_audio_text=one, global_teach_audio=one, global_teach_text=one)
    assert found == {"matching (GAM)": ["contrast audio text"], "fused teacher (GAM)": ["audio", "text"]}
    teacher = next(p for p in panels(series(global_teach_audio=one), 20) if p.curves)
    assert teacher.chance == {"contrast": pytest.approx(2 * math.log(20))}


def test_the_clips_that_are_contrasted_are_those_of_the_runs_settings(tmp_path):
    path = tmp_path / "config.json"
    assert contrasted_clips(path) is None
    config = override(Config(), ["train.batch_size=48"])
    path.write_text(json.dumps(to_dict(config)))
    assert contrasted_clips(path) == 48
    path.write_text(json.dumps(to_dict(override(config, ["model.objective.contrast=sigmoid"]))))
    assert contrasted_clips(path) is None  # no partner is guessed among all
    for content in ("[1]", "[" * 100_000, json.dumps(to_dict(config)).replace("48", "-48")):
        path.write_text(content)
        assert contrasted_clips(path) is None


def test_a_modality_and_a_pair_have_one_colour_in_all_panels():
    pair = [style(name)[0] for name in ("contrast audio video", "match audio video", "audio video", "video → audio")]
    assert len(set(pair)) == 1
    assert len({style(name)[0] for name in ("audio", "video", "text", "audio video", "audio text", "loss")}) == 6
    assert (style("audio → video")[1], style("video → audio")[1], style("match audio text")[1]) == ("-", "--", "--")


def test_a_run_with_everything_is_drawn_in_rows_of_three(tmp_path):
    names = ("loss", "local_video", "global_match_audio_text", "alignment_audio_text", "mfu", "gradient_norm")
    write_metrics(tmp_path / "m.jsonl", [{"step": k, **dict.fromkeys(names, 1 / k)} for k in range(1, 9)])
    with Image.open(draw_curves(tmp_path / "m.jsonl", tmp_path / "m.png")) as picture:
        width, height = picture.size
    assert width / height == pytest.approx(3 * 4.6 / (2 * 3.0), rel=0.01)
