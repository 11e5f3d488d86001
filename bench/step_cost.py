"""What must a training step cost: operations, bytes, and so the floor that no version runs below?

Why it matters: measured time over the floor is the gap, and the larger of the two terms says whether the problem is
arithmetic or moving memory. Operations are counted by `vlsa.model.flops`. Bytes that go through the device's memory:

**Activations.** Each matrix product and each attention call reads its inputs and writes its output once; what is
elementwise (norms, GELU, residuals, casts, losses) rides along for nothing, so this is a bound from below. A linear
layer from a to b values over N tokens moves N (a + b) elements forward, and twice as many backward: the gradient of
the input reads N b and writes N a, that of the weight reads N (a + b). Attention over tokens of width D reads 3 D and
writes D forward; backward it reads queries, keys, values, the output and its gradient, and writes three gradients: 8 D.
A block of width D and MLP ratio r thus moves, a token and in elements (2 bytes in bfloat16),

    3 (4 D + 2 D + 2 (1 + r) D) + 12 D          which is 60 D for r = 4

**Weights**, P of them, float32, with bfloat16 copies for the products, in bytes: the copy is made (4 + 2) P and read
forward and backward (2 + 2) P; gradients are written in bfloat16 and turned into float32 (2 + 2 + 4) P; their norm is
read and they are scaled (4 + 4 + 4) P; AdamW reads weight, gradient and two moments and writes three, (16 + 12) P: 58 P
in all, however many clips there are. Each further chunk of a batch reads the copy and adds to the gradient once more.

    python bench/step_cost.py --recipe paper --tflops 798 --terabytes-per-second 3.0

The default rates are assumed: near what is reported in public for one H100, and not measured by us. The last line of
stdout is one JSON record.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from records import exit_status, finish

from vlsa.config import ModelConfig
from vlsa.config.recipes import recipe
from vlsa.model.flops import step_flops, visible_tokens
from vlsa.model.masking import max_masked_tokens, num_visible
from vlsa.model.types import SpecialTokens
from vlsa.model.vlsa import VLSA

BYTES_OF_WEIGHT = 58
BYTES_OF_FURTHER_PASS = 22
"""Of a weight, for each further chunk: its copy, reading it twice, and its gradient added to what there is."""
SAVED_BYTES = {"float32": 72, "bfloat16": 40, "recompute": 4}
"""Kept for the backward pass a token, layer and unit of width, roughly: what the operators of a block save."""


@dataclass(frozen=True)
class StepCost:
    """Of one step of some clips."""

    flops: float
    activation_bytes: float
    weight_bytes: float

    @property
    def num_bytes(self) -> float:
        return self.activation_bytes + self.weight_bytes

    def floor_seconds(self, tflops: float, terabytes_per_second: float) -> tuple[float, float]:
        """By arithmetic, and by memory."""
        return self.flops / tflops / 1e12, self.num_bytes / terabytes_per_second / 1e12


def step_cost(
    config: ModelConfig, num_clips: int, num_weights: int, bytes_per_element: int, chunks: int = 1
) -> StepCost:
    """Of a step of so many clips of a model with so many weights. Operations are those of the method alone."""
    per_weight = BYTES_OF_WEIGHT + (chunks - 1) * BYTES_OF_FURTHER_PASS
    elements = num_clips * activation_elements(config)
    return StepCost(num_clips * step_flops(config).total, elements * bytes_per_element, num_weights * per_weight)


def stacks(config: ModelConfig) -> list[tuple[int, int, int, int]]:
    """(layers, tokens of a clip, width, MLP ratio) of the runs of equal layers; one encoder and decoder for all."""
    encoder, decoder, visible = config.encoder, config.decoder, sum(visible_tokens(config).values())
    apart = encoder.num_layers - encoder.fusion_layers
    return [
        (apart, visible, encoder.width, encoder.mlp_ratio),
        (encoder.fusion_layers, 2 * visible, encoder.width, encoder.mlp_ratio),
        (decoder.num_layers, visible + sum(decoded_patches(config)), decoder.width, decoder.mlp_ratio),
    ]


def decoded_tokens(config: ModelConfig) -> int:
    """Masked tokens of a text for which a step computes logits."""
    return max_masked_tokens(config.text.num_tokens, config.text.mask_share)


def decoded_patches(config: ModelConfig) -> tuple[int, int]:
    """Masked patches of video and of audio that a step decodes."""
    video, audio, share = config.video, config.audio, config.decoder.decoded_share
    masked_video = video.num_frames * (video.patches_per_frame - num_visible(video.patches_per_frame, video.mask_share))
    masked_audio = audio.num_patches - num_visible(audio.num_patches, audio.mask_share)
    return max(round(masked_video * share), 1), max(round(masked_audio * share), 1)


def linear_products(config: ModelConfig, num_clips: int) -> Counter[tuple[int, int, int]]:
    """How often a step multiplies (tokens, from, to) in its blocks' linear layers."""
    products: Counter[tuple[int, int, int]] = Counter()
    for layers, tokens, width, ratio in stacks(config):
        for inner, outer in ((width, 3 * width), (width, width), (width, ratio * width), (ratio * width, width)):
            products[num_clips * tokens, inner, outer] += layers
    return +products


def activation_elements(config: ModelConfig) -> float:
    """Numbers that a clip's products and attention read and write in a step, embedding and heads included."""
    video, audio, width = config.video, config.audio, config.encoder.width
    moved = sum(
        3 * rows * times * (inner + outer) for (rows, inner, outer), times in linear_products(config, 1).items()
    )
    moved += sum(12 * layers * tokens * wide for layers, tokens, wide, _ in stacks(config))
    visible, decoded = visible_tokens(config), decoded_patches(config)
    sizes = (3 * video.patch_px**2, audio.patch_size**2)
    moved += sum(2 * visible[name] * (size + width) for name, size in zip(("video", "audio"), sizes, strict=True))
    moved += 3 * sum(visible.values()) * (width + config.decoder.width)
    heads = (*zip(decoded, sizes, strict=True), (decoded_tokens(config), config.text.vocabulary_size))
    return moved + sum(3 * number * (config.decoder.width + size) for number, size in heads)


def largest_batch(config: ModelConfig, kind: str, memory_gib: float, num_weights: int) -> int:
    """A power of two of clips that should fit; the bench halves it where it does not."""
    saved = SAVED_BYTES[kind] * sum(layers * tokens * width for layers, tokens, width, _ in stacks(config))
    if kind == "recompute":  # one block is whole at a time
        saved += SAVED_BYTES["bfloat16"] * max(tokens * width for _, tokens, width, _ in stacks(config))
    saved += 3 * 4 * decoded_tokens(config) * config.text.vocabulary_size  # logits, their float32 copy, a gradient
    room = 0.92 * memory_gib * 2**30 - 18 * num_weights
    return 1 << max(int(room / saved).bit_length() - 1, 0)


def num_weights(config: ModelConfig) -> int:
    """Trained numbers of the model."""
    with torch.device("meta"):
        model = VLSA(config, SpecialTokens(1, 2, 3))
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


def floor_lines(cost: StepCost, num_clips: int, tflops: float, terabytes_per_second: float) -> list[str]:
    """The two numbers for people: what a step costs, and how fast it could be at most."""
    by_arithmetic, by_memory = cost.floor_seconds(tflops, terabytes_per_second)
    floor = max(by_arithmetic, by_memory)
    return [
        f"a step of {num_clips} clips computes {cost.flops / 1e12:.3g} TFLOP and moves at least "
        f"{cost.num_bytes / 1e9:.3g} GB ({cost.activation_bytes / 1e9:.3g} activations, {cost.weight_bytes / 1e9:.3g} "
        "weights)",
        f"ceilings: {tflops:.3g} TFLOP/s in bfloat16, {terabytes_per_second:.3g} TB/s",
        f"floor: {by_arithmetic * 1e3:.3g} ms by arithmetic, {by_memory * 1e3:.3g} ms by memory; "
        f"no version passes {num_clips / floor:.0f} clips/s",
    ]


def main() -> int:
    """Count, print, and end with the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="paper", help="whose step")
    parser.add_argument("--batch-size", type=int, default=64, help="clips of the step")
    parser.add_argument("--tflops", type=float, default=798.0, help="of a large bfloat16 product (bench/ceilings.py)")
    parser.add_argument("--terabytes-per-second", type=float, default=3.0, help="of a large copy, read and written")
    parser.add_argument("--out", type=Path, help="append the record to this file")
    options = parser.parse_args()
    config = recipe(options.recipe).model
    cost = step_cost(config, options.batch_size, num_weights(config), 2)
    rates = options.tflops, options.terabytes_per_second
    print("\n".join(floor_lines(cost, options.batch_size, *rates)))
    results = {"flops": cost.flops, "bytes": cost.num_bytes, "floor_seconds": cost.floor_seconds(*rates)}
    record = {"bench": "step_cost", "recipe": options.recipe, "batch_size": options.batch_size, "results": results}
    return finish(record, options.out)


if __name__ == "__main__":
    sys.exit(exit_status(main))
