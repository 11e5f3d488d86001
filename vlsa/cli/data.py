"""Commands on the clips of a store: data describe, data validate; those that make something of it: data_sets.py."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsa.base.console import Bar, duration
from vlsa.cli import data_sets
from vlsa.cli.app import examples
from vlsa.cli.output import print_json, print_table, print_text, short_path

if TYPE_CHECKING:
    from vlsa.data.curate.description import Description

Store = Annotated[str, typer.Argument(help="A store made by vlsa prepare: a folder, or an address.", metavar="STORE")]

MOST_SHOWN = 5
"""Sizes of frames, and rates, in a line of the table; --json has all."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Look after a store: what it holds, whether it is whole, duplicates, other splits, exports.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command(
        "describe",
        short_help="Count what a store holds, lacks and left out.",
        epilog=examples(
            "vlsa data describe store", "vlsa data describe store --html sheet.html", "vlsa data describe store --json"
        ),
    )(describe)
    group.command(
        "validate",
        short_help="Check every byte of a store.",
        epilog=examples("vlsa data validate store", "vlsa data validate store --workers 8 --json"),
    )(validate)
    data_sets.add_to(group)
    app.add_typer(
        group,
        name="data",
        short_help="Look after a store: describe, validate, dedup, split, export.",
        epilog=examples("vlsa data describe store", "vlsa data split store --out splits.jsonl"),
    )


def describe(
    store: Store,
    html: Annotated[
        Path | None, typer.Option(help="Also write a contact sheet: clips to see and hear, and what was rejected.")
    ] = None,
    clips: Annotated[int, typer.Option(min=0, help="Clips on the contact sheet.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Which clips are on the contact sheet.")] = 0,
    json: data_sets.Json = False,
) -> None:
    """Count what a store holds: clips and hours by split, what they lack, their lengths and sizes, what was decided
    where a file left a choice, what was rejected and why, and bytes.

    The contact sheet is one file that opens in any browser, without a network.
    """
    from vlsa.data.curate.description import describe as described
    from vlsa.data.store.reader import ClipStore

    opened = ClipStore.open(store)
    found = described(opened)
    if json:
        print_json([found.as_dict()])
    else:
        _print_description(found)
    if html:
        from vlsa.show.contact_sheet import write_contact_sheet

        with Bar("drawing clips") as bar:
            write_contact_sheet(html, opened, found, num_clips=clips, seed=seed, progress=bar.update)
        if not json:
            print_text(f"Contact sheet: {short_path(html)}")


def validate(store: Store, workers: data_sets.Workers = None, json: data_sets.Json = False) -> None:
    """Check a store: every tar reads, has the members that the index says and no other, each with its checksum, and
    every frame and sound decodes. One line for each fault; exit code 1 if there is any.
    """
    from vlsa.data.curate.validate import validate as faults_of
    from vlsa.data.store.reader import ClipStore

    opened, num_faults = ClipStore.open(store), 0
    with Bar("checking clips") as bar:
        for fault in faults_of(opened, num_workers=workers, progress=bar.update):
            num_faults += 1
            if json:
                print_json([fault.as_dict()])
            else:
                print_text(fault)
    if num_faults:
        raise typer.Exit(1)
    if not json:
        print_text(f"{short_path(store)}: {len(opened):,} clips, no fault.")


def _print_description(found: "Description") -> None:
    header = ("split", "clips", "length", "video", "audio", "text", "no video", "no audio", "no text")
    print_table(header, _split_rows(found), right="|".join(header[1:]))
    print_table(("of a clip", "least", "median", "most"), _spread_rows(found), right="least|median|most")
    print_table(("of the store", "value"), _fact_rows(found))
    if found.choices:
        rows = [(word, f"{count:,}") for word, count in found.choices.items()]
        print_table(("decided where a file left a choice", "clips"), rows, right="clips")
    for title, reasons in (("rejected because", found.rejected), ("note on a kept file", found.notes)):
        if reasons:
            print_table((title, "lines", "meaning", "remedy"), _reason_rows(reasons), right="lines")


def _reason_rows(reasons: dict[str, int]) -> Iterator[tuple[str, ...]]:
    from vlsa.data.reasons import REASONS, Reason

    for word, count in reasons.items():
        reason = REASONS.get(word, Reason("", ""))
        yield word, f"{count:,}", reason.meaning, reason.remedy


def _counted(counts: dict[str, int], of: str = "clips") -> str:
    """The most frequent ones, with their number of clips, or of something else."""
    shown = [f"{name} ({count:,} {of})" for name, count in list(counts.items())[:MOST_SHOWN]]
    more = [f"{len(counts) - MOST_SHOWN:,} others"] if len(counts) > MOST_SHOWN else []
    return ", ".join(shown + more) or "none"


def _split_rows(found: "Description") -> Iterator[tuple[str, ...]]:
    for one in found.splits:
        counts = (one.num_with_video, one.num_with_sound, one.num_with_text, *one.num_without)
        yield one.split, f"{one.num_clips:,}", duration(one.hours * 3600), *(f"{count:,}" for count in counts)


def _spread_rows(found: "Description") -> Iterator[tuple[str, ...]]:
    for name, spread in (("seconds", found.length_seconds), ("frames", found.frames_per_clip)):
        if spread:
            yield name, *(f"{value:,.6g}" for value in (spread.least, spread.median, spread.most))


def _fact_rows(found: "Description") -> Iterator[tuple[str, str]]:
    from vlsa.data.curate.description import PAPER_CLIPS, human_bytes

    yield "media files", f"{found.num_files:,}"
    yield "frames, px", _counted(found.sizes_px)
    yield "audio", _counted({f"{rate:,} Hz": count for rate, count in found.sample_rates_hz.items()})
    if num_transcribed := found.splits[-1].num_transcribed:
        yield "text that is a transcript", f"{num_transcribed:,} clips"
    if found.languages_heard:
        yield "language heard", _counted(found.languages_heard, "files")
    parts = f"frames {human_bytes(found.frame_bytes)}, audio {human_bytes(found.sound_bytes)}"
    yield "size", f"{human_bytes(found.stored_bytes)} ({parts}; the rest: texts, index, padding)"
    yield "size of a clip", human_bytes(found.bytes_per_clip)
    yield f"size of {PAPER_CLIPS:,} such clips", human_bytes(found.paper_bytes)
