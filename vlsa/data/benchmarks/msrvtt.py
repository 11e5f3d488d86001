"""MSR-VTT: web videos of 10 to 30 s with about 20 captions each. A file `video123.mp4` is one clip.

Variants: `9k` and `7k` are the two training sets of the split 1k-A (JSFusion), which tests on 1,000 videos with one
caption each and has no validation set; `full` is the official split. Test captions of 1k-A come from its CSV, all
others from the JSON.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks import values, vast
from vlsa.data.benchmarks.files import AnnotationFile, files_by_form, open_all, read_ids
from vlsa.data.benchmarks.requests import AnnotatedClip, Request

VARIANTS = ("9k", "7k", "full")
OFFICIAL_SPLITS = {"train": "train", "validate": "val", "val": "val", "test": "test"}
FORMS = {
    "json": (
        'MSRVTT_data.json: {"videos": [{"video_id", "split"}], "sentences": [{"video_id", "caption"}]}',
        lambda file: file.has_keys("sentences"),
    ),
    "old_json": (
        'the older {"annotations": [{"image_id", "caption"}]}',
        lambda file: file.has_keys("annotations"),
    ),
    "test": (
        "MSRVTT_JSFUSION_test.csv with the columns key,vid_key,video_id,sentence",
        lambda file: file.has_columns("video_id", "sentence"),
    ),
    "list": (
        "MSRVTT_train.9k.csv or MSRVTT_train.7k.csv with the column video_id, or a list of one id a line",
        lambda file: file.has_columns("video_id") or file.is_id_list(),
    ),
    "vast": (vast.EXPECTED, vast.is_vast),
}


@dataclass
class Captions:
    """What the JSON files say."""

    path: Path
    by_video: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    split_of: dict[str, str] = field(default_factory=dict)
    """Of the official split, where the JSON has it."""


def read(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of MSR-VTT. Raises ManifestError."""
    files = files_by_form(open_all(request), request.name, FORMS)
    if files["vast"]:
        yield from _read_vast(files, request)
        return
    _check(files, request)
    captions = _read_captions(files)
    if request.variant == "full":
        yield from _read_full(files["list"], captions)
    else:
        yield from _read_1k_a(files, captions, request)


def _read_vast(files: dict[str, list[AnnotationFile]], request: Request) -> Iterator[AnnotatedClip]:
    others = [file for form, found in files.items() for file in found if form != "vast"]
    if others or request.variant:
        what = f"the file {others[0].path}" if others else f"--variant {request.variant}"
        raise ManifestError(
            f"{files['vast'][0].path}: annotations in the form of VAST say themselves which clips belong to a split; "
            f"{what} would contradict them. Leave it out."
        )
    for file in files["vast"]:
        for where, video_id, texts in vast.read_vast(file, request):
            yield _clip(video_id, file.split(), texts, where, file.path)


def _check(files: dict[str, list[AnnotationFile]], request: Request) -> None:
    documents = files["json"] + files["old_json"]
    if request.subtitles:
        raise ManifestError(
            f"{request.name}: these files have no subtitles, so no clip would have text. Leave out --text subtitles, "
            f"or give {vast.EXPECTED}."
        )
    if request.variant == "full":
        if not documents or files["test"]:
            wrong = files["test"][0].path if files["test"] else request.name
            raise ManifestError(
                f"{wrong}: the variant full is made of MSRVTT_data.json alone (or JSON files and lists of video_id); "
                "the CSV with sentences belongs to 1k-A. Leave it out, or choose --variant 9k."
            )
        return
    if not files["test"]:
        raise ManifestError(
            f"{request.name}: 1k-A is tested on the captions of {FORMS['test'][0]}, and no such file was given. Add it "
            "or choose --variant full."
        )
    if files["list"] and not documents:
        raise ManifestError(f"{files['list'][0].path}: its videos have captions in {FORMS['json'][0]}. Give it too.")
    if files["list"] and request.variant:
        raise ManifestError(
            f"{files['list'][0].path}: the list says which videos to train on, and so does --variant "
            f"{request.variant}; they may contradict each other. Leave out one of the two."
        )


def _read_captions(files: dict[str, list[AnnotationFile]]) -> Captions:
    documents = files["json"] + files["old_json"]
    captions = Captions(documents[0].path if documents else Path())
    for file in documents:
        key, name = ("sentences", "video_id") if file in files["json"] else ("annotations", "image_id")
        for where, entry in values.entries(file.value[key], str(file.path), key):
            video_id = values.identifier(values.field(entry, name, where), where, name)
            captions.by_video[video_id].append(values.words(values.field(entry, "caption", where), where, "caption"))
        for where, entry in values.entries(file.value.get("videos", []), str(file.path), "videos"):
            video_id = values.identifier(values.field(entry, "video_id", where), where, "video_id")
            captions.split_of[video_id] = _official(values.field(entry, "split", where), where)
    return captions


def _read_full(lists: list[AnnotationFile], captions: Captions) -> Iterator[AnnotatedClip]:
    listed = [(video_id, file.split()) for file in lists for _, video_id in _read_list(file)]
    placed = listed or list(captions.split_of.items())
    if not placed:
        raise ManifestError(
            f"{captions.path}: does not say the split of its videos ('videos' with 'split'), so test captions would be "
            "learned. Give MSRVTT_data.json, or lists with the column video_id, as train=PATH and so on."
        )
    for video_id, split in placed:
        texts = captions.by_video.get(video_id, ())
        yield _clip(video_id, split, texts, f"{captions.path}: {video_id}", captions.path)


def _read_1k_a(files: dict[str, list[AnnotationFile]], captions: Captions, request: Request) -> Iterator[AnnotatedClip]:
    tested = set()
    for file in files["test"]:
        for where, row in file.records("video_id", "sentence"):
            video_id = values.identifier(row["video_id"], where, "video_id")
            tested.add(video_id)
            yield _clip(video_id, "test", [values.words(row["sentence"], where, "sentence")], where, file.path)
    for file in files["list"]:
        for where, video_id in _read_list(file):
            yield _clip(video_id, file.split(), captions.by_video.get(video_id, ()), where, file.path)
    if not files["list"] and captions.by_video:
        for video_id in _training_videos(captions, tested, request.variant or VARIANTS[0]):
            texts = captions.by_video.get(video_id, ())
            yield _clip(video_id, "train", texts, f"{captions.path}: {video_id}", captions.path)


def _training_videos(captions: Captions, tested: set[str], variant: str) -> list[str]:
    """Of 9k, all that are not tested; of 7k, those of them that are training or validation in the official split."""
    if variant == "7k" and not captions.split_of:
        raise ManifestError(
            f"{captions.path}: does not say the official split of its videos, of which 7k is made. Add "
            "MSRVTT_train.7k.csv, or give MSRVTT_data.json."
        )
    videos = dict.fromkeys((*captions.split_of, *captions.by_video))
    if variant == "7k":
        videos = {video: None for video in videos if captions.split_of.get(video) in ("train", "val")}
    return [video for video in videos if video not in tested]


def _read_list(file: AnnotationFile) -> Iterator[tuple[str, str]]:
    if not file.has_columns("video_id"):
        yield from read_ids(file)
        return
    for where, row in file.records("video_id"):
        yield where, values.identifier(row["video_id"], where, "video_id")


def _official(value: object, where: str) -> str:
    if not isinstance(value, str) or value not in OFFICIAL_SPLITS:
        known = ", ".join(OFFICIAL_SPLITS)
        raise ManifestError(f"{where}: split={values.shown(value)} is not one of {known}. Get the publisher's file.")
    return OFFICIAL_SPLITS[value]


def _clip(video_id: str, split: str, texts: list[str] | tuple[str, ...], where: str, path: Path) -> AnnotatedClip:
    return AnnotatedClip(key=video_id, split=split, texts=tuple(texts), cut_names=(video_id,), where=where, path=path)
