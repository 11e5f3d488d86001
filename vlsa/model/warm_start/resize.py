"""What becomes of weights whose shape is not ours: pure functions from tensor to tensor, each with what it preserves.

Used by families.py and apply.py.
Axes: D width, C colours, t frames of a tubelet, h w rows and columns of a patch (of a spectrogram: frequencies and
times), V I G_h G_w frames and the grid of places in positions, P values of a patch.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor


def merge_frames(kernel: Float[Tensor, "D C t h w"]) -> Float[Tensor, "D C h w"]:
    """A tubelet's kernel for one frame: the sum over its frames, with the same output for a still video."""
    return kernel.sum(dim=2)


def merge_colours(kernel: Float[Tensor, "D C h w"]) -> Float[Tensor, "D 1 h w"]:
    """A colour kernel for a spectrogram: the sum over colours, with the same output for a grey image."""
    return kernel.sum(dim=1, keepdim=True)


def resize_kernel(kernel: Float[Tensor, "D C h w"], size: int) -> Float[Tensor, "D C p p"]:
    """A patch kernel for patches of another size, such that resized patches give the outputs of the originals.

    Least squares, as FlexiViT (arXiv 2212.08013, section 3.4): exact where patches grow, and where they shrink by a
    whole factor exact for images that are flat in each pixel of the smaller patch.
    """
    if kernel.shape[-2:] == (size, size):
        return kernel
    rows, columns = (_resize_matrix(old, size) for old in kernel.shape[-2:])
    inverse_rows, inverse_columns = torch.linalg.pinv(rows.T), torch.linalg.pinv(columns.T)
    return torch.einsum("ph,dchw,qw->dcpq", inverse_rows, kernel.double(), inverse_columns).float()


def _resize_matrix(old: int, new: int) -> Float[Tensor, "new old"]:
    """Linear interpolation to more pixels, or the means of areas to fewer, as a matrix."""
    pixels = torch.eye(old, dtype=torch.float64)[:, None]
    if new > old:
        resized = F.interpolate(pixels, size=new, mode="linear", align_corners=False)
    else:
        resized = F.interpolate(pixels, size=new, mode="area")
    return resized[:, 0].T


def fold_scales(
    kernel: Float[Tensor, "D 3 h w"],
    bias: Float[Tensor, " D"],
    theirs: tuple[tuple[float, ...], tuple[float, ...]],
    ours: tuple[float, float],
) -> tuple[Float[Tensor, "D 3 h w"], Float[Tensor, " D"]]:
    """Kernel and bias with the outputs at our scale of pixels that the given ones have at theirs.

    A scale is (mean, deviation) of pixels in [0, 1]: one number each for ours, one for each colour for theirs.
    """
    mean, deviation = (torch.tensor(values, dtype=torch.float64) for values in theirs)
    each = kernel.double() / deviation[:, None, None]
    shift = (each * (ours[0] - mean)[:, None, None]).sum(dim=(1, 2, 3))
    return (each * ours[1]).float(), (bias.double() + shift).float()


def video_linear(kernel: Float[Tensor, "D 3 h w"]) -> Float[Tensor, "D P"]:
    """A kernel as the weight of a linear layer over patches flattened as `patchify_video` does."""
    return rearrange(kernel, "d c h w -> d (h w c)")


def audio_linear(kernel: Float[Tensor, "D 1 h w"]) -> Float[Tensor, "D P"]:
    """A kernel over (frequency, time) as the weight of a linear layer over patches as `patchify_audio` flattens."""
    return rearrange(kernel, "d 1 f t -> d (t f)")


def resize_places(
    table: Float[Tensor, "V G_h G_w D"], num_frames: int, rows: int, columns: int
) -> Float[Tensor, "{num_frames} {rows} {columns} D"]:
    """Positions for another grid: bicubic in space, linear in time; one that has the right size stays as it is."""
    if table.shape[1:3] != (rows, columns):
        images = rearrange(table, "v h w d -> v d h w")
        resized = F.interpolate(images, size=(rows, columns), mode="bicubic", align_corners=False)
        table = rearrange(resized, "v d h w -> v h w d")
    if len(table) != num_frames:
        series = rearrange(table, "v h w d -> (h w) d v")
        resized = F.interpolate(series, size=num_frames, mode="linear", align_corners=False)
        table = rearrange(resized, "(h w) d v -> v h w d", h=rows)
    return table


def interleaved_sinusoids(num_positions: int, width: int) -> Float[Tensor, "num_positions width"]:
    """VideoMAE's positions, which it does not store: sines at even, cosines at odd elements (arXiv 1706.03762, 3.5)."""
    rates = 10_000 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(num_positions, dtype=torch.float64)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width].float()
