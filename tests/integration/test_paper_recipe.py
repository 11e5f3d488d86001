"""The paper's settings: the parameters of all layers, item by item, and one training step of a few layers."""

import dataclasses
import math

import pytest
import torch
from tiny import change, generator, masks_of

from vlsa.config.recipes import recipe
from vlsa.data.batch import Batch
from vlsa.data.loading.tokenizer import SPECIAL_TOKENS, Tokenizer
from vlsa.pretrain.checkpoint import build_model
from vlsa.pretrain.loop import Trainer, build_optimizer, train_step

NUM_WORDS = 30_522


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    """A vocabulary of BERT's size in BERT's file format."""
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    pieces = [*SPECIAL_TOKENS, *(f"word{number}" for number in range(NUM_WORDS - len(SPECIAL_TOKENS)))]
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    tokenizer = Tokenizer.from_vocabulary(path)
    assert tokenizer.vocabulary_size == recipe("paper").model.text.vocabulary_size
    return tokenizer


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def transformer(num_layers: int, width: int) -> int:
    norm, inner = 2 * width, 4 * width
    attention = linear(width, 3 * width) + linear(width, width)
    return num_layers * (2 * norm + attention + linear(width, inner) + linear(inner, width)) + norm


def test_the_parameters_are_those_of_the_formula_item_by_item(tokenizer):
    with torch.device("meta"):  # sizes alone
        model = build_model(recipe("paper"), tokenizer)
    width, narrow = 768, 512
    expected = {
        "embedding.video": linear(3 * 16 * 16, width),
        "embedding.audio": linear(16 * 16, width),
        "embedding.text": NUM_WORDS * width,
        "embedding.modality": 3 * width,
        "encoder": transformer(12, width),
        "decoder.input": linear(width, narrow),
        "decoder.mask_token": narrow,
        "decoder.modality": 3 * narrow,
        "decoder.transformer": transformer(8, narrow),
        "decoder.heads.video": linear(narrow, 3 * 16 * 16),
        "decoder.heads.audio": linear(narrow, 16 * 16),
        "decoder.heads.text": linear(narrow, NUM_WORDS),
        "matching.layers": 2 * linear(width, 1),
        "matching.log_scale": 1,
    }
    counted = dict.fromkeys(expected, 0)
    for name, parameter in model.named_parameters():
        name = name.replace("towers.video_audio_text.", "")
        counted[next(item for item in expected if name == item or name.startswith(item + "."))] += parameter.numel()
    for item, number in counted.items():
        print(f"{item:22s}{number:>13,}")
    print(f"{'all':22s}{sum(counted.values()):>13,}")
    assert counted == expected
    assert counted["encoder"] == 85_056_000  # ViT-Base less its patches, positions, class token and head
    assert sum(counted.values()) == 151_087_677  # the paper says 156 M


def test_one_step_on_the_processor(tokenizer):
    """Two clips: 8 frames of 224 px, 5.94 s of sound, a text of 20 words; two and one of the equal layers."""
    config = recipe("paper")
    model = change(change(config.model, "encoder", num_layers=2, fusion_layers=2), "decoder", num_layers=1)
    config = dataclasses.replace(config, model=model)
    model = build_model(config, tokenizer)
    trainer = Trainer(config, model, tokenizer, build_optimizer(model, config), "made")
    rng, num_clips = generator(), 2
    token_ids = torch.full((num_clips, 40), trainer.tokenizer.padding_id)
    token_ids[0, :22] = trainer.tokenizer.encode(" ".join(f"word{n}" for n in range(20)), 22)[0]
    token_ids[1, :22] = trainer.tokenizer.encode(" ".join(f"word{n}" for n in range(50, 70)), 22)[0]
    batch = Batch(
        ids=("a", "b"),
        video=torch.randint(256, (num_clips, 8, 3, 224, 224), generator=rng, dtype=torch.uint8),
        frame_seconds=torch.linspace(0, 5.5, 8).expand(num_clips, -1),
        frame_padding=torch.zeros(num_clips, 8, dtype=torch.bool),
        waveform=torch.rand(num_clips, 65_535, generator=rng) - 0.5,
        num_samples=torch.tensor([65_535, 65_535]),
        token_ids=token_ids,
        text_padding=token_ids == trainer.tokenizer.padding_id,
    )
    trainer.model.calibrate(batch)
    seen = trainer.model.visible_tokens(*_content_and_masks(trainer, batch))
    assert {name: part.tokens.shape[1] for name, part in seen.items()} == {"video": 392, "audio": 64, "text": 40}
    before = trainer.model.encoder.towers["video_audio_text"].blocks[1].mlp[2].weight.detach().clone()
    losses, norm = train_step(trainer, batch)
    assert losses.total.isfinite()
    assert norm.isfinite()
    assert losses.terms["local_text"].item() == pytest.approx(math.log(NUM_WORDS), abs=3)
    assert not torch.equal(trainer.model.encoder.towers["video_audio_text"].blocks[1].mlp[2].weight, before)


def _content_and_masks(trainer: Trainer, batch: Batch) -> tuple[object, object]:
    content = trainer.model.content(batch)
    return content, masks_of(trainer.model, content)
