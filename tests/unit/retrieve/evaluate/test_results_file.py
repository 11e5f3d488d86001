"""results.json: what is written comes back, and what is not whole is refused in one line."""

import dataclasses
import hashlib
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from fake_encoder import CollapsedEncoder, FakeEncoder, numbered_clip
from hostile_files import without_checks_of_types
from safetensors.numpy import load_file, save_file

from vlsa.base.errors import ResultsError
from vlsa.data.loading.loader import MemoryClips
from vlsa.retrieve.evaluate import results_file
from vlsa.retrieve.evaluate.comparable import recipes_note, require_same, sampling_note
from vlsa.retrieve.evaluate.compare import Comparison
from vlsa.retrieve.evaluate.evaluate import Evaluation, evaluate_store
from vlsa.retrieve.evaluate.results_file import read_results, require_place


def evaluation(encoder: FakeEncoder | None = None) -> Evaluation:
    clips = [numbered_clip(n, texts=(f"clip {n}", f"again {n % 7}")) for n in range(12)]
    store = MemoryClips({"test": clips})
    return evaluate_store(encoder or FakeEncoder(), store, data="s", num_resamples=5, post=["dual-softmax"])


def as_version_2(path: Path, inline: bool = True) -> Path:
    """A file as it was before the clips of the queries were kept: small ones hold their outcomes in the JSON."""
    facts = json.loads(path.read_text(encoding="utf-8")) | {"version": 2}
    sidecar = path.with_name(facts["outcomes_file"]["name"])
    outcomes = {name: values for name, values in load_file(sidecar).items() if not name.endswith("/clip")}
    del facts["overlap"]
    if inline:
        del facts["outcomes_file"]
        sidecar.unlink()
        for post, group in results_file._sections(facts).items():
            for name, direction in group.items():
                above, wrong, right = (outcomes[f"{post}/{name}/{count}"] for count in results_file.COUNTS)
                tied = {str(q): [int(wrong[q]), int(right[q])] for q in np.flatnonzero((wrong != 0) | (right != 1))}
                direction["outcomes"] = {"above": above.tolist(), "tied": tied}
    else:
        rewrite_sidecar(sidecar, outcomes)
        facts["outcomes_file"]["sha256"] = hashlib.sha256(sidecar.read_bytes()).hexdigest()
    path.write_text(json.dumps(facts), encoding="utf-8")
    return path


def sidecar_of(path: Path) -> Path:
    return path.with_name(json.loads(path.read_text(encoding="utf-8"))["outcomes_file"]["name"])


def rewrite_sidecar(sidecar: Path, tensors: dict) -> None:
    sidecar.unlink(missing_ok=True)
    save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, sidecar)


@pytest.mark.parametrize("encoder", [FakeEncoder(), CollapsedEncoder()])
@pytest.mark.parametrize("form", ["now", "version 2, inline", "version 2, in two files"])
def test_the_outcome_of_each_query_comes_back_from_this_version_and_the_one_before(tmp_path, encoder, form):
    made = evaluation(encoder)
    made.write(tmp_path / "results.json")
    if form != "now":
        as_version_2(tmp_path / "results.json", "inline" in form)
    assert len(list(tmp_path.glob("results.outcomes-*.safetensors"))) == ("inline" not in form)
    found = read_results(tmp_path / "results.json")
    assert list(found.ranks) == ["none", "dual-softmax"]
    for group, directions in (("none", made.directions), ("dual-softmax", made.post[0].directions)):
        for name, result in directions.items():
            ranks = found.ranks[group][name]
            for count in results_file.COUNTS:
                np.testing.assert_array_equal(getattr(ranks, count), getattr(result.ranks, count))
            assert ranks.num_items == result.scores.num_items
            assert (ranks.clip is None) == (form != "now")
    assert found.directions()["text_to_video"]["r1"] == made.directions["text_to_video"].scores.recall[1]


def test_the_clip_of_each_query_is_kept(tmp_path):
    evaluation().write(tmp_path / "results.json")
    ranks = read_results(tmp_path / "results.json").ranks["none"]
    assert ranks["text_to_video"].clip.tolist() == np.repeat(np.arange(12), 2).tolist()  # two captions a clip
    assert ranks["video_to_text"].clip.tolist() == list(range(12))


def test_the_file_has_a_line_for_each_fact_and_no_outcomes(tmp_path):
    evaluation().write(tmp_path / "results.json")
    lines = (tmp_path / "results.json").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 1200
    assert not any("above" in line for line in lines)
    assert read_results(tmp_path / "results.json").facts["split"] == "test"


@pytest.fixture
def path(tmp_path) -> Path:
    evaluation().write(tmp_path / "results.json")
    return tmp_path / "results.json"


@pytest.fixture
def old_path(path) -> Path:
    return as_version_2(path)


def refused(path: Path) -> str:
    with pytest.raises(ResultsError) as caught:
        read_results(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path.parent) in message
    return message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON, or cut short"),
        (b"\xff\xfe", "not JSON, or cut short"),
        (b"[" * 100_000, "not JSON, or cut short"),
        (b"[1, 2]", "not a file of results"),
        (b'{"format": "vlsa-store"}', "not a file of results"),
        (b'{"format": "vlsa-results", "version": 1}', "results of version 1, this code reads versions 2 and 3"),
        (b'{"format": "vlsa-results", "version": 2}', "not whole"),
        (b'{"format": "vlsa-results", "version": 2, "directions": [3]}', "not whole"),
        (b'{"format": "vlsa-results", "version": 3}', "not whole"),
        (b'{"format": "vlsa-results", "version": [[3]]}', "results of version [[3]]"),
        (b'{"format": "vlsa-results", "version": "\\n\\u001b[31m"}', "results of version ?[31m"),
    ],
)
def test_what_is_not_a_file_of_results_is_refused(path, content, words):
    path.write_bytes(content)
    assert words in refused(path)


def test_a_file_cut_anywhere_is_refused(path):
    whole = path.read_bytes()
    for part in (0.1, 0.5, 0.99):
        path.write_bytes(whole[: int(part * len(whole))])
        assert "cut short" in refused(path)


def test_a_missing_file_and_a_folder_are_refused(path):
    assert "cannot be read" in refused(path.with_name("other.json"))
    assert "cannot be read" in refused(path.parent / ".")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["outcomes"]["above"].pop(),
        lambda d: d["outcomes"]["above"].append(0),
        lambda d: d["outcomes"]["above"].__setitem__(0, 500),
        lambda d: d["outcomes"]["above"].__setitem__(0, -1),
        lambda d: d["outcomes"]["above"].__setitem__(0, 0.5),
        lambda d: d["outcomes"]["above"].__setitem__(0, float("nan")),
        lambda d: d["outcomes"]["tied"].__setitem__("999", [1, 1]),
        lambda d: d["outcomes"]["tied"].__setitem__("0", [1]),
        lambda d: d["outcomes"]["tied"].__setitem__("0", [0, 0]),
        lambda d: d.pop("outcomes"),
        lambda d: d.__setitem__("outcomes", None),
        lambda d: d.__setitem__("queries_digest", 5),
        lambda d: d.__setitem__("Q", "24"),
    ],
)
def test_outcomes_that_cannot_be_are_refused(old_path, change):
    facts = json.loads(old_path.read_text(encoding="utf-8"))
    change(facts["directions"]["text_to_video"])
    old_path.write_text(json.dumps(facts), encoding="utf-8")
    assert "not whole" in refused(old_path)


@pytest.mark.parametrize("name", ["data", "split", "protocol", "model", "directions"])
def test_a_fact_that_is_missing_is_refused(path, name):
    facts = json.loads(path.read_text(encoding="utf-8"))
    del facts[name]
    path.write_text(json.dumps(facts), encoding="utf-8")
    assert "not whole" in refused(path)


@pytest.mark.parametrize("sampling", [None, {"num_windows": 0}, {"num_windows": 1.5}, {"num_crops": 2**62}, {"n": 1}])
def test_a_rule_of_encoding_that_is_not_valid_is_refused(path, sampling):
    facts = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(facts | {"model": {"sampling": sampling}}), encoding="utf-8")
    assert "not whole" in refused(path)


def test_the_file_of_outcomes_belongs_to_its_results(path):
    sidecar = sidecar_of(path)
    whole = sidecar.read_bytes()
    sidecar.write_bytes(whole[:-1] + b"\x07")
    assert "not the outcomes that belong to results.json" in refused(path)
    sidecar.unlink()
    assert "Keep the two files together" in refused(path)


@pytest.mark.parametrize("form", ["now", "as 0.3 named it"])
def test_results_that_are_replaced_stay_whole_until_the_new_ones_are(path, form, monkeypatch):
    if form != "now":
        before = json.loads(path.read_text(encoding="utf-8"))
        sidecar_of(path).rename(path.with_name("results.outcomes.safetensors"))
        before["outcomes_file"]["name"] = "results.outcomes.safetensors"
        path.write_text(json.dumps(before), encoding="utf-8")
    old, write = read_results(path), results_file.write_atomically

    def stopped(target: Path, data: bytes) -> None:
        if target == path:
            raise KeyboardInterrupt
        write(target, data)

    monkeypatch.setattr(results_file, "write_atomically", stopped)
    with pytest.raises(KeyboardInterrupt):
        evaluation(CollapsedEncoder()).write(path)
    again = read_results(path)
    assert again.facts == old.facts
    monkeypatch.undo()
    evaluation(CollapsedEncoder()).write(path)
    assert read_results(path).ranks["none"]["text_to_video"].num_tied > 0
    assert {file.name for file in path.parent.iterdir()} == {"results.json", sidecar_of(path).name}


@pytest.mark.parametrize(
    "name", ["notes.txt", "other.outcomes.safetensors", "../results.outcomes.safetensors", None, 3]
)
def test_no_file_but_the_outcomes_of_replaced_results_is_removed(path, name):
    for file in (path.parent / "notes.txt", path.parent / "other.outcomes.safetensors"):
        file.write_text("kept", encoding="utf-8")
    facts = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(facts | {"outcomes_file": {"name": name}}), encoding="utf-8")
    num_files = len(list(path.parent.iterdir()))
    evaluation().write(path)
    assert len(list(path.parent.iterdir())) == num_files
    assert read_results(path)


FIRST = "none/text_to_video"


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop(f"{FIRST}/clip"),
        lambda t: t.pop(f"{FIRST}/above"),
        lambda t: t.update({f"{FIRST}/above": t[f"{FIRST}/above"][:-1]}),
        lambda t: t.update({f"{FIRST}/above": t[f"{FIRST}/above"][None]}),
        lambda t: t.update({f"{FIRST}/above": np.int32(3)}),
        lambda t: t.update({f"{FIRST}/above": t[f"{FIRST}/above"].astype(np.float32)}),
        lambda t: t.update({f"{FIRST}/above": t[f"{FIRST}/above"].astype(np.int64)}),
        lambda t: t.update({f"{FIRST}/clip": t[f"{FIRST}/clip"].astype(bool)}),
        lambda t: t.update({f"{FIRST}/tied_right": 0 * t[f"{FIRST}/tied_right"]}),
        lambda t: t.update({f"{FIRST}/tied_wrong": t[f"{FIRST}/tied_wrong"] + 2**30}),
        lambda t: t.clear(),
    ],
)
def test_arrays_that_cannot_be_outcomes_are_refused(path, change):
    sidecar = sidecar_of(path)
    tensors = load_file(sidecar)
    change(tensors)
    rewrite_sidecar(sidecar, tensors)
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts["outcomes_file"]["sha256"] = hashlib.sha256(sidecar.read_bytes()).hexdigest()
    path.write_text(json.dumps(facts), encoding="utf-8")
    assert "not whole" in refused(path)


def test_a_file_of_outcomes_that_is_not_safetensors_is_refused(path):
    sidecar = sidecar_of(path)
    for content in (b"", b"\xff" * 64, b"\x10" + 7 * b"\0" + b"{}", pickle.dumps({"a": 1})):
        sidecar.write_bytes(content)
        facts = json.loads(path.read_text(encoding="utf-8"))
        facts["outcomes_file"]["sha256"] = hashlib.sha256(content).hexdigest()
        path.write_text(json.dumps(facts), encoding="utf-8")
        assert "not whole" in refused(path)


@pytest.mark.parametrize("is_sidecar", [False, True])
def test_a_pipe_or_a_device_is_not_read(path, is_sidecar):
    """Reading one would never end."""
    at = sidecar_of(path) if is_sidecar else path
    at.unlink()
    os.mkfifo(at)
    assert "cannot be read (Invalid argument)" in refused(path)
    at.unlink()
    at.symlink_to("/dev/zero")
    assert "cannot be read (Invalid argument)" in refused(path)


def test_a_file_too_large_to_be_results_is_not_read(path):
    with path.open("r+b") as file:
        file.truncate(results_file.MOST_JSON_BYTES + 1)  # takes no room on the disk
    assert "cannot be read (File too large)" in refused(path)


def places_in(value: object, place: tuple = ()) -> list[tuple]:
    """The place of each part of a JSON value; of lists the first item alone."""
    found = [place] if place else []
    parts = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    return found + [inner for key, part in parts for inner in places_in(part, (*place, key))]


NESTED = json.loads("[" * 400 + "]" * 400)
HOSTILE = (
    None, True, -1, 0, 2.5, 10**4000, float("nan"), float("inf"), "", "a\nb\x1b[31m", "\ud800", "../" * 2000, "\0", [],
    [[1]], {}, {"a": {"b": [None]}}, NESTED, [0] * 100_000,
)  # fmt: skip


@pytest.mark.parametrize("version", [2, 3])
def test_whatever_stands_in_a_field_the_answer_is_one_line_or_a_comparison(path, version):
    """Each field of the file, replaced by each of these, is refused in one line or does no harm to what reads it.

    Of one direction: all others have the same fields.
    """
    if version == 2:
        as_version_2(path)
    facts = json.loads(path.read_bytes())
    for directions in results_file._sections(facts).values():
        for name in set(directions) - {"text_to_video"}:
            del directions[name]
    whole = json.dumps(facts)
    path.write_text(whole, encoding="utf-8")
    good, places = read_results(path), places_in(facts)
    assert len(places) > 60
    num_refused = 0
    for number, place in enumerate(places):
        step = 1 if len(place) == 1 else 5  # a part of the values, another for each field
        for value in HOSTILE[number % step :: step]:
            changed = json.loads(whole)
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            path.write_text(json.dumps(changed), encoding="utf-8")
            try:
                with without_checks_of_types():
                    found = read_results(path)
                    require_same([good, found])
                    notes = sampling_note([good], [found]), recipes_note("A", [good, found])
                    caption = Comparison((found.path,), ("b",), found.facts, "none", 1, 0, (), *notes).caption()
                assert "\n" not in caption
                caption.encode()
            except ResultsError as error:
                num_refused += 1
                assert "\n" not in str(error), place
                assert "\x1b" not in str(error), place
                assert len(str(error)) < 1000 + len(str(path)), place
    assert num_refused > 150


@pytest.mark.parametrize(
    ("name", "value"),
    [("N", 12.5), ("N", float("inf")), ("N", float("nan")), ("Q", 24.0), ("Q", True)],
)
def test_sizes_that_are_no_counts_are_refused(path, name, value):
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts["directions"]["text_to_video"][name] = value
    path.write_text(json.dumps(facts), encoding="utf-8")
    assert "not whole" in refused(path)


@pytest.mark.parametrize("tied", [{"-1": [1, 1]}, {"00": [1, 1]}, {"0": [1.5, 1]}, {"0": [True, 1]}])
def test_ties_that_are_not_of_a_query_or_no_counts_are_refused(old_path, tied):
    facts = json.loads(old_path.read_text(encoding="utf-8"))
    facts["directions"]["text_to_video"]["outcomes"]["tied"] = tied
    old_path.write_text(json.dumps(facts), encoding="utf-8")
    assert "not whole" in refused(old_path)


@pytest.mark.parametrize("where", ["data", "direction"])
def test_half_a_character_is_refused_before_it_is_printed(path, where):
    facts = json.loads(path.read_text(encoding="utf-8"))
    if where == "data":
        facts["data"] = "\ud800"
    else:
        facts["directions"]["\ud800"] = facts["directions"].pop("text_to_video")
    path.write_text(json.dumps(facts), encoding="utf-8")
    assert "not whole" in refused(path)


def test_data_whose_name_is_not_utf_8_comes_back(tmp_path):
    name = os.fsdecode(b"st\xffore")
    dataclasses.replace(evaluation(), data=name).write(tmp_path / "results.json")
    assert read_results(tmp_path / "results.json").facts["data"] == name


def test_results_do_not_replace_something_else(tmp_path):
    (tmp_path / "store.json").write_text('{"format": "vlsa-clip-store"}', encoding="utf-8")
    for path, words in ((tmp_path, "is a folder"), (Path(""), "is a folder"), (tmp_path / "store.json", "be lost")):
        with pytest.raises(ResultsError, match=words):
            require_place(path)
    assert "clip-store" in (tmp_path / "store.json").read_text(encoding="utf-8")
    for _ in range(2):
        evaluation().write(tmp_path / "new" / "results.json")
