"""What an adapter is asked, and what it answers: annotated clips, before anyone has searched for their media.

The adapters (msrvtt.py, lsmdc.py, ...) read published annotation files and yield `AnnotatedClip`; convert.py finds the
media of each and writes the manifest. Times are seconds of the whole video.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vlsa.base.errors import ManifestError
from vlsa.base.files import Progress
from vlsa.data.benchmarks.columns import Columns
from vlsa.data.benchmarks.counts import Published
from vlsa.data.ingest.manifest import SPLITS


@dataclass(frozen=True, slots=True)
class Source:
    """An annotation file (or folder of them) as it was named: `PATH`, or `SPLIT=PATH`."""

    path: Path
    asked_split: str | None = None
    """What a person wrote before the `=`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What an adapter is to read."""

    name: str
    """Of the data set."""
    sources: tuple[Source, ...]
    variant: str | None = None
    """One of the adapter's `variants`; None = its usual one."""
    subtitles: bool = False
    """Take what is said as text, in place of captions."""
    columns: Columns | None = None
    """Of a generic reader."""
    media_folder: Path = Path()
    """Where a reader puts media that are inside of its files."""
    progress: Progress | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnotatedClip:
    """A clip as the annotations have it."""

    key: str
    """Same key = same clip: its texts come together in one row."""
    split: str
    texts: tuple[str, ...]
    """Blank ones are counted, and left out later."""
    cut_names: tuple[str, ...] = ()
    """Files without their endings that hold this clip alone, the likeliest first; may start with folders."""
    video_names: tuple[str, ...] = ()
    """Files without their endings that hold the whole video, in which `span` lies."""
    last_names: tuple[str, ...] = ()
    """As `cut_names`, where no other name is found."""
    suffix: str = ""
    """Ending by which the annotations name the file: such a file goes before others of its name."""
    cut_by_times: bool = False
    """A file that is named by the video and the times may hold this clip alone (youtube.py lists the names)."""
    often_cut: bool = False
    """People also give a file of the clip alone the video's name; its length decides."""
    span: tuple[float, float] | None = None
    """Start and stop; None = all of the file."""
    where: str
    """File and line, for messages."""
    path: Path
    """The annotation file."""
    fault: str = ""
    """Why this row of the annotations cannot be a clip; it is reported as `malformed`."""

    def __post_init__(self) -> None:
        try:
            "".join((self.key, self.where, *self.texts, *self.cut_names, *self.last_names, *self.video_names)).encode()
        except UnicodeEncodeError as error:
            raise ManifestError(
                f"{self.path}: {error.object[:80]!r} holds half a character; it can be neither kept nor read. Get the "
                "file again, or fix it."
            ) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """How one data set is read."""

    about: str
    """One line for the help: what the set is, and which files it wants."""
    read: Callable[[Request], Iterator[AnnotatedClip]]
    variants: tuple[str, ...] = ()
    """The first is the usual one."""
    has_subtitles: bool = False
    """Whether some form of it offers what is said next to captions."""
    needs_sound: bool = False
    """A file without audio is left out."""
    silent_hint: str = ""
    """Where files without audio come from, if none of them has any."""
    takes_columns: bool = False
    """A person names the columns; the set has a name of its own."""
    path_column: str = ""
    """Of the file, where a person need not name it."""
    published: Published | Mapping[str, Published] = field(default_factory=Published)
    """How many clips there are; by variant where it has some."""

    def published_of(self, variant: str | None) -> Published:
        """The numbers of a variant; None is the usual one."""
        if isinstance(self.published, Published):
            return self.published
        return self.published[variant or self.variants[0]]


def parse_source(word: str) -> Source:
    """`train=PATH`, `val=PATH`, `test=PATH`, or a plain path."""
    split, equals, rest = word.partition("=")
    if equals and split in SPLITS and not Path(word).exists():
        return Source(Path(rest), split)
    return Source(Path(word))
