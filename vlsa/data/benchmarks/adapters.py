"""The public data sets that can be imported, by name. A new set is an entry in sets.py, or a file and an entry here."""

from vlsa.base.errors import ConfigError
from vlsa.config.overrides import nearest
from vlsa.data.benchmarks import audioset, generic, howto100m, lsmdc, msrvtt, webdataset, youcook2
from vlsa.data.benchmarks.counts import Published
from vlsa.data.benchmarks.requests import Adapter
from vlsa.data.benchmarks.sets import SETS

SILENT_COPY = "the preprocessed copy of HowTo100M that is handed out has no audio. "

ADAPTERS = {
    "csv": Adapter(about="any table; --columns says what is what", read=generic.read_csv, takes_columns=True),
    "json": Adapter(
        about="any list of objects, or an object a line; --columns", read=generic.read_json, takes_columns=True
    ),
    "webdataset": Adapter(
        about="tar shards: 'clips-{000..099}.tar' of .mp4, .txt, .json",
        read=webdataset.read,
        takes_columns=True,
        path_column=webdataset.NAME,
    ),
    "hf": Adapter(
        about="a folder of Parquet, or with metadata.csv; --columns", read=generic.read_hf, takes_columns=True
    ),
    "msrvtt": Adapter(
        about="MSR-VTT: MSRVTT_data.json, MSRVTT_JSFUSION_test.csv; or VAST's JSON",
        read=msrvtt.read,
        variants=msrvtt.VARIANTS,
        has_subtitles=True,
        published={
            "9k": Published(splits={"train": (9000,), "test": (1000,)}),
            "7k": Published(splits={"train": (7010,), "test": (1000,)}),
            "full": Published(splits={"train": (6513,), "val": (497,), "test": (2990,)}),
        },
    ),
    "lsmdc": Adapter(
        about="LSMDC: LSMDC16_annos_training.csv and so on (tabs, no header)",
        read=lsmdc.read,
        published=Published(splits={"train": (101_079,), "val": (7408,), "test": (1000, 10_053)}, captions=True),
    ),
    "youcook2": Adapter(
        about="YouCook2: validation_youcook.csv, the official JSON, or VAST's JSON",
        read=youcook2.read,
        has_subtitles=True,
        published=Published(splits={"train": (10_337,), "test": (3350, 3492)}, captions=True),
    ),
    "howto100m": Adapter(
        about="HowTo100M: a folder of VIDEOID.csv, or one JSON or pickle",
        read=howto100m.read,
        needs_sound=True,
        silent_hint=SILENT_COPY,
    ),
    "howto100m-audioset": Adapter(
        about="the paper's pre-training set, videos in both: the files of both",
        read=howto100m.read_with_audioset,
        needs_sound=True,
        silent_hint=SILENT_COPY,
    ),
    "audioset": Adapter(
        about="AudioSet: balanced_train_segments.csv ...; class_labels_indices.csv",
        read=audioset.read_audioset,
        needs_sound=True,
        published=Published(splits={"train": (22_160, 2_041_789, 2_063_949), "test": (20_371,)}),
    ),
    "vggsound": Adapter(
        about="VGGSound: vggsound.csv, or test.csv of file names",
        read=audioset.read_vggsound,
        needs_sound=True,
        published=Published(splits={"test": (15_446,)}),
    ),
    "cavmae": Adapter(
        about="CAV-MAE's JSON of AudioSet or VGGSound; class_labels_indices.csv",
        read=audioset.read_cavmae,
        needs_sound=True,
    ),
    **SETS,
}


def find_adapter(name: str, variant: str | None, subtitles: bool, takes_columns: bool) -> Adapter:
    """The adapter of a data set. Raises ConfigError for an unknown name, or an option that the set does not have."""
    known = f"Known: {', '.join(ADAPTERS)}."
    if name not in ADAPTERS:
        hint = nearest(name, ADAPTERS)
        raise ConfigError(
            f"{name}: no data set of this name can be imported. {hint if hint == known else hint + ' ' + known}"
        )
    adapter = ADAPTERS[name]
    if variant is not None and variant not in adapter.variants:
        what = f"its variants are {', '.join(adapter.variants)}" if adapter.variants else "it has no variants"
        raise ConfigError(f"{name}: no variant {variant!r}; {what}. Fix or leave out --variant.")
    if subtitles and not adapter.has_subtitles:
        which = ", ".join(other for other, each in ADAPTERS.items() if each.has_subtitles)
        raise ConfigError(f"{name}: no subtitles next to captions; only {which} have them. Leave out --text subtitles.")
    if takes_columns and not adapter.takes_columns:
        which = ", ".join(other for other, each in ADAPTERS.items() if each.takes_columns)
        raise ConfigError(f"{name}: its columns are known; --columns and --title belong to {which}. Leave them out.")
    return adapter
