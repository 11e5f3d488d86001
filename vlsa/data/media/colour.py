"""From a decoded frame to RGB of a wanted size, as a player of ordinary range shows it. Feeds render.py.

Axes: H W pixels.
"""

import functools
from typing import Any

import numpy as np
from av.video.reformatter import ColorTrc, VideoReformatter
from jaxtyping import Float, UInt8, UInt16

HD_WIDTH_PX, SD_HEIGHT_PX = 1280, 576
"""From this width on, or above this height, colour without a tag is BT.709 as in HD television; else it is BT.601."""
UNSPECIFIED = 2
"""The number of an unknown matrix in every standard of video coding."""
WHITE_NITS = 203.0
"""Light of diffuse white in HDR (ITU-R BT.2408); it becomes nearly the white of ordinary video."""
HLG_PEAK_NITS, HLG_GAMMA = 1000.0, 1.2
"""The display that HLG is shown on (ITU-R BT.2100)."""
KNEE = 0.75
"""Share of white above which light is compressed, so that what is brighter than white keeps its shape."""
DISPLAY_GAMMA = 2.4
"""Of ordinary video (ITU-R BT.1886)."""
BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
"""Linear light of wide colour as that of ordinary video (ITU-R BT.2087)."""


def has_alpha(frame: Any) -> bool:
    """Whether parts of a frame may be transparent."""
    return frame.format.has_palette or any(component.is_alpha for component in frame.format.components)


def is_hd(width_px: int, height_px: int) -> bool:
    """Whether a stored frame is larger than those of standard television: also one without the bars of a wide film."""
    return width_px >= HD_WIDTH_PX or height_px > SD_HEIGHT_PX


def is_hdr(frame: Any) -> bool:
    """Whether a frame is coded for displays that are brighter than white."""
    return frame.color_trc in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)


def rgb(
    reformatter: VideoReformatter, frame: Any, width_px: int, height_px: int
) -> tuple[UInt8[np.ndarray, "H W 3"], str | None]:
    """A frame at a size, and a word on what was done: `tone-mapped` (HDR) or `on-white` (transparent parts)."""
    matrix = "ITU709" if frame.colorspace == UNSPECIFIED and is_hd(frame.width, frame.height) else None
    kind = "rgb48le" if is_hdr(frame) else "rgba" if has_alpha(frame) else "rgb24"
    image = reformatter.reformat(
        frame, width_px, height_px, kind, src_colorspace=matrix, interpolation="AREA", threads=1
    ).to_ndarray()
    if kind == "rgb48le":
        return tone_mapped(image, frame.color_trc), "tone-mapped"
    if kind == "rgba":
        return on_white(image), "on-white" if image[..., 3].min() < 255 else None
    return image, None


def on_white(image: UInt8[np.ndarray, "H W 4"]) -> UInt8[np.ndarray, "H W 3"]:
    """A image with transparent parts, laid on white."""
    alpha = image[..., 3:].astype(np.uint16)
    return ((image[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def tone_mapped(image: UInt16[np.ndarray, "H W 3"], transfer: int) -> UInt8[np.ndarray, "H W 3"]:
    """HDR of BT.2020 colours, coded by PQ or HLG, as ordinary video: equal up to 3/4 of white, compressed above."""
    light = _light_table(int(transfer))[image]
    if transfer == ColorTrc.ARIB_STD_B67:
        luma = light @ np.array([0.2627, 0.678, 0.0593], np.float32)
        light = light * (HLG_PEAK_NITS / WHITE_NITS) * np.maximum(luma, 1e-6)[..., None] ** (HLG_GAMMA - 1)
    light = np.maximum(light @ BT2020_TO_BT709.T, 0)
    brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    light = light * np.where(brightest > KNEE, _compressed(brightest) / brightest, 1)
    return np.round(255 * np.clip(light, 0, 1) ** (1 / DISPLAY_GAMMA)).astype(np.uint8)


def _compressed(light: Float[np.ndarray, "H W 1"]) -> Float[np.ndarray, "H W 1"]:
    room = 1 - KNEE
    return KNEE + room * (1 - np.exp((KNEE - light) / room))


@functools.cache
def _light_table(transfer: int) -> Float[np.ndarray, " 65536"]:
    """Linear light of each 16-bit code: of PQ in units of white, of HLG that of the scene (0 to 1)."""
    code = np.arange(65_536) / 65_535
    if transfer == ColorTrc.SMPTE2084:
        power = code ** (1 / 78.84375)
        nits = 10_000 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
        return (nits / WHITE_NITS).astype(np.float32)
    upper = (np.exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return np.where(code <= 0.5, code**2 / 3, upper).astype(np.float32)
