"""`vlsa pretrain --init` through the real command: what is refused, what is typed instead, the table, going on."""

import contextlib
import json
import re
from pathlib import Path

import public_models as public
import pytest
from command_lines import call, run

LINE = "vlsa pretrain --recipe tiny --data store --out run --set train.num_steps=2 --set train.batch_size=4"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
PIECES += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A store, a ViT, and a BERT with a vocabulary of letters."""
    place = tmp_path_factory.mktemp("warm")
    done("vlsa make-world world --train 12 --test 4 --workers 1", place)
    done("vlsa prepare world store --recipe tiny --workers 1", place)
    public.written(public.vit(image_size=64, patch_size=16), place / "vit")
    public.written(public.bert(vocab_size=len(PIECES)), place / "bert")
    (place / "bert" / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    return place


def done(line: str, place: Path) -> str:
    """What a line, run in this process, wrote to stdout."""
    with contextlib.chdir(place):
        result = call(line)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def refused(line: str, place: Path) -> str:
    """The error of a line, run in this process, which is the last line; what is logged about the data precedes it."""
    with contextlib.chdir(place):
        result = call(line)
    assert (result.exit_code, result.stdout) == (2, ""), (result.output, result.exception)
    return result.stderr.splitlines()[-1]


def test_the_line_that_is_printed_about_a_misfit_can_be_typed_and_the_run_goes_on_from_itself(place):
    line = f"{LINE} --init vit --init bert"
    errors = refused(line, place)
    assert "vit (vit)" in errors
    assert "width 32, here 128" in errors
    line = f"{line} {re.search(r'Add (.+)', errors)[1]}"
    out, _ = run(line, place)
    table = [re.split(r"\s{2,}", row.strip()) for row in out.splitlines()]
    assert "What the model is initialised from" in out
    taken = {row[0]: row[1:3] for row in table if len(row) > 2}
    assert taken["encoder of video, audio, text: blocks 1-2"] == ["taken", "vit (vit)"]
    assert taken["video: positions"][0] == "resized"  # patches of 16 px to 32
    assert taken["text: token embeddings"] == ["taken", "bert (bert)"]
    assert taken["text: its blocks"][0] == "left out"
    settings = json.loads((place / "run" / "config.json").read_text(encoding="utf-8"))
    assert [source.partition("#")[0] for source in settings["train"]["init"]] == ["vit", "bert"]
    assert settings["model"]["text"]["vocabulary_size"] == len(PIECES)  # that of BERT
    again = done(line, place)
    assert ": finished already: " in again
    assert "initialised from" not in again
    assert "train.init" in refused(line.replace(" --init bert", ""), place)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("./nowhere", "no such folder"),
        ("store", "no config.json in it"),
        ("text=vit", "has nothing for text"),
    ],
)
def test_a_source_that_cannot_be_read_gives_one_line(place, source, words, monkeypatch):
    monkeypatch.chdir(place)
    result = call(f"{LINE.replace('--out run', '--out other')} --init {source}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (place / "other").exists()


def test_without_a_network_the_hub_gives_one_line(place):
    line = LINE.replace("--out run", "--out other")
    out, errors = run(f"{line} --init google/vit-base-patch16-224", place, expected=2)  # HF_HUB_OFFLINE is set for it
    assert out == ""
    assert "Traceback" not in errors
    assert "the Hugging Face hub does not give it" in errors
    assert "give its folder" in errors
