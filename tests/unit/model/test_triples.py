"""Contrast of three modalities at once: each geometry in closed form, against its definition, and in what it counts."""

import math

import pytest
import torch
import torch.nn.functional as F
from tiny import generator, make_model, tiny_config, without

from vlsa.base.errors import ConfigError
from vlsa.config import MODALITIES
from vlsa.model.losses import Globals
from vlsa.model.triples import area, triple_loss, volume

CONTRASTS = ("volume", "area", "product")
ONE, OTHER, THIRD = torch.eye(3)


def unit(*numbers: float) -> torch.Tensor:
    return F.normalize(torch.tensor(numbers, dtype=torch.float32), dim=0)


def cosines(anchor: torch.Tensor, second: torch.Tensor, third: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return anchor @ second, anchor @ third, second @ third


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        ((ONE, OTHER, THIRD), 1.0),  # a cube
        ((ONE, OTHER, unit(1, 1, 0)), 0.0),  # in a plane
        ((ONE, unit(1, 1, 0), THIRD), math.sqrt(0.5)),
        ((ONE, -ONE, OTHER), 0.0),
    ],
)
def test_the_volume_of_three_unit_vectors(vectors, expected):
    assert -volume(*cosines(*vectors)).item() == pytest.approx(expected, abs=2e-3)  # the floor under its root


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        ((ONE, OTHER, THIRD), math.sqrt(3) / 2),  # equilateral, with sides of sqrt(2)
        ((ONE, ONE, ONE), 0.0),
        ((ONE, OTHER, -ONE), 1.0),  # a right angle between sides of sqrt(2)
        ((ONE, ONE, THIRD), 0.0),  # two corners in one place
    ],
)
def test_the_area_of_the_triangle_of_three_unit_vectors(vectors, expected):
    assert -area(*cosines(*vectors)).item() == pytest.approx(expected, abs=1e-3)


def test_volume_and_area_are_those_of_linear_algebra():
    vectors = F.normalize(torch.randn(50, 3, 8, generator=generator()), dim=-1)
    for three in vectors:
        gram = (three @ three.T).det().clamp(min=0).sqrt()
        assert -volume(*cosines(*three)).item() == pytest.approx(gram.item(), abs=1e-4)
        sides = torch.stack([three[1] - three[0], three[2] - three[0]])
        half = 0.5 * (sides @ sides.T).det().clamp(min=0).sqrt()
        assert -area(*cosines(*three)).item() == pytest.approx(half.item(), abs=1e-4)


def globals_of(vectors: torch.Tensor, present: torch.Tensor | None = None) -> Globals:
    """From modality, clip, D."""
    there = torch.ones(vectors.shape[:2], dtype=torch.bool) if present is None else present
    return Globals(dict(zip(MODALITIES, vectors, strict=True)), dict(zip(MODALITIES, there, strict=True)))


def loss(contrast: str, globals_: Globals, scale: float = 10.0, shift: int = 1) -> torch.Tensor:
    rows = torch.arange(len(globals_.present["video"]))
    return triple_loss(contrast, globals_, globals_, torch.tensor(scale), rows, torch.tensor(shift))


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_the_loss_is_the_cross_entropy_of_every_anchor_in_both_directions(contrast):
    vectors = F.normalize(torch.randn(3, 4, 8, generator=generator()), dim=-1)
    score = {
        "volume": lambda x, y, z: volume(*cosines(x, y, z)),
        "area": lambda x, y, z: area(*cosines(x, y, z)),
        "product": lambda x, y, z: math.sqrt(8) * (x * y * z).sum(),
    }[contrast]
    expected = 0.0
    for anchor in range(3):
        second, third = (n for n in range(3) if n != anchor)
        for i in range(4):
            wrong = [(j + 1) % 4 if contrast == "product" and j != i else j for j in range(4)]
            there = torch.stack(
                [score(vectors[anchor, i], vectors[second, j], vectors[third, wrong[j]]) for j in range(4)]
            )
            back = torch.stack([score(vectors[anchor, j], vectors[second, i], vectors[third, i]) for j in range(4)])
            for logits in (there, back):
                expected += F.cross_entropy(10 * logits[None], torch.tensor([i])).item() / 4
    assert loss(contrast, globals_of(vectors)).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_clips_that_match_score_better_than_clips_that_do_not(contrast):
    clip = F.normalize(torch.randn(6, 16, generator=generator()), dim=-1)
    same, mixed = torch.stack([clip, clip, clip]), torch.stack([clip, clip.roll(1, dims=0), clip.roll(2, dims=0)])
    assert loss(contrast, globals_of(same)) < loss(contrast, globals_of(mixed)) - 1


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_a_clip_without_a_modality_is_neither_query_nor_negative(contrast):
    vectors = F.normalize(torch.randn(3, 5, 8, generator=generator()), dim=-1)
    present = torch.ones(3, 5, dtype=torch.bool)
    present[1, 4] = False
    some = loss(contrast, globals_of(vectors, present), shift=0)
    assert some.item() == pytest.approx(loss(contrast, globals_of(vectors[:, :4]), shift=0).item(), rel=1e-5)
    junk = vectors.clone()
    junk[:, 4] = F.normalize(torch.randn(3, 8, generator=generator(7)), dim=-1)
    for shift in (1, 2, 3, 4):
        one, other = (loss(contrast, globals_of(part, present), shift=shift) for part in (vectors, junk))
        assert one.item() == pytest.approx(other.item(), rel=1e-6)
    present[:] = False
    assert loss(contrast, globals_of(vectors, present)).item() == 0


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_its_gradient_is_finite_where_all_vectors_are_alike(contrast):
    vectors = torch.ones(3, 4, 8).div(8**0.5).requires_grad_()
    loss(contrast, globals_of(vectors)).backward()
    assert vectors.grad.isfinite().all()


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_a_model_trains_by_it_in_place_of_the_pairs_contrast(tokenizer, batch, contrast):
    model = make_model(tiny_config(contrast=contrast, heads="modality"), tokenizer)
    found = model(without(batch, "audio", 2), generator())
    assert {name for name in found.terms if "contrast" in name} == {"global_contrast"}
    assert {name for name in found.terms if "match" in name} == {"global_match_audio_video", "global_match_audio_text"}
    found.total.backward()
    assert all(model.heads.projections[name]["all"].weight.grad.any() for name in MODALITIES)


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_a_space_for_each_pair_is_refused_in_one_line(contrast):
    with pytest.raises(ConfigError, match=rf"contrast={contrast} with heads=pair: .*heads=modality, or contrast=soft"):
        tiny_config(contrast=contrast, heads="pair")
