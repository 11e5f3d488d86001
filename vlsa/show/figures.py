"""All figures of a run in one folder, with their numbers (`vlsa show`).

Reads an encoder and clips; calls compute/ for the numbers, plots/ and gallery.py for the figures.

    OUT/reconstructions.png  OUT/where_is_the_sound.png  OUT/gallery.html  OUT/embedding.png  OUT/figures.json
"""

import importlib.util
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlsa.base.errors import CheckpointError, ConfigError, StoreError, VlsaError
from vlsa.base.files import Progress, write_atomically
from vlsa.base.versions import library_versions, source_commit
from vlsa.data.clip import Dataset
from vlsa.data.world.truth import truths
from vlsa.retrieve.encode.embed import ClipEmbeddings, embed_store
from vlsa.retrieve.encode.encoders import VlsaEncoder
from vlsa.show.compute.clip_batches import MOST_CLIPS, batches, evenly_spaced, window_start_seconds
from vlsa.show.compute.numbers import Number
from vlsa.show.compute.pair_map import PAIRS, PairMap, pair_map
from vlsa.show.compute.ranked_queries import ranked_queries
from vlsa.show.compute.reconstruction import reconstruct_clips, reconstruction_numbers
from vlsa.show.compute.sound_map import SoundMap, Target, pointing_numbers, sound_maps, target_of
from vlsa.show.gallery import clip_media, write_gallery
from vlsa.show.plots.pair_map_plot import draw_pair_maps
from vlsa.show.plots.reconstruction_plot import draw_reconstructions
from vlsa.show.plots.sound_map_plot import SoundMapPlot, draw_sound_maps

LIBRARIES = {"matplotlib": "matplotlib", "sklearn": "scikit-learn", "PIL": "pillow", "jinja2": "jinja2"}
NO_TRUTH = (
    "where is the sound: no truth.jsonl next to the footage of this store, so the sounding objects are not known; "
    "maps only, no hit rate"
)


@dataclass
class Figures:
    """What was written, its numbers, and the reasons for what was left out."""

    folder: Path
    numbers: list[Number] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _Source:
    """What the figures are made of."""

    encoder: VlsaEncoder
    store: Dataset
    data: str
    rows: Sequence[Any]
    embeddings: ClipEmbeddings
    num_clips: int
    seed: int


def write_figures(
    encoder: VlsaEncoder,
    store: Dataset,
    out: str | Path,
    *,
    data: str = "",
    split: str = "test",
    num_clips: int = 4,
    seed: int = 0,
    progress: Progress | None = None,
) -> Figures:
    """Draw all figures of a run, with `num_clips` clips in each and queries in each direction.

    `data` names the clips in figures.json. A figure that this run or these clips cannot have is left out, with a line
    in `notes`. Raises VlsaError when none can be drawn, when the folder cannot be written, and for a missing library.
    """
    _check_libraries()
    if num_clips < 1:
        raise ConfigError(f"--clips {num_clips}: must be at least 1, or there is nothing to draw. Try 4.")
    rows = store.rows(split)
    if not rows:
        raise StoreError(f"{data or 'clips'}: no clip in split {split}; there is nothing to show. Try another --split.")
    figures = Figures(_writable_folder(Path(out)))
    source = _Source(encoder, store, data, rows, embed_store(encoder, store, split, progress=progress), num_clips, seed)
    for number, (name, draw) in enumerate(DRAWN.items()):
        if progress:
            progress(number, len(DRAWN), f"drawing: {name}")
        try:
            draw(source, figures)
        except VlsaError as error:
            figures.notes.append(str(error))
    if progress:
        progress(len(DRAWN), len(DRAWN), "")
    if not figures.files:
        raise VlsaError(f"{out}: nothing could be drawn. {figures.notes[0]}")
    _write_json(source, figures, split)
    return figures


def _check_libraries() -> None:
    missing = [name for module, name in LIBRARIES.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigError(
            f"figures: {' and '.join(missing)} not installed; nothing can be drawn. Run pip install '.[figures]'."
        )


def _writable_folder(path: Path) -> Path:
    """The folder, made if need be. Raises ConfigError before any work when it cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be made ({error.strerror}); the figures are written there. Name another folder."
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigError(f"{path}: no right to write there; the figures would be lost. Name another folder.")
    return path


def _draw_reconstructions(source: _Source, figures: Figures) -> None:
    model, tokenizer = source.encoder.model, source.encoder.tokenizer
    if model.decoder is None:
        raise CheckpointError(
            "reconstructions: left out, since this run has no decoder (model.objective.local_weight=0). "
            "Choose a run that was trained with LPMM to see them."
        )
    drawn = evenly_spaced(source.rows, source.num_clips)
    clips = list(reconstruct_clips(model, tokenizer, source.store, drawn, source.seed))
    normalised = source.encoder.config.objective.normalise_targets
    figures.files.append(draw_reconstructions(clips, figures.folder / "reconstructions.png", normalised=normalised))
    measured = evenly_spaced(source.rows, MOST_CLIPS)
    figures.numbers += reconstruction_numbers(reconstruct_clips(model, tokenizer, source.store, measured, source.seed))


def _draw_sound_maps(source: _Source, figures: Figures) -> None:
    encoder = source.encoder
    rows = evenly_spaced([row for row in source.rows if len(row.frame_seconds) and row.num_samples], MOST_CLIPS)
    maps = {one.id: one for one in sound_maps(encoder.model, encoder.tokenizer, source.store, rows)}
    known = truths(rows)
    targets = {name: target_of(known[name], one, encoder.config) for name, one in maps.items() if name in known}
    numbers = pointing_numbers(list(maps.values()), targets)
    drawn = evenly_spaced([row for row in rows if row.id in maps], source.num_clips)
    plots = _sound_map_plots(source, drawn, maps, targets)
    path = figures.folder / "where_is_the_sound.png"
    figures.files.append(draw_sound_maps(plots, path, verdict=_hit_rate_sentence(numbers)))
    figures.numbers += numbers
    if not targets:
        figures.notes.append(NO_TRUTH)


def _sound_map_plots(
    source: _Source, rows: Sequence[Any], maps: dict[str, SoundMap], targets: dict[str, Target]
) -> list[SoundMapPlot]:
    config, plots = source.encoder.config, []
    for part, batch in batches(source.store, rows, config, source.encoder.tokenizer):
        for k, row in enumerate(part):
            waveform = batch.waveform[k, : int(batch.num_samples[k])].numpy()
            plot = SoundMapPlot(
                title=f"{row.id}  “{row.texts[0]}”" if row.texts else row.id,
                similarity=maps[row.id],
                frames=batch.video[k][~batch.frame_padding[k]].permute(0, 2, 3, 1).numpy(),
                waveform=waveform,
                start_seconds=window_start_seconds(row, config),
                seconds=len(waveform) / config.audio.sample_rate_hz,
                target=targets.get(row.id),
            )
            plots.append(plot)
    return plots


def _hit_rate_sentence(numbers: Sequence[Number]) -> str:
    """The hit rate in a sentence; empty where it is not known."""
    hit_rate = next((number for number in numbers if number.name == "maximum on the sounding object"), None)
    if hit_rate is None or hit_rate.interval is None:
        return ""
    low, high = hit_rate.interval
    compared = ", ".join(f"{name} {100 * value:.0f}%" for name, value in hit_rate.baselines.items())
    return (
        f"Over {hit_rate.over} the maximum is on the sounding object in {100 * hit_rate.value:.0f}% of the frames "
        f"(95%: {100 * low:.0f} to {100 * high:.0f}%; {compared})."
    )


def _draw_gallery(source: _Source, figures: Figures) -> None:
    about, path = source.encoder.about, figures.folder / "gallery.html"
    summary = f"{len(source.embeddings):,} clips of {source.data}; model {about.get('run')}, {about.get('checkpoint')}."
    queries = ranked_queries(source.embeddings, num_queries=source.num_clips)
    write_gallery(
        path, queries, lambda row: clip_media(source.store.read(source.rows[row])), title="Retrieval", summary=summary
    )
    figures.files.append(path)


def _draw_pair_maps(source: _Source, figures: Figures) -> None:
    maps: dict[str, PairMap] = {}
    for pair in PAIRS:
        try:
            maps[pair] = pair_map(source.embeddings, pair, seed=source.seed)
        except VlsaError as error:
            figures.notes.append(f"embedding: {error}")
    if maps:
        figures.files.append(draw_pair_maps(maps, figures.folder / "embedding.png"))
    figures.numbers += [number for drawn in maps.values() for number in drawn.numbers()]


DRAWN: dict[str, Callable[[_Source, Figures], None]] = {
    "reconstructions": _draw_reconstructions,
    "where the sound is": _draw_sound_maps,
    "gallery": _draw_gallery,
    "pair maps": _draw_pair_maps,
}
"""Name of a figure -> what draws it and adds its numbers."""


def _write_json(source: _Source, figures: Figures, split: str) -> None:
    record = {
        "format": "vlsa-figures",
        "version": 2,
        "data": source.data,
        "split": split,
        "num_clips": len(source.rows),
        "seed": source.seed,
        "model": dict(source.encoder.about),
        "commit": source_commit(),
        "versions": library_versions(),
        "files": [path.name for path in figures.files],
        "left_out": figures.notes,
        "numbers": [number.as_dict() for number in figures.numbers],
    }
    path = figures.folder / "figures.json"
    write_atomically(path, json.dumps(record, indent=2, ensure_ascii=False).encode(errors="backslashreplace") + b"\n")
    figures.files.append(path)
