"""Files that name other files or addresses: nothing but the file itself is opened, and nobody is called."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from media_files import tone, write_media

from vlsa.base.errors import MediaError
from vlsa.data.ingest.scan import scan
from vlsa.data.media.decode import decode, probe
from vlsa.data.media.suffixes import MEDIA_SUFFIXES

LISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
    "hls with a key": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF:2,\n{target}\n',
    "ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "smooth": '<?xml version="1.0"?><SmoothStreamingMedia><StreamIndex Url="{target}"/></SmoothStreamingMedia>',
    "asx": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
    "reference movie": "RTSPtext\nrtsp://127.0.0.1:{port}/a\n",
    "quicktime link": '<?xml version="1.0"?><?quicktime type="application/x-quicktime-media-link"?>'
    '<embed src="{target}" autoplay="true"/>',
}
NAMES = ("a.mp4", "a.mov", "a.ts", "a.wav", "a.mkv", "a.avi")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody who would hear a call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def was_called(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("scheme", ["http", "https", "tcp", "file", "concat", "subfile", "plain path"])
@pytest.mark.parametrize("kind", LISTS)
def test_a_list_in_the_place_of_media_opens_nothing(tmp_path: Path, listener: socket.socket, kind: str, scheme: str):
    port = listener.getsockname()[1]
    secret = write_media(tmp_path / "secret.wav", sound=tone(1.0), audio_codec="pcm_s16le")
    address = f"127.0.0.1:{port}/a.ts"
    target = {
        "plain path": str(secret),
        "file": f"file://{secret}",
        "concat": f"concat:{secret}|{secret}",
        "subfile": f"subfile,,start,0,end,0,,:{secret}",
    }.get(scheme, f"{scheme}://{address}")
    folder = tmp_path / "in"
    folder.mkdir()
    for name in NAMES:
        assert Path(name).suffix in MEDIA_SUFFIXES
        (folder / name).write_text(LISTS[kind].format(target=target, port=port))
        with pytest.raises(MediaError) as caught:
            probe(folder / name)
        assert "secret" not in str(caught.value)
    rows, rejections = scan(folder, num_workers=0)
    assert not rows and len(rejections) == len(NAMES)
    assert not was_called(listener)


def test_a_movie_that_says_that_its_media_are_elsewhere_is_read_from_itself_or_not(
    tmp_path: Path, listener: socket.socket
):
    path = write_media(tmp_path / "a.mov", sound=tone(1.0))
    data = path.read_bytes()
    entry = b"url \x00\x00\x00\x01"
    assert data.count(entry) == 1
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/a".encode()
    for kind in (b"url ", b"alis", b"urn "):
        path.write_bytes(data.replace(entry, kind + b"\x00\x00\x00\x00") + b"\x00\x00\x00\x40free" + url)
        try:
            clip = decode(path, 0, 0.5, frame_times_seconds=None, short_side_px=None, sample_rate_hz=8000)
            assert clip.sound is not None
        except MediaError:
            pass
    assert not was_called(listener)
