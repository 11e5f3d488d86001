"""The models of a server: loaded once, encoding together what waits, each job with its own error."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fake_encoder import FakeEncoder, concept
from followed_folder import follow
from serving import write_archive

from vlsa.base.errors import SearchIndexError
from vlsa.serve.archive.encoding import Models, ServedEncoder
from vlsa.serve.archive.open_index import OpenIndex
from vlsa.serve.http.settings import ServeSettings


class Held(FakeEncoder):
    """Waits before it encodes the first texts, and counts the texts of each call."""

    def __init__(self):
        self.may_go, self.sizes = threading.Event(), []

    def encode_text(self, texts):
        self.sizes.append(len(texts))
        self.may_go.wait(30)
        return super().encode_text(texts)


class Another(FakeEncoder):
    fingerprint = "fake-0003"


@pytest.fixture
def models():
    models = Models()
    yield models
    models.close()


def wait_until(reached):
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def opened(index, encoder=None):
    return OpenIndex.open("index", index, ServeSettings(indexes=(index,)), encoder)


def test_texts_that_wait_are_encoded_together_and_each_has_its_own_row(models):
    encoder = Held()
    served = ServedEncoder(encoder, models)
    with ThreadPoolExecutor(9) as clients:
        rows = [clients.submit(served.encode_text, ["number 0"])]
        wait_until(lambda: models.num_batches == 1)  # it is held
        rows += [clients.submit(served.encode_text, [f"number {number}"]) for number in range(1, 9)]
        wait_until(lambda: len(models._jobs) == 8)
        encoder.may_go.set()
        for number, row in enumerate(rows):
            np.testing.assert_array_equal(row.result()[0], concept(number))
    assert encoder.sizes == [1, 8] and (models.num_batches, models.num_items) == (2, 9)


def test_a_text_that_fails_fails_alone(models):
    encoder = Held()
    served = ServedEncoder(encoder, models)
    with ThreadPoolExecutor(3) as clients:
        clients.submit(served.encode_text, ["number 1"])
        wait_until(lambda: models.num_batches == 1)
        rows = [clients.submit(served.encode_text, [text]) for text in ("no number", "number 2")]
        wait_until(lambda: len(models._jobs) == 2)
        encoder.may_go.set()
        with pytest.raises(AssertionError, match="no number in"):
            rows[0].result()
        np.testing.assert_array_equal(rows[1].result()[0], concept(2))


def test_a_model_is_loaded_once_for_all_indexes_that_it_made(models, archive):
    encoder, settings = FakeEncoder(), ServeSettings(indexes=(archive,))
    first, second = OpenIndex.open("a", archive, settings, encoder), OpenIndex.open("b", archive, settings)
    assert models.load(first) is models.load(first)
    assert models.load(second).fingerprint == encoder.fingerprint  # it names no run that could be loaded
    with pytest.raises(SearchIndexError, match="names no run"):
        Models().load(OpenIndex.open("b", archive, settings))


def test_an_index_that_was_made_again_by_another_model_is_opened_again(models, tmp_path):
    index = opened(write_archive(tmp_path), FakeEncoder())
    models.load(index)
    follow(tmp_path / "footage", index.path, Another(), restart=True)
    with pytest.raises(SearchIndexError, match="by another model"):
        index.reading(len)
    with pytest.raises(SearchIndexError, match="names no run"):  # not the one of before
        models.load(index)
    assert index.facts["model"]["fingerprint"] == Another.fingerprint
    assert index.reading(lambda tables: len(tables.files)) == 6


def test_an_encoder_with_a_wrong_number_of_rows_fails_its_question_and_not_the_next(models):
    with pytest.raises(ValueError, match="zip"):
        models.encode(lambda items: [], ("index",), ["one"])
    assert models.encode(lambda items: [len(item) for item in items], ("index",), ["two", "of"]) == [3, 2]
