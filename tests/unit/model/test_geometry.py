"""Alignment and uniformity have the values that can be worked out by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from tiny import tiny_config
from torch.utils._python_dispatch import TorchDispatchMode

from vlsa.model.geometry import alignment, geometry, uniformity
from vlsa.model.types import Globals

ALL = torch.ones(4, dtype=torch.bool)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_pairs_at_a_right_angle_lie_two_apart_and_opposite_ones_four():
    same = torch.eye(4)
    assert alignment(same, same, ALL).item() == 0
    assert alignment(same, same.roll(1, dims=0), ALL).item() == pytest.approx(2)
    assert alignment(same, -same, ALL).item() == pytest.approx(4)


def test_alignment_is_the_mean_over_pairs_that_are_there():
    one, other = torch.eye(4), torch.eye(4)
    other[0], other[3] = -other[0], 100.0  # the last is junk in the place of what is absent
    present = torch.tensor([True, True, False, False])
    assert alignment(one, other, present).item() == pytest.approx((4 + 0) / 2)


def test_orthonormal_clips_have_the_uniformity_of_their_distance():
    assert uniformity(torch.eye(4), ALL).item() == pytest.approx(-4)  # d^2 = 2 for every pair


def test_clips_at_two_opposite_points_have_the_closed_form():
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    assert uniformity(vectors, ALL).item() == pytest.approx(math.log((2 + 4 * math.exp(-8)) / 6), rel=1e-5)


def test_uniformity_is_what_a_loop_over_pairs_finds():
    vectors, present = unit(9, 5), torch.arange(9) % 4 != 1
    kept = vectors[present].double()
    terms = [math.exp(-2 * float((kept[i] - kept[j]).square().sum())) for i in range(len(kept)) for j in range(i)]
    assert uniformity(vectors, present).item() == pytest.approx(math.log(sum(terms) / len(terms)), rel=1e-5)


def test_a_collapsed_model_is_perfectly_aligned_and_not_uniform_at_all():
    same = unit(1, 16).expand(4, 16)
    assert alignment(same, same, ALL).item() == 0
    assert uniformity(same, ALL).item() == pytest.approx(0, abs=1e-5)


def test_directions_drawn_at_random_lie_almost_as_evenly_as_can_be():
    vectors = unit(1000, 512)
    assert uniformity(vectors, torch.ones(1000, dtype=torch.bool)).item() == pytest.approx(-4, abs=0.05)


def test_without_a_pair_there_is_no_number():
    none, lone = torch.zeros(4, dtype=torch.bool), torch.arange(4) == 0
    assert math.isnan(alignment(torch.eye(4), torch.eye(4), none))
    assert math.isnan(uniformity(torch.eye(4), lone))


def test_half_precision_round_about_does_not_blur_it():
    vectors = unit(64, 32)
    plain = uniformity(vectors, torch.ones(64, dtype=torch.bool))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(uniformity(vectors, torch.ones(64, dtype=torch.bool)), plain)


def test_each_pair_and_each_modality_of_one_has_a_name():
    vectors = {"video": unit(4, 8), "audio": unit(4, 8, seed=1), "text": unit(4, 8, seed=2)}
    globals_ = Globals(vectors, {"video": ALL, "audio": ALL, "text": torch.tensor([True, False, True, True])})
    values = geometry(globals_, tiny_config())
    assert list(values) == [
        "alignment_audio_video",
        "alignment_audio_text",
        "uniformity_audio",
        "uniformity_video",
        "uniformity_text",
    ]
    kept = [0, 2, 3]
    expected = alignment(vectors["audio"][kept], vectors["text"][kept], ALL[:3])
    assert values["alignment_audio_text"].item() == pytest.approx(expected.item())


def test_it_is_no_part_of_what_is_learned():
    vectors = unit(4, 8).requires_grad_()
    values = geometry(
        Globals({"audio": vectors, "video": vectors}, {"audio": ALL, "video": ALL}), tiny_config(pairs=("audio-video",))
    )
    assert not any(value.requires_grad for value in values.values())


class NoWaiting(TorchDispatchMode):
    """Fails where a value would be read from the device, or a shape would depend on one."""

    def __torch_dispatch__(self, operation, types, arguments=(), named=None):
        assert not any(word in str(operation) for word in ("_local_scalar_dense", "nonzero", "masked_select", "unique"))
        return operation(*arguments, **(named or {}))


def test_nothing_waits_for_the_device():
    globals_ = Globals({"audio": unit(4, 8), "text": unit(4, 8)}, {"audio": ALL, "text": ALL})
    with NoWaiting():
        geometry(globals_, tiny_config(pairs=("audio-text",)))
        with pytest.raises(AssertionError):
            ALL.sum().item()


def test_in_a_space_for_each_pair_alignment_is_of_that_space_and_uniformity_of_all_its_spaces():
    config = tiny_config(heads="pair", head_width=4)  # audio-video, audio-text
    same, other = torch.eye(4), torch.eye(4).roll(1, dims=0)
    nothing = torch.zeros(4, 4)
    vectors = {
        "video": torch.cat([same, nothing], dim=1),
        "audio": torch.cat([same, same], dim=1),
        "text": torch.cat([nothing, other], dim=1),
    }
    values = geometry(Globals(vectors, dict.fromkeys(vectors, ALL)), config)
    assert values["alignment_audio_video"].item() == 0
    assert values["alignment_audio_text"].item() == pytest.approx(2)
    for name in vectors:
        assert values[f"uniformity_{name}"].item() == pytest.approx(-4)
