"""CLIP, SigLIP and SigLIP 2: frames and texts in one space, each frame encoded by itself.

A window is the mean of its frames. Axes: B windows, D width.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32

from vlsa.base.errors import ConfigError
from vlsa.retrieve.encode.public.encoder import WINDOW_SECONDS, PublicEncoder
from vlsa.retrieve.encode.public.files import PublicCheckpoint
from vlsa.retrieve.encode.public.library import model_of, on, part_of, pooled, transformers
from vlsa.retrieve.encode.public.names import SPACES
from vlsa.retrieve.encode.sampling import WindowSpec
from vlsa.retrieve.encode.unit_vectors import unit_length

NUM_FRAMES = 8
"""Frames of a window, evenly spread: one every 1.25 s."""
CLASSES = {
    "clip": ("CLIPModel", "CLIPImageProcessorPil"),
    "siglip": ("SiglipModel", "SiglipImageProcessorPil"),
    "siglip2": ("Siglip2Model", "Siglip2ImageProcessorPil"),
}
"""By `model_type`. The processors by Pillow, also where torchvision is installed: vectors are the same everywhere."""
FIXED_LENGTH = ("siglip", "siglip2")
"""Trained on texts padded to the whole length."""
INPUTS = ("pixel_values", "pixel_attention_mask", "spatial_shapes")


class FrameEncoder(PublicEncoder):
    """CLIP or SigLIP as an encoder of video and text."""

    spaces = SPACES["clip"]

    @classmethod
    def open(cls, checkpoint: PublicCheckpoint, device: torch.device) -> "FrameEncoder":
        """Raises CheckpointError, ConfigError."""
        model_class, processor_class = CLASSES[checkpoint.model_type]
        library = transformers()
        model = model_of(getattr(library, model_class), checkpoint, device)
        processor = part_of(getattr(library, processor_class), checkpoint)
        window = WindowSpec(
            window_seconds=WINDOW_SECONDS, num_frames=NUM_FRAMES, short_side_px=_side_px(processor), sample_rate_hz=0
        )
        config = model.config
        width = config.projection_dim if checkpoint.model_type == "clip" else config.vision_config.hidden_size
        return cls(checkpoint, model, part_of(library.AutoTokenizer, checkpoint), processor, window, width)

    def forward_media(self, modality: str, views: Sequence[np.ndarray]) -> Float32[np.ndarray, "B D"]:
        """The mean of the frames of each window."""
        images = [frame for view in views for frame in view]
        inputs = on(self.device, self.processor(images=images, return_tensors="pt"), INPUTS)
        with torch.inference_mode():
            vectors = pooled(self.model.get_image_features(**inputs)).float().cpu().numpy()
        ends = np.cumsum([len(view) for view in views])[:-1]
        return np.stack([part.mean(axis=0) for part in np.split(unit_length(vectors), ends)])

    def forward_text(self, texts: Sequence[str]) -> Float32[np.ndarray, "B D"]:
        """A vector for each text."""
        padding = "max_length" if self.checkpoint.model_type in FIXED_LENGTH else True
        inputs = on(self.device, self.tokens(texts, padding), ("input_ids", "attention_mask"))
        with torch.inference_mode():
            return pooled(self.model.get_text_features(**inputs)).float().cpu().numpy()


def _side_px(processor: object) -> int:
    """Side of the image that the model takes."""
    size = getattr(processor, "size", None) or {}
    sides = [value for name in ("shortest_edge", "height", "width") if (value := size.get(name))]
    if sides:
        return int(max(sides))
    patches, patch_px = getattr(processor, "max_num_patches", 0), getattr(processor, "patch_size", 0)
    if not patches or not patch_px:
        raise ConfigError(
            "preprocessor_config.json: gives no size of the images; frames cannot be read for it. "
            "Download or copy all files of the checkpoint again."
        )
    return int(patch_px * patches**0.5)
