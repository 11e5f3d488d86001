"""What every bench needs around its measurement: the machine checked, the record of the numbers, the exit status."""

import argparse
import hashlib
import importlib.util
import json
import math
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # the benches measure the package next to them, installed or not
    sys.path.insert(0, str(ROOT))
SITE = ROOT / "runs" / "site"
"""Packages that a machine without a network lacks may be carried here."""


def require_packages(*names: str) -> None:
    """Use what `runs/site` holds, and stop with one line that names every missing package, before anything starts."""
    if SITE.is_dir() and str(SITE) not in sys.path:
        sys.path.append(str(SITE))  # last: what the machine has comes first
    missing = missing_packages(names)
    if missing:
        print(
            f"missing here: {', '.join(missing)}; nothing can be measured without. Where there is a network, run pip "
            f"install --no-deps --target runs/site {' '.join(missing)}, and take the folder runs/site along.",
            file=sys.stderr,
        )
        sys.exit(2)


def missing_packages(names: Sequence[str]) -> list[str]:
    """Those that cannot be imported, by the names that pip knows."""
    import_names = {"pillow": "PIL", "scikit-learn": "sklearn"}
    return [name for name in names if importlib.util.find_spec(import_names.get(name, name)) is None]


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
    """What is needed to understand a number later: commit (None without git), code, hardware, versions."""
    import torch

    from vlsa.base.versions import source_commit

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "commit": source_commit(),
        "code": code_digest(),
        "hardware": {"cpu": platform.processor() or platform.machine(), "num_cpus": os.cpu_count(), "gpu": gpu},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def code_digest() -> str:
    """Digest of the source of package and benches: identifies what was measured without git, or with local changes."""
    digest = hashlib.sha256()
    for path in sorted([*(ROOT / "vlsa").rglob("*.py"), *(ROOT / "bench").glob("*.py")]):
        digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def exit_status(main: Callable[[], int]) -> int:
    """The status of a bench's `main`; an error that its user can fix is one line and status 2."""
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
