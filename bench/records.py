"""How every bench ends: one JSON record as the last line of stdout, appended to a file when one is named."""

import argparse
import hashlib
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def finish(record: dict[str, Any], out: Path | None) -> int:
    """Print the record, append it to `out`, and return the exit status."""
    append(record, out)
    print(json.dumps(record))
    return 0


def append(record: dict[str, Any], out: Path | None) -> None:
    """Add a line to `out`, so that a bench that is cut off keeps what it measured."""
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def read(out: Path | None) -> list[dict[str, Any]]:
    """The records of a file; a line that was cut off is left out."""
    records = []
    for line in out.read_text(encoding="utf-8").splitlines() if out and out.exists() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def circumstances() -> dict[str, Any]:
    """What is needed to understand a number later: commit, code, hardware, versions."""
    import torch

    git = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT, check=False)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "commit": git.stdout.strip() or None,
        "code": code_digest(),
        "hardware": {"cpu": platform.processor() or platform.machine(), "num_cpus": os.cpu_count(), "gpu": gpu},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def code_digest() -> str:
    """Digest of the source of package and benches: says what was measured where there is no git, or unsaved changes."""
    digest = hashlib.sha256()
    for path in sorted([*(ROOT / "vlsa").rglob("*.py"), *(ROOT / "bench").glob("*.py")]):
        digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def told(main: Callable[[], int]) -> int:
    """The status of a bench's `main`; what its user can mend is a line and status 2."""
    from vlsa.base.errors import VlsaError

    try:
        return main()
    except VlsaError as error:
        line = " ".join(str(error).split())
    except OSError as error:
        if error.filename is None:
            raise
        line = f"{error.filename}: cannot be read or written ({error.strerror}); the results would be lost."
    print(line, file=sys.stderr)
    return 2


def above_zero(kind: type) -> Callable[[str], Any]:
    """A number of that kind above 0, for argparse."""

    def number(text: str) -> Any:
        value = kind(text)
        if not (value > 0 and math.isfinite(value)):
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return number
