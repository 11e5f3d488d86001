"""What kinds of files a data set is published in, as a table; and the reading of them, which is the same for all.

A set is a few `Form`s (sets.py); the generic readers (generic.py) make one of what a person says. Lists of ids, one a
line, say which clips a split has. Reads records.py and clip_rows.py; answers convert.py.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks.clip_rows import Form, clips_of
from vlsa.data.benchmarks.files import AnnotationFile, open_all, read_ids, split_words, wrong_file
from vlsa.data.benchmarks.records import MalformedRow, has_columns, read_records
from vlsa.data.benchmarks.requests import AnnotatedClip, Request
from vlsa.data.benchmarks.youtube import names_of
from vlsa.data.media.suffixes import MEDIA_SUFFIXES

LIST_EXPECTED = "lists of one id a line"


def read_forms(request: Request, forms: Iterable[Form]) -> Iterator[AnnotatedClip]:
    """The clips of a data set whose files have these forms, the first that fits. Raises ManifestError."""
    found: list[tuple[AnnotationFile, Form]] = []
    lists: list[AnnotationFile] = []
    for file in open_all(request):
        form = next((form for form in forms if has_columns(file, form.columns, form.delimiter, form.header)), None)
        if form:
            found.append((file, form))
        elif file.is_id_list():
            lists.append(file)
        else:
            raise wrong_file(file, request.name, [*(form.expected for form in forms), LIST_EXPECTED])
    expected = "; or ".join(form.expected for form in forms)
    if not found:
        raise ManifestError(f"{lists[0].path}: a list alone has no captions. Give {expected} too.")
    clips = (clip for file, form in found for clip in read_form(file, form, optional_split=bool(lists)))
    yield from _listed(clips, lists) if lists else clips


def read_form(file: AnnotationFile, form: Form, *, optional_split: bool = False) -> Iterator[AnnotatedClip]:
    """The clips of one file. `optional_split`: lists say the split; a file that does not gets a blank one."""
    split = split_of(file, form, optional=optional_split)
    yield from clips_of_records(
        read_records(file, form.columns, form.delimiter, form.header), form, file=file, split=split
    )


def clips_of_records(
    records: Iterable[tuple[str, Mapping[str, Any] | MalformedRow]], form: Form, *, file: AnnotationFile, split: str
) -> Iterator[AnnotatedClip]:
    """A clip a record, or several; a malformed record stays a clip with its fault. Raises ManifestError if all are."""
    clips = _all_but_malformed(records, form, file, split)
    yield from clips if form.join is None else _joined(clips, form.join)


def _all_but_malformed(
    records: Iterable[tuple[str, Mapping[str, Any] | MalformedRow]], form: Form, file: AnnotationFile, split: str
) -> Iterator[AnnotatedClip]:
    malformed: list[AnnotatedClip] = []
    num_good = 0
    for where, record in records:
        try:
            if isinstance(record, MalformedRow):
                raise record
            clips = list(clips_of(record, form, where=where, path=file.path, split=split))
        except ManifestError as error:
            malformed.append(
                AnnotatedClip(
                    key=where, split=split or "train", texts=(), where=where, path=file.path, fault=str(error)
                )
            )
            continue
        num_good += len(clips)
        yield from clips
    if malformed and not num_good:
        raise ManifestError(malformed[0].fault)
    yield from malformed


def split_of(file: AnnotationFile, form: Form, *, optional: bool = False) -> str:
    """As a person asked, else by the form's words and by those that all sets use, else the form's usual one."""
    words = split_words(file.path.stem)
    own = next((split for word, split in form.splits.items() if word in words), None)
    if file.source.asked_split or own:
        return file.source.asked_split or str(own)
    known = file.known_split()
    if known or form.usual_split or optional:
        return form.splits.get(known, known) or form.usual_split
    return file.split(f", or add {LIST_EXPECTED}")


def _joined(clips: Iterable[AnnotatedClip], joint: str) -> Iterator[AnnotatedClip]:
    """All texts of a clip as one, in the file's order."""
    by_key: dict[str, list[AnnotatedClip]] = defaultdict(list)
    for clip in clips:
        by_key[clip.key].append(clip)
    for same in by_key.values():
        texts = [text for clip in same for text in clip.texts if text]
        yield replace(same[0], texts=(joint.join(texts),))


def _listed(clips: Iterable[AnnotatedClip], lists: list[AnnotationFile]) -> Iterator[AnnotatedClip]:
    """Of a split with a list, the clips that it names; of others, all. One that no file has stays without text."""
    entries = [(where, _stem(id), file.split(), file) for file in lists for where, id in read_ids(file)]
    wanted = {stem for _, stem, _, _ in entries}
    splits = {split for _, _, split, _ in entries}
    by_name: dict[str, list[AnnotatedClip]] = defaultdict(list)
    for clip in clips:
        if clip.fault or (clip.split and clip.split not in splits):
            yield clip
        for name in {clip.key, *(name for name, _ in names_of(clip))} & wanted:
            by_name[name].append(clip)
    for where, stem, split, file in entries:
        found = by_name.get(stem, ())
        for clip in found:
            yield replace(clip, split=split)
        if not found:
            where = f"{where} ({stem}: in no file of captions)"
            yield AnnotatedClip(key=stem, split=split, texts=(), cut_names=(stem,), where=where, path=file.path)


def _stem(name: str) -> str:
    suffix = next((suffix for suffix in MEDIA_SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]
