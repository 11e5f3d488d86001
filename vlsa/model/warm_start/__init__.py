"""Initialise from public weights: ViT, MAE, CLIP, VideoMAE, BERT, AST in Hugging Face format (docs/warm_start.md).

    files.py               a checkpoint on disk or on the hub
    families.py            key tables: where each family keeps what
    pretrained_weights.py  what a checkpoint offers, under our names
    plan.py                which checkpoint gives what, and whether it fits
    resize.py              weights of other shapes
    apply.py               into the model, with a report

`apply(model, [read("google/vit-base-patch16-224")])` gives a `Report`.
"""

from vlsa.model.warm_start.apply import Report, apply, initialiser
from vlsa.model.warm_start.files import read, same_sources

__all__ = ["Report", "apply", "initialiser", "read", "same_sources"]
