"""Each process draws the noise of its own clips, and all together that of one process."""

import dataclasses

import pytest
import torch
from tiny import generator, make_model, tiny_config

from vlsa.model.noise import uniform_rows


@pytest.mark.parametrize("num_numbers", [1, 8, 13])
def test_rows_are_the_same_whichever_are_asked_for(num_numbers):
    table = uniform_rows(7, 0, 9, num_numbers)
    assert table.shape == (9, num_numbers)
    assert table.dtype == torch.float32
    for start, stop in ((0, 3), (3, 4), (4, 9), (5, 5)):
        assert torch.equal(uniform_rows(7, start, stop, num_numbers), table[start:stop])


def test_numbers_are_uniform_and_no_row_or_seed_repeats_another():
    table = uniform_rows(0, 0, 2000, 100).double()
    assert 0 <= table.min() < 1e-4 < 1 - 1e-4 < table.max() < 1
    assert table.mean().item() == pytest.approx(1 / 2, abs=0.003)
    assert table.var().item() == pytest.approx(1 / 12, rel=0.01)
    assert len(table[:, 0].unique()) > 1990
    assert torch.corrcoef(table[:20]).fill_diagonal_(0).abs().max() < 0.5
    assert not torch.equal(uniform_rows(1, 0, 3, 100), uniform_rows(2, 0, 3, 100))


def test_processes_draw_together_what_one_draws(tokenizer):
    model = make_model(tiny_config(hard_negatives=True), tokenizer)
    whole = model.draw_noise(6, generator(3))
    for rows in ((0, 2), (2, 6)):
        own = model.draw_noise(6, generator(3), rows)
        assert own.pairs.shift == whole.pairs.shift
        assert torch.equal(own.pairs.partners, whole.pairs.partners[slice(*rows)])
        for field in dataclasses.fields(own.masks):
            noise = getattr(own.masks, field.name)
            assert torch.equal(noise, getattr(whole.masks, field.name)[slice(*rows)])
            assert noise.is_contiguous()  # what is not would be copied whole into pinned memory
