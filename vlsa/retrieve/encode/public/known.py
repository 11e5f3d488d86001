"""Public encoders that are known, and those that the cache of the Hugging Face hub has on this disk.

Read by `vlsa encoders`. Facts as their authors publish them; what is not known for sure is left empty.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vlsa.base.files import read_json
from vlsa.config import MODALITIES, is_in
from vlsa.retrieve.encode.public.names import MODEL_TYPES, SPACES

TABLE_HEADER = ("name", "licence", "size", "on this disk")


@dataclass(frozen=True)
class ListedEncoder:
    """A checkpoint that can be named where a run can."""

    name: str
    licence: str = ""
    """As published; empty = not known."""
    million_parameters: int | None = None
    bytes_on_disk: int = 0
    is_readable: bool = True
    """Of one on this disk: whether its weights are safetensors."""

    @property
    def spaces(self) -> tuple[str, ...]:
        """The pairs of modalities that it compares."""
        return SPACES[self.name.partition(":")[0]]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types; null = not known."""
        modalities = [name for name in MODALITIES if any(is_in(name, space) for space in self.spaces)]
        facts = {"licence": self.licence or None, "modalities": modalities, "spaces": list(self.spaces)}
        return asdict(self) | facts

    def row(self) -> tuple[str, ...]:
        """A row of a table; its size in parameters."""
        size = f"{self.million_parameters:,} M" if self.million_parameters else "unknown"
        return (self.name, self.licence or "unknown", size, self._on_disk())

    def _on_disk(self) -> str:
        if not self.bytes_on_disk:
            return "no"
        return f"{self.bytes_on_disk / 1e6:,.0f} MB" + ("" if self.is_readable else ", but no safetensors")


KNOWN = (
    ListedEncoder("clip:openai/clip-vit-base-patch32", "", 151),
    ListedEncoder("clip:openai/clip-vit-large-patch14", "", 428),
    ListedEncoder("clip:laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "MIT", 151),
    ListedEncoder("clip:laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "MIT", 986),
    ListedEncoder("siglip:google/siglip-base-patch16-224", "Apache-2.0", 203),
    ListedEncoder("siglip:google/siglip-so400m-patch14-384", "Apache-2.0", 878),
    ListedEncoder("siglip:google/siglip2-base-patch16-224", "Apache-2.0", 375),
    ListedEncoder("siglip:google/siglip2-so400m-patch14-384", "Apache-2.0", 1136),
    ListedEncoder("clap:laion/clap-htsat-unfused", "Apache-2.0", 154),
    ListedEncoder("clap:laion/clap-htsat-fused", "Apache-2.0", 154),
    ListedEncoder("clap:laion/larger_clap_general", "Apache-2.0", 194),
    ListedEncoder("pe-av:facebook/pe-av-large"),
)


def listed() -> list[ListedEncoder]:
    """All that are known, with their size on this disk, then others that lie there."""
    found = {encoder.name: encoder for encoder in _cached()}
    known = [replace(one, **_facts(found.pop(one.name, None))) for one in KNOWN]
    return [*known, *(found[name] for name in sorted(found))]


def _facts(cached: ListedEncoder | None) -> dict[str, Any]:
    return {"bytes_on_disk": cached.bytes_on_disk, "is_readable": cached.is_readable} if cached else {}


def _cached() -> Iterator[ListedEncoder]:
    """What the cache of the hub has of the families that can be read."""
    try:
        from huggingface_hub import CacheNotFound, scan_cache_dir
    except ImportError:
        return
    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return
    for repository in repositories:
        for revision in sorted(repository.revisions, key=lambda one: one.last_modified)[-1:]:
            family = _family(revision.snapshot_path)
            if family:
                names = {file.file_name for file in revision.files}
                yield ListedEncoder(
                    f"{family}:{repository.repo_id}",
                    bytes_on_disk=repository.size_on_disk,
                    is_readable=any(name.endswith(".safetensors") for name in names),
                )


def _family(folder: Path) -> str | None:
    """The family of a checkpoint by its config.json; None where there is none that is known."""
    try:
        settings = read_json(folder / "config.json")
    except (OSError, ValueError):
        return None
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    return next((family for family, kinds in MODEL_TYPES.items() if kind in kinds), None)
