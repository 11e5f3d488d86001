"""Products with vectors in half precision, against NumPy's own conversion."""

import numpy as np
import pytest

from vlsa.retrieve.search import products
from vlsa.retrieve.search.products import dot, widened


def test_every_finite_half_number_is_widened_exactly():
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)].reshape(-1, 16)  # subnormal numbers and both zeros too
    np.testing.assert_array_equal(widened(finite), finite.astype(np.float32))


def test_what_is_float32_is_not_copied():
    rows = np.ones((3, 4), np.float32)
    assert widened(rows) is rows


@pytest.mark.parametrize("num_rows", [0, 1, 7, 20])
def test_a_product_is_the_same_whatever_the_blocks(monkeypatch, num_rows):
    monkeypatch.setattr(products, "BLOCK_ROWS", 7)
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(num_rows, 24)).astype(np.float16)
    vector = generator.normal(size=24).astype(np.float32)
    expected = rows.astype(np.float64) @ vector
    np.testing.assert_allclose(dot(rows, vector), expected, atol=1e-5)
    np.testing.assert_allclose(dot(rows.astype(np.float32), vector), expected, atol=1e-5)
    np.testing.assert_allclose(dot(rows[:, ::2], vector[::2]), rows[:, ::2].astype(np.float64) @ vector[::2], atol=1e-5)
