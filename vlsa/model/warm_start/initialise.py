"""Before the first step: public weights into a fresh model, if the settings name any (`--init`).

Handed to loop.py, which calls it for a run that has no checkpoint yet. One that has goes on from its own weights, and
needs neither the sources nor the network again; the settings in its checkpoint name each source with a digest.
"""

from collections.abc import Callable, Sequence

from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.vlsa import VLSA
from vlsa.model.warm_start import Report as WarmStart
from vlsa.model.warm_start import apply, read
from vlsa.model.warm_start.files import same_sources


def initialiser(
    sources: Sequence[str], begun: Callable[[WarmStart], None] | None = None
) -> Callable[[VLSA, Tokenizer], tuple[str, ...]]:
    """What puts these public checkpoints into a calibrated model; `begun` is told what was taken.

    It returns the sources with their digests, and raises ConfigError and CheckpointError.
    """

    def initialise(model: VLSA, tokenizer: Tokenizer) -> tuple[str, ...]:
        report = apply(model, [read(source) for source in sources], tokenizer)
        if begun:
            begun(report)
        return report.sources

    return initialise


def kept_sources(asked: tuple[str, ...], begun: tuple[str, ...]) -> tuple[str, ...]:
    """What a resumed run asks for, with the digests of its beginning if it names the same sources."""
    return begun if same_sources(asked, begun) else asked
