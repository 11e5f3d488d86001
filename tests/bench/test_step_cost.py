"""Bytes of a step: the closed form is what tensors that go in and out of the products add up to."""

import pytest
import torch
from step_cost import activation_elements, largest_batch, linear_products, num_weights, stacks, step_cost
from tiny import change, tiny_config
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vlsa.config.recipes import recipe, variants
from vlsa.model.encoder import Transformer
from vlsa.model.flops import layer_flops, step_flops


class CountedElements(TorchDispatchMode):
    """Numbers in the inputs and outputs of matrix products and attention."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, _types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        if any(word in function.name() for word in ("addmm", "::mm", "flash_attention")):
            parts = [part for part in tree_leaves([args, output]) if isinstance(part, torch.Tensor)]
            self.count += sum(part.numel() for part in parts if part.is_floating_point())
        return output


def test_the_blocks_move_what_their_products_read_and_write():
    num_clips, num_tokens, layers, width, heads, ratio = 3, 40, 2, 64, 4, 4
    transformer = Transformer(layers, width, heads, ratio)
    padding = torch.zeros(num_clips, num_tokens, dtype=torch.bool)
    x = torch.randn(num_clips, num_tokens, width, requires_grad=True)
    with CountedElements() as counted:
        transformer(x, [padding]).sum().backward()
    weights = layers * (4 + 2 * ratio) * width**2  # read forward, read for the input's gradient, written as gradient
    biases = layers * (4 + ratio + 1) * width
    sums = 2 * layers * num_clips * num_tokens * heads  # the softmax's, written forward and read backward
    states = counted.count - 3 * weights - biases - sums
    assert states == pytest.approx(60 * num_clips * num_tokens * layers * width, rel=0.01)


def test_the_products_of_the_blocks_are_those_whose_operations_are_counted():
    for config in (tiny_config(), change(tiny_config(), "encoder", fusion_layers=1), recipe("paper").model):
        products = sum(2 * a * b * c * times for (a, b, c), times in linear_products(config, 3).items())
        blocks = sum(
            layers * layer_flops(3 * tokens, [], width, ratio) for layers, tokens, width, ratio in stacks(config)
        )
        assert products == blocks < 3 * step_flops(config).forward


def test_options_that_compute_less_move_less():
    paper = recipe("paper")
    elements = [
        activation_elements(variant(paper).model) for variant in (variants.exact, variants.fast, variants.fastest)
    ]
    assert elements[0] == activation_elements(paper.model)
    assert elements[0] > 1.5 * elements[1] > 1.5 * elements[2]


def test_a_step_of_the_paper_is_bound_by_arithmetic_on_a_large_gpu():
    """By hand: (992 x 12 x 768 + 1,864 x 8 x 512) x 60 x 2 bytes are 2.01 GB a clip; embedding and heads add little."""
    config = recipe("paper").model
    cost = step_cost(config, 64, num_weights(config), 2)
    assert cost.activation_bytes / 64 == pytest.approx(2.01e9, rel=0.02)
    assert cost.weight_bytes == 58 * num_weights(config)
    by_arithmetic, by_memory = cost.floor_seconds(tflops=800, terabytes_per_second=3)
    assert by_arithmetic == pytest.approx(64 * 1.01 / 800, rel=0.01)
    assert by_arithmetic > by_memory


def test_what_should_fit_is_a_power_of_two_that_grows_with_memory_and_shrinks_with_precision():
    config = recipe("paper").model
    sizes = {kind: largest_batch(config, kind, 79, 151_000_000) for kind in ("float32", "bfloat16", "recompute")}
    assert sizes["float32"] < sizes["bfloat16"] < sizes["recompute"]
    assert all(size & (size - 1) == 0 for size in sizes.values())
    assert largest_batch(config, "bfloat16", 139, 151_000_000) == 2 * sizes["bfloat16"]
