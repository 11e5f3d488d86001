"""One function a stage, with its progress on stderr: what the commands and the demo both do.

Reads settings and paths; calls data/, pretrain/, retrieve/ and serve/. Libraries are imported by the stage that needs
them, so that help and errors come at once.
"""

from vlsa.jobs.exporting import export_onnx
from vlsa.jobs.footage import import_dataset, index, make_world, prepare
from vlsa.jobs.measuring import evaluate, evaluate_clips, reproduce, reproduce_cost, show
from vlsa.jobs.settings import public_tokenizer, settings_of, store_settings, usable_cores
from vlsa.jobs.training import can_measure, finetune, open_clips, pretrain, train

__all__ = [
    "can_measure",
    "evaluate",
    "evaluate_clips",
    "export_onnx",
    "finetune",
    "import_dataset",
    "index",
    "make_world",
    "open_clips",
    "prepare",
    "pretrain",
    "public_tokenizer",
    "reproduce",
    "reproduce_cost",
    "settings_of",
    "show",
    "store_settings",
    "train",
    "usable_cores",
]
