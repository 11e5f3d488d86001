"""A folder of numbered sounds, indexes of it, and all that an index holds, to be compared with a new index."""

import shutil
from pathlib import Path

from fake_encoder import FakeEncoder, write_numbered_sound

from vlsa.retrieve.index import ledger
from vlsa.retrieve.index.build import build_index
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.report import REPORT_NAME, IndexSummary

CUE = "1\n00:00:{start:02d},000 --> 00:00:{stop:02d},500\nthe number {number}\n"


class Counting(FakeEncoder):
    """Counts the windows that it encodes, but for those that show whether it is usable."""

    def __init__(self) -> None:
        self.encoded = []

    @property
    def num_encoded(self) -> int:
        return len(self.encoded)

    def encode_audio(self, clips):
        self.encoded += [clip.id for clip in clips if clip.source != "noise"]  # a list, which copies share
        return super().encode_audio(clips)


def write_footage(folder: Path) -> Path:
    """Five sounds of three seconds, the first with subtitles, and an empty folder `field`."""
    (folder / "field").mkdir(parents=True)
    for number in range(1, 6):
        write_numbered_sound(folder / f"sound-{number}.wav", number, seconds=3.0)
    (folder / "sound-1.srt").write_text(CUE.format(start=0, stop=1, number=1))
    return folder


def follow(folder: Path, out: Path, encoder: FakeEncoder | None = None, **options: object) -> IndexSummary:
    """`vlsa index`, in this process."""
    return build_index(encoder or FakeEncoder(), folder, out, **{"num_workers": 0, **options})


def content(out: Path) -> list[object]:
    """All that the tables, the ledger and the report hold, in order."""
    index = Index.open(out)
    lines = [line for _, line in sorted(ledger.read(index.data).items())]
    return sorted(index.table.digests()) + index.file_facts() + lines + (out / REPORT_NAME).read_text().splitlines()


def as_new(folder: Path, out: Path) -> list[object]:
    """The content of a new index of the folder."""
    shutil.rmtree(out, ignore_errors=True)
    follow(folder, out)
    return content(out)
