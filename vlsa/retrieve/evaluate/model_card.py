"""The model card of a repository of the Hugging Face hub: what the model is, and its results, for people and the hub.

Reads settings and a file of `vlsa evaluate --out`; feeds hub.py.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from vlsa.config import Config
from vlsa.retrieve.evaluate.metrics import RECALL_AT
from vlsa.retrieve.evaluate.results import direction_label
from vlsa.retrieve.evaluate.results_file import Results, read_results

RESULTS = re.compile(
    r"^## Results\n\n(?:No results are recorded\.|Retrieval on split [^\n]*\n\n(?:\|[^\n]*(?:\n|\Z))+)", re.MULTILINE
)
"""The part of a card that is made anew: what people write before and after it is theirs."""


def model_card(
    data: ModelCardData, config: Config, *, repo_id: str = "ORG/NAME", results: str | Path | None = None
) -> ModelCard:
    """The card of a model; `results` is a file of `vlsa evaluate --out`. Raises ResultsError."""
    found = None if results is None else read_results(results)
    values = data.to_dict()
    if found is not None:
        values |= {"model_name": repo_id.rpartition("/")[2], "eval_results": list(_metrics(found))}
    text = "\n".join([*_about(config, repo_id), *_section(found)])
    return ModelCard(f"---\n{ModelCardData(**values).to_yaml()}\n---\n\n{text}\n")


def replace_results(card: ModelCard, results: str | Path) -> None:
    """Put other results into a card that people may have edited; all else stays as it is. Raises ResultsError."""
    found = read_results(results)
    section = "\n".join(_section(found)) + "\n"
    text, num_replaced = RESULTS.subn(lambda _: section, card.text, count=1)
    card.text = text if num_replaced else f"{card.text.rstrip()}\n\n{section}"
    card.data.model_name = card.data.get("model_name") or "NAME"
    card.data.eval_results = list(_metrics(found))


def _about(config: Config, repo_id: str) -> Iterator[str]:
    model = config.model
    yield from ("# VLSA", "")
    yield f"Video, audio and text in one model (arXiv 2405.07202). Recipe `{config.recipe}`, seed {config.train.seed}."
    spaces = model.objective.spaces
    of_pairs = f"{', '.join(spaces)}, each in a space of its own"
    compared = "video, audio and text in one space" if spaces == ("all",) else of_pairs
    yield f"It compares {compared}: vectors of {model.vector_width} numbers, windows of "
    yield f"{model.audio.window_seconds:.2f} s with {model.video.num_frames} frames of {model.video.size_px} px."
    yield from ("", "```python", "import vlsa", "", f'encoder = vlsa.load("vlsa:{repo_id}")', "```", "")


def _section(found: Results | None) -> Iterator[str]:
    yield from ("## Results", "")
    if found is None:
        yield "No results are recorded."
        return
    num_clips = f"{found.facts['num_clips']:,}"
    yield from (f"Retrieval on split `{found.facts['split']}`, {num_clips} clips.", "")
    yield from ("| direction | R@1 % | R@5 % | R@10 % | MedR |", "|---|---|---|---|---|")
    for name, scores in found.directions().items():
        yield f"| {direction_label(name)} | {_cells(scores)} |"


def _cells(scores: dict[str, Any]) -> str:
    return " | ".join([*(f"{100 * scores[f'r{k}']:.1f}" for k in RECALL_AT), f"{scores['medr']:g}"])


def _metrics(found: Results) -> Iterator[EvalResult]:
    """The same numbers as the metadata that the hub shows: recalls in percent."""
    name = Path(found.facts["data"]).name
    for direction, scores in found.directions().items():
        for k in RECALL_AT:
            yield EvalResult(
                task_type="feature-extraction",
                task_name="retrieval",
                dataset_type=name,
                dataset_name=name,
                dataset_split=found.facts["split"],
                metric_type=f"recall_at_{k}",
                metric_name=f"{direction_label(direction)} R@{k} %",
                metric_value=round(100 * scores[f"r{k}"], 2),
            )
