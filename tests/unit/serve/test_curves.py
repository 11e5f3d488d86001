"""Training curves: what is read of metrics.jsonl, and that a picture comes of it."""

import json

import numpy as np
import pytest
from PIL import Image

from vlsa.errors import VlsaError
from vlsa.serve.curves import MOST_POINTS, averaged, draw_curves, read_series


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
    [("", "no training step"), ("words\n", r":1: not a record"), ('{"loss": 1}\n', "with a step")],
)
def test_what_cannot_be_drawn_is_one_line(tmp_path, content, message):
    (tmp_path / "m.jsonl").write_text(content)
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


def test_losses_and_retrieval_are_drawn_in_one_picture(tmp_path):
    records = [{"step": k, "loss": 9 / k, "local_video": 1 / k, "global_match": 2 / k} for k in range(1, 9)]
    records.append({"step": 8, "text_to_video/r10": 0.5, "name": "not a number"})
    write_metrics(tmp_path / "m.jsonl", records)
    picture = Image.open(draw_curves(tmp_path / "m.jsonl", tmp_path / "m.png"))
    assert np.asarray(picture.convert("L")).std() > 5  # something is drawn
    assert picture.size[0] > 1000
    assert picture.size[1] > 700
