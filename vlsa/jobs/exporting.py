"""Export: a run's encoders as files of another format."""

from pathlib import Path
from typing import TYPE_CHECKING

from vlsa.logs import say

if TYPE_CHECKING:
    from vlsa.retrieve.exported.write import Exported


def export_onnx(run_path: Path, out: Path, *, int8: bool = False) -> "Exported":
    """Three ONNX files, their settings and tokenizer. Raises VlsaError."""
    from vlsa.retrieve.exported.write import export_onnx

    return export_onnx(run_path, out, int8=int8, progress=say)
