"""Playback: as it is where the browser can, else converted while it plays, from the time that is asked for."""

import io
import os
import socket
import threading
import time
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from media_files import flashes, grey, numbers, onsets, tone, write_flash_and_beep, write_joined, write_media
from PIL import Image
from serving import application, browser, index_by_names, listening_server, write_mixed_footage

from vlsa.base.errors import MediaError
from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.serve.http.problems import BusyError
from vlsa.serve.media import transcode
from vlsa.serve.media.playable import EVERYWHERE, abilities, verdict
from vlsa.serve.media.sounds import Peaks, read_part
from vlsa.serve.media.transcode import Transcoder, Wanted

CHROMIUM = [
    'video/mp4; codecs="avc1.64001f, mp4a.40.2"',
    'video/webm; codecs="vp9,opus", audio/wav; codecs="1"',
    "audio/mpeg",
]


def file(path: str, video: str | None = None, audio: str | None = None) -> FileFacts:
    return FileFacts(path=path, file_id="0" * 16, video_codec=video, audio_codec=audio)


@pytest.mark.parametrize(
    ("facts", "is_direct"),
    [
        (file("a.mp4", "h264", "aac"), True),
        (file("A.MOV", "h264", None), True),
        (file("a.mp4", "hevc", "aac"), False),
        (file("a.mp4", "h264", "ac3"), False),
        (file("a.webm", "vp9", "libopus"), True),
        (file("a.webm", "libdav1d", None), False),
        (file("a.avi", "mpeg4", "mp3float"), False),
        (file("a.mpg", "mpeg2video", "mp2"), False),
        (file("a.mkv", "h264", "aac"), False),
        (file("a.mp3", None, "mp3float"), True),
        (file("a.wav", None, "pcm_s16le"), True),
        (file("a.flac", None, "flac"), False),
        (file("a.mp4"), True),
        (file("a"), False),
    ],
)
def test_a_file_is_played_as_it_is_where_the_browser_says_that_it_can(facts, is_direct):
    given = verdict(facts, abilities(CHROMIUM))
    assert given.is_direct == is_direct
    assert bool(given.reason) != is_direct


def test_a_browser_that_can_more_gets_more_as_it_is():
    assert verdict(
        file("a.mp4", "hevc", "aac"), abilities([*CHROMIUM, 'video/mp4; codecs="hvc1.1.6.L93.B0"'])
    ).is_direct
    assert verdict(file("a.flac", None, "flac"), abilities(["audio/flac"])).is_direct
    assert verdict(file("a.mkv", "h264"), abilities(['video/x-matroska;codecs="avc1.640028"'])).is_direct
    assert verdict(file("a.wav", None, "pcm_s24le"), abilities(["audio/x-wav"])).is_direct


@pytest.mark.parametrize("said", ["", ";;;", "codecs=", 'video/mp4; codecs="', '"' * 5000, "video/mp4", "\0/\0", ",,,"])
def test_what_is_no_media_type_is_no_ability(said):
    assert abilities([said]) == set()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("playback")
    write_mixed_footage(folder / "footage")
    write_flash_and_beep(folder / "footage" / "8-old.avi", video_codec="mpeg4", audio_codec="mp3")
    turned = {"video_codec": "mpeg2video", "audio_codec": "mp2", "frames_per_second": 25}
    write_media(folder / "footage" / "9-tape.mpg", pictures=[grey(90, 320, 180)] * 50, sound=tone(2.0), **turned)
    write_joined(folder / "footage" / "6-tape.ts")
    with browser(index_by_names(folder / "footage", folder / "index")) as client:
        yield client


def media_id(client, name):
    files = client.get("/api/files", params={"index": "index"}).json()["files"]
    return next(file["media_id"] for file in files if file["path"].endswith(name))


def decoded(data: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Frames, their times, samples and their rate."""
    with av.open(io.BytesIO(data)) as container:
        assert {stream.codec_context.name for stream in container.streams} <= {"h264", "aac"}
        frames = [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    with av.open(io.BytesIO(data)) as container:
        rate = container.streams.audio[0].rate
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    return np.stack([frame for _, frame in frames]), np.array([seconds for seconds, _ in frames]), sound, rate


@pytest.mark.parametrize(("start", "expected"), [(0.0, [0.84, 2.04]), (1.2, [0.84])])
def test_an_old_format_is_converted_in_step_from_the_time_that_is_asked_for(client, start, expected):
    id = media_id(client, "8-old.avi")
    how = client.get(f"/api/playback/{id}", params={"can": CHROMIUM}).json()
    assert (how["how"], how["mime"]) == ("transcoded", "video/mp4") and ".avi" in how["reason"]
    answer = client.get(how["url"], params={"start": start})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    frames, times, sound, rate = decoded(answer.content)
    assert flashes(frames, times) == pytest.approx(expected, abs=0.01)  # MPEG-4 in AVI shows the flash a frame late
    assert onsets(sound, rate) == pytest.approx([one - 0.017 for one in expected], abs=0.01)


def test_wide_frames_are_made_smaller_and_keep_their_shape(client):
    answer = client.get(f"/media/{media_id(client, '9-tape.mpg')}/stream", params={"width": 160})
    frames, _, _, _ = decoded(answer.content)
    assert frames.shape[1:3] == (90, 160)
    assert abs(float(frames.mean()) - 90) < 4


def test_a_joined_recording_shows_and_sounds_as_it_plays_then(client):
    id = media_id(client, "6-tape.ts")
    image = Image.open(io.BytesIO(client.get(f"/api/thumbnails/{id}:2880").content))
    assert numbers(np.asarray(image)[None]) == [70]  # video starts a little after sound
    frames, _, sound, rate = decoded(client.get(f"/media/{id}/stream", params={"start": 2.88}).content)
    assert numbers(frames)[:10] == [*range(70, 80)]
    assert pitch_hz(sound[: rate // 2], rate) == pytest.approx(2000, abs=20)
    files = client.get("/api/files", params={"index": "index"}).json()["files"]
    tape = next(file for file in files if file["media_id"] == id)
    where = os.path.join(client.app.state.services.catalogue.index("index").source, tape["path"])
    part = Peaks(where, 2.9, 3.4, 800, tape["duration_seconds"])
    assert pitch_hz(read_part(part, 16_000), 16_000) == pytest.approx(2000, abs=20)


def pitch_hz(sound: np.ndarray, rate_hz: int) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(sound)))) * rate_hz / len(sound)


def test_what_plays_as_it_is_is_converted_only_where_that_failed(client):
    id = media_id(client, "7-flash.mp4")
    direct = client.get(f"/api/playback/{id}", params={"can": CHROMIUM}).json()
    assert direct == client.get(f"/api/playback/{id}").json()
    assert (direct["how"], direct["reason"], direct["mime"]) == ("direct", "", "video/mp4")
    assert client.get(direct["url"], headers={"Range": "bytes=0-3"}).status_code == 206
    assert client.get(f"/api/playback/{id}", params={"failed": True}).json()["how"] == "transcoded"


def test_a_sound_is_converted_to_sound_alone(client):
    answer = client.get(f"/media/{media_id(client, 'sound-1.wav')}/stream")
    with av.open(io.BytesIO(answer.content)) as container:
        assert [stream.type for stream in container.streams] == ["audio"]
        seconds = sum(frame.samples for frame in container.decode(audio=0)) / container.streams.audio[0].rate
    assert seconds == pytest.approx(3.0, abs=0.3)


def test_after_the_end_and_without_the_file_there_is_one_line(client):
    id = media_id(client, "8-old.avi")
    after = client.get(f"/media/{id}/stream", params={"start": 3600})
    assert (after.status_code, after.headers["content-type"]) == (422, "application/problem+json")
    assert client.get("/media/index:0123456789abcdef/stream").status_code == 404
    assert client.get(f"/media/{id}/stream", params={"start": "nan"}).status_code == 422


def test_a_file_that_is_gone_is_not_played_and_says_why(tmp_path):
    folder = write_mixed_footage(tmp_path / "footage")
    with browser(index_by_names(folder, tmp_path / "index")) as client:
        os.remove(folder / "sound-1.wav")
        how = client.get(f"/api/playback/{media_id(client, 'sound-1.wav')}").json()
        assert how["how"] == "none" and "not on this disk" in how["reason"] and how["url"] is None


@pytest.fixture
def long_file(tmp_path):
    """More than a pipe holds, when it is converted."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 240, 320, 3), np.uint8)
    return str(write_media(tmp_path / "noise.avi", pictures=noise, video_codec="mpeg4", frames_per_second=10))


def test_a_client_that_goes_away_ends_the_process(long_file):
    transcoder = Transcoder(1, 4 << 30)
    pieces = transcoder.pieces(long_file, 0.0, 6.0, 320)
    assert next(pieces)[4:8] == b"ftyp"
    process = transcoder._running[0].process
    pieces.close()
    assert process.poll() is not None and transcoder.num_running == 0


NEVER = "import time; time.sleep(600)"
"""A conversion that does not come to its first piece."""


def test_a_conversion_that_is_not_wanted_any_more_ends_before_its_first_piece(long_file, monkeypatch):
    monkeypatch.setattr(transcode, "COMMAND", NEVER)
    transcoder, wanted = Transcoder(1, 4 << 30), Wanted()
    waiting = threading.Thread(target=lambda: list(transcoder.pieces(long_file, 0.0, 6.0, 320, wanted)))
    waiting.start()
    until(lambda: transcoder.num_running == 1)
    wanted.no_more()
    waiting.join()
    assert transcoder.num_running == 0
    assert list(transcoder.pieces(long_file, 0.0, 6.0, 320, wanted)) == []  # said before it began


def test_a_client_that_goes_away_before_the_first_piece_ends_the_conversion(tmp_path, monkeypatch):
    monkeypatch.setattr(transcode, "COMMAND", NEVER)
    app = application(index_by_names(write_mixed_footage(tmp_path / "footage"), tmp_path / "index"))
    services = app.state.services
    file = next(file for index in services.catalogue for file in index.files().listed if file.has_video)
    with listening_server(app) as address:
        place = urlsplit(address)
        with socket.create_connection((place.hostname, place.port)) as client:
            client.sendall(f"GET /media/index:{file.file_id}/stream HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
            until(lambda: services.transcoder.num_running == 1)
        until(lambda: services.transcoder.num_running == 0)


def until(holds):
    give_up = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up, "it does not hold in time"
        time.sleep(0.01)


def test_another_conversion_begins_when_the_one_before_it_ends(long_file):
    transcoder = Transcoder(1, 4 << 30)
    before = transcoder.pieces(long_file, 0.0, 6.0, 320)
    next(before)
    ends = threading.Timer(0.3, before.close)
    ends.start()
    after = transcoder.pieces(long_file, 0.0, 6.0, 320)
    assert next(after)[4:8] == b"ftyp" and transcoder.num_running == 1
    after.close()
    ends.join()


def test_no_more_are_converted_than_may_but_one_that_nobody_reads_makes_room(long_file, monkeypatch):
    monkeypatch.setattr(transcode, "ROOM_SECONDS", 0.01)
    transcoder = Transcoder(1, 4 << 30)
    paused = transcoder.pieces(long_file, 0.0, 6.0, 320)
    next(paused)
    with pytest.raises(BusyError, match="as many as may"):
        next(transcoder.pieces(long_file, 0.0, 6.0, 320))
    monkeypatch.setattr(transcode, "IDLE_SECONDS", 0.01)
    time.sleep(0.05)
    assert next(transcoder.pieces(long_file, 0.0, 6.0, 320))[4:8] == b"ftyp"
    rest = b"".join(paused)  # what was in the pipe, and then the end
    assert len(rest) < 1 << 20


def test_a_process_that_dies_is_an_error_and_not_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(transcode, "COMMAND", "import os; os.abort()")
    with pytest.raises(MediaError) as raised:
        next(Transcoder(1, 4 << 30).pieces(str(tmp_path / "x.avi"), 0.0, 6.0, 320))
    assert raised.value.reason == "crashed"


def test_what_is_assumed_everywhere_is_what_all_browsers_play():
    can = abilities(EVERYWHERE)
    assert {("mp4", "h264"), ("mp4", "aac"), ("webm", "vp9"), ("mpeg", "mp3"), ("wav", "pcm")} <= can
    assert not can & {("mp4", "hevc"), ("x-matroska", "h264"), ("webm", "av1")}
