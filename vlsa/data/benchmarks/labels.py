"""Names of AudioSet's classes: class_labels_indices.csv with index,mid,display_name. Used by audioset.py."""

from collections.abc import Iterable

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks import values
from vlsa.data.benchmarks.files import AnnotationFile

COLUMNS = ("index", "mid", "display_name")
EXPECTED = f"class_labels_indices.csv with the columns {','.join(COLUMNS)}"


def is_class_file(file: AnnotationFile) -> bool:
    """Whether a file names classes."""
    return file.has_columns("mid", "display_name")


def read_class_names(files: Iterable[AnnotationFile], name: str) -> dict[str, str]:
    """Class id (`/m/068hy`) to its name. Raises ManifestError when no file says any."""
    names = {
        values.identifier(row["mid"], where, "mid"): values.words(row["display_name"], where, "display_name")
        for file in files
        for where, row in file.records("mid", "display_name")
    }
    if not names:
        raise ManifestError(
            f"{name}: labels are ids such as /m/068hy, which say nothing to a model, and no file names them. Add "
            f"{EXPECTED}."
        )
    return names


def label_text(ids: str, names: dict[str, str], where: str) -> str:
    """`/m/068hy,/m/07q6cd_` in words: the names, in order, with commas."""
    wanted = [id.strip() for id in ids.split(",") if id.strip()]
    unknown = next((id for id in wanted if id not in names), None)
    if unknown:
        raise ManifestError(
            f"{where}: label {unknown[:40]!r} has no name in the file of classes ({len(names)} names); its clips would "
            "have wrong texts. Give the class file that belongs to these annotations."
        )
    return ", ".join(names[id] for id in wanted)
