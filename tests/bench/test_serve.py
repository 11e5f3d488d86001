"""bench/serve.py: an index of made vectors is asked over HTTP, and its films are shown."""

import serve
from serving import listening_server

from vlsa.config.recipes import recipe
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.pretrain.checkpoint import build_model
from vlsa.retrieve.encode.encoders import VlsaEncoder
from vlsa.serve.app import create_app
from vlsa.serve.http.settings import ServeSettings


def test_questions_of_a_made_index_are_answered_with_thumbnails(tmp_path, monkeypatch):
    monkeypatch.setattr(serve, "FILM_SECONDS", 6)
    monkeypatch.setattr(serve, "WINDOWS_OF_FILE", 2)
    monkeypatch.setattr(serve, "NUM_THUMBNAILS", 3)
    config = recipe("tiny")
    tokenizer = Tokenizer.of_size(config.model.text.vocabulary_size)
    encoder = VlsaEncoder(build_model(config, tokenizer).eval(), tokenizer)
    index = serve.make_index(tmp_path, encoder, 40)
    with listening_server(create_app(ServeSettings(indexes=(index,), num_workers=1), encoder)) as address:
        results = serve.measure(f"{address}/", num_questions=2)
    assert {*results} == {"answer", "cold", "warm"}
    for times in results.values():
        assert 0 < times["best"] <= times["median"] <= times["p95"]
    assert results["answer"]["best"] <= results["warm"]["best"]  # the thumbnails come after the answer
