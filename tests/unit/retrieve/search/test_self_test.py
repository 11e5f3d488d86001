"""`vlsa index --self-test`: an index asked with its own vectors."""

import numpy as np
import pytest
from command_lines import call
from fake_encoder import PAIRS, FakeEncoder, PairEncoder

from vlsa.base.errors import VlsaError
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.rows import IndexRow
from vlsa.retrieve.search import answer, candidates, rough, self_test
from vlsa.retrieve.search.tables import SearchTables


def rows(encoder, count):
    """Windows that show and sound like numbers, in files of ten, and a text in each file."""
    spaces, number = encoder.spaces, iter(range(10**6))
    for n in range(count):
        at = {
            "path": f"{n // 10}.mp4",
            "spaces": spaces,
            "start_seconds": 2.0 * (n % 10),
            "stop_seconds": 2.0 * (n % 10) + 2,
        }
        seen, heard, said = (
            encode([f"{next(number)}.mp4"])[0]
            for encode in (encoder.encode_video, encoder.encode_audio, encoder.encode_text)
        )
        yield IndexRow(id=f"{n}", video=seen, audio=heard, **at)
        if n % 10 == 0:
            yield IndexRow(id=f"{n}-t", kind="text", texts=(f"number {n}",), text_vector=said, **at)


@pytest.fixture(scope="module", params=[FakeEncoder, PairEncoder])
def index(request, tmp_path_factory):
    encoder = request.param()
    made = Index.create(tmp_path_factory.mktemp("self") / "index", encoder)
    made.add([*rows(encoder, 600)])
    return made


@pytest.fixture
def large(monkeypatch):
    """An index of over 100 windows is a large one."""
    for module in (answer, self_test):
        monkeypatch.setattr(module, "MOST_EXACT", 100)
    for name, value in {"CANDIDATES": 150, "FEW_KEPT": 20, "GROWN": 5}.items():
        monkeypatch.setattr(candidates, name, value)


def test_it_asks_with_video_sound_and_texts_and_finds_nearly_all(index, large):
    found = self_test.self_test(SearchTables.open(index.path).searched, 20)
    assert [one.kind for one in found] == ["video", "audio", "text"] and {one.num_questions for one in found} == {20}
    assert all(one.passes and one.exact_median_ms > 0 for one in found)


def test_questions_are_vectors_moved_within_their_own_spaces(index):
    searched = SearchTables.open(index.path).searched
    asked = next(self_test._questions(searched, "audio", 1))
    parts = asked.vectors[0].reshape(len(searched.spaces), -1)
    there = [space == "all" or "audio" in space for space in searched.spaces]
    np.testing.assert_allclose(np.linalg.norm(parts, axis=1), np.array(there, float), atol=1e-5)
    assert asked.num_spaces == (2 if searched.spaces == PAIRS else 1)
    nearest = (searched.vectors["audio"] @ asked.vectors[0] / asked.num_spaces).max()
    assert 0.5 < nearest < 0.95


def test_the_command_passes_and_fails_by_its_exit_code(index, large, monkeypatch):
    done = call(f"vlsa index --self-test {index.path} --questions 10")
    assert (
        done.exit_code == 0
        and "is searched by candidates" in " ".join(done.stdout.split())
        and "recall@10" in done.stdout
    )
    monkeypatch.setattr(rough, "DIRECTIONS", 1)  # a sketch that says nothing
    for name in ("CANDIDATES", "GROWN"):
        monkeypatch.setattr(candidates, name, 12)
    done = call(f"vlsa index --self-test {index.path} --questions 10")
    assert done.exit_code == 1 and "Less than 0.95" in done.stdout


def test_a_small_index_is_searched_exactly_and_one_without_vectors_is_one_line(index, tmp_path):
    done = call(f"vlsa index --self-test {index.path} --questions 3")
    assert done.exit_code == 0 and "exactly" in done.stdout and "1.000" in done.stdout
    empty = Index.create(tmp_path / "index", FakeEncoder())
    with pytest.raises(VlsaError, match="holds no vectors"):
        self_test.self_test(SearchTables.open(empty.path).searched, 3)
