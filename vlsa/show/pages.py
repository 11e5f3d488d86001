"""HTML pages from templates: one file each, with style, script and images inside.

Used by report.py and gallery.py. Values are escaped by Jinja; only the files of templates/ and static/ are markup.
"""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from vlsa.base.console import timestamp
from vlsa.base.files import write_atomically
from vlsa.retrieve.evaluate.results import direction_label

FOLDERS = [Path(__file__).parent / name for name in ("templates", "static")]


def write_page(path: str | Path, template: str, **values: Any) -> Path:
    """Write a page, and its folder if need be; what is not UTF-8 in the name of a file is shown as "?"."""
    environment = Environment(
        loader=FileSystemLoader(FOLDERS),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"timestamp": timestamp, "direction_label": direction_label}
    text = environment.get_template(template).render(**values)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(Path(path), text.encode(errors="replace"))
    return Path(path)


def data_uri(media_type: str, data: bytes) -> str:
    """A file as an address that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
