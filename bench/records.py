"""How every bench ends: one JSON record as the last line of stdout, appended to a file when one is named."""

import json
from pathlib import Path
from typing import Any


def finish(record: dict[str, Any], out: Path | None) -> int:
    """Print the record, append it to `out`, and return the exit status."""
    line = json.dumps(record)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    print(line)
    return 0
