"""The data sets of a plan, each opened once, and the vocabulary of its arms, learned once.

Opening a large data set and learning its vocabulary can take longer than a fine-tuning, and the GPU is idle meanwhile.
Reads plan.py; used by preflight.py and runs.py.
"""

from collections.abc import Mapping
from pathlib import Path

from vlsa.config import Config
from vlsa.data.clip import Dataset
from vlsa.data.loading.dataset import open_dataset
from vlsa.data.loading.tokenizer import Tokenizer, public_tokenizer
from vlsa.pretrain.loop import learn_tokenizer
from vlsa.reproduce.plan import Plan


class Sources:
    """The inputs of all runs of a plan. `opened`: data sets that are open already, by their names in the plan."""

    def __init__(self, plan: Plan, opened: Mapping[str, Dataset] | None = None) -> None:
        self.plan = plan
        self._opened: dict[str, Dataset] = dict(opened or {})
        self._tokenizers: dict[int, Tokenizer] = {}

    @property
    def pretraining(self) -> Dataset:
        return self._open(self.plan.data)

    @property
    def finetuning(self) -> Dataset:
        return self._open(self.plan.finetune_data or self.plan.data)

    @property
    def evaluation(self) -> Dataset:
        return self._open(self.plan.measured_on)

    def tokenizer(self, config: Config) -> Tokenizer:
        """The vocabulary of every arm, pre-trained or not, so that arms differ in pre-training only."""
        size = config.model.text.vocabulary_size
        if size not in self._tokenizers:
            given = public_tokenizer(config, Path(self.plan.vocabulary) if self.plan.vocabulary else None)
            self._tokenizers[size] = given or learn_tokenizer(config, self.pretraining)
        return self._tokenizers[size]

    def _open(self, data: str) -> Dataset:
        if data not in self._opened:
            self._opened[data] = open_dataset(data)
        return self._opened[data]
