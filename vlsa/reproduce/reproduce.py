"""A table or figure of the paper in one call: the missing runs, the table, its charts."""

from collections.abc import Sequence
from pathlib import Path

from vlsa.config.recipes import settings_of
from vlsa.data.loading.tokenizer import Tokenizer, public_tokenizer
from vlsa.reproduce.charts import draw_table
from vlsa.reproduce.cost import measure_cost, write_cost
from vlsa.reproduce.pair_maps import draw_pairs
from vlsa.reproduce.plan import Plan
from vlsa.reproduce.runs import carry_out
from vlsa.reproduce.tables import make_table, write_table
from vlsa.reproduce.targets import Target


def reproduce(target: Target, plan: Plan, num_seeds: int, out: Path, benchmark: str = "") -> list[Path]:
    """A table or figure of the paper: its Markdown first, then its other files. Raises VlsaError."""
    carry_out(target, plan, num_seeds, out)
    table = make_table(target, plan, num_seeds, out, benchmark)
    files = [*write_table(table, out), draw_table(table, out / f"{target.name}.png")]
    return [*files, *draw_pairs(target, plan, out)] if target.maps_pairs else files


def reproduce_cost(
    recipe_name: str, assignments: Sequence[str], out: Path, batch_size: int, vocabulary_path: Path | None
) -> list[Path]:
    """Table 7 for a recipe on this machine. Raises VlsaError."""
    config = settings_of(recipe_name, assignments)
    size = config.model.text.vocabulary_size
    # The cost depends on the size of the vocabulary only.
    tokenizer = public_tokenizer(config, vocabulary_path) if vocabulary_path else Tokenizer.of_size(size)
    return [*write_cost(measure_cost(recipe_name, config, tokenizer, batch_size=batch_size), out)]
