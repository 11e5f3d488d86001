"""The options --engine and --ray-address of prepare and index: who scans, decodes and encodes."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vlsa.data.engine.engines import Engine


class EngineName(StrEnum):
    """Who does the work."""

    local = "local"
    ray = "ray"


EngineOption = Annotated[
    EngineName, typer.Option(help="Who scans and decodes: processes of this machine, or a Ray cluster.")
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        help="A running Ray cluster: HOST:PORT, or auto for that of this machine. By default RAY_ADDRESS, or Ray is "
        "started here.",
        metavar="ADDRESS",
        show_default=False,
    ),
]


@contextmanager
def engine_of(name: EngineName, ray_address: str | None, num_workers: int | None) -> "Iterator[Engine]":
    """The engine, at work until the block ends. Raises ConfigError for a cluster that cannot be joined."""
    if name is EngineName.local:
        from vlsa.data.engine.engines import LocalEngine

        if ray_address:
            raise typer.BadParameter("--ray-address: names a Ray cluster. Add --engine ray.")
        yield LocalEngine(num_workers)
        return
    from vlsa.data.engine.ray_cluster import ray_engine

    with ray_engine(ray_address, num_workers) as engine:
        yield engine
