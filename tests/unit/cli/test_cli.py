"""The command line: help that teaches, one line for what a person can mend, tables and JSON on stdout."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tokenizers
from command_lines import COMMANDS, GROUP, ROOT, call, examples, parse, start
from fake_encoder import write_numbered_sound
from heard import Beeps, write_beeps
from typer.testing import CliRunner

from vlsa import __version__
from vlsa.base.errors import ConfigError, MediaError, SearchIndexError
from vlsa.cli import app, found
from vlsa.cli.evaluate import print_evaluation
from vlsa.cli.output import next_step, print_json, print_table, print_text, short_path
from vlsa.config import recipes
from vlsa.data.ingest.speech_model import WhisperModel
from vlsa.data.loading import dataset
from vlsa.data.loading.loader import MemoryClips
from vlsa.data.loading.tokenizer import public_tokenizer
from vlsa.data.media.content_digest import content_digest
from vlsa.data.media.transcripts import Transcript, keep_transcript
from vlsa.data.store.prepare import store_settings
from vlsa.pretrain import start as training
from vlsa.pretrain.preflight import summarise
from vlsa.retrieve.encode.sampling import Sampling
from vlsa.retrieve.evaluate.results import TABLE_RECALL_AT, table_header
from vlsa.retrieve.search.answer import Answer
from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.moments import Moment, Reason
from vlsa.retrieve.search.pieces import question_of
from vlsa.retrieve.search.question import Question


def one_line(result) -> str:
    """The only line on stderr of a command that was refused."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.startswith("vlsa: ")
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def test_help_lists_the_commands_in_the_order_of_the_pipeline():
    order = (
        "demo doctor import make-world prepare pretrain finetune encoders evaluate compare show reproduce index "
        "search similar duplicates serve data export"
    )
    names = order.split()
    assert names == COMMANDS
    shown = call("vlsa --help").stdout
    assert [shown.index(f"\n  {name} ") for name in names] == sorted(shown.index(f"\n  {name} ") for name in names)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_teaches_by_examples_that_parse_and_explains_each_option(name):
    command = GROUP.get_command(None, name)
    assert len(examples(name)) >= 2
    assert all(line.split()[1] == name for line in examples(name))
    for line in examples(name):
        parse(line)
    assert [parameter.name for parameter in command.params if not getattr(parameter, "help", None)] == []
    shown = " ".join(call(f"vlsa {name} --help").stdout.replace("\\\n", " ").split())
    assert all(line in shown for line in examples(name))


def test_the_way_in_the_main_help_parses():
    assert len(examples()) == 6
    for line in examples():
        parse(line)


@pytest.mark.parametrize("line", ["vlsa prepair a b", "vlsa prepare a b --fps 3", "vlsa pretrain --recipe tiny"])
def test_a_line_that_does_not_parse_is_refused_with_code_2(line):
    with pytest.raises(Exception, match=r"No such|Missing"):
        parse(line)
    assert call(line).exit_code == 2


def test_the_version_is_that_of_the_package():
    assert call("vlsa --version").stdout == f"vlsa {__version__}\n"


def test_help_comes_without_loading_heavy_libraries():
    heavy = {"torch", "numpy", "av", "lancedb", "tokenizers", "rich", "PIL", "matplotlib"}
    code = f"import sys, vlsa.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_search_imports_little_before_its_model():
    """Of no stage anything for the command line; then nothing of what reads its tables or its model."""
    code = """
import sys, vlsa.cli
print([name for name in sys.modules if name.split(".")[1:2] in ([one] for one in STAGES)])
import vlsa.retrieve.search.library
print(sorted(set(HEAVY) & set(sys.modules)), len(sys.modules) < 700)
"""
    heavy = ("torch", "lancedb", "pyarrow", "pandas", "av", "tokenizers", "rich", "fsspec", "vlsa.data.benchmarks")
    names = f"STAGES = {('data', 'model', 'pretrain', 'retrieve', 'serve', 'show')}\nHEAVY = {heavy}"
    done = subprocess.run([sys.executable, "-c", names + code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[] True\n"


def _helps(title, command, above=None):
    """The help of a command and of those in it, at 80 columns."""
    width = {} if above else {"terminal_width": 80}
    with command.make_context(title, [], parent=above, resilient_parsing=True, **width) as ctx:
        yield title, command.get_help(ctx)
        for name, inner in getattr(command, "commands", {}).items():
            yield from _helps(f"{title} {name}", inner, ctx)


def test_the_help_of_every_command_fits_a_terminal_of_80_columns():
    helps = dict(_helps("vlsa", GROUP))
    assert len(helps) > len(COMMANDS) and "csv                 any table" in helps["vlsa import"]
    assert [line for text in helps.values() for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("vlsa pretrain --recipe tinny --data s --out r", "Did you mean tiny?"),
        ("vlsa pretrain --recipe tiny --data s --out r --set train.batchsize=4", "Did you mean train.batch_size?"),
        ("vlsa pretrain --recipe tiny --data s --out r --set train.batch_size", "no '='"),
        ("vlsa pretrain --recipe tiny --data no-store --out r", "no-store"),
        ("vlsa prepare no-footage s", "no such folder"),
        ("vlsa prepare no-footage s --short-side 0", "must be above 0"),
        ("vlsa prepare no-footage s --add --shard 1/2", "s: --add with --shard"),
        ("vlsa prepare no-footage s --add --restart", "s: --add with --restart"),
        ("vlsa evaluate no-run --data s", "no such run"),
        ("vlsa evaluate no-run --data s --post sinkhron", "Did you mean sinkhorn?"),
        ("vlsa compare a.json b.json", "a.json: cannot be read"),
        ("vlsa compare a.json", "which is A and which is B"),
        ("vlsa compare a.json b.json --resamples 0", "from 1 to 1,000,000"),
        ("vlsa compare a.json b.json --seed -1", "cannot be negative"),
        ("vlsa index no-run footage --out i", "no such folder"),
        ("vlsa search no-index words", "vlsa index"),
        ("vlsa make-world w --seed -1", "seed"),
        ("vlsa show no-run --data s --out f", "no such run"),
        ("vlsa demo d --set train.nonsense=1", "no such setting"),
    ],
)
def test_a_persons_mistake_is_one_line_and_code_2(line, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in one_line(call(line))


def failing_search(monkeypatch, error: BaseException):
    def search(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Library, "open", search)
    return call("vlsa search index words")


@pytest.mark.parametrize("command", ["vlsa prepare {} store", "vlsa search {} words"])
def test_a_key_in_an_address_is_not_printed(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = one_line(call(command.format("s3://ANNA:hush/hush@bucket/footage")))
    assert "hush" not in said and "ANNA" not in said and "s3://...@" in said


def test_an_error_of_several_lines_is_still_told_in_one(monkeypatch):
    assert one_line(failing_search(monkeypatch, MediaError("a.mp4: bad;\n  mend it"))) == "vlsa: a.mp4: bad; mend it\n"


def test_a_full_disk_is_told_in_one_line_too(monkeypatch):
    error = OSError(28, "No space left on device", "results.json")
    assert "results.json: cannot be read or written (No space" in one_line(failing_search(monkeypatch, error))
    nameless = OSError(28, "No space left on device")
    assert "the disk: cannot be read or written (No space" in one_line(failing_search(monkeypatch, nameless))


def _torch_asks_for_too_much() -> None:
    import torch

    torch.empty(2**60, dtype=torch.uint8)


def _numpy_asks_for_too_much() -> None:
    np.empty(2**60, np.uint8)


@pytest.mark.parametrize("ask", [_torch_asks_for_too_much, _numpy_asks_for_too_much])
def test_too_little_memory_is_told_in_one_line(monkeypatch, ask):
    with pytest.raises((MemoryError, RuntimeError)) as refused:
        ask()
    told = one_line(failing_search(monkeypatch, refused.value))
    assert told.startswith("vlsa: search: the machine has not enough memory (")
    assert "Make what it is asked for smaller" in told


def test_an_error_of_ours_is_not_hidden(monkeypatch):
    result = failing_search(monkeypatch, ZeroDivisionError("bug"))
    assert result.exit_code == 1
    assert isinstance(result.exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("message", "told"),
    [("", "the same command resumes"), ("stopped after step 3 of 9", "after step 3 of 9")],
)
def test_ctrl_c_ends_with_a_line_and_code_130(message, told, monkeypatch):
    result = failing_search(monkeypatch, KeyboardInterrupt(*[message] if message else []))
    assert result.exit_code == 130
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_pipe_that_nobody_reads_is_no_error_to_talk_about(tmp_path):
    process = start("vlsa --help", tmp_path)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(timeout=60)
    process.stderr.close()


MOMENTS = tuple(
    Moment(rank=rank, path=path, start_seconds=start, stop_seconds=start + 2.5, best_start_seconds=start,
           best_stop_seconds=start + 2, score=0.9, stand_out=4.25, why=(Reason("video", 1, 0.5),), texts=texts)
    for rank, path, start, texts in ((1, "[red] ball.mp4", 3725.25, ("a ball", "and more")), (2, "b.mp4", 0.0, ()))
)  # fmt: skip


class FakeLibrary:
    """Remembers what was asked."""

    source = "/footage"

    def __init__(self) -> None:
        self.answer, self.asked = Answer(MOMENTS, True, 20), []

    def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        if "zebra" in str(question):
            raise MediaError("search: 'zebra'\nis unknown.")
        return self.answer


def test_restart_of_prepare_hears_again_what_could_not_be_heard(tmp_path, monkeypatch):
    monkeypatch.setattr(WhisperModel, "find", lambda name: Beeps(tmp_path / "log"))
    (tmp_path / "in").mkdir()
    path = write_beeps(tmp_path / "in/a.wav", 1.0, [(0.4, 1000)])
    kept = tmp_path / "store/transcripts" / f"{content_digest(path)}-beeps1.json"
    kept.parent.mkdir(parents=True)
    keep_transcript(kept, Transcript(remarks=("a.wav: damaged",)))
    line = f"vlsa prepare {tmp_path}/in {tmp_path}/store --recipe tiny --workers 0 --transcribe beeps"
    told = [call(line), call(line), call(f"{line} --restart")]
    assert [result.exit_code for result in told] == [0, 0, 0]
    assert ["with transcripts" in result.output for result in told] == [False, False, True]


@pytest.fixture
def library(monkeypatch) -> FakeLibrary:
    fake = FakeLibrary()
    monkeypatch.setattr(Library, "open", lambda path, run_path=None, source=None, parallel=False: fake)
    return fake


def test_a_search_prints_file_time_and_why_with_brackets_in_names_intact(library):
    out = call('vlsa search index "red ball" -k 3 --in video').stdout
    first = next(line for line in out.splitlines() if "ball.mp4" in line)
    assert first.split() == [
        "1", "/footage/[red]", "ball.mp4", "1:02:05.2", "2.5", "4.2", "video", "1", "a", "ball", "/", "and", "more",
    ]  # fmt: skip
    assert "stands out" not in out
    assert library.asked == [question_of("red ball", k=3, target="video")]


def test_nothing_stands_out_is_said_above_the_table_and_in_json(library):
    library.answer = Answer(MOMENTS, False, 20)
    assert call("vlsa search index cat").stdout.startswith("nothing here stands out; these are the least unlikely:\n")
    assert not json.loads(call("vlsa search index cat --json").stdout.splitlines()[0])["stands_out"]


def test_a_search_with_json_prints_one_object_a_line_with_the_path_on_disk(library):
    lines = call("vlsa search index --like-sound ring.wav --json").stdout.splitlines()
    expected = [one.as_dict() | {"path": f"/footage/{one.path}", "stands_out": True} for one in MOMENTS]
    assert [json.loads(line) for line in lines] == expected
    assert library.asked == [question_of(like_sound=["ring.wav"])]


def test_a_table_gives_its_text_for_what_the_path_needs_and_fits_80_columns():
    rows = [
        (str(n), f"{'x' * n}.mp4", "0:00:01.0", "3.0", "12.5", "words 1, video 2", "some words " * 9) for n in (9, 12)
    ]
    short = found.fitted(rows, 80)
    assert all(row[-1].endswith("…") and row[1:-1] == whole[1:-1] for row, whole in zip(short, rows, strict=True))
    widths = [max(len(name), *(len(row[n]) for row in short)) for n, name in enumerate(found.HEADER)]
    assert sum(widths) + len(widths) - 1 <= 80
    assert [len(row) for row in found.fitted([(*rows[0][:1], "y" * 60, *rows[0][2:])], 80)] == [6]


def test_a_column_that_says_nothing_of_any_moment_is_left_out(capsys):
    moment = Moment(
        rank=1,
        path="a.mp4",
        start_seconds=0,
        stop_seconds=3,
        best_start_seconds=0,
        best_stop_seconds=3,
        score=1,
        stand_out=4,
    )
    found.print_answer(Answer((moment,), True, 50), "/footage")
    assert capsys.readouterr().out.split("\n")[1].split() == ["#", "file", "time", "seconds", "stand-out"]
    found.print_answer(Answer((replace(moment, texts=("a dog",)), moment), True, 50), "/footage")
    assert capsys.readouterr().out.split("\n")[1].split()[-2:] == ["stand-out", "text"]


def test_a_sum_is_asked_by_options_and_the_same_as_json(library, tmp_path):
    line = "vlsa search index a dog barks --like-sound a.wav^0.5 --unlike music --like b.mp4@12-15 --where 'size > 1'"
    call(f"{line} --group-by file --max-per-file 2 --fold 0.98")
    (tmp_path / "q.json").write_text(json.dumps(library.asked[0].as_dict()), encoding="utf-8")
    call(f"vlsa search index --question {tmp_path / 'q.json'}")
    asked, again = library.asked
    assert asked == again and len(asked.parts) == 4
    assert (asked.where, asked.group_by, asked.max_per_file, asked.fold_above) == ("size > 1", "file", 2, 0.98)
    result = CliRunner().invoke(app, ["search", "index", "--question", "-"], input=json.dumps(asked.as_dict()) + "\n\n")
    assert result.exit_code == 0 and library.asked[2] == asked


@pytest.mark.parametrize("file", ["q.json", "-"])
def test_what_is_typed_beside_a_question_in_json_comes_before_what_it_says(library, tmp_path, file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = {
        "parts": [{"text": "cat"}],
        "k": 3,
        "in": "video",
        "where": "size > 1",
        "max_per_file": 2,
        "fold_above": 0.9,
    }
    Path("q.json").write_text(json.dumps(said))

    def asked(options: str) -> Question:
        line = ["search", "index", "--question", file, *shlex.split(options)]
        assert CliRunner().invoke(app, line, input=json.dumps(said)).exit_code == 0
        return library.asked[-1]

    assert asked("") == asked("--json") == Question.from_dict(said)
    assert asked("-k 10 --in media") == Question.from_dict(said | {"k": 10, "in": "media"})
    assert asked("--where \"name = 'zzz'\" --group-by file --max-per-file 1 --fold 0.5") == Question.from_dict(
        said | {"where": "name = 'zzz'", "group_by": "file", "max_per_file": 1, "fold_above": 0.5}
    )


def test_what_is_found_is_exported_and_an_unknown_ending_is_refused_first(library, tmp_path):
    result = call(f"vlsa search index cat --export {tmp_path / 'found.csv'}")
    assert result.exit_code == 0 and "found.csv" in result.stderr
    assert (tmp_path / "found.csv").read_text().count("ball.mp4") == 1
    again = f"vlsa search index cat --export {tmp_path / 'found.csv'}"
    assert "found.csv: is there already, and would be lost" in one_line(call(again))
    assert call(f"{again} --force").exit_code == 0
    assert "is no form of results" in one_line(call("vlsa search no-index cat --export found.doc"))
    assert "each would overwrite" in one_line(call("vlsa search no-index - --export found.csv"))
    assert "nothing would be cut" in one_line(call("vlsa search no-index cat --copy"))
    assert "words or examples next to --question" in one_line(call("vlsa search no-index cat --question q.json"))


def test_a_question_needs_no_quotation_marks(library):
    call("vlsa search index a bell rings twice -k 3")
    assert library.asked == [question_of("a bell rings twice", k=3)]


@pytest.mark.parametrize("asked", ["''", "' '", "--in smell cat", "-k 0 cat", ""])
def test_a_question_that_cannot_be_asked_is_refused_before_the_index_is_opened(asked):
    assert "vlsa: search: " in one_line(call(f"vlsa search no-index {asked}"))


def test_each_line_of_stdin_is_a_question(library):
    result = CliRunner().invoke(app, ["search", "index", "-", "--json"], input="red ball\n\n a bell \n")
    questions = [json.loads(line)["question"] for line in result.stdout.splitlines()]
    assert questions == ["red ball", "red ball", "a bell", "a bell"]  # two answers each
    assert CliRunner().invoke(app, ["search", "index", "-"], input="\n").stdout == ""


@pytest.mark.parametrize(
    ("option", "lines"),
    [
        (["-"], ['a "', "zebra", "cat", "a zebra", "dog"]),
        (["--question", "-"], ["{", *(json.dumps({"phrases": [word]}) for word in ("zebra", "cat", "zebra", "dog"))]),
    ],
)
def test_after_a_line_that_cannot_be_asked_the_next_is_and_the_code_is_2_at_the_end(library, option, lines):
    result = CliRunner().invoke(app, ["search", "index", *option, "--json"], input="\n".join(lines))
    answered = [json.loads(line)["question"] for line in result.stdout.splitlines()]
    assert result.exit_code == 2 and answered == [lines[2]] * 2 + [lines[4]] * 2  # two answers each
    *told, of_footage = result.stderr.splitlines()
    asked = [lines[0], lines[1], lines[3]]
    assert [line[: len(f"vlsa: {one}: search: ")] for one, line in zip(asked, told, strict=True)] == [
        f"vlsa: {one}: search: " for one in asked
    ]
    assert of_footage.startswith("vlsa: /footage: no such folder here")


def test_an_index_that_cannot_be_searched_ends_all_questions(library, monkeypatch):
    def ask(question: Question) -> Answer:
        raise SearchIndexError("index: damaged")

    monkeypatch.setattr(library, "ask", ask)
    result = CliRunner().invoke(app, ["search", "index", "-"], input="cat\ndog\n")
    assert result.exit_code == 2 and result.stderr == "vlsa: index: damaged\n"


def test_a_search_without_answers_says_so_and_prints_no_empty_table(library):
    library.answer = Answer((), False, 20)
    result = call("vlsa search index cat --in text")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "vlsa: nothing found: no window has what --in text compares; try another --in\n"
    quoted = call('vlsa search index \'a "red cat" "runs"\'').stderr
    assert 'no window has the quoted words "red cat", "runs"; take' in quoted and "--in" not in quoted
    filtered = "vlsa search index cat --where 'size > 1'"
    assert "no window that the filter keeps has what --in media compares" in call(filtered).stderr
    library.answer = Answer((), False, 20, ("the filter keeps no file", "no file has folder = 'x'"))
    said = "nothing found: the filter keeps no file; no file has folder = 'x'"
    assert call(filtered).stderr == call(f"{filtered} '\"quoted\"'").stderr == f"vlsa: {said}\n"
    assert call("vlsa search index cat --in text --json").stdout == ""


def run_of_ten_steps(monkeypatch, *, resumed_from: int, can_measure: bool) -> str:
    data = SimpleNamespace(num_clips=2000, is_small=False)
    summary = SimpleNamespace(step=10, resumed_from=resumed_from, seconds=5.0, metrics={"loss": 1.5}, data=data)
    monkeypatch.setattr(training, "pretrain", lambda *_, **_options: summary)
    monkeypatch.setattr(dataset, "can_measure", lambda _: can_measure)
    return call("vlsa pretrain --recipe tiny --data store --out run").stdout


def test_a_run_that_went_on_says_from_where(monkeypatch):
    shown = run_of_ten_steps(monkeypatch, resumed_from=4, can_measure=True)
    assert "10 steps in 5 s of training, resumed at step 4, loss 1.500, on 2,000 clips." in shown
    assert "Next: vlsa evaluate run --data store" in shown


def test_without_held_out_clips_the_next_step_is_the_index(monkeypatch):
    shown = run_of_ten_steps(monkeypatch, resumed_from=0, can_measure=False)
    assert "resumed" not in shown
    assert "Next: vlsa index run FOLDER --out INDEX" in shown


def test_sentences_are_broken_between_words_in_a_terminal_and_left_whole_in_a_pipe(monkeypatch, capsys):
    sentence = "index: 56 clips; see index/index_report.jsonl."
    print_text(sentence)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    print_text(sentence)
    assert capsys.readouterr().out == f"{sentence}\nindex: 56 clips; see\nindex/index_report.jsonl.\n"


def test_a_table_in_a_pipe_cuts_nothing_off(capsys):
    print_table(("file", "n"), [("/long" * 30, "1")], right="n")
    assert "/long" * 30 in capsys.readouterr().out


def test_json_keeps_letters_of_all_languages(capsys):
    print_json([{"text": "дождь"}])
    assert capsys.readouterr().out == '{"text": "дождь"}\n'


def test_the_next_step_can_be_pasted_into_a_shell(capsys):
    next_step("evaluate", Path("my run"), "--data", "store")
    assert capsys.readouterr().out == "Next: vlsa evaluate 'my run' --data store\n"


def test_paths_are_short_below_the_current_folder_and_whole_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert short_path(tmp_path / "a" / "b.mp4") == "a/b.mp4"
    assert short_path(tmp_path.parent / "b.mp4") == str(tmp_path.parent / "b.mp4")


def test_a_store_keeps_what_its_recipe_needs():
    tiny, paper = (store_settings(recipes.recipe(name)) for name in ("tiny", "paper"))
    assert (paper.short_side_px, paper.frames_per_second, paper.window_seconds) == (256, 5.0, 6.0)
    assert (tiny.short_side_px, tiny.frames_per_second, tiny.window_seconds) == (64, 11.0, 3.0)
    assert tiny.sample_rate_hz == paper.sample_rate_hz == 11_025


def test_settings_of_a_store_can_be_named_one_by_one(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("vlsa.data.ingest.scan.scan", lambda *_, **_options: ([], []))
    monkeypatch.setattr("vlsa.data.store.prepare.prepare", lambda *_, settings, **_options: asked.append(settings))
    call(f"vlsa prepare footage {tmp_path} --recipe tiny --short-side 96 --frames-per-second 5 --window 4")
    assert (asked[0].short_side_px, asked[0].frames_per_second, asked[0].window_seconds) == (96, 5.0, 4.0)


def test_a_small_recipe_learns_its_own_vocabulary_and_a_file_goes_before_all(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nball\n", encoding="utf-8")
    assert public_tokenizer(recipes.recipe("tiny"), None) is None
    for name in ("tiny", "paper"):
        assert public_tokenizer(recipes.recipe(name), tmp_path / "vocab.txt").vocabulary_size == 6


def test_without_the_hub_the_paper_recipe_says_how_to_get_its_vocabulary(monkeypatch):
    def offline(name: str) -> None:
        raise Exception(f"{name}: no way to the hub. Check\nyour connection")

    monkeypatch.setattr(tokenizers.Tokenizer, "from_pretrained", offline)
    with pytest.raises(ConfigError, match=r"cannot be reached \(bert-base-uncased: no way to the hub\).*--vocabulary"):
        public_tokenizer(recipes.recipe("paper"), None)


def test_the_hubs_vocabulary_neither_pads_nor_cuts_by_itself(monkeypatch):
    pieces = {piece: n for n, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ball"])}
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece(pieces, unk_token="[UNK]"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    backend.enable_padding(length=9)
    backend.enable_truncation(2)
    monkeypatch.setattr(tokenizers.Tokenizer, "from_pretrained", lambda name: backend)
    tokenizer = public_tokenizer(recipes.recipe("paper"), None)
    words, padding = tokenizer.encode("ball ball ball", 5)
    assert words.tolist() == [5, 5, 5, 0, 0]
    assert padding.tolist() == [False] * 3 + [True] * 2


def test_options_of_evaluate_reach_the_evaluation(monkeypatch):
    asked = {}

    def evaluate(run, data, split, **options):
        asked.update(options, split=split)
        return SimpleNamespace(header=(), tables=list, caption=lambda: "measured", notes=lambda: ["and beside it"])

    monkeypatch.setattr("vlsa.retrieve.evaluate.evaluate.evaluate_run", evaluate)
    options = "--split val --post sinkhorn:9 --post qb-norm --identical-captions --within folder --out found.json"
    options += " --windows 4"
    shown = call(f"vlsa evaluate run --data s {options}")
    assert shown.stdout == "measured\nand beside it\n"
    assert asked == {
        "split": "val",
        "post": ["sinkhorn:9", "qb-norm"],
        "identical_captions_count": True,
        "within": "folder",
        "out": Path("found.json"),
        "sampling": Sampling(num_windows=4),
    }
    assert call("vlsa evaluate run --data s --windows 0").exit_code == 2


def test_a_place_where_results_cannot_lie_is_told_before_a_model_is_loaded(tmp_path):
    result = call(f"vlsa evaluate no-such-run --data no-such-store --out {tmp_path}")
    assert result.exit_code == 2
    assert (
        result.stderr
        == f"vlsa: {tmp_path}: is a folder; results are a file. Name one, such as {tmp_path}/results.json.\n"
    )


@pytest.mark.parametrize("option", ["--windows", "--crops"])
def test_a_number_of_windows_that_encodes_nothing_is_refused_by_the_name_of_its_option(option):
    told = one_line(call(f"vlsa evaluate run --data store {option} 0"))
    assert told == f"vlsa: {option} 0: nothing of a clip would be encoded. Give 1 or more.\n"


def test_the_table_of_results_fits_a_terminal_of_80_columns(capsys):
    rows = [("audio → video", "72.5", "91.0", "96.5", "–", "100.5", "0.1/0.5/1.0", "1,000", "1,000")]
    header = table_header(TABLE_RECALL_AT)
    print_evaluation(SimpleNamespace(header=header, tables=lambda: [("", rows)], caption=lambda: "store", notes=list))
    shown = capsys.readouterr().out.splitlines()
    assert max(len(line.rstrip()) for line in shown) <= 79
    assert "audio → video" in shown[4]


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", b"\\xe9"), ("utf-8:strict", b"\xff")])
def test_a_name_that_the_terminal_cannot_show_is_no_failure(encoding, shown, tmp_path):
    name = b"caf\xc3\xa9" if encoding == "ascii" else b"caf\xff"
    code = (
        "import sys; from vlsa.cli import app; import vlsa.data.world.write as write;"
        "from types import SimpleNamespace as N;"
        "write.make_world = lambda *a, **k: N(num_train=1, num_test=0, num_captions=1, num_written=1, seconds=1.0);"
        "app()"
    )
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    command = [sys.executable.encode(), b"-c", code.encode(), b"make-world", name]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


@pytest.mark.parametrize(
    "line", ["pretrain --recipe tiny --data store --out run", "finetune run --data store --out fine"]
)
def test_trackers_are_named_on_the_command_line(monkeypatch, line):
    asked = []
    data = SimpleNamespace(num_clips=2000, is_small=False)
    summary = SimpleNamespace(step=10, resumed_from=0, seconds=5.0, metrics={}, data=data)
    name = line.split()[0]
    monkeypatch.setattr(training, name, lambda *_, **options: asked.append(options["trackers"]) or summary)
    monkeypatch.setattr(dataset, "can_measure", lambda _: True)
    call(f"vlsa {line} --report-to wandb --report-to mlflow")
    call(f"vlsa {line}")
    assert asked == [["wandb", "mlflow"], ()]


@pytest.mark.parametrize(
    "line", ["pretrain --recipe tiny --data none --out run", "finetune none --data none --out run"]
)
def test_an_unknown_tracker_is_told_before_anything_is_read(line):
    result = call(f"vlsa {line} --report-to wandbb")
    assert result.exit_code == 2
    assert result.stderr.startswith("vlsa: --report-to wandbb: no such tracker. ")


DONE = training.RunSummary(Path("run"), 1, 1, 0, 0.0, {}, summarise(MemoryClips({}), ()))


def test_asked_trackers_reach_the_loop(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(training, "train", lambda *_, **how: asked.append(how["trackers"]) or DONE)
    training.pretrain(recipes.recipe("tiny"), "world:train=4,test=2,px=64", tmp_path / "run", trackers=["tensorboard"])
    assert asked == [["tensorboard"]]


def test_the_worker_processes_of_a_command_run_no_python_file_of_the_folder_it_is_typed_in(tmp_path):
    footage = tmp_path / "footage"
    footage.mkdir()
    write_numbered_sound(footage / "sound-1.wav", 1)
    (footage / "socket.py").write_text("raise SystemExit('a file of the footage was run')")
    (tmp_path / "bin").mkdir()
    console_script = tmp_path / "bin" / "vlsa"
    console_script.write_text("from vlsa.cli import main\nif __name__ == '__main__':\n    main()\n")
    command = [sys.executable, console_script, "prepare", ".", tmp_path / "store", "--workers", "1"]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    variables.pop("PYTHONSAFEPATH", None)
    done = subprocess.run(command, cwd=footage, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
