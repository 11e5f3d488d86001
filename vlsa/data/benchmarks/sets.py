"""Public data sets that need no code: which columns their published files have, and how many clips.

A new set of this kind is an entry here. Read by adapters.py; docs/benchmarks.md says where the files and the numbers
are from.
"""

from functools import partial

from vlsa.data.benchmarks.clip_rows import Form
from vlsa.data.benchmarks.columns import KEY, VALUE, Columns
from vlsa.data.benchmarks.counts import Published
from vlsa.data.benchmarks.forms import read_forms
from vlsa.data.benchmarks.requests import Adapter

TEN_SECONDS = 10.0
BY_ID = Columns(path=KEY, text=(VALUE,))
LISTS = "and train_list.txt, val_list.txt, test_list.txt of one id a line"

MSVD = (
    Form(
        columns=BY_ID, times_in_id=True, expected=f"raw-captions.pkl: a pickle (or JSON) of {{id: captions}}, {LISTS}"
    ),
)
DIDEMO = (
    Form(
        columns=Columns(path="video", text=("description",)),
        join=" ",
        expected='test_data.json and so on: a JSON list of {"video", "description"}',
    ),
)
ACTIVITYNET = (
    Form(
        columns=Columns(path=KEY, span="timestamps", text=("sentences",)),
        join=" ",
        splits={"val": "test"},
        expected='train.json, val_1.json: {id: {"duration", "timestamps", "sentences"}}',
    ),
)
VATEX = (
    Form(
        columns=Columns(path="videoID", text=("enCap",)),
        times_in_id=True,
        expected='vatex_training_v1.0.json and so on: a JSON list of {"videoID", "enCap"}; lists of ids for a part',
    ),
)
CLOTHO = (
    Form(
        columns=Columns(path="file_name", text=("caption_*",)),
        splits={"development": "train", "dev": "train"},
        expected="clotho_captions_development.csv and so on with the columns file_name,caption_1,...",
    ),
)
AUDIOCAPS = (
    Form(
        columns=Columns(path="youtube_id", name="audiocap_id", start="start_time", text=("caption",)),
        clip_seconds=TEN_SECONDS,
        often_cut=True,
        expected="train.csv, val.csv or test.csv with the columns audiocap_id,youtube_id,start_time,caption",
    ),
    Form(
        columns=Columns(path="file_name", text=("caption_*",)),
        expected="a CSV with the columns file_name,caption_1,...",
    ),
    Form(
        columns=Columns(path="video_id", text=("caption",)),
        expected='a JSON list of {"video_id", "caption"}',
    ),
)
SOUNDDESCS = (Form(columns=BY_ID, expected=f"descriptions.pkl: a pickle (or JSON) of {{id: description}}, {LISTS}"),)
WEBVID = (
    Form(
        columns=Columns(path="videoid", folder="page_dir", text=("name",)),
        usual_split="train",
        expected="results_2M_train.csv, results_2M_val.csv with the columns videoid,contentUrl,duration,page_dir,name",
    ),
)
WAVCAPS = (
    Form(
        columns=Columns(path="id", text=("caption",)),
        usual_split="train",
        expected='as_final.json, bbc_final.json, fsd_final.json or sb_final.json: {"data": [{"id", "caption"}]}',
    ),
)
INTERNVID = (
    Form(
        columns=Columns(path="YoutubeID", start="Start_timestamp", stop="End_timestamp", text=("Caption",)),
        usual_split="train",
        expected="InternVid-10M-flt.jsonl: lines of {YoutubeID, Start_timestamp, End_timestamp, Caption}",
    ),
)
PANDA = (
    Form(
        columns=Columns(path="videoID", span="timestamp", text=("caption",)),
        expected="panda70m_training_2m.csv and so on with the columns videoID,url,timestamp,caption,matching_score",
    ),
)
VALOR = (
    Form(
        columns=Columns(path="video_id", text=("desc",)),
        times_in_id=True,
        often_cut=True,
        expected='desc_train.json, desc_val.json, desc_test.json: a JSON list of {"video_id", "desc"}',
    ),
)
AVE = (
    Form(
        columns=Columns(path="VideoID", text=("Category",)),
        delimiter="&",
        header=("Category", "VideoID", "Quality", "StartTime", "EndTime"),
        expected="trainSet.txt, valSet.txt, testSet.txt: lines of Category&VideoID&Quality&StartTime&EndTime",
    ),
)
VGGSOUNDER = (
    Form(
        columns=Columns(path="video_id", text=("label",)),
        times_in_id=True,
        clip_seconds=TEN_SECONDS,
        join=", ",
        usual_split="test",
        expected="vggsounder.csv with the columns video_id,label,modality,...",
    ),
)
QUERYD = (
    Form(
        columns=BY_ID,
        join=" ",
        expected=f"raw_captions_combined_filtered.pkl: a pickle (or JSON) of {{id: captions}}, {LISTS}",
    ),
)
CHARADES = (
    Form(
        columns=Columns(path="id", text=("script", "descriptions")),
        several=("descriptions",),
        expected="Charades_v1_train.csv, Charades_v1_test.csv with the columns id,script,descriptions,...",
    ),
)

SETS = {
    "msvd": Adapter(
        about="MSVD: the pickle of captions; train_list.txt and so on",
        read=partial(read_forms, forms=MSVD),
        published=Published(splits={"train": (1200,), "val": (100,), "test": (670,)}),
    ),
    "didemo": Adapter(
        about="DiDeMo: train_data.json and so on; a video's sentences are one paragraph",
        read=partial(read_forms, forms=DIDEMO),
        published=Published(splits={"train": (8395, 8392), "val": (1065,), "test": (1003, 1004)}),
    ),
    "activitynet": Adapter(
        about="ActivityNet Captions: train.json, val_1.json; sentences are one paragraph",
        read=partial(read_forms, forms=ACTIVITYNET),
        published=Published(splits={"train": (10009,), "test": (4917,)}),
    ),
    "vatex": Adapter(
        about="VATEX: vatex_training_v1.0.json and so on; lists of ids for a part",
        read=partial(read_forms, forms=VATEX),
        published=Published(splits={"train": (25991,), "val": (3000, 1500), "test": (6000, 1500)}),
    ),
    "charades": Adapter(
        about="Charades: Charades_v1_train.csv, Charades_v1_test.csv",
        read=partial(read_forms, forms=CHARADES),
        published=Published(splits={"train": (7985,), "test": (1863,)}),
    ),
    "queryd": Adapter(
        about="QuerYD: the pickle of captions; train_list.txt and so on",
        read=partial(read_forms, forms=QUERYD),
    ),
    "webvid": Adapter(about="WebVid: results_2M_train.csv and so on", read=partial(read_forms, forms=WEBVID)),
    "internvid": Adapter(about="InternVid: the lines of JSON", read=partial(read_forms, forms=INTERNVID)),
    "panda70m": Adapter(
        about="Panda-70M: panda70m_training_2m.csv and so on",
        read=partial(read_forms, forms=PANDA),
        published=Published(
            splits={"train": (70_723_513, 10_473_922, 2_400_000), "val": (6000,), "test": (6000,)}, captions=True
        ),
    ),
    "valor32k": Adapter(about="VALOR-32K: desc_train.json and so on", read=partial(read_forms, forms=VALOR)),
    "audiocaps": Adapter(
        about="AudioCaps: train.csv, val.csv, test.csv; lists of ids for a part",
        read=partial(read_forms, forms=AUDIOCAPS),
        published=Published(
            splits={"train": (49838, 49291), "val": (495, 428), "test": (975, 957, 816, 729)},
        ),
        needs_sound=True,
    ),
    "clotho": Adapter(
        about="Clotho: clotho_captions_development.csv and so on",
        read=partial(read_forms, forms=CLOTHO),
        published=Published(splits={"train": (3839,), "val": (1045,), "test": (1045,)}),
        needs_sound=True,
    ),
    "wavcaps": Adapter(
        about="WavCaps: as_final.json, bbc_final.json, fsd_final.json, sb_final.json",
        read=partial(read_forms, forms=WAVCAPS),
        needs_sound=True,
    ),
    "sounddescs": Adapter(
        about="SoundDescs: the pickle of descriptions; train_list.txt and so on",
        read=partial(read_forms, forms=SOUNDDESCS),
        published=Published(splits={"train": (23085,), "val": (4947,), "test": (4947,)}),
        needs_sound=True,
    ),
    "ave": Adapter(
        about="AVE: trainSet.txt, valSet.txt, testSet.txt",
        read=partial(read_forms, forms=AVE),
        published=Published(splits={"train": (3339,), "val": (402,), "test": (402,)}, captions=True),
        needs_sound=True,
    ),
    "vggsounder": Adapter(
        about="VGGSounder: vggsounder.csv; a clip's labels are one text",
        read=partial(read_forms, forms=VGGSOUNDER),
        needs_sound=True,
    ),
}
"""By the name of the command."""
