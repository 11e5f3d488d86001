"""SoundDescs: recordings of the BBC's archive of sound effects, with descriptions. A file `ID.wav` is one clip.

Ids are texts: `07033137` keeps its zero. The descriptions come as a pickle, which is read without running it.
"""

from collections.abc import Iterator

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks import values
from vlsa.data.benchmarks.files import AnnotationFile, files_by_form, open_all, read_ids
from vlsa.data.benchmarks.requests import AnnotatedClip, Request

FORMS = {
    "captions": (
        "descriptions.pkl: a pickle (or JSON) of {id: description}",
        lambda file: isinstance(file.value, dict),
    ),
    "list": ("train_list.txt, val_list.txt or test_list.txt: one id a line", AnnotationFile.is_id_list),
}


def read(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of SoundDescs. Raises ManifestError."""
    files = files_by_form(open_all(request), request.name, FORMS)
    lacking = next((form for form, found in files.items() if not found), None)
    if lacking:
        raise ManifestError(f"{request.name}: needs descriptions and lists of ids. Add {FORMS[lacking][0]}.")
    texts: dict[str, tuple[str, ...]] = {}
    for file in files["captions"]:
        for id, value in file.value.items():
            where = f"{file.path}: {values.named(id)!r}"
            texts[values.identifier(id, where, "id")] = values.all_words(value, where, "description")
    for file in files["list"]:
        split = file.split()
        for where, id in read_ids(file):
            yield AnnotatedClip(
                key=id, split=split, texts=texts.get(id, ()), cut_names=(id,), where=f"{where} ({id})", path=file.path
            )
