"""VLSA as a module of sentence-transformers: `SentenceTransformer("ORG/NAME", trust_remote_code=True)`.

A repository that `vlsa.HubEncoder` or `vlsa export hub` wrote names this class in its modules.json. Texts, audio, video
and images become the vectors of `vlsa.load`; nothing is trained through it. Reads and writes such folders (hub.py).
Axes: B items of a batch, D width of a vector in all its spaces.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from vlsa.base.errors import VlsaError
from vlsa.config import num_shared
from vlsa.data.clip import Clip
from vlsa.retrieve.encode.protocol import Media
from vlsa.retrieve.evaluate.hub import HubEncoder

try:
    from sentence_transformers.base.modality import infer_batch_modality
    from sentence_transformers.base.modules import InputModule
except ImportError as error:
    raise VlsaError(
        "sentence-transformers: not installed in version 6 or later; its classes cannot be used. "
        "pip install '.[sentence-transformers]'"
    ) from error

MODALITY_OF = {"text": "text", "audio": "audio", "video": "video", "image": "video"}
"""What the library distinguishes, and as what the model encodes it."""


class VlsaModule(InputModule):
    """The only module of a SentenceTransformer: what it is given becomes vectors of unit length in each space."""

    def __init__(self, encoder: HubEncoder) -> None:
        super().__init__()
        self.encoder, self.model = encoder, encoder.model  # the second so that the library sees its weights

    @property
    def modalities(self) -> list[str]:
        """What `encode` takes."""
        spaces = self.encoder.spaces
        return [kind for kind, modality in MODALITY_OF.items() if num_shared(modality, modality, spaces)]

    def get_embedding_dimension(self) -> int:
        """D."""
        return self.encoder.width

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: Any) -> dict[str, Any]:
        """The items of a batch and their modality; a prompt stands before each text."""
        kind = infer_batch_modality(inputs, supported_modalities=self.modalities)
        items = [item[kind] if isinstance(item, dict) and item.keys() == {kind} else item for item in inputs]
        if kind == "text" and prompt:
            items = self._prepend_prompt(items, prompt)
        return {"modality": kind, "items": items}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Adds `sentence_embedding`, float32 B D, without a gradient. Raises MediaError, VlsaError."""
        kind, items = features["modality"], features["items"]
        if kind != "text":
            items = [self._media(item, kind) for item in items]
        with torch.inference_mode(False):  # a table cached in it would break a later training step
            vectors = getattr(self.encoder, f"encode_{MODALITY_OF[kind]}")(items)
        device = next(self.model.parameters()).device
        return {**features, "sentence_embedding": torch.from_numpy(vectors).to(device)}

    def _media(self, item: Any, kind: str) -> Media:
        """A path as it is; audio or an image in memory as a clip. Raises VlsaError for any other form."""
        if isinstance(item, str):
            return item
        if kind == "audio" and isinstance(item, dict):
            return self._sound(np.asarray(item["array"]), int(item["sampling_rate"]))
        if kind == "image" and hasattr(item, "convert"):
            return self._image(item)
        raise VlsaError(
            f"{kind} as {type(item).__name__}: its times or its rate are not known; its vector would be another one. "
            'Give a path, {"array": ..., "sampling_rate": ...} for audio, or an image of Pillow.'
        )

    def _sound(self, samples: np.ndarray, rate_hz: int) -> Clip:
        from vlsa.data.media.audio import mono, resample

        channels = np.atleast_2d(samples)
        if channels.dtype.kind != "f" or channels.ndim != 2 or len(channels) > max(channels.shape[1], 1):
            raise VlsaError(
                f"audio of {samples.dtype} {samples.shape}: not numbers from -1 to 1 by channel and time; its vector "
                "would be another one. Turn it, or divide it by the largest number of its kind."
            )
        window_hz = self.encoder.window.sample_rate_hz
        sound = resample(mono(channels.astype(np.float32), rate_hz)[0], rate_hz, window_hz)
        seconds = len(sound) / window_hz
        return Clip(
            id="audio", source="memory", start_seconds=0.0, stop_seconds=seconds, sound=sound, sample_rate_hz=window_hz
        )

    def _image(self, image: Any) -> Clip:
        from vlsa.data.media.decode import image_clip

        return image_clip(image, "memory", self.encoder.window.short_side_px)

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write weights, settings and vocabulary; the library writes the rest. Raises as HubEncoder.write_files."""
        self.encoder.write_files(output_path)

    @classmethod
    def load(
        cls,
        model_name_or_path: str,
        subfolder: str = "",
        token: bool | str | None = None,
        cache_folder: str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        **_: Any,
    ) -> "VlsaModule":
        """The module of a folder or a repository of the hub. Raises ConfigError or CheckpointError."""
        options = {
            "token": token,
            "cache_dir": cache_folder,
            "revision": revision,
            "local_files_only": local_files_only,
        }
        given = {name: value for name, value in options.items() if value}
        return cls(HubEncoder.from_pretrained(model_name_or_path, device="cpu", **given))  # the library moves it
