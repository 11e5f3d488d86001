"""All figures of a run in one folder: reconstructions, where the sound is, galleries, maps of pairs, and their numbers.

Reads an encoder and clips; calls retrieve/figures/ for what is computed and the drawing modules beside this one.

    OUT/reconstructions.png  OUT/where_is_the_sound.png  OUT/gallery.html  OUT/embedding.png  OUT/figures.json
"""

import importlib.util
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from vlsa.base.errors import CheckpointError, ConfigError, StoreError, VlsaError
from vlsa.base.files import Progress, write_atomically
from vlsa.base.versions import library_versions, source_commit
from vlsa.data.clip import Dataset
from vlsa.data.world.truth import truths
from vlsa.retrieve.encode.embed import ClipEmbeddings, embed_store
from vlsa.retrieve.encode.encoders import VlsaEncoder
from vlsa.show.compute.answers import asked
from vlsa.show.compute.batches import MOST_CLIPS, batches, spread, window_start_seconds
from vlsa.show.compute.numbers import Number
from vlsa.show.compute.pairs import PAIRS, PairMap, pair_map
from vlsa.show.compute.reconstruction import reconstruct_clips, reconstruction_numbers
from vlsa.show.compute.sound_maps import SoundMap, Target, pointing_numbers, sound_maps, target_of
from vlsa.show.gallery import medium_of, write_gallery
from vlsa.show.pair_map_figure import draw_pair_maps
from vlsa.show.reconstruction_figure import draw_reconstructions
from vlsa.show.sound_map_figure import SoundShown, draw_sound_maps, sound_title

LIBRARIES = {"matplotlib": "matplotlib", "sklearn": "scikit-learn", "PIL": "pillow"}
NO_TRUTH = (
    "where is the sound: no truth.jsonl beside the footage that this store was made of, so it is not known what "
    "sounds; pictures only, no hit rate"
)


@dataclass
class Figures:
    """What was written, the numbers beside it, and what was left out with its reason."""

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
    """Draw everything that can be drawn of a run, `num_clips` in each picture and queries in each direction.

    `data` names the clips in figures.json. A figure that this run or these clips cannot have is left out, with a line
    in `notes`. Raises VlsaError when none can be, when the folder cannot be written, and when a library is missing.
    """
    _check_libraries()
    if num_clips < 1:
        raise ConfigError(f"--clips {num_clips}: must be at least 1, or there is nothing to see. Try 4.")
    rows = store.rows(split)
    if not rows:
        raise StoreError(f"{data or 'clips'}: no clip in split {split}; there is nothing to show. Try another --split.")
    figures = Figures(_folder(Path(out)))
    source = _Source(encoder, store, data, rows, num_clips, seed)
    embeddings = embed_store(encoder, store, split, progress=progress)
    stages: dict[str, Callable[[], None]] = {
        "reconstructions": partial(_reconstructions, source, figures),
        "where the sound is": partial(_sounding, source, figures),
        "gallery": partial(_gallery, source, figures, embeddings),
        "map of pairs": partial(_embedding, source, figures, embeddings),
    }
    for number, (name, draw) in enumerate(stages.items()):
        if progress:
            progress(number, len(stages), f"drawing: {name}")
        try:
            draw()
        except VlsaError as error:
            figures.notes.append(str(error))
    if progress:
        progress(len(stages), len(stages), "")
    if not figures.files:
        raise VlsaError(f"{out}: nothing could be drawn. {figures.notes[0]}")
    _write_json(figures, encoder, data, split, len(rows), seed)
    return figures


def _check_libraries() -> None:
    missing = [name for module, name in LIBRARIES.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigError(
            f"figures: {' and '.join(missing)} not installed; nothing can be drawn. Run pip install '.[figures]'."
        )


def _folder(path: Path) -> Path:
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


def _reconstructions(source: _Source, figures: Figures) -> None:
    encoder = source.encoder
    if encoder.model.decoder is None:
        raise CheckpointError(
            "reconstructions: left out, since this run has no decoder (model.objective.local_weight=0). "
            "Choose a run that was trained with LPMM to see them."
        )
    pictured = spread(source.rows, source.num_clips)
    drawn = list(reconstruct_clips(encoder.model, encoder.tokenizer, source.store, pictured, source.seed))
    path = figures.folder / "reconstructions.png"
    normalised = encoder.config.objective.normalise_targets
    figures.files.append(draw_reconstructions(drawn, path, normalised=normalised))
    measured = spread(source.rows, MOST_CLIPS)
    clips = reconstruct_clips(encoder.model, encoder.tokenizer, source.store, measured, source.seed)
    figures.numbers += reconstruction_numbers([clip.without_pictures() for clip in clips])


def _sounding(source: _Source, figures: Figures) -> None:
    encoder, both = source.encoder, [row for row in source.rows if len(row.frame_seconds) and row.num_samples]
    rows = spread(both, MOST_CLIPS)
    maps = {found.id: found for found in sound_maps(encoder.model, encoder.tokenizer, source.store, rows)}
    known = truths(rows)
    targets = {name: target_of(known[name], found, encoder.config) for name, found in maps.items() if name in known}
    numbers = pointing_numbers(list(maps.values()), targets)
    pictured = spread([row for row in rows if row.id in maps], source.num_clips)
    shown = _sound_shown(source, pictured, maps, targets)
    path = figures.folder / "where_is_the_sound.png"
    figures.files.append(draw_sound_maps(shown, path, verdict=_verdict(numbers)))
    figures.numbers += numbers
    if not targets:
        figures.notes.append(NO_TRUTH)


def _sound_shown(
    source: _Source, rows: Sequence[Any], maps: dict[str, SoundMap], targets: dict[str, Target]
) -> list[SoundShown]:
    config, rate = source.encoder.config, source.encoder.config.audio.sample_rate_hz
    shown = []
    for part, batch in batches(source.store, rows, config, source.encoder.tokenizer):
        for k, row in enumerate(part):
            frames = batch.video[k][~batch.frame_padding[k]].permute(0, 2, 3, 1).numpy()
            sound = batch.sound[k, : int(batch.num_samples[k])].numpy()
            title, start = sound_title(row.id, row.texts), window_start_seconds(row, config)
            seconds = len(sound) / rate
            shown.append(SoundShown(title, maps[row.id], frames, sound, start, seconds, targets.get(row.id)))
    return shown


def _verdict(numbers: Sequence[Number]) -> str:
    """The hit rate in a sentence, or nothing where it is not known."""
    found = next((number for number in numbers if number.name == "maximum on the sounding object"), None)
    if found is None or found.interval is None:
        return ""
    low, high = found.interval
    beside = ", ".join(f"{name} {100 * value:.0f}%" for name, value in found.beside.items())
    return (
        f"Over {found.over} the maximum lies on the object that sounds in {100 * found.value:.0f}% of the frames "
        f"(95%: {100 * low:.0f} to {100 * high:.0f}%; {beside})."
    )


def _gallery(source: _Source, figures: Figures, embeddings: ClipEmbeddings) -> None:
    about = source.encoder.about
    summary = f"{len(embeddings):,} clips of {source.data}; model {about.get('run')}, {about.get('checkpoint')}."
    path = figures.folder / "gallery.html"
    found = asked(embeddings, num_queries=source.num_clips)
    written = write_gallery(
        path, found, lambda row: medium_of(source.store.read(source.rows[row])), title="Retrieval", summary=summary
    )
    figures.files.append(written)


def _embedding(source: _Source, figures: Figures, embeddings: ClipEmbeddings) -> None:
    maps: dict[str, PairMap] = {}
    for pair in PAIRS:
        try:
            maps[pair] = pair_map(embeddings, pair, seed=source.seed)
        except VlsaError as error:
            figures.notes.append(f"embedding: {error}")
    if maps:
        figures.files.append(draw_pair_maps(maps, figures.folder / "embedding.png"))
    figures.numbers += [number for drawn in maps.values() for number in drawn.numbers()]


def _write_json(figures: Figures, encoder: VlsaEncoder, data: str, split: str, num_clips: int, seed: int) -> None:
    about = {"data": data, "split": split, "num_clips": num_clips, "seed": seed}
    record = {
        "format": "vlsa-figures",
        "version": 1,
        **about,
        "model": dict(encoder.about),
        "commit": source_commit(),
        "versions": library_versions(),
        "files": [path.name for path in figures.files],
        "left_out": figures.notes,
        "numbers": [number.as_dict() for number in figures.numbers],
    }
    path = figures.folder / "figures.json"
    write_atomically(path, json.dumps(record, indent=2, ensure_ascii=False).encode(errors="backslashreplace") + b"\n")
    figures.files.append(path)
