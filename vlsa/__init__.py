"""VLSA: video, audio and text in one transformer (arXiv 2405.07202).

The public names; importing this package imports nothing else until one of them is used.
"""

from typing import Any

__version__ = "0.13.0"
__all__ = ["VLSA", "Client", "HubEncoder", "Index", "VlsaError", "__version__", "load"]

_HOMES = {
    "VLSA": ("vlsa.model.vlsa", "VLSA"),
    "Client": ("vlsa.serve.client", "Client"),
    "HubEncoder": ("vlsa.retrieve.evaluate.hub", "HubEncoder"),
    "Index": ("vlsa.retrieve.search.library", "Library"),
    "VlsaError": ("vlsa.base.errors", "VlsaError"),
    "load": ("vlsa.retrieve.encode.encoders", "load"),
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'vlsa' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
