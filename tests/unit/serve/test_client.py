"""The Python client and a server that listens: the same moments as those of the index itself."""

import signal
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from fake_encoder import FakeEncoder, write_numbered_sound
from serving import application, listening_server

import vlsa
from vlsa.serve.run import listening

TOKEN = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def address(archive, tmp_path_factory):
    with listening_server(application(archive, state=tmp_path_factory.mktemp("state"), token=TOKEN)) as address:
        yield address


@pytest.fixture(scope="module")
def served(address):
    return vlsa.Client(address, token=TOKEN)


def test_the_moments_are_those_of_the_index(served, archive):
    found = served.search("number 3", k=4)
    expected = vlsa.Index.open(archive, encoder=FakeEncoder()).search("number 3", k=4)
    assert [moment.path for moment in found] == [moment.path.partition("/footage/")[2] for moment in expected]
    assert [moment.why for moment in found] == [moment.why for moment in expected]
    assert [moment.texts for moment in found] == [moment.texts for moment in expected]


def test_files_of_this_machine_are_sent(served, tmp_path):
    write_numbered_sound(tmp_path / "bark 5.wav", 5)
    assert served.search(like_sound=f"{tmp_path}/bark 5.wav@0-1", k=1)[0].path == "sound-5.wav"


def test_similar_moments_and_indexes_can_be_asked_for(served):
    (index,) = served.indexes()
    media = served._json("/api/files?index=index")["files"][-1]["media_id"]
    assert index["num_files"] == 6
    assert len(served.similar(f"{media}:0-3000", 2, by="audio").moments) == 2


def test_errors_are_the_servers_own_line(served, address):
    with pytest.raises(vlsa.VlsaError, match="Did you mean duration"):
        served.search("number 3", where="duratoin > 1")
    with pytest.raises(vlsa.VlsaError, match="^no token"):
        vlsa.Client(address).search("number 3")
    with pytest.raises(vlsa.VlsaError, match="vlsa serve INDEX"):
        vlsa.Client("http://127.0.0.1:1").search("number 3")
    with pytest.raises(vlsa.VlsaError, match="not the address"):
        vlsa.Client("file:///etc/passwd")


def test_a_port_that_is_in_use_is_one_line_with_advice(address):
    with pytest.raises(vlsa.VlsaError, match="name another --port"):
        listening("127.0.0.1", int(address.rpartition(":")[2]))


def test_the_command_serves_until_it_is_interrupted(archive, tmp_path):
    """The model is loaded meanwhile, and cannot be: this is noted, and the page is served."""
    command = [sys.executable, "-m", "vlsa.cli", "serve", str(archive), "--port", "0", "--state", str(tmp_path / "s")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        lines = iter(process.stderr.readline, "")
        line = next(line for line in lines if line.startswith("vlsa: open http"))
        with urllib.request.urlopen(line.split()[2] + "health", timeout=30) as response:
            assert response.status == 200
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 0 and "Traceback" not in rest


def test_a_redirect_is_an_error_and_leads_the_token_nowhere():
    asked = []

    class Redirecting(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Redirecting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(vlsa.VlsaError, match="answers with status 302"):
            vlsa.Client(f"http://127.0.0.1:{server.server_port}", token="secret").indexes()
        server.shutdown()
    assert asked == ["/api/indexes"]
