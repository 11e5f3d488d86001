"""Exported models: ONNX files give the run's vectors, serve in its place, and are refused when something is wrong."""

import dataclasses
import json
import logging
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from command_lines import ROOT, call
from media_files import tone, write_media
from tiny import change, make_batch, make_model, tiny_clips, tiny_config, without

from vlsa.base.errors import CheckpointError, VlsaError
from vlsa.config import Config
from vlsa.data.loading.loader import MemoryClips
from vlsa.model.spectrogram import LogSpectrogram
from vlsa.pretrain import checkpoint
from vlsa.pretrain.checkpoint import TrainingState
from vlsa.retrieve.encode import doubts, encoders
from vlsa.retrieve.encode.encoders import VlsaEncoder
from vlsa.retrieve.encode.onnx import folder, trace, write
from vlsa.retrieve.encode.onnx.encoder import OnnxEncoder
from vlsa.retrieve.encode.onnx.folder import INPUTS, OUTPUT
from vlsa.retrieve.evaluate.evaluate import evaluate_store
from vlsa.retrieve.index.build import build_index
from vlsa.retrieve.search.library import Library

pytest.importorskip("onnxruntime")

MOST_DIFFERENCE = 1e-4


@pytest.fixture(scope="module", autouse=True)
def _sizes_may_be_left_open():
    """The exporter traces with sizes that are not numbers, which a check of types refuses."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def run_path(config, tokenizer, batch, tmp_path_factory) -> Path:
    """A run of no training."""
    path = tmp_path_factory.mktemp("run")
    model = make_model(config, tokenizer)
    model.calibrate(batch)
    state = TrainingState(step=0, data="none", seconds=0.0)
    checkpoint.save(path, model, torch.optim.AdamW(model.parameters()), tokenizer, Config(model=config), state)
    return path


@pytest.fixture(scope="module")
def exported(run_path, tmp_path_factory) -> Path:
    """The run, exported by the command."""
    out, lines = tmp_path_factory.mktemp("exported") / "onnx", []
    logger, listen = logging.getLogger(doubts.__name__), lambda record: bool(lines.append(record.getMessage())) or True
    logger.addFilter(listen)
    result = call(f"vlsa export onnx {run_path} --out {out}")
    logger.removeFilter(listen)
    assert result.exit_code == 0, result.output
    steps = Config().train.num_steps
    assert lines == [f"{run_path}: step 0 of {steps} of its training; what is exported is not the finished model"]
    assert [row in result.stdout for row in ("video", "audio", "text", "Next: vlsa evaluate")] == [True] * 4
    return out


@pytest.fixture
def copy(exported, tmp_path) -> Path:
    """The export, to be spoilt."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def vectors(encoder, clips) -> dict[str, np.ndarray]:
    """What an encoder makes of clips, by modality."""
    texts = [clip.texts[0] for clip in clips]
    return {
        "video": encoder.encode_video(clips),
        "audio": encoder.encode_audio(clips),
        "text": encoder.encode_text(texts),
    }


def assert_close(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    for modality, expected in one.items():
        assert np.abs(expected - other[modality]).max() <= MOST_DIFFERENCE, modality


@pytest.mark.parametrize("num_clips", [1, 3])
def test_the_files_give_the_vectors_of_the_run(run_path, exported, num_clips):
    clips = tiny_clips(num_clips, split="test")
    expected = vectors(encoders.load_run(run_path), clips)
    assert all((np.linalg.norm(part, axis=1) > 0.99).all() for part in expected.values())
    assert_close(expected, vectors(encoders.load(exported), clips))


@pytest.mark.parametrize("modality", INPUTS)
@pytest.mark.parametrize("rows", [(), (1,), (0, 1, 2)], ids=["whole", "one missing", "all missing"])
def test_padding_and_missing_modalities_are_treated_as_the_run_treats_them(
    run_path, exported, clips, config, tokenizer, modality, rows
):
    batch = make_batch(clips[:3], config, tokenizer)
    batch.frame_padding[0, 1:] = True
    batch.num_samples[0] //= 3
    batch.text_padding[0, 4:] = True
    if rows:
        batch = without(batch, modality, *rows, junk=True)
    run, other = encoders.load_run(run_path), encoders.load(exported)
    np.testing.assert_allclose(other.forward(modality, batch), run.forward(modality, batch), atol=MOST_DIFFERENCE)


@pytest.mark.parametrize(("modality", "changes"), [
    ("video", {"encoder": {"positions": "learned", "input_norms": ("video",), "activation": "quick_gelu"}}),
    ("audio", {"encoder": {"shared": "none"}, "objective": {"matching_attention": "joint"}}),
    ("text", {"objective": {"pooling": "token"}}),
    ("video", {"objective": {"heads": "pair", "pooling": "attention", "head_width": 24}}),
    ("text", {"objective": {"heads": "pair", "head_kind": "mlp"}}),
])  # fmt: skip
def test_models_of_other_settings_export_too(modality, changes, tokenizer, clips, tmp_path):
    config = change(tiny_config(), "encoder", num_layers=1, fusion_layers=1)  # tracing takes seconds a layer
    for group, values in changes.items():
        config = change(config, group, **values)
    model = make_model(config, tokenizer)
    batch = make_batch(clips[:3], config, tokenizer)
    path = tmp_path / folder.model_file(modality)
    write.write_encoder(model, modality, path)
    answers = write.open_session(path).run(
        [OUTPUT], {name: getattr(batch, field).numpy() for name, field in INPUTS[modality].items()}
    )
    expected = VlsaEncoder(model, tokenizer).forward(modality, batch)
    np.testing.assert_allclose(answers[0], expected, atol=MOST_DIFFERENCE)


def test_the_convolution_is_the_fourier_transform():
    config = dataclasses.replace(tiny_config().audio, window_samples=1022, num_times=512, num_frequencies=64)
    sound = torch.randn(2, config.num_samples, generator=torch.Generator().manual_seed(0))
    expected = LogSpectrogram(config).magnitude(sound)
    torch.testing.assert_close(trace.ConvolvedSpectrogram(config).magnitude(sound), expected, atol=1e-3, rtol=1e-4)


def test_an_export_evaluates_as_its_run_and_shares_its_fingerprint(run_path, exported):
    clips = MemoryClips({"test": tiny_clips(12, split="test")})
    run, other = encoders.load_run(run_path), encoders.load(exported)
    assert other.fingerprint == run.fingerprint
    assert other.about["exported"] == "float32"
    mine, theirs = (evaluate_store(encoder, clips, num_resamples=0) for encoder in (run, other))
    assert {name: part.scores for name, part in mine.directions.items()} == {
        name: part.scores for name, part in theirs.directions.items()
    }


@pytest.fixture
def written_before(exported, monkeypatch) -> None:
    """Tracing takes seconds: the files are those of the export that is there."""

    def write_encoder(model, modality, path):
        shutil.copy(exported / folder.model_file(modality), path)

    monkeypatch.setattr(write, "write_encoder", write_encoder)


@pytest.mark.usefixtures("written_before")
def test_the_weights_of_int8_are_smaller_and_its_vectors_near_but_another_model(run_path, exported, tmp_path):
    small = write.export_onnx(run_path, tmp_path / "int8", int8=True)
    assert all(0.99 < part.min_cosine < 1 for part in small.encoders)
    assert all(part.max_difference > 0 for part in small.encoders)
    sizes = {part.modality: (exported / folder.model_file(part.modality)).stat().st_size for part in small.encoders}
    assert all(part.num_bytes < sizes[part.modality] for part in small.encoders)
    encoder = encoders.load(tmp_path / "int8")
    assert encoder.fingerprint != encoders.load_run(run_path).fingerprint
    assert encoder.encode_text(["a bell rings"]).shape == (1, encoder.width)


def test_the_files_run_from_plain_onnxruntime_as_the_document_says(exported, run_path, tmp_path):
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, flags=re.DOTALL)[1]
    assert "vlsa" not in re.findall(r"import (\w+)", code)
    shutil.copytree(exported, tmp_path / "run-onnx")
    done = subprocess.run([sys.executable, "-c", code + "\nprint(vectors.tolist())"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    expected = encoders.load_run(run_path).encode_text(["a dog barks", "a bell rings twice"])
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=MOST_DIFFERENCE)


# ---- what is refused -------------------------------------------------------------------------------------------------


def refusal(line: str) -> str:
    """The one line of a command that was refused."""
    result = call(line)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("vlsa: ")
    return last


def test_a_folder_with_other_files_is_not_written_into(run_path, tmp_path, copy):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    assert "holds cat.jpg" in refusal(f"vlsa export onnx {run_path} --out {tmp_path / 'photos'}")
    (copy / "notes.txt").write_text("mine")
    assert "holds notes.txt" in refusal(f"vlsa export onnx {run_path} --out {copy}")
    assert "holds cat.jpg" in refusal(f"vlsa export onnx {run_path} --out {tmp_path / 'photos' / 'cat.jpg'}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "photos"]


@pytest.mark.usefixtures("written_before")
def test_an_export_is_replaced_and_leaves_nothing_else(run_path, copy):
    before = (copy / "video.onnx").read_bytes()
    (copy / "video.onnx").write_bytes(b"old")
    write.export_onnx(run_path, copy)
    assert len((copy / "video.onnx").read_bytes()) == len(before)
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


@pytest.mark.usefixtures("written_before")
def test_a_link_to_an_export_goes_on_pointing_at_what_replaces_it(run_path, copy):
    (copy / "video.onnx").write_bytes(b"old")
    (copy.parent / "link").symlink_to("copy")
    write.export_onnx(run_path, copy.parent / "link")
    assert (copy.parent / "link").is_symlink()
    assert len((copy / "video.onnx").read_bytes()) > 3


@pytest.mark.usefixtures("written_before")
def test_a_damaged_export_is_replaced_by_the_command_that_its_error_names(run_path, copy):
    (copy / "export.json").write_text("{")
    write.export_onnx(run_path, copy)
    assert encoders.load(copy).encode_text(["a dog"]).any()


def test_int8_of_weights_that_lie_beside_their_file_is_refused(tmp_path):
    (tmp_path / "video.onnx.data").write_bytes(b"large")
    with pytest.raises(VlsaError, match=r"video\.onnx: more than 2 GB"):
        trace.quantise(tmp_path / "video.onnx")


def test_an_index_of_the_run_is_searched_with_the_export(run_path, exported, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "footage").mkdir()
    for name in ("one", "two"):
        pictures = [rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)] * 25
        write_media(tmp_path / "footage" / f"{name}.mp4", pictures=pictures, sound=tone(1.0))
    build_index(run_path, tmp_path / "footage", tmp_path / "index", num_workers=0)
    library, file = Library.open(tmp_path / "index", run_path=exported), str(tmp_path / "footage" / "two.mp4")
    assert library.search(like_video=[file], k=1, target="video")[0].path == file
    assert library.search("a red ball", k=2)[0].texts == ()


def test_a_run_that_is_not_there_is_one_line(tmp_path):
    assert "no such run" in refusal(f"vlsa export onnx {tmp_path / 'gone'} --out {tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()


def test_without_the_libraries_the_extra_is_named(exported, run_path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "pip install '.[export]'" in refusal(f"vlsa export onnx {run_path} --out {tmp_path / 'out'}")
    with pytest.raises(VlsaError, match=r"onnxruntime: cannot be imported.*'\.\[export\]'"):
        encoders.load(exported)


@pytest.mark.parametrize("name", ["video.onnx", "tokenizer.json"])
def test_a_damaged_or_missing_file_is_one_line_when_it_is_needed(copy, name):
    (copy / name).write_bytes((copy / name).read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=rf"{name}: missing, damaged or cut short"):
        encoders.load(copy).encode_video(tiny_clips(1))
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=rf"{name}: missing, damaged or cut short"):
        encoders.load(copy).encode_video(tiny_clips(1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ("{}", "damaged"),
        ('{"format": "vlsa-onnx", "version": 9}', "vlsa-onnx 9, this vlsa reads vlsa-onnx 1"),
        ('{"format": "vlsa-onnx", "version": 1, "config": {}}', "damaged"),
        ('{"format": "vlsa-onnx", "version": 1, "config": {"colour": 1}}', "damaged"),
    ],
)
def test_facts_that_are_not_an_exports_are_one_line(copy, text, message):
    (copy / "export.json").write_text(text)
    with pytest.raises(CheckpointError, match=message) as caught:
        encoders.load(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"about": None}, {"fingerprint": "0" * 16}, {"config": {}}, {"more": 1}])
def test_facts_that_were_edited_are_told(copy, change):
    facts = json.loads((copy / "export.json").read_text())
    (copy / "export.json").write_text(json.dumps(facts))
    encoders.load(copy)
    (copy / "export.json").write_text(json.dumps(facts | change))
    with pytest.raises(CheckpointError, match="its facts have been changed"):
        encoders.load(copy)


def test_a_folder_that_is_no_export_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"no exported model.*vlsa export onnx RUN --out FOLDER"):
        OnnxEncoder.open(tmp_path)


def test_a_file_that_the_runtime_cannot_run_is_one_line(tmp_path):
    (tmp_path / "video.onnx").write_bytes(b"not a model")
    with pytest.raises(CheckpointError, match=r"video\.onnx: ONNX Runtime .* cannot run it") as caught:
        write.open_session(tmp_path / "video.onnx")
    assert "\n" not in str(caught.value)


def test_an_answer_that_is_not_the_runs_is_refused(tmp_path):
    (tmp_path / "audio.onnx").write_bytes(b"")
    good, bad = np.eye(2, 4, dtype=np.float32), np.eye(2, 4, dtype=np.float32) + np.float32(2e-4)
    for wrong in (bad, good * np.nan):
        with pytest.raises(VlsaError, match=r"audio\.onnx: answers differ"):
            write._compared("audio", tmp_path / "audio.onnx", wrong, good, "float32", 1)
    with pytest.raises(VlsaError, match=r"audio\.onnx: answers differ"):
        write._compared("audio", tmp_path / "audio.onnx", good * np.nan, good, "int8", 1)
    for precision in ("float32", "int8"):
        with pytest.raises(VlsaError, match=r"the run's own vectors are not finite.* export an earlier checkpoint"):
            write._compared("audio", tmp_path / "audio.onnx", good, good * np.nan, precision, 1)
    assert write._compared("audio", tmp_path / "audio.onnx", good, good, "float32", 1).max_difference == 0


def test_figures_want_the_run_and_say_so(exported, tmp_path):
    assert "Give the run that it was exported from" in refusal(
        f"vlsa show {exported} --data world:train=0,test=4 --out {tmp_path / 'figures'}"
    )
