"""What is said in files becomes text where there is none: each file heard once, words at their times."""

import shutil
import sys
from pathlib import Path

import pytest
from heard import NAMES, Beeps, Dying, write_beeps
from media_files import grey, tone, truncate, write_media

from vlsa.base.errors import ConfigError, MediaError, StoreError
from vlsa.data.ingest import hearing, manifest
from vlsa.data.ingest import transcribe as transcribing
from vlsa.data.ingest.scan import scan
from vlsa.data.ingest.speech_model import WhisperModel
from vlsa.data.ingest.transcribe import HearTask, Speech, transcribe, transcribe_file
from vlsa.data.store.prepare import prepare
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shards import StoreSettings

SMALL = StoreSettings(short_side_px=16, frames_per_second=2.0, sample_rate_hz=8000, window_seconds=1.0)
ONE, TWO, THREE = NAMES


@pytest.fixture
def beeps(tmp_path: Path) -> Beeps:
    return Beeps(tmp_path / "log")


def hear(beeps: Beeps, kept: Path, *paths: Path, seconds: float = 2.0, **options: object):
    speech = Speech(beeps, kept, again=bool(options.get("again")))
    tasks = [HearTask(path.name, str(path), seconds, speech) for path in paths]
    return transcribe(tasks, options.get("num_workers", 0), options.get("progress"))


def test_every_word_of_a_long_file_is_heard_once_and_at_its_time(tmp_path, beeps, monkeypatch):
    monkeypatch.setattr(hearing, "STRETCH_SECONDS", 4.0)
    monkeypatch.setattr(hearing, "QUIET_SECONDS", 1.0)
    starts = [round(0.3 + 0.47 * k, 2) for k in range(40)]
    path = write_beeps(tmp_path / "long.wav", 20.0, [(start, ONE) for start in starts])
    words = hear(beeps, tmp_path, path, seconds=20.0)["long.wav"].transcript.words
    assert [word.start_seconds for word in words] == pytest.approx(starts, abs=0.02)
    assert beeps.num_heard >= 5
    assert beeps.log.read_text().split()[1::2] == ["None", *["en"] * (beeps.num_heard - 1)]


def test_a_start_time_and_a_silent_stretch_move_no_word(tmp_path, beeps, monkeypatch):
    monkeypatch.setattr(hearing, "STRETCH_SECONDS", 2.0)
    sound = tone(9.0, rate_hz=16_000, on_seconds=[(0.5, 0.7), (7.5, 7.7)])
    path = write_media(tmp_path / "a.mkv", sound=sound, rate_hz=16_000, audio_codec="pcm_s16le", start_seconds=7.0)
    words = hear(beeps, tmp_path, path)["a.mkv"].transcript.words
    assert [word.start_seconds for word in words] == pytest.approx([0.5, 7.5], abs=0.02)


def test_what_was_heard_is_not_heard_again_whatever_its_name(tmp_path, beeps):
    path = write_beeps(tmp_path / "a.wav", 2.0, [(0.5, ONE)])
    first = hear(beeps, tmp_path / "kept", path)["a.wav"]
    shutil.copy(path, tmp_path / "b.wav")
    assert hear(beeps, tmp_path / "kept", path, tmp_path / "b.wav") == {"a.wav": first, "b.wav": first}
    assert beeps.num_heard == 1
    (kept,) = (tmp_path / "kept/transcripts").iterdir()
    kept.write_text("{")
    assert hear(beeps, tmp_path / "kept", path)["a.wav"] == first
    assert beeps.num_heard == 2
    hear(Beeps(beeps.log, "beeps2"), tmp_path / "kept", path)
    assert beeps.num_heard == 3


def test_a_file_that_fails_is_a_remark_and_the_rest_goes_on(tmp_path, beeps):
    good = write_beeps(tmp_path / "good.wav", 2.0, [(0.5, ONE)])
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    found = hear(beeps, tmp_path, tmp_path / "bad.wav", tmp_path / "gone.wav", good)
    assert [len(found[name].transcript.words) for name in ("bad.wav", "gone.wav", "good.wav")] == [0, 0, 1]
    assert [reason for reason, _ in found["bad.wav"].remarks] == ["transcript"]
    assert "gone.wav: cannot be read" in found["gone.wav"].remarks[0][1]
    assert found["good.wav"].remarks == ()


def test_progress_counts_seconds_of_media(tmp_path, beeps):
    paths = [write_beeps(tmp_path / name, 2.0, [(0.5, hz)]) for name, hz in (("a.wav", ONE), ("b.wav", TWO))]
    seen = []
    hear(beeps, tmp_path, *paths, progress=lambda *now: seen.append(now))
    assert seen[-1] == (4, 4, "seconds heard: b.wav")
    assert [now[0] for now in seen] == sorted(now[0] for now in seen)


def test_where_transcripts_cannot_be_kept_it_says_so(tmp_path, beeps):
    path = write_beeps(tmp_path / "a.wav", 2.0, [(0.5, ONE)])
    (tmp_path / "kept").write_text("a file")
    with pytest.raises(StoreError, match=r"transcripts.*cannot be written.*run the same command again"):
        hear(beeps, tmp_path / "kept", path)


def test_parts_of_a_run_begin_with_different_files_and_find_the_same(tmp_path, beeps):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        write_beeps(folder / f"{number}.wav", 2.0 + number / 100, [(0.5, (ONE, TWO, THREE, ONE)[number])])
    found, orders = [], []
    for begin_share in (0.0, 0.5):
        heard: list[str] = []
        speech = Speech(beeps, tmp_path / f"kept-{begin_share}")
        found.append(
            scan(
                folder,
                num_workers=0,
                speech=speech,
                begin_share=begin_share,
                progress=lambda done, num, label, heard=heard: heard.append(label),
            )
        )
        orders.append(list(dict.fromkeys(label[-5:] for label in heard if "heard" in label)))
    assert found[0] == found[1] and len(found[0][0]) == 4
    assert orders == [["0.wav", "1.wav", "2.wav", "3.wav"], ["2.wav", "3.wav", "0.wav", "1.wav"]]


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """Three seconds with beeps at 0.4, 1.6 and 2.4 s, with and without text of their own; and a silent film."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("cue", "none", "row", "wrong"):
        write_beeps(folder / f"{name}.wav", 3.0, [(0.4, ONE), (1.6, TWO), (2.4, THREE)])
    cues = [(0.5, 1.5, "embedded")]
    write_media(folder / "film.mp4", pictures=[grey(k) for k in range(30)], frames_per_second=10, sound=tone(3.0),
                video_codec="mpeg4", cues=cues)  # fmt: skip
    write_media(folder / "mute.mp4", pictures=[grey(k) for k in range(30)], frames_per_second=10, video_codec="mpeg4")
    (folder / "cue.srt").write_text("1\n00:00:00,200 --> 00:00:01,000\nhello\n")
    (folder / "wrong.srt").write_text("not subtitles")
    (folder / "captions.csv").write_text("path,start_seconds,stop_seconds,text\nrow.wav,0,1,a row\n")
    return folder


def rows_of(rows: list[manifest.ClipRow]) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for row in rows:
        found.setdefault(Path(row.path).stem, []).append((row.text_kind, row.texts))
    return found


def test_only_what_has_no_text_of_its_own_is_heard(footage, tmp_path, beeps):
    rows, rejections = scan(footage, window_seconds=1.0, num_workers=0, speech=Speech(beeps, tmp_path / "kept"))
    heard = [("transcript", ("low1",)), ("transcript", ("middle2.",)), ("transcript", ("high3",))]
    assert rows_of(rows) == {
        "cue": [("caption", ("hello",))],
        "film": [("caption", ("embedded",))],
        "mute": [("caption", ())] * 3,
        "none": heard,
        "row": [("caption", ("a row",))],
        "wrong": heard,
    }
    assert beeps.num_heard == 1  # wrong.wav has the same content as none.wav
    assert [one.reason for one in rejections] == ["captions"]
    without, _ = scan(footage, window_seconds=1.0, num_workers=0)
    assert [(row.id, row.split) for row in without] == [(row.id, row.split) for row in rows]


def test_transcripts_stay_apart_from_captions_in_lists_and_stores(footage, tmp_path, beeps):
    store = tmp_path / "store"
    rows, _ = scan(footage, window_seconds=1.0, num_workers=0, speech=Speech(beeps, store))
    manifest.write(tmp_path / "rows.jsonl", rows)
    assert manifest.read(tmp_path / "rows.jsonl") == rows
    summary = prepare(rows, store, SMALL, num_workers=0)
    assert (summary.num_with_text, summary.num_transcribed) == (9, 6)
    assert "9 with text, 6 of them with transcripts." in str(summary)
    assert rows_of([_as_row(clip) for clip in ClipStore.open(store).clips]) == rows_of(rows)
    again, _ = scan(footage, window_seconds=1.0, num_workers=0, speech=Speech(beeps, store))
    assert prepare(again, store, SMALL, num_workers=0) == summary
    captions = [manifest.ClipRow(row.id, row.path, row.start_seconds, row.stop_seconds, row.texts, row.split)
                for row in rows]  # fmt: skip
    with pytest.raises(StoreError, match="other times, texts or splits"):
        prepare(captions, store, SMALL, num_workers=0)


def _as_row(clip: object) -> manifest.ClipRow:
    names = ("id", "start_seconds", "stop_seconds", "texts", "split", "text_kind")
    return manifest.ClipRow(path=clip.source, **{name: getattr(clip, name) for name in names})


def test_a_damaged_stretch_costs_its_own_words(tmp_path, beeps, monkeypatch):
    monkeypatch.setattr(hearing, "STRETCH_SECONDS", 2.0)
    path = write_beeps(tmp_path / "a.wav", 6.0, [(0.5, ONE), (2.5, TWO), (4.5, THREE)])
    sound = hearing._sound

    def fails(facts, start, stop):
        if start >= 4:
            raise MediaError("a.wav: damaged at 5.00 s", reason="damaged")
        return sound(facts, start, stop)

    with monkeypatch.context() as patch:
        patch.setattr(hearing, "_sound", fails)
        found = hear(beeps, tmp_path, path)["a.wav"]
    assert [word.text for word in found.transcript.words] == [NAMES[ONE], NAMES[TWO]]
    assert found.remarks[0] == ("transcript", "a.wav: damaged at 5.00 s")
    assert hear(beeps, tmp_path, path)["a.wav"] == found
    again = hear(beeps, tmp_path, path, again=True)["a.wav"]
    assert (len(again.transcript.words), again.remarks) == (3, ())
    num_heard = beeps.num_heard
    assert hear(beeps, tmp_path, path, again=True)["a.wav"] == again
    assert beeps.num_heard == num_heard


def test_a_file_that_killed_its_process_stays_without_text_until_it_is_to_be_heard_again(tmp_path, beeps):
    path = write_beeps(tmp_path / "a.wav", 2.0, [(0.5, ONE)])
    lost = hear(Dying(beeps.log), tmp_path, path, num_workers=1)["a.wav"]
    assert (lost.transcript.words, len(lost.remarks), beeps.num_heard) == ((), 1, 2)  # it had a second chance
    assert "SIGKILL" in lost.remarks[0][1]
    assert hear(beeps, tmp_path, path)["a.wav"] == lost
    assert len(hear(beeps, tmp_path, path, again=True)["a.wav"].transcript.words) == 1


def test_a_model_that_kills_its_process_when_it_is_loaded_is_one_line_and_costs_no_file_its_text(tmp_path, beeps):
    path = write_beeps(tmp_path / "a.wav", 2.0, [(0.5, ONE)])
    with pytest.raises(ConfigError, match=r"beeps: the process ended while it loaded .*SIGKILL"):
        hear(Dying(beeps.log, at="load"), tmp_path, path, num_workers=1)
    assert len(hear(beeps, tmp_path, path)["a.wav"].transcript.words) == 1


def test_each_long_step_is_announced_before_it_begins(tmp_path, beeps, monkeypatch):
    path = write_beeps(tmp_path / "a.wav", 2.0, [(0.5, ONE)])
    steps = []
    for where, name in ((transcribing, "content_digest"), (Beeps, "load"), (hearing.decode, "probe")):
        done = getattr(where, name)
        monkeypatch.setattr(where, name, lambda *given, name=name, done=done: [steps.append(name), done(*given)][1])
    task = HearTask("a.wav", str(path), 2.0, Speech(beeps, tmp_path))
    transcribe_file(task, lambda label, seconds: steps.append(bool(label) and seconds > 0))
    assert steps[:6] == [True, "content_digest", True, "load", True, "probe"]


def test_a_model_that_is_not_there_is_one_line(tmp_path):
    pytest.importorskip("faster_whisper")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"model\.bin is not in it|model\.bin, vocabulary.*CTranslate2"):
        WhisperModel.find(str(tmp_path))
    with pytest.raises(ConfigError, match="no such folder"):
        WhisperModel.find(str(tmp_path / "a b"))
    for name in ("model.bin", "vocabulary.txt"):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="not a Whisper model that can be loaded"):
        WhisperModel.find(str(tmp_path)).load()


def test_a_model_hears_other_words_on_another_device(tmp_path, monkeypatch):
    pytest.importorskip("faster_whisper")
    for name in ("config.json", "model.bin", "vocabulary.txt"):
        (tmp_path / name).write_bytes(b"{}")
    found = set()
    for num_gpus in (0, 1, 2):
        monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda num_gpus=num_gpus: num_gpus)
        found.add(WhisperModel.find(str(tmp_path)).fingerprint)
    assert len(found) == 2


def test_a_model_that_is_another_by_now_is_refused(tmp_path):
    pytest.importorskip("faster_whisper")
    for name in ("config.json", "model.bin", "vocabulary.txt"):
        (tmp_path / name).write_bytes(b"{}")
    model = WhisperModel.find(str(tmp_path))
    (tmp_path / "model.bin").write_bytes(b"{ }")
    with pytest.raises(ConfigError, match="another model than the one"):
        model.load()


def test_without_the_extra_it_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(ConfigError, match=r"--transcribe: faster-whisper.*pip install '\.\[speech\]'"):
        WhisperModel.find(str(tmp_path))


def test_a_truncated_file_keeps_what_was_heard(tmp_path, beeps):
    path = truncate(write_beeps(tmp_path / "whole.wav", 4.0, [(0.5, ONE), (3.5, TWO)]), tmp_path / "a.wav", 0.6)
    assert [word.text for word in hear(beeps, tmp_path, path)["a.wav"].transcript.words] == [NAMES[ONE]]
