"""Begin from public weights: ViT, MAE, CLIP, VideoMAE, BERT, AST in Hugging Face format (docs/warm_start.md).

    files.py     a checkpoint on disk or on the hub
    families.py  what each family holds, as pretrained_weights.py
    plan.py      who gives what, and whether it fits
    resize.py    weights of other shapes
    apply.py     into the model, and the report.py of it

`apply(model, [read("google/vit-base-patch16-224")])` gives a `Report`.
"""

from vlsa.model.warm_start.apply import apply
from vlsa.model.warm_start.files import read
from vlsa.model.warm_start.report import Report

__all__ = ["Report", "apply", "read"]
