"""A run as a repository of the Hugging Face hub, by huggingface_hub's own mixin: `vlsa.HubEncoder`.

    FOLDER/model.safetensors   weights; settings and vocabulary in its header: all that `vlsa.load` needs
    FOLDER/config.json         its settings, for people and for the hub
    FOLDER/tokenizer.json      its vocabulary, for the library tokenizers
    FOLDER/modules.json, config_sentence_transformers.json   what SentenceTransformer(FOLDER) reads
    FOLDER/README.md           the model card (model_card.py)

Reads a run, such a folder, or a repository of the hub; feeds `vlsa export hub`.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch

from vlsa.base.errors import CheckpointError, ResultsError, VlsaError
from vlsa.base.files import write_atomically
from vlsa.base.hub import checkpoint_folder
from vlsa.config.overrides import to_dict
from vlsa.pretrain.checkpoint import MODEL_FILE, write_model
from vlsa.retrieve.encode.doubts import log_unfinished
from vlsa.retrieve.encode.encoders import VlsaEncoder, load_run
from vlsa.retrieve.encode.public.names import OWN

try:
    from huggingface_hub import ModelCard, ModelHubMixin
    from huggingface_hub.errors import HTTPError
    from yaml import YAMLError
except ImportError as error:
    raise VlsaError(
        "huggingface_hub: not installed; no repository of the hub can be written. pip install '.[public]'"
    ) from error

CARD_FILE = "README.md"
SENTENCE_MODULE = "vlsa.sentence_transformers.VlsaModule"
JSON_FILES = {
    "modules.json": [{"idx": 0, "name": "0", "path": "", "type": SENTENCE_MODULE}],
    "config_sentence_transformers.json": {"model_type": "SentenceTransformer", "similarity_fn_name": "dot"},
}
"""For sentence-transformers. The dot product of vectors of two modalities is their cosine, also with several spaces."""
OWN_FILES = (MODEL_FILE, "config.json", "tokenizer.json", *JSON_FILES, CARD_FILE)


class HubEncoder(
    VlsaEncoder,
    ModelHubMixin,
    library_name="vlsa",
    paper_url="https://arxiv.org/abs/2405.07202",
    pipeline_tag="feature-extraction",
    tags=["video", "audio", "text", "feature-extraction", "sentence-transformers"],
):
    """The encoder of `vlsa.load`, with `from_pretrained`, `save_pretrained` and `push_to_hub`.

    Both writing methods take `model_card_kwargs={"results": FILE}`, a file of `vlsa evaluate --out`.
    """

    @classmethod
    def of(cls, encoder: VlsaEncoder) -> "HubEncoder":
        """The same model with the methods of the hub."""
        about = {name: value for name, value in encoder.about.items() if name not in ("sampling", "fingerprint")}
        made = cls(
            encoder.model,
            encoder.tokenizer,
            about=about,
            batch_size=encoder.batch_size,
            fingerprint=encoder.fingerprint,
            settings=encoder.settings,
        )
        made.sampling = encoder.sampling
        return made

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        device: torch.device | str | None = None,
        **options: Any,
    ) -> "HubEncoder":
        """The model of a run, of a folder of the hub's layout, or of a repository: ORG/NAME or vlsa:ORG/NAME.

        device: None = the GPU if there is one. `options` are those of the mixin: revision, cache_dir, token,
        force_download, local_files_only. Raises ConfigError or CheckpointError.
        """
        name = os.fspath(pretrained_model_name_or_path).removeprefix(f"{OWN}:")
        folder = checkpoint_folder(name, ("*.json", "*.safetensors"), **options)
        return cls.of(load_run(folder, device, fast=True))

    def save_pretrained(
        self, save_directory: str | Path, *, model_card_kwargs: dict[str, Any] | None = None, **options: Any
    ) -> str | None:
        """Write the model into a folder. A card that is there stays as it is, but for results that are given.

        Raises CheckpointError for a folder of other things, or a card that cannot be read; ResultsError. Then nothing
        is written.
        """
        folder, given = Path(save_directory), model_card_kwargs or {}
        log_unfinished(self.about, "what is written is not the finished model")
        _require_own(folder)
        self._require_results(given.get("results"))
        if not (folder / CARD_FILE).exists():
            self.generate_model_card(**given).save(folder / CARD_FILE)
        elif given.get("results") is not None:
            _replace_results(folder / CARD_FILE, given["results"])
        return super().save_pretrained(folder, model_card_kwargs=model_card_kwargs, **options)

    def _require_results(self, results: str | Path | None) -> None:
        """Raises ResultsError for results that another model gave."""
        if results is None:
            return
        from vlsa.retrieve.evaluate.results_file import one_line, read_results

        measured = read_results(results).facts["model"].get("fingerprint", self.fingerprint)
        if measured != self.fingerprint:
            raise ResultsError(
                f"{results}: of another model (fingerprint {one_line(measured)}, not {self.fingerprint}); the card "
                "would claim what this one does not reach. "
                "Evaluate this one: vlsa evaluate RUN --data STORE --out FILE."
            )

    def _save_pretrained(self, save_directory: Path) -> None:
        self.write_files(save_directory)
        for name, value in JSON_FILES.items():
            _write_json(save_directory / name, value)

    def write_files(self, folder: str | Path) -> None:
        """Write weights, settings and vocabulary alone. Raises as `write_model` of pretrain/checkpoint.py."""
        write_model(Path(folder) / MODEL_FILE, self.model, self.tokenizer, self.settings)
        settings = {"model_type": "vlsa", "architectures": ["VLSA"], **to_dict(self.settings)}
        _write_json(Path(folder) / "config.json", settings)
        write_atomically(Path(folder) / "tokenizer.json", self.tokenizer.to_json().encode())

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Upload what `save_pretrained` writes; the address of the commit. Raises VlsaError."""
        card = {"repo_id": repo_id, **(options.pop("model_card_kwargs", None) or {})}
        try:
            return super().push_to_hub(repo_id, model_card_kwargs=card, **options)
        except (HTTPError, OSError, ValueError) as error:  # ValueError: no name of a repository
            reason = str(error).strip().partition("\n")[0]
            raise VlsaError(
                f"{repo_id}: the hub does not take it ({reason}). Log in with `hf auth login`, and check the name."
            ) from error

    def generate_model_card(self, **options: Any) -> ModelCard:
        """The model card; `repo_id` and `results`, a file of `vlsa evaluate --out`. Raises ResultsError."""
        self._require_results(options.get("results"))
        from vlsa.retrieve.evaluate.model_card import model_card

        return model_card(self._hub_mixin_info.model_card_data, self.settings, **options)


def _write_json(path: Path, value: Any) -> None:
    write_atomically(path, json.dumps(value, indent=2).encode() + b"\n")


def _replace_results(path: Path, results: str | Path) -> None:
    """Raises CheckpointError for a card whose metadata cannot be read, ResultsError."""
    from vlsa.retrieve.evaluate.model_card import replace_results

    try:
        card = ModelCard.load(path)
    except (ValueError, YAMLError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(
            f"{path}: its metadata cannot be read ({reason}); the results have no place in it, so nothing was written. "
            "Correct the lines between --- at its start, or move the file away."
        ) from error
    replace_results(card, results)
    card.save(path)


def _require_own(folder: Path) -> None:
    """Raises CheckpointError for a folder with other files: they would be taken for parts of the model."""
    others = sorted(entry.name for entry in folder.iterdir() if entry.name not in OWN_FILES) if folder.is_dir() else []
    if others or folder.is_file():
        what = f"{others[0]} is in it" if others else "a file"
        raise CheckpointError(f"{folder}: {what}; it would be mixed up with the model. Name a new folder.")
