"""Commands that make something of a store: data dedup, data split, data export. Registered by data.py."""

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsa.base.console import Bar, say
from vlsa.base.errors import ConfigError, StoreError
from vlsa.cli.app import examples
from vlsa.cli.found import short_clock
from vlsa.cli.output import next_step, print_json, print_table, print_text, short_path

if TYPE_CHECKING:
    from vlsa.data.curate.dedup import DuplicateGroup
    from vlsa.data.curate.near_duplicates import Link
    from vlsa.data.curate.splits import NewSplits, Tie
    from vlsa.data.curate.splits_file import ResplitStore
    from vlsa.data.store.reader import ClipStore, StoredClip

Clips = Annotated[
    str, typer.Argument(help="A store made by vlsa prepare, or a file made by vlsa data split.", metavar="STORE")
]
Without = Annotated[
    Path | None, typer.Option(help="Leave out the clips of this list, as dedup --keep-one writes it.", metavar="FILE")
]
Workers = Annotated[int | None, typer.Option(help="Worker processes; one per core by default, 0 = none.")]
Json = Annotated[bool, typer.Option("--json", help="One object per line instead of a table.")]
MOST_SHOWN = 20
"""Rows of a table; --json has all."""
MOST_OFF = 0.02
"""Of a share, before it is said that the groups allow no better one."""


def add_to(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command(
        "dedup",
        short_help="Find clips that are in a store more than once.",
        epilog=examples(
            "vlsa data dedup store",
            "vlsa data dedup store --by both --keep-one extra.txt",
            "vlsa data dedup store --out near.jsonl --json",
        ),
    )(dedup)
    group.command(
        "split",
        short_help="Make new splits in which nothing stands twice.",
        epilog=examples(
            "vlsa data split store --out splits.jsonl",
            "vlsa data split store --out splits.jsonl --shares val=0.05,test=0.1 --by folder --seed 1",
            "vlsa data split store --out splits.jsonl --by camera --metadata footage",
            "vlsa data split store --out splits.jsonl --date recorded --metadata footage --test-from 2024-06-01",
            "vlsa pretrain --recipe tiny --data splits.jsonl --out run",
        ),
    )(split)
    group.command(
        "export",
        short_help="Write the clips of a store for other programs.",
        epilog=examples(
            "vlsa data export store parquet-folder --format parquet",
            "vlsa data export splits.jsonl files --format files --without extra.txt",
        ),
    )(export)


class Format(StrEnum):
    """What export writes."""

    parquet = "parquet"
    files = "files"


def dedup(
    store: Clips,
    by: Annotated[
        str, typer.Option(help="What has to be alike: either, both, video or audio; both: what both clips have.")
    ] = "either",
    out: Annotated[Path | None, typer.Option(help="Write all pairs to this file, for split.", metavar="FILE")] = None,
    keep_one: Annotated[
        Path | None,
        typer.Option(help="Write the ids that can be left out to this file, for split and export.", metavar="FILE"),
    ] = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Find clips of different files that show or sound the same, by fingerprints of their frames and audio: encoded
    again, scaled, cropped a little, made louder, or cut elsewhere.

    No model is needed, and what only looks alike to a model is not found: for that, and for footage that is indexed
    but not in a store, use vlsa duplicates INDEX. Clips of one file are not compared. --keep-one keeps, of clips that
    are alike, the one with more modalities, text, larger frames, and length; each clip it lists is like one that stays.
    """
    from vlsa.data.curate.dedup import duplicate_groups, links_by, write_ids, write_links
    from vlsa.data.curate.splits import one_name_a_file
    from vlsa.data.curate.splits_file import open_clips

    opened = open_clips(store, check=True)
    clips = one_name_a_file(opened, opened.rows())
    links_by((), by, {})  # refuses an unknown word before the work
    links = links_by(_links(opened, clips, workers), by, {clip.id: clip for clip in clips})
    groups = duplicate_groups(clips, links)
    dropped = [clip.id for group in groups for clip in group.clips if clip.id not in group.kept]
    if out:
        write_links(out, links)
    if keep_one:
        write_ids(keep_one, dropped)
    if json:
        print_json({"group": n, **vars(link)} for n, group in enumerate(groups, 1) for link in group.links)
        return
    _print_groups(groups)
    num_clips = sum(len(group.clips) for group in groups)
    print_text(
        f"{len(clips):,} clips: {num_clips:,} in {len(groups):,} groups of near-duplicates; "
        f"{len(dropped):,} can be left out."
    )
    if keep_one and dropped:
        next_step("data", "split", store, "--out", "splits.jsonl", "--without", keep_one)


def split(
    store: Clips,
    out: Annotated[Path, typer.Option(help="File for the splits; use it as --data.", metavar="FILE")],
    shares: Annotated[str, typer.Option(help="Share of the clips of each split.")] = "train=0.8,val=0.1,test=0.1",
    seed: Annotated[int, typer.Option(help="Which groups get into which split.")] = 0,
    by: Annotated[
        str | None, typer.Option(help="Keep files together that agree in: folder, or a column of metadata.csv.")
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="Split by the date in this column of metadata.csv, instead of by shares.")
    ] = None,
    val_from: Annotated[str | None, typer.Option(help="With --date: the first day of val, as 2024-05-01.")] = None,
    test_from: Annotated[str | None, typer.Option(help="With --date: the first day of test.")] = None,
    metadata: Annotated[Path | None, typer.Option(help="The folder of footage that has metadata.csv.")] = None,
    near_duplicates: Annotated[
        Path | None, typer.Option(help="A file of dedup --out, instead of searching for near-duplicates.")
    ] = None,
    allow_near_duplicates: Annotated[
        bool, typer.Option("--allow-near-duplicates", help="Keep only files and groups together.")
    ] = False,
    without: Without = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Make new splits of a store: no file stands in two splits, no near-duplicate in frames or sound, and no group.

    FILE has the id, split and group of each clip. The store stays as it is: give FILE wherever a store is expected as
    --data. By date, training ends before --val-from or --test-from; a group has the date of its latest file.
    """
    from vlsa.data.curate import splits
    from vlsa.data.curate.splits_file import open_clips, write_splits

    first_dates = _first_dates(date, by, val_from, test_from)
    wanted = splits.parse_shares(shares)
    opened = open_clips(store, check=True)
    clips = splits.one_name_a_file(opened, _clips(opened, without))
    column = date or by
    values = splits.columns_of(opened, clips, column, metadata) if column else {}
    links = _tying_links(opened, clips, near_duplicates, allow_near_duplicates, workers)
    if date:
        made = splits.split_by_date(clips, links, values, first_dates)
    else:
        made = splits.split_by_share(clips, links, values, by or "", wanted, seed)
    rows = ({"id": clip.id, "split": made.split_of[clip.id], "group": made.group_of[clip.id]} for clip in clips)
    how = {"date": date, **first_dates} if date else {"shares": wanted, "by": by, "seed": seed}
    write_splits(out, getattr(opened, "store", opened), rows, how | {"near_duplicates_tied": not allow_near_duplicates})
    if json:
        print_json(vars(tie) for tie in made.ties)
        return
    _print_splits(made, {} if date else wanted, not allow_near_duplicates)
    next_step("pretrain", "--recipe", "tiny", "--data", out, "--out", "RUN")


def export(
    store: Clips,
    out: Annotated[Path, typer.Argument(help="A new folder.", metavar="OUT")],
    format: Annotated[Format, typer.Option(help="parquet: for the datasets library; files: to watch and listen to.")],
    without: Without = None,
) -> None:
    """Write the clips of a store for other programs; frames and audio are not encoded again.

    parquet: OUT/train-00000.parquet and so on, which datasets.load_dataset("parquet", data_dir=OUT) reads: id, source,
    times, split, texts, frames (JPEG) and audio (WAV). files: ID.mov (motion JPEG and PCM, for players and video
    editors, not browsers) or ID.wav, ID.txt with the texts, and manifest.jsonl, from which vlsa prepare makes a store.
    """
    from vlsa.data.curate.export import export_files, export_parquet
    from vlsa.data.curate.splits_file import open_clips

    opened = open_clips(store, check=True)
    clips = _clips(opened, without)
    with Bar("exporting clips") as bar:
        if format is Format.parquet:
            num_files = len(export_parquet(opened, clips, out, bar.update))
        else:
            manifest = export_files(opened, clips, out, bar.update)
    if format is Format.parquet:
        print_text(f"{short_path(out)}: {len(clips):,} clips in {num_files:,} files.")
    else:
        print_text(f"{short_path(out)}: {len(clips):,} clips, and their list {manifest.name}.")
        next_step("prepare", manifest, "STORE", "--recipe", "tiny")


def _first_dates(date: str | None, by: str | None, val_from: str | None, test_from: str | None) -> dict[str, str]:
    """Where splits begin. Raises ConfigError for options that do not go together."""
    given = {"val": val_from, "test": test_from}
    found = {split: day for split, day in given.items() if day}
    if bool(found) != bool(date) or (date and by):
        raise ConfigError(
            "--date COLUMN needs --test-from or --val-from, and they need it; it excludes --by: otherwise a split "
            "would not follow from what was asked. Give --date recorded --test-from 2024-06-01, say."
        )
    return found


def _clips(opened: "ClipStore | ResplitStore", without: Path | None) -> "list[StoredClip]":
    """The clips, without those of a list."""
    from vlsa.data.curate.dedup import read_ids

    clips = opened.rows()
    dropped = read_ids(without, {clip.id: clip for clip in clips}) if without else set()
    kept = [clip for clip in clips if clip.id not in dropped]
    if not kept:
        raise StoreError(f"{opened.path}: no clip is left; there is nothing to write. Check the store, and --without.")
    return kept


def _tying_links(
    opened: "ClipStore | ResplitStore",
    clips: "Sequence[StoredClip]",
    report: Path | None,
    allow: bool,
    workers: int | None,
) -> "list[Link]":
    from vlsa.data.curate.dedup import read_links

    if allow:
        return []
    return read_links(report, {clip.id: clip for clip in opened.rows()}) if report else _links(opened, clips, workers)


def _links(opened: "ClipStore | ResplitStore", clips: "Sequence[StoredClip]", workers: int | None) -> "list[Link]":
    from vlsa.data.curate.near_duplicates import near_duplicates

    with Bar("comparing clips") as bar:
        return near_duplicates(getattr(opened, "store", opened), clips, num_workers=workers, progress=bar.update)


def _print_groups(groups: "Sequence[DuplicateGroup]") -> None:
    rows = [
        (
            str(number),
            "keep" if clip.id in group.kept else "",
            ", ".join(sorted({link.by for link in group.links if clip.id in (link.a, link.b)})),
            short_clock(clip.start_seconds),
            short_clock(clip.stop_seconds),
            short_path(clip.source),
        )
        for number, group in enumerate(groups, 1)
        for clip in group.clips
    ]
    if rows:
        header = ("group", "keep", "alike by", "start", "stop", "file")
        print_table(header, rows[:MOST_SHOWN], right="group|start|stop")
    if len(rows) > MOST_SHOWN:
        print_text(f"{len(rows) - MOST_SHOWN:,} more; --json prints all pairs.")


def _print_splits(made: "NewSplits", shares: dict[str, float], near_duplicates_tied: bool) -> None:
    """The splits, what tied files together, and where the groups allow no better shares."""
    counts = made.num_by_split
    total = sum(counts.values())
    groups = {split: {made.group_of[name] for name, one in made.split_of.items() if one == split} for split in counts}
    rows = [(one, f"{n:,}", f"{n / total:.1%}", f"{len(groups[one]):,}") for one, n in counts.items()]
    print_table(("split", "clips", "share", "groups"), rows, right="clips|share|groups")
    if made.ties:
        header = ("tied together because of", "ties", "for example", "and")
        print_table(header, list(_tie_rows(made.ties)), right="ties", whole="for example|and")
    kept = "No file, near-duplicate or group" if near_duplicates_tied else "No file or group (near-duplicates may)"
    print_text(f"{len(made.ties):,} ties between files. {kept} is in two splits.")
    for split, share in shares.items():
        if abs(counts.get(split, 0) / total - share) > MOST_OFF:
            largest = max(Counter(made.group_of.values()).values())
            say(
                f"{split} has {counts.get(split, 0) / total:.1%} of the clips, {share:.1%} were asked: a group is not "
                f"divided, and the largest has {largest:,} clips. Group by something finer, or give other --shares."
            )


def _tie_rows(ties: "Sequence[Tie]") -> Iterator[tuple[str, str, str, str]]:
    """The most frequent reasons, each with one pair of files."""
    examples_of = {tie.why: tie for tie in reversed(ties)}
    for why, count in Counter(tie.why for tie in ties).most_common(MOST_SHOWN):
        name = {"video": "near-duplicate video", "audio": "near-duplicate audio"}.get(why, why)
        yield name, f"{count:,}", short_path(examples_of[why].one), short_path(examples_of[why].other)
