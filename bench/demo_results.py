"""The demo's numbers as README and docs/results.md show them: `vlsa demo` with each seed, and what would make them old.

Why: numbers in documents must be those of the code. Each record in docs/results holds the settings of the demo and
`numerics`: what a short fixed training and its evaluation give. A test compares both with the code, so that a change of
numerics fails until this is run again:

    python bench/demo_results.py --out runs/demo-results

Takes about ten minutes a seed on two cores; a seed that is finished in OUT is not run again. Rewrites the tables
between the markers in README.md and docs/results.md.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from records import ROOT, circumstances

RECORDS = ROOT / "docs" / "results"
DIRECTIONS = ("text_to_video", "text_to_audio", "audio_to_video", "video_to_text", "audio_to_text", "video_to_audio")
SEEDS = (0, 1, 2)
SHORT_TRAINING = ("train.num_steps=6", "train.batch_size=8", "train.num_workers=0", "compute.precision=float32")
SHORT_WORLD = "world:train=16,test=8,px=64"


def settings() -> dict[str, Any]:
    """The settings of the demo's recipe."""
    from vlsa.config.recipes import recipe

    return json.loads(json.dumps(asdict(recipe("tiny"))))


def numerics() -> dict[str, float]:
    """What a short fixed training and its evaluation give; takes seconds, on one thread."""
    from vlsa.config.recipes import settings_of
    from vlsa.data.loading.dataset import open_dataset
    from vlsa.pretrain.loop import pretrain
    from vlsa.pretrain.metrics_log import read_metrics
    from vlsa.retrieve.encode.embed import embed_store
    from vlsa.retrieve.encode.encoders import load

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            dataset, run = open_dataset(SHORT_WORLD), Path(folder) / "run"
            pretrain(settings_of("tiny", SHORT_TRAINING), dataset, run, device="cpu")
            losses = [line["loss"] for line in read_metrics(run) if "loss" in line]
            embeddings = embed_store(load(run, "cpu"), dataset, "test")
    finally:
        torch.set_num_threads(threads)
    pairs = {"text_video": (embeddings.text, embeddings.video), "audio_video": (embeddings.audio, embeddings.video)}
    similarity = {name: float((one.mean(axis=0) * other.mean(axis=0)).sum()) for name, (one, other) in pairs.items()}
    return {"first_loss": losses[0], "last_loss": losses[-1], **similarity}


def run_demo(seed: int, out: Path) -> dict[str, Any]:
    """The demo with a seed as a person runs it; its results with settings, times and circumstances."""
    folder = out / f"seed-{seed}"
    command = [sys.executable, "-m", "vlsa.cli", "demo", str(folder), "--seed", str(seed)]
    subprocess.run(command, check=True, cwd=ROOT)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    seconds = json.loads((folder / "demo.json").read_text(encoding="utf-8"))["seconds"]
    results["data"], results["model"]["run"] = "demo/store", "demo/run"
    return {"settings": settings(), "numerics": numerics(), "seconds": seconds, **circumstances(), "results": results}


def read_records() -> dict[int, dict[str, Any]]:
    """The committed records by seed."""
    paths = {seed: RECORDS / f"demo-seed{seed}.json" for seed in SEEDS}
    return {seed: json.loads(path.read_text(encoding="utf-8")) for seed, path in paths.items() if path.exists()}


def percent(share: float) -> str:
    """A share as the tables show it."""
    return f"{100 * share:.1f}"


def readme_table(records: dict[int, dict[str, Any]]) -> str:
    """The table of README.md: seed 0 in full, R@10 of all seeds."""
    seeds = ", ".join(str(seed) for seed in records)
    lines = [f"| direction | R@1 % | R@5 % | R@10 % | MedR | R@10 %, seeds {seeds} |", "|---|---|---|---|---|---|"]
    for name in DIRECTIONS:
        found = [record["results"]["directions"][name] for record in records.values()]
        first = found[0]
        each = ", ".join(percent(one["r10"]) for one in found)
        recalls = " | ".join(percent(first[key]) for key in ("r1", "r5", "r10"))
        lines.append(f"| {name.replace('_to_', ' → ')} | {recalls} | {first['medr']:g} | {each} |")
    chance = found[0]["chance"]
    recalls = " | ".join(percent(chance[key]) for key in ("r1", "r5", "r10"))
    return "\n".join([*lines, f"| chance | {recalls} | {chance['medr']:g} | {percent(chance['r10'])} |"])


def seeds_table(records: dict[int, dict[str, Any]]) -> str:
    """The table of docs/results.md: all seeds in full."""
    header = "".join(f" seed {seed}: R@1 / 5 / 10, MedR |" for seed in records)
    lines = [f"| direction |{header}", "|---|" + "---|" * len(records)]
    for name in DIRECTIONS:
        cells = []
        for record in records.values():
            one = record["results"]["directions"][name]
            cells.append(" / ".join(percent(one[key]) for key in ("r1", "r5", "r10")) + f", {one['medr']:g}")
        lines.append(f"| {name.replace('_to_', ' → ')} | {' | '.join(cells)} |")
    return "\n".join(lines)


def replace_table(path: Path, marker: str, table: str) -> None:
    """Put a table in the place of the first one after a marker; the text below it stays."""
    text = path.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {marker} -->\n)(?:\|.*\n)+")
    assert pattern.search(text), f"{path}: no table after <!-- {marker} -->"
    path.write_text(pattern.sub(lambda found: found[1] + table + "\n", text, count=1), encoding="utf-8")


def main() -> int:
    """Run what is missing, and write records and tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "demo-results", help="where the demos are made")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="seeds to run")
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        record = run_demo(seed, arguments.out)
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        (RECORDS / f"demo-seed{seed}.json").write_text(text, encoding="utf-8")
    records = read_records()
    replace_table(ROOT / "README.md", "results", readme_table(records))
    replace_table(ROOT / "docs" / "results.md", "seeds", seeds_table(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
