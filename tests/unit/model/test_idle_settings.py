"""What config/idle.py calls a setting that changes nothing is one, by the loss of a model; and no other is."""

import pytest
from tiny import change, generator, make_model, tiny_config, with_same_weights

from vlsa.config import Config, ModelConfig
from vlsa.config.idle import idle_settings

OTHER_VALUES = {
    "encoder": {"fusion_layers": 1},
    "decoder": {"decoded_share": 0.5},
    "objective": {
        "pairs": ("audio-video",),
        "audio_video_weight": 3.0,
        "audio_text_weight": 3.0,
        "video_text_weight": 3.0,
        "matching_attention": "joint",
        "matching_features": "concatenation",
        "matching_weight": 0.5,
        "teacher_weight": 0.5,
        "hard_negatives": True,
        "contrast": "sigmoid",
        "sigmoid_bias": -5.0,
        "temperature": 0.2,
        "learn_temperature": True,
        "normalise_targets": False,
    },
}
SETTINGS = {
    "the paper": tiny_config(),
    "without LPMM": tiny_config(local_weight=0.0),
    "without LPMM, joint": tiny_config(local_weight=0.0, matching_attention="joint"),
    "without GAM": tiny_config(global_weight=0.0),
    "without matching": tiny_config(matching_weight=0.0),
    "sigmoid": tiny_config(contrast="sigmoid", matching_weight=0.0),
    "of three at once": tiny_config(contrast="volume", matching_weight=0.0),
    "of three at once, taught": tiny_config(contrast="volume", matching_weight=0.0, teacher_weight=1.0),
    "three encoders": change(tiny_config(), "encoder", shared="none"),
}


def trained(model: object) -> set[str]:
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_named_where_it_changes_neither_the_loss_nor_what_is_trained_and_nowhere_else(
    tokenizer, batch, name
):
    config: ModelConfig = SETTINGS[name]
    model = make_model(config, tokenizer)
    loss = model(batch, generator()).total.item()
    named, idle = set(), set()
    for group, values in OTHER_VALUES.items():
        for field, value in values.items():
            if getattr(getattr(config, group), field) == value:
                continue
            changed = change(config, group, **{field: value})
            other = with_same_weights(changed, model, tokenizer)
            whole = f"model.{group}.{field}"
            named |= idle_settings(Config(model=changed), [whole]).keys()
            if trained(other) == trained(model) and other(batch, generator()).total.item() == pytest.approx(loss):
                idle.add(whole)
    assert named == idle
