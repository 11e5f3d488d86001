"""Checks of the environment, with advice for what is missing.

Reads the interpreter, the installed libraries, the machine, and a run if one is named; used by `vlsa doctor`. The main
path is: prepare, pretrain, evaluate, index, search.
"""

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from vlsa.base.launch import usable_cores

State = Literal["ok", "missing", "weak"]
GIB = 2**30
LEAST_MEMORY_GIB, LEAST_DISK_GIB = 4, 5
OLDEST_PYTHON = (3, 11)
CORE = ("numpy", "einops", "jaxtyping", "safetensors", "tokenizers", "PIL")


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    name: str
    state: State
    """`missing`: its use does not work; `weak`: works with limits."""
    found: str
    advice: str = ""
    """What to do; empty if ok."""
    needed: bool = True
    """Whether the main path needs it."""

    @property
    def blocks(self) -> bool:
        """Whether the main path cannot work."""
        return self.needed and self.state == "missing"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


OPTIONAL = (
    ("tensorboard", "shows curves during training", "curves"),
    ("matplotlib", "draws training curves and figures", "curves"),
    ("fastapi", "serves the page", "serve"),
    ("simplejpeg", "reads the frames of stores in less time", "jpeg"),
    ("watchfiles", "follows folders (`--watch`)", "watch"),
    ("s3fs", "keeps stores on S3 (`s3://`)", "s3"),
    ("faster_whisper", "hears speech (`--transcribe`)", "speech"),
    ("transformers", "runs public encoders", "public"),
    ("onnxruntime", "runs exported models", "export"),
)
"""Libraries that the main path does not need: name, use, and the extra that brings each."""


def examine(folder: Path | None = None) -> list[Check]:
    """Run all checks; `folder` is where data would be written (None: the current one)."""
    folder = folder or Path.cwd()
    checks = [check_python(), check_torch(), check_core(), check_media()]
    checks += [check_library("charset_normalizer", "reads subtitles that are not UTF-8", "media"), *check_search()]
    checks += [check_library(*library, needed=False) for library in OPTIONAL]
    version = attrgetter("__version__")
    checks += [check_library("sklearn", "lays out the pair maps of `show`", "figures", needed=False, describe=version)]
    return [*checks, check_gpu(), check_memory(), check_disk(folder), check_writing(Path(tempfile.gettempdir()))]


def check_python() -> Check:
    """The interpreter."""
    found = f"{platform.python_version()}, {_counted(usable_cores(), 'core')}"
    if sys.version_info < OLDEST_PYTHON:
        return Check("python", "missing", found, "install Python 3.11 or newer, and create the environment with it")
    return Check("python", "ok", found)


def check_torch() -> Check:
    """PyTorch, and the number of its threads."""

    def describe(torch: Any) -> str:
        return f"{torch.__version__}, {_counted(torch.get_num_threads(), 'thread')}"

    return check_library("torch", "trains and encodes", "", describe=describe)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


def check_core() -> Check:
    """What the training core needs in addition to PyTorch."""
    missing = [name for name in CORE if _why_missing(name)]
    if missing:
        return Check("training core", "missing", f"without {', '.join(missing)}", "pip install .")
    return Check("training core", "ok", ", ".join(CORE))


def check_media() -> Check:
    """Reading media, and writing synthetic footage."""

    def describe(av: Any) -> str:
        encoders = [name for name in ("libx264", "mpeg4", "aac") if _can_encode(av, name)]
        return f"{av.__version__}, FFmpeg inside, writes {', '.join(encoders) or 'nothing'}"

    check = check_library("av", "reads media", "media", describe=describe)
    if check.state == "ok" and not ("aac" in check.found and ("libx264" in check.found or "mpeg4" in check.found)):
        advice = "make-world cannot write .mp4 with it; install one that can: pip install --force-reinstall av"
        return Check("av", "weak", check.found, advice)
    return check


def check_search() -> Iterator[Check]:
    """The vector index."""
    yield check_library("lancedb", "holds the search index", "search")
    yield check_library("pyarrow", "fills the search index", "search")


def check_library(
    name: str,
    use: str,
    extra: str,
    *,
    needed: bool = True,
    describe: Callable[[Any], str] | None = None,
) -> Check:
    """Whether a library can be imported, not merely found. `extra` of this package installs it."""
    why = _why_missing(name)
    if why:
        package = f"'.[{extra}]'" if extra else "."
        return Check(name, "missing", why, f"{use}: pip install {package}", needed)
    module = importlib.import_module(name)
    return Check(name, "ok", describe(module) if describe else importlib.metadata.version(name), needed=needed)


def _why_missing(name: str) -> str:
    try:
        importlib.import_module(name)
    except ImportError as error:
        return "not installed" if isinstance(error, ModuleNotFoundError) and error.name == name else str(error)
    except OSError as error:  # a native part does not fit this machine
        return str(error)
    return ""


def _can_encode(av: Any, name: str) -> bool:
    try:
        av.Codec(name, "w")
    except ValueError:  # av's "unknown codec" is one
        return False
    return True


def check_model(run_path: Path) -> Check:
    """A run or a checkpoint: that it loads, and that its weights are those that were saved. Raises CheckpointError."""
    from vlsa.pretrain.checkpoint import load_model, model_file
    from vlsa.pretrain.model_fingerprint import verify_fingerprint

    path = model_file(run_path)
    model, tokenizer, config = load_model(path)
    fingerprint = verify_fingerprint(path, config.model, tokenizer, model.state_dict())
    num_weights = sum(weight.numel() for weight in model.parameters())
    return Check("model", "ok", f"{path}: {num_weights:,} weights, recipe {config.recipe}, fingerprint {fingerprint}")


def check_gpu() -> Check:
    """A device that trains faster than the CPU."""
    if _why_missing("torch"):
        return Check("GPU", "weak", "unknown", "install torch first", needed=False)
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available():
        return Check("GPU", "weak", "none", "the recipe tiny trains without one; larger recipes need one", needed=False)
    facts = torch.cuda.get_device_properties(0)
    found = f"{torch.cuda.device_count()} x {facts.name}, {facts.total_memory // GIB} GiB"
    found += f", compute capability {facts.major}.{facts.minor}"
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        return Check("GPU", "weak", found, "no bfloat16: training is in float32, several times slower", needed=False)
    if not importlib.import_module("vlsa.pretrain.acceleration").has_compiler():
        return Check("GPU", "weak", found, "training is faster compiled: install triton and gcc", needed=False)
    return Check("GPU", "ok", f"{found}, bfloat16, compiles", needed=False)


def check_memory() -> Check:
    """Main memory of the machine."""
    gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    if gib < LEAST_MEMORY_GIB:
        advice = f"under {LEAST_MEMORY_GIB} GiB: use --set train.batch_size=32 and one worker"
        return Check("memory", "weak", f"{gib:.1f} GiB", advice)
    return Check("memory", "ok", f"{gib:.1f} GiB")


def check_disk(folder: Path) -> Check:
    """Free space where data would be written."""
    gib = shutil.disk_usage(folder).free / GIB
    if gib < LEAST_DISK_GIB:
        advice = "a clip of 6 s takes about 1 MB at 256 px; free some space, or work on another disk"
        return Check("disk", "weak", f"{gib:.1f} GiB free in {folder}", advice)
    return Check("disk", "ok", f"{gib:.1f} GiB free in {folder}")


def check_writing(folder: Path) -> Check:
    """Whether temporary files can be written and read back."""
    data = os.urandom(1 << 16)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(data)
            os.fsync(file.fileno())
            file.seek(0)
            same = file.read() == data
    except OSError as error:
        return Check(
            "temporary files", "missing", f"{folder}: {error.strerror}", "set TMPDIR to a folder with free space"
        )
    if not same:
        return Check("temporary files", "missing", f"{folder} returns wrong bytes", "check the disk")
    return Check("temporary files", "ok", f"{folder} can be written")
