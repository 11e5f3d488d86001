"""PE-AV: video, audio and text, with heads for each pair that text is in.

Text has one vector to be compared with audio and another for video, so that there are three spaces. Its tower for
frames is in pe_tower.py. Axes: B windows, D width of a vector in all its spaces, S samples.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from vlsa.base.errors import CheckpointError
from vlsa.model.warm_start.files import json_object, stored_weights
from vlsa.retrieve.encode.fusion import Fusion
from vlsa.retrieve.encode.public.encoder import WINDOW_SECONDS, PublicEncoder
from vlsa.retrieve.encode.public.files import PublicCheckpoint
from vlsa.retrieve.encode.public.library import DAMAGED, LOCAL, damaged, model_of, on, part_of, transformers
from vlsa.retrieve.encode.public.names import SPACES
from vlsa.retrieve.encode.sampling import WindowSpec

NUM_FRAMES = 16
"""Frames of a window, evenly spread; the published models take any number."""
TOWER = "embedder.vision_model.timm_model."
FRAME_SETTINGS = (
    "do_resize", "size", "resample", "do_center_crop", "crop_size", "do_rescale", "rescale_factor", "do_normalize",
    "image_mean", "image_std",
)  # fmt: skip
"""What the library's processors of videos and of images have in common."""


class PeAvEncoder(PublicEncoder):
    """PE-AV as an encoder of all three modalities."""

    spaces = SPACES["pe-av"]
    fusion: Fusion = "rank"

    @classmethod
    def open(cls, checkpoint: PublicCheckpoint, device: torch.device) -> "PeAvEncoder":
        """Raises CheckpointError."""
        library = transformers()
        config = _config(checkpoint)
        model = model_of(library.PeAudioVideoModel, checkpoint, device, config=config)
        tower = config.audio_video_config.video_config.vision_config
        side_px = tower.patch_px * tower.grid
        frames = library.CLIPImageProcessorPil(**_frame_settings(checkpoint, side_px))
        sounds = part_of(library.PeAudioFeatureExtractor, checkpoint)
        window = WindowSpec(
            window_seconds=WINDOW_SECONDS,
            num_frames=NUM_FRAMES,
            short_side_px=side_px,
            sample_rate_hz=sounds.sampling_rate,
        )
        tokenizer, width = part_of(library.AutoTokenizer, checkpoint), 3 * config.text_config.hidden_size
        return cls(checkpoint, model, tokenizer, {"video": frames, "audio": sounds}, window, width)

    def forward_media(self, modality: str, views: Sequence[np.ndarray]) -> Float32[np.ndarray, "B D"]:
        """A vector for each window, in the two spaces of its modality.

        Windows of one length share a pass: padding would change the vectors of the shorter ones.
        """
        encode = self._video if modality == "video" else self._audio
        vectors = _by_length(views, encode)
        absent = np.zeros_like(vectors)
        parts = (vectors, absent, vectors) if modality == "video" else (vectors, vectors, absent)
        return np.concatenate(parts, axis=1)

    def _video(self, views: Sequence[np.ndarray]) -> Tensor:
        images = [frame for view in views for frame in view]
        pixels = self.processor["video"](images=images, return_tensors="pt")["pixel_values"]
        pixels = pixels.unflatten(0, (len(views), -1)).to(self.device)
        part = self.model.video_model
        return part.video_head(part.video_encoder(pixel_values_videos=pixels).pooler_output)

    def _audio(self, views: Sequence[np.ndarray]) -> Tensor:
        rate_hz = self._window.sample_rate_hz
        inputs = self.processor["audio"](list(views), sampling_rate=rate_hz, return_tensors="pt")
        return self.model.get_audio_embeds(**on(self.device, inputs, ("input_values", "padding_mask")))

    def forward_text(self, texts: Sequence[str]) -> Float32[np.ndarray, "B D"]:
        """A vector for each text, to be compared with audio, and another, with video."""
        inputs = on(self.device, self.tokens(texts), ("input_ids", "attention_mask"))
        with torch.inference_mode():
            hidden = self.model.text_model(**inputs, output_hidden_states=True).hidden_states[-1][:, 0]
            heads = self.model.audio_model.text_audio_head, self.model.video_model.text_video_head
            vectors = torch.cat([torch.zeros_like(hidden), *(head(hidden) for head in heads)], dim=1)
        return vectors.float().cpu().numpy()


def _by_length(views: Sequence[np.ndarray], encode: Callable[[Sequence[np.ndarray]], Tensor]) -> np.ndarray:
    """One row for each view, from passes over views of one length."""
    groups: dict[int, list[int]] = defaultdict(list)
    for number, view in enumerate(views):
        groups[len(view)].append(number)
    rows: dict[int, np.ndarray] = {}
    with torch.inference_mode():
        for numbers in groups.values():
            rows |= zip(numbers, encode([views[number] for number in numbers]).float().cpu().numpy(), strict=True)
    return np.stack([rows[number] for number in range(len(views))])


def _config(checkpoint: PublicCheckpoint) -> Any:
    """The library's settings, with the tower of pe_tower.py in the sizes that the weights have."""
    from vlsa.retrieve.encode.public.pe_tower import HEAD_WIDTH, tower_config

    shapes = {
        name.partition(TOWER)[2]: stored.shape
        for name, stored in stored_weights(str(checkpoint.name), checkpoint.folder).items()
        if TOWER in name
    }
    try:
        tower = tower_config(shapes)
        config = transformers().PeAudioVideoConfig.from_pretrained(checkpoint.folder, **LOCAL)
    except DAMAGED as error:
        raise damaged(checkpoint, f"its tower for frames: {error!r}") from error
    architecture = str(config.audio_video_config.video_config.vision_config.architecture)
    if not architecture.startswith("vit_pe_core_") or tower.width % HEAD_WIDTH or "cls_token" not in shapes:
        raise CheckpointError(
            f"{checkpoint.name}: its tower for frames is {architecture}; vlsa has those of Perception Encoder up to "
            "the size large. Use one of these."
        )
    config.audio_video_config.video_config.vision_config = tower
    return config


def _frame_settings(checkpoint: PublicCheckpoint, side_px: int) -> dict[str, Any]:
    """How frames become images of the model: what the processor of videos says, which needs torchvision itself."""
    found: dict[str, Any] = {}
    for name in ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json"):
        if (checkpoint.folder / name).is_file():
            values = json_object(checkpoint.folder / name)
            found |= values.get("video_processor", values)
    settings = {"size": {"height": side_px, "width": side_px}, "do_center_crop": False, "resample": 2}
    given = {name: found[name] for name in FRAME_SETTINGS if found.get(name) is not None}
    return settings | {"image_mean": [0.5] * 3, "image_std": [0.5] * 3} | given
