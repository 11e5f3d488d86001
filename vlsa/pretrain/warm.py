"""Before the first step: the scales of the input, and public weights if the settings name any (`--init`).

Called by loop.py for a run that has no checkpoint yet. One that has goes on from its own weights, and needs neither
the sources nor the network again; the settings in its checkpoint name each source with a digest.
"""

from collections.abc import Callable
from dataclasses import replace

from vlsa.config import Config
from vlsa.data.clip import Batch
from vlsa.data.tokenizer import Tokenizer
from vlsa.model.vlsa import VLSA
from vlsa.model.warm_start import Report as WarmStart
from vlsa.model.warm_start import apply, read
from vlsa.model.warm_start.files import same_sources


def begin(
    config: Config, model: VLSA, tokenizer: Tokenizer, batch: Batch, begun: Callable[[WarmStart], None] | None = None
) -> Config:
    """Calibrate a fresh model on its first batch and put public weights into it; the settings with their digests.

    Raises ConfigError, CheckpointError.
    """
    model.calibrate(batch)
    if not config.train.init:
        return config
    report = apply(model, [read(source) for source in config.train.init], tokenizer)
    if begun:
        begun(report)
    return replace(config, train=replace(config.train, init=report.sources))


def kept_sources(asked: tuple[str, ...], begun: tuple[str, ...]) -> tuple[str, ...]:
    """What a resumed run asks for, with the digests of its beginning if it names the same sources."""
    return begun if same_sources(asked, begun) else asked
