"""Which source gives what: the first that offers it; one line, with what to type, for sources that do not fit."""

import re

import public_models as public
import pytest
import torch
from tiny import change, make_model

from vlsa.base.errors import ConfigError
from vlsa.config.overrides import override
from vlsa.model.warm_start import apply, read

FITS = {"norm_eps": 1e-12, "positions": "learned"}
SEPARATE = {"shared": "none"}


@pytest.fixture
def made(tmp_path):
    """Writes a public model of a family under a name, once; gives its folder."""

    def written(family: str, name: str = "", **changes) -> str:
        folder = tmp_path / (name or family)
        return str(folder) if folder.exists() else public.written(getattr(public, family)(**changes), folder)

    return written


def begun(config, tokenizer, *sources: str, **encoder):
    model = make_model(change(config, "encoder", **encoder), tokenizer)
    return model, apply(model, [read(source) for source in sources], tokenizer)


def row(report, weight: str):
    rows = [row for row in report.rows if row.weight == weight]
    assert len(rows) == 1, [row.weight for row in report.rows]
    return rows[0]


ALL = "encoder of video, audio, text"


def test_the_first_source_gives_the_blocks_of_a_shared_encoder_and_each_modality_its_own_tokens(
    config, tokenizer, made
):
    _, report = begun(config, tokenizer, made("vit"), made("ast"), **FITS)
    assert row(report, f"{ALL}: blocks 1-2").origin == f"{made('vit')} (vit)"
    assert row(report, "video: patches").origin == f"{made('vit')} (vit)"
    assert row(report, "audio: patches").origin == f"{made('ast')} (audio-spectrogram-transformer)"
    left = row(report, "audio: its blocks")
    assert (left.action, left.note) == ("left out", f"the encoder of audio has the blocks of {made('vit')} (vit)")
    _, swapped = begun(config, tokenizer, made("ast"), made("vit"), **FITS)
    assert row(swapped, f"{ALL}: blocks 1-2").origin == f"{made('ast')} (audio-spectrogram-transformer)"
    assert row(swapped, "video: patches").action == "taken"


def test_a_second_source_of_the_same_kind_gives_nothing(config, tokenizer, made):
    first = public.written(public.vit(), made("vit") + "-too")
    model, report = begun(config, tokenizer, first, made("mae"), **FITS)
    assert row(report, "video: all of it").action == "left out"
    alone, _ = begun(config, tokenizer, first, **FITS)
    assert all(torch.equal(value, alone.state_dict()[name]) for name, value in model.state_dict().items())


def test_audio_that_shares_the_encoder_of_an_image_model_takes_its_patches_as_grey(config, tokenizer, made):
    _, report = begun(config, tokenizer, made("vit"), **FITS)
    patches = row(report, "audio: patches")
    assert (patches.action, patches.origin) == ("resized", f"{made('vit')} (vit)")
    assert "3 colours summed" in patches.note
    assert row(report, "audio: positions").note == "4 x 4 to 4 x 8"


def test_a_checkpoint_of_bert_leaves_video_audio_and_blocks_fresh(config, tokenizer, made):
    sized = change(config, "text", vocabulary_size=tokenizer.vocabulary_size)
    _, report = begun(sized, tokenizer, made("bert", vocab_size=tokenizer.vocabulary_size), **FITS)
    fresh = {row.weight for row in report.rows if row.action == "fresh"}
    assert {f"{ALL}: 2 blocks, norm", "video: patches", "audio: patches", "video: modality embedding"} <= fresh
    assert "post-norm" in row(report, "text: its blocks").note
    assert "encoder.input_norms" in row(report, "text: its input norm").note


def test_separate_encoders_take_a_source_each(config, tokenizer, made):
    sources = [made("vit"), f"audio={made('vit')}", made("ast")]
    model, report = begun(config, tokenizer, *sources, **FITS, **SEPARATE)
    towers = model.encoder.towers
    assert row(report, "encoder of video: blocks 1-2").origin == f"{made('vit')} (vit)"
    assert row(report, "encoder of audio: blocks 1-2").origin == f"audio={made('vit')} (vit)"
    assert row(report, "encoder of text: 2 blocks, norm").action == "fresh"
    assert row(report, "audio: all of it").origin == f"{made('ast')} (audio-spectrogram-transformer)"
    one, other = towers["video"].state_dict(), towers["audio"].state_dict()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_audio_with_an_encoder_of_its_own_takes_nothing_of_an_image_model_unasked(config, tokenizer, made):
    _, report = begun(config, tokenizer, made("vit"), **FITS, **SEPARATE)
    assert row(report, "audio: patches").action == "fresh"


CLIP = {"activation": "quick_gelu", "input_norms": ("video",), "positions": "learned"}


def test_of_a_whole_clip_a_shared_encoder_takes_the_vision_half(config, tokenizer, made):
    _, report = begun(config, tokenizer, made("clip"), **CLIP)
    assert row(report, f"{ALL}: blocks 1-2").origin.endswith("(clip), vision")
    assert row(report, "text: all of it").note.startswith("the encoder of text has the blocks of")
    assert row(report, "text: positions").action == "fresh"


def test_with_separate_encoders_clip_gives_both_halves_and_says_what_is_otherwise(config, tokenizer, made):
    _, report = begun(config, tokenizer, made("clip"), **CLIP, **SEPARATE)
    text = row(report, "encoder of text: blocks 1-2")
    assert (text.action, text.note) == ("taken", "trained to attend to earlier tokens alone; here they attend to all")
    assert row(report, "text: its token embeddings").action == "left out"
    assert row(report, "text: token embeddings").action == "fresh"


def test_a_text_half_of_clip_that_does_not_fit_is_left_out(config, tokenizer, made):
    where = made("clip", text={"hidden_size": 16, "intermediate_size": 64})
    _, report = begun(config, tokenizer, where, **CLIP, **SEPARATE)
    assert row(report, "text: all of it").note == "does not fit: width 16, here 32"
    with pytest.raises(ConfigError, match="width 16, here 32"):
        begun(config, tokenizer, f"text={where}", **CLIP, **SEPARATE)


def test_token_embeddings_of_one_source_and_blocks_of_another_are_both_reported(config, tokenizer, made):
    sized = change(config, "text", vocabulary_size=tokenizer.vocabulary_size)
    sources = made("bert", vocab_size=tokenizer.vocabulary_size), f"text={made('clip_text')}"
    _, report = begun(sized, tokenizer, *sources, activation="quick_gelu", **SEPARATE)
    assert row(report, "encoder of text: blocks 1-2").action == "taken"
    assert row(report, "text: token embeddings").origin == f"{made('bert')} (bert)"
    left = row(report, "text: all but its blocks")
    assert (left.action, left.note) == ("left out", f"{made('bert')} (bert) came first")


# --- what does not fit


@pytest.mark.parametrize(
    ("family", "named"),
    [
        ("vit", {"width", "num_heads", "mlp_ratio", "norm_eps"}),
        ("clip_vision", {"width", "num_heads", "mlp_ratio", "activation", "input_norms"}),
        ("bert", {"width"}),
    ],
)
def test_the_line_about_a_misfit_names_each_field_and_what_is_typed_then_fits(config, tokenizer, made, family, named):
    odd = change(config, "encoder", width=48, num_heads=6, mlp_ratio=2)
    odd = change(odd, "text", vocabulary_size=99)
    with pytest.raises(ConfigError) as caught:
        begun(odd, tokenizer, made(family))
    line = str(caught.value)
    assert set(re.findall(r"(\w+) [\w,.\-]+, here", line)) == named
    assert "width 32, here 48" in line
    assert line.startswith(f"--init {made(family)} (")
    typed = [setting.removeprefix("model.") for setting in re.findall(r"--set (\S+)", line)]
    also = {"positions", "num_heads"}  # 6 heads do not divide a width of 32
    assert {setting.split("=")[0] for setting in typed} == {f"encoder.{name}" for name in named | also}
    fitting = override(odd, typed)
    model = make_model(fitting, tokenizer)
    report = apply(model, [read(made(family))])
    assert any(row.action == "taken" for row in report.rows)


def test_sources_that_contradict_each_other_are_refused(config, tokenizer, made):
    with pytest.raises(ConfigError, match=r"clip_vision_model.*quick_gelu.*audio-spectrogram.*Leave one of them out"):
        begun(config, tokenizer, made("clip_vision"), made("ast"), **CLIP, **SEPARATE)


def test_another_vocabulary_is_refused_with_the_file_to_give(config, tokenizer, made, tmp_path):
    sized = change(config, "text", vocabulary_size=tokenizer.vocabulary_size)
    with pytest.raises(ConfigError, match=r"99 word pieces, the model has .*--vocabulary vocab.txt"):
        begun(sized, tokenizer, made("bert"))
    same_size = made("bert", "same-size", vocab_size=tokenizer.vocabulary_size)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    others = [f"piece{number}" for number in range(tokenizer.vocabulary_size - 5)]
    (tmp_path / "same-size" / "vocab.txt").write_text("\n".join(special + others) + "\n")
    with pytest.raises(ConfigError, match=r"not the vocabulary of the model.*--vocabulary .*same-size/vocab.txt"):
        begun(sized, tokenizer, same_size)
    pieces = sorted(tokenizer.backend.get_vocab().items(), key=lambda item: item[1])
    (tmp_path / "same-size" / "vocab.txt").write_text("\n".join(piece for piece, _ in pieces) + "\n")
    _, report = begun(sized, tokenizer, same_size)
    assert row(report, "text: token embeddings").action == "taken"


def test_a_value_to_type_has_all_its_digits(config, tokenizer, made):
    source, eps = made("vit", layer_norm_eps=1.23456789e-7), "1.23456789e-07"
    with pytest.raises(ConfigError, match=f"--set model.encoder.norm_eps={eps} "):
        begun(config, tokenizer, source)
    begun(config, tokenizer, source, norm_eps=float(eps))
