"""How long does a store of ten million clips take to open, and how much memory in each process that reads it?

Why it matters: a training job opens its store on every rank and in every reading process of each. If the index is
parsed and kept as objects, that costs minutes and tens of gigabytes a process, before the first step.

    python bench/store_index.py --clips 1000000 10000000 --out bench/results/store_index.jsonl

The rows are made: STORE/clips.safetensors with records and columns of so many clips of 8 frames, and shards whose files
have the right sizes and hold nothing. Measured in processes of their own: opening (five times, with the pages of the
file in memory, as on the second rank), 2,000 clips at random, the growth of RSS over that of the imports, and PSS of
two processes at once; and the same store opened through a splits file, with the digests of its training clips, which a
training looks at when it starts. Processor seconds are what a machine without other work needs. `--parsed` clips are
also read as before: each line of each shard's index parsed into an object; times and memory of that are given a million
clips.
`--arrow` records are also read as Arrow IPC, mapped into memory (it needs pyarrow). The last line of stdout is one JSON
record; `--out` appends it to a file.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
import zlib
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from records import circumstances, finish

from vlsa.base.files import json_line
from vlsa.data.clip import digests_of, facts_of
from vlsa.data.curate.splits_column import ALL, SplitsColumn
from vlsa.data.curate.splits_file import FORMAT, VERSION, read_splits
from vlsa.data.ingest.manifest import SPLITS
from vlsa.data.store import clip_records
from vlsa.data.store.index_build import id_hash
from vlsa.data.store.index_layout import COLUMNS, DIGEST_BYTES, DTYPES, HEADER_BYTES, NAME, Layout
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shard_index import StoredClip, read_shard_index
from vlsa.data.store.shards import StoreSettings, index_path, shard_path, write_header

CLIPS_PER_SHARD, NUM_FRAMES, TAR_BYTES, INDEX_BYTES = 256, 8, 40_000_000, 300_000
FRAME_BYTES = 15_000
NUM_READ, NUM_OPENED = 2_000, 5


def made_clip(number: int) -> StoredClip:
    """The facts of a clip of the paper's frame size; ids are equally long."""
    seconds = np.arange(NUM_FRAMES) / 8
    spans = np.array([(512 + k * (FRAME_BYTES + 800), FRAME_BYTES, 7 * k) for k in range(NUM_FRAMES)], np.int64)
    return StoredClip(
        id=f"clip-{number:010d}",
        source="videos/film-0000000000.mp4",
        start_seconds=0.0,
        stop_seconds=6.0,
        texts=("a metal ball swings against a post, twice, and a bird sings",),
        split="train",
        frame_seconds=seconds,
        size_px=(256, 341),
        shard=0,
        frame_spans=spans,
        sound_span=(1_000_000, 132_344, 5),
        sample_rate_hz=11_025,
    )


def write_made_store(path: Path, num_clips: int) -> None:
    """A store of made rows, without media."""
    num_shards = -(-num_clips // CLIPS_PER_SHARD)
    (path / "shards").mkdir(parents=True)
    for number in range(num_shards):
        for file, size in ((shard_path(path, number), TAR_BYTES), (index_path(path, number), INDEX_BYTES)):
            with file.open("wb") as sparse:
                sparse.truncate(size)
    write_header(path, StoreSettings(), num_shards=num_shards, num_rows=num_clips)
    with (path / NAME).open("wb") as file:
        record_bytes, checksum = len(clip_records.encode(made_clip(0))), 0
        file.write(b" " * HEADER_BYTES)
        for number in range(num_clips):
            file.write(_record(number))
        padding = -record_bytes * num_clips % 8
        file.write(bytes(padding))
        columns = _columns(num_clips, num_shards, record_bytes)
        for name, (kind, _) in COLUMNS.items():
            data = columns[name].astype(DTYPES[kind]).tobytes()
            checksum = zlib.crc32(data, checksum)
            file.write(data)
        file.seek(0)
        file.write(Layout(record_bytes * num_clips + padding, num_clips, num_shards, 0).header(checksum))


_TEMPLATE = clip_records.encode(made_clip(0))
_ID_AT = _TEMPLATE.index(b"0000000000")


def _record(number: int) -> bytes:
    """The template with another id."""
    body = bytearray(_TEMPLATE[4:])
    body[_ID_AT - 4 : _ID_AT + 6] = b"%010d" % number
    return zlib.crc32(body).to_bytes(4, "little") + body


def _columns(num_clips: int, num_shards: int, record_bytes: int) -> dict[str, np.ndarray]:
    hashes = np.fromiter((id_hash(f"clip-{number:010d}") for number in range(num_clips)), np.uint64, num_clips)
    order = np.argsort(hashes, kind="stable")
    digests = json.dumps({split: ["0" * 16, None] for split in ("", "train", "val", "test")}).encode()
    return {
        "record_start": np.arange(num_clips + 1, dtype=np.uint64) * record_bytes,
        "duration_seconds": np.full(num_clips, 6.0),
        "id_hash": hashes[order],
        "split_counts": np.array([num_clips, 0, 0]),
        "tar_bytes": np.full(num_shards, TAR_BYTES),
        "index_bytes": np.full(num_shards, INDEX_BYTES),
        "id_clip": order,
        "split_clips": np.arange(num_clips),
        "first_of_source": np.zeros(num_clips, np.uint32),
        "index_crc32": np.zeros(num_shards, np.uint32),
        "modalities": np.full(num_clips, 7),
        "digests": np.frombuffer(digests.ljust(DIGEST_BYTES), np.uint8),
        "rejections": np.empty(0, np.uint8),
    }


def write_made_splits(path: Path, num_clips: int) -> None:
    """New splits of all clips of the made store next to it, as `vlsa data split` writes them."""
    codes = np.random.default_rng(0).choice(np.arange(len(SPLITS), dtype=np.int8), num_clips, p=[0.8, 0.1, 0.1])
    column = SplitsColumn(codes, dict.fromkeys((ALL, *SPLITS), ("0" * 16, None)))
    rows = (
        {"id": f"clip-{number:010d}", "split": SPLITS[code], "group": number // 8} for number, code in enumerate(codes)
    )
    lines = b"".join(map(json_line, rows))
    head = {"format": FORMAT, "version": VERSION, "store": "store", "made_by": {}}
    path.write_bytes(json_line(head | {"column": column.as_json(ClipStore.open(path.parent / "store"), lines)}) + lines)


def memory_mib(kind: str) -> float:
    """`Rss` or `Pss` of this process."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024


def opened(path: Path, connection: Connection) -> None:
    """In a process of its own: open a store, read of it, and stay until the other process has done so too."""
    before, processor = memory_mib("Rss"), time.process_time()
    seconds = [_seconds_of(lambda: ClipStore.open(path)) for _ in range(NUM_OPENED)]
    processor = (time.process_time() - processor) / NUM_OPENED
    store = ClipStore.open(path)
    rows = store.rows("train")
    found = {"open_seconds_first": seconds[0], "open_seconds_best": min(seconds), "open_processor_seconds": processor}
    found["rss_growth_mib"] = memory_mib("Rss") - before
    chosen = np.random.default_rng(0).integers(0, len(rows), NUM_READ).tolist()
    found["microseconds_a_clip"] = _seconds_of(lambda: [rows[number] for number in chosen]) / NUM_READ * 1e6
    found["microseconds_a_clip_again"] = _seconds_of(lambda: [rows[number] for number in chosen]) / NUM_READ * 1e6
    ids = [rows[number].id for number in chosen]
    found["microseconds_an_id"] = _seconds_of(lambda: [store[one] for one in ids]) / NUM_READ * 1e6
    found["rss_growth_after_reading_mib"] = memory_mib("Rss") - before
    found["rss_mib"] = memory_mib("Rss")
    found["facts_of_all_seconds"] = _seconds_of(lambda: facts_of(rows))
    before, splits = memory_mib("Rss"), path.parent / "splits.jsonl"
    found["open_splits_seconds"] = _seconds_of(lambda: digests_of(read_splits(splits).rows("train")))
    found["rss_growth_of_splits_mib"] = memory_mib("Rss") - before
    connection.send(found)
    connection.recv()
    connection.send(memory_mib("Pss"))
    connection.recv()


def _seconds_of(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def in_two_processes(path: Path) -> dict[str, Any]:
    """What `opened` measures in the second of two processes, and PSS of both while both are there."""
    context = multiprocessing.get_context("spawn")
    pipes, found = [], {}
    for _ in range(2):
        ours, theirs = context.Pipe()
        context.Process(target=opened, args=(path, theirs), daemon=True).start()
        found = ours.recv()
        pipes.append(ours)
    for pipe in pipes:
        pipe.send("measure")
    found["pss_mib_of_each"] = [round(pipe.recv(), 1) for pipe in pipes]
    for pipe in pipes:
        pipe.send("end")
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in found.items()}


def parsed(folder: Path, num_clips: int) -> dict[str, float]:
    """As stores were opened before: the lines of all shards, as objects in memory."""
    (folder / "shards").mkdir(parents=True)
    num_shards = num_clips // CLIPS_PER_SHARD
    for shard in range(num_shards):
        lines = [_line(shard * CLIPS_PER_SHARD + number) for number in range(CLIPS_PER_SHARD)]
        head = {"num_bytes": TAR_BYTES, "num_clips": CLIPS_PER_SHARD, "num_rejected": 0}
        index_path(folder, shard).write_text("".join(f"{json.dumps(line)}\n" for line in [head, *lines]))
        with shard_path(folder, shard).open("wb") as sparse:
            sparse.truncate(TAR_BYTES)
    before, started = memory_mib("Rss"), time.perf_counter()
    kept = [clip for number in range(num_shards) for clip in read_shard_index(folder, number).clips]
    seconds, grown = time.perf_counter() - started, memory_mib("Rss") - before
    share = 1e6 / len(kept)
    return {"clips": len(kept), "seconds_a_million": round(seconds * share, 1), "mib_a_million": round(grown * share)}


def _line(number: int) -> dict[str, Any]:
    clip = made_clip(number)
    names = [f"f{k:03d}.jpg" for k in range(NUM_FRAMES)]
    spans = dict(zip(names, clip.frame_spans.tolist(), strict=True)) | {"wav": clip.sound_span}
    facts = {name: getattr(clip, name) for name in ("id", "source", "start_seconds", "stop_seconds", "texts", "split")}
    members = {"members": {name: span[:2] for name, span in spans.items()}}
    sizes = {"size_px": clip.size_px, "frame_seconds": clip.frame_seconds.tolist(), "sample_rate_hz": 11_025}
    return facts | sizes | members | {"crc32": {name: span[2] for name, span in spans.items()}}


def as_arrow(folder: Path, num_clips: int) -> dict[str, float]:
    """The records as a column of Arrow IPC, mapped into memory: opening, with the import, and clips at random."""
    import pyarrow as arrow

    file = folder / "clips.arrow"
    with arrow.OSFile(str(file), "wb") as sink:
        table = arrow.table({"record": [_record(number) for number in range(num_clips)]})
        with arrow.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=CLIPS_PER_SHARD * 256)
    del table
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    context.Process(target=_open_arrow, args=(file, num_clips, theirs), daemon=True).start()
    return {name: round(value, 3) for name, value in ours.recv().items()}


def _open_arrow(file: Path, num_clips: int, connection: Connection) -> None:
    before, started = memory_mib("Rss"), time.perf_counter()
    import pyarrow as arrow

    column = arrow.ipc.open_file(arrow.memory_map(str(file))).read_all()["record"]
    found = {"open_seconds": time.perf_counter() - started, "rss_growth_mib": memory_mib("Rss") - before}
    chosen = np.random.default_rng(0).integers(0, num_clips, NUM_READ).tolist()

    def read() -> None:
        for number in chosen:
            clip_records.decode(column[number].as_py(), lambda _: TAR_BYTES)

    found["microseconds_a_clip"] = _seconds_of(read) / NUM_READ * 1e6
    found["rss_growth_after_reading_mib"] = memory_mib("Rss") - before
    connection.send(found)


def main() -> int:
    """Measure, print, and end with the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[1_000_000], help="sizes of the made stores")
    parser.add_argument("--parsed", type=int, default=102_400, help="clips that are also read as before; 0 = none")
    parser.add_argument("--arrow", type=int, default=0, help="clips that are also read as Arrow IPC; 0 = none")
    parser.add_argument("--folder", type=Path, help="where the made stores go; a temporary folder by default")
    parser.add_argument("--out", type=Path, help="append the record to this file")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for num_clips in options.clips:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            write_made_store(Path(folder) / "store", num_clips)
            write_made_splits(Path(folder) / "splits.jsonl", num_clips)
            results[f"{num_clips:,} clips"] = in_two_processes(Path(folder) / "store")
            print(num_clips, results[f"{num_clips:,} clips"], flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.parsed:
            results["parsed"] = parsed(Path(folder) / "store", options.parsed)
        if options.arrow:
            results["arrow"] = as_arrow(Path(folder), options.arrow)
    return finish(
        {"bench": "store_index", "frames_a_clip": NUM_FRAMES, **circumstances(), "results": results}, options.out
    )


if __name__ == "__main__":
    raise SystemExit(main())
