"""A run as a repository of the Hugging Face hub: weights, settings, vocabulary, and a card with its results.

    FOLDER/model.safetensors   the checkpoint itself, which holds all that `vlsa.load` needs
    FOLDER/config.json         its settings, for people and for the hub
    FOLDER/tokenizer.json      its vocabulary, for the library tokenizers
    FOLDER/README.md           the model card

`vlsa.load("vlsa:ORG/NAME")` reads it back (encode/encoders.py). Used by `vlsa export hub`.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlsa.base.errors import CheckpointError, VlsaError
from vlsa.base.files import write_atomically
from vlsa.base.hub import HUB_NAME
from vlsa.config import Config
from vlsa.config.overrides import to_dict
from vlsa.pretrain.checkpoint import MODEL_FILE, load_model, model_file
from vlsa.retrieve.evaluate.results import direction_label
from vlsa.retrieve.evaluate.results_file import read_results

CARD_FILE = "README.md"
TAGS = ("video", "audio", "text", "feature-extraction")
OWN_FILES = (MODEL_FILE, "config.json", "tokenizer.json", CARD_FILE)


def save_pretrained(run: str | Path, folder: str | Path, *, results: str | Path | None = None) -> Path:
    """Write the newest checkpoint of a run as a folder for the hub; `results` is a file of `vlsa evaluate --out`.

    Raises CheckpointError for a run without weights in one file or for a folder of other things, ResultsError.
    """
    path, folder = model_file(run), Path(folder)
    if path.name != MODEL_FILE:
        raise CheckpointError(
            f"{path}: its weights are in parts, which the hub cannot load. Resume the run on one GPU, and save again."
        )
    _, tokenizer, config = load_model(path)
    _require_own(folder)
    card = "\n".join(_card(config, results))
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / MODEL_FILE)
    settings = {"model_type": "vlsa", "architectures": ["VLSA"], **to_dict(config)}
    write_atomically(folder / "config.json", json.dumps(settings, indent=2).encode() + b"\n")
    write_atomically(folder / "tokenizer.json", tokenizer.to_json().encode())
    write_atomically(folder / CARD_FILE, card.encode() + b"\n")
    return folder


def push_to_hub(run: str | Path, repository: str, *, results: str | Path | None = None, private: bool = False) -> str:
    """Upload what `save_pretrained` writes; the address of the repository. Raises VlsaError."""
    if not HUB_NAME.fullmatch(repository):
        raise VlsaError(f"{repository}: no name of a repository; nothing can be uploaded. Give ORG/NAME.")
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise VlsaError("huggingface_hub: not installed; nothing can be uploaded. pip install '.[public]'") from error
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(run, folder, results=results)
        try:
            address = HfApi().create_repo(repository, private=private, exist_ok=True)
            HfApi().upload_folder(repo_id=repository, folder_path=folder, commit_message="Upload a VLSA model")
        except (HfHubHTTPError, OSError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise VlsaError(
                f"{repository}: the hub does not take it ({reason}). Log in with `hf auth login`, and check the name."
            ) from error
    return str(address)


def _require_own(folder: Path) -> None:
    """Raises CheckpointError for a folder with other files: they would be taken for parts of the model."""
    others = sorted(entry.name for entry in folder.iterdir() if entry.name not in OWN_FILES) if folder.is_dir() else []
    if others or folder.is_file():
        what = f"{others[0]} is in it" if others else "a file"
        raise CheckpointError(f"{folder}: {what}; it would be mixed up with the model. Name a new folder.")


def _card(config: Config, results: str | Path | None) -> Iterator[str]:
    """Lines of the model card."""
    yield from ("---", "library_name: vlsa", "tags:", *(f"- {tag}" for tag in TAGS), "---", "", "# VLSA", "")
    model = config.model
    yield f"Video, audio and text in one model (arXiv 2405.07202). Recipe `{config.recipe}`, seed {config.train.seed}."
    yield f"It compares {', '.join(model.objective.spaces)}: vectors of {model.vector_width} numbers, windows of "
    yield f"{model.audio.window_seconds:.2f} s with {model.video.num_frames} frames of {model.video.size_px} px."
    yield from ("", "```python", "import vlsa", "", 'encoder = vlsa.load("vlsa:ORG/NAME")', "```", "")
    yield from _results(results) if results is not None else ("No results are recorded.",)


def _results(path: str | Path) -> Iterator[str]:
    found = read_results(path)
    yield from (
        "## Results",
        "",
        f"Retrieval on split `{found.facts['split']}`, {found.facts['num_clips']:,} clips.",
        "",
    )
    yield from ("| direction | R@1 % | R@5 % | R@10 % | MedR |", "|---|---|---|---|---|")
    for name, scores in found.directions().items():
        yield f"| {direction_label(name)} | {_cells(scores)} |"


def _cells(scores: dict[str, Any]) -> str:
    return " | ".join([*(f"{100 * scores[f'r{k}']:.1f}" for k in (1, 5, 10)), f"{scores['medr']:g}"])
