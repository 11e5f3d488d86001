"""How a stored image is turned, mirrored or skewed before it is shown: the display matrix.

Feeds render.py.
Axes: H W pixels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

SQUARE_TOLERANCE = 1e-3
"""Parts of a matrix that are smaller than this share of its largest are rounding."""


@dataclass(frozen=True)
class Display:
    """x' = a x + c y and y' = b x + d y, with y downwards and scaled so that the largest of them is 1 or -1."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 1.0

    @property
    def is_turned(self) -> bool:
        """By a quarter: width and height change places."""
        return max(abs(self.a), abs(self.d)) < SQUARE_TOLERANCE

    @property
    def is_square(self) -> bool:
        """Turned by quarters and mirrored at most, which moves pixels and makes none."""
        return self.is_turned or max(abs(self.b), abs(self.c)) < SQUARE_TOLERANCE

    def size(self, width_px: float, height_px: float) -> tuple[float, float]:
        """Width and height of what is shown of an image."""
        if self.is_turned:
            return height_px, width_px
        if self.is_square:
            return width_px, height_px
        return (
            abs(self.a) * width_px + abs(self.c) * height_px,
            abs(self.b) * width_px + abs(self.d) * height_px,
        )

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The image (uint8, H W 3) as it is shown; black where a slanted one leaves corners free."""
        if not self.is_square:
            return self._slanted(image)
        x_sign, y_sign = (self.c, self.b) if self.is_turned else (self.a, self.d)
        shown = image.transpose(1, 0, 2) if self.is_turned else image
        return shown[:: 1 if y_sign > 0 else -1, :: 1 if x_sign > 0 else -1]

    def _slanted(self, image: np.ndarray) -> np.ndarray:
        from PIL import Image

        height, width = image.shape[:2]
        matrix = np.array([[self.a, self.c], [self.b, self.d]])
        corner = np.minimum(matrix * [width, height], 0).sum(axis=1)  # the left and upper end of what is shown
        back = np.linalg.inv(matrix)
        coefficients = np.column_stack([back, back @ corner]).ravel().tolist()
        size = tuple(max(round(side), 1) for side in self.size(width, height))
        image = Image.fromarray(image).transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
        return np.asarray(image)


def display_of(frame: Any) -> Display:
    """The matrix of a decoded frame; as stored where it has none, or one that leaves nothing to see."""
    if "DISPLAYMATRIX" not in {data.type.name for data in frame.side_data}:
        return Display()
    a, b, _, c, d, *_ = np.frombuffer(frame.side_data["DISPLAYMATRIX"], np.int32)[:9].astype(float).tolist()
    largest = max(abs(a), abs(b), abs(c), abs(d))
    if largest == 0 or abs(a * d - b * c) < SQUARE_TOLERANCE * largest**2:
        return Display()
    return Display(a / largest, b / largest, c / largest, d / largest)
