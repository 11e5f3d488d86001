"""Table 7: every parameter counted once, hours by arithmetic, measured times that are times."""

import pytest
from tiny import tiny_run

from vlsa.config.recipes import recipe
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.flops import step_flops
from vlsa.pretrain.checkpoint import build_model
from vlsa.reproduce.cost import itemised, made_batch, measure_cost, write_cost


@pytest.fixture(scope="module")
def cost():
    return measure_cost("tiny", tiny_run(num_steps=50, batch_size=8), Tokenizer.of_size(150), batch_size=2, num_steps=1)


@pytest.mark.parametrize("name", ["tiny", "tiny/encoder-none", "tiny/decoder-video-text", "tiny/global-tokens"])
def test_every_parameter_is_counted_once(name):
    tokenizer = Tokenizer.of_size(2000)
    model = build_model(recipe(name), tokenizer)
    counted = itemised(model)
    assert sum(counted.values()) == sum(p.numel() for p in model.parameters())
    assert counted["encoder"] == sum(p.numel() for p in model.encoder.parameters())
    assert counted["decoder"] + counted["decoder.heads"] == sum(p.numel() for p in model.decoder.parameters())


def test_hours_are_the_recipe_s_clips_at_the_measured_rate(cost):
    assert cost.clips_in_all == 400
    assert cost.training_hours == pytest.approx(400 * cost.step_seconds / 2 / 3600)
    assert cost.flops_per_second == pytest.approx(step_flops(tiny_run().model).total * 2 / cost.step_seconds)


def test_the_table_has_ours_beside_the_paper_s(cost, tmp_path):
    page, facts = write_cost(cost, tmp_path)
    text = page.read_text(encoding="utf-8")
    for part in ("156 M", "1,350 (V100)", "10,580", "recipe `tiny`", "encode one sentence", "forward and backward"):
        assert part in text
    assert facts.exists()
    assert min(cost.step_seconds, cost.encode_clip_seconds, cost.encode_text_seconds, cost.query_seconds) > 0


def test_made_inputs_have_every_modality_whole():
    batch = made_batch(tiny_run(), 3)
    assert len(batch) == 3
    assert not batch.frame_padding.any()
    assert not batch.text_padding.any()
    assert (batch.num_samples == batch.waveform.shape[1]).all()
