"""What the routes share: the indexes, the models, the decoding processes, the caches. Made once for an application.

Reads the settings; a route takes it as an argument (`Served`).
"""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from vlsa.data.engine.standing import NoWorkerFree, StandingWorkers
from vlsa.serve.archive.catalogue import Catalogue
from vlsa.serve.archive.collections import Collections
from vlsa.serve.archive.encoding import Models
from vlsa.serve.http.problems import BusyError
from vlsa.serve.http.settings import ServeSettings
from vlsa.serve.media.disk_cache import DiskCache
from vlsa.serve.media.jobs import Jobs
from vlsa.serve.media.task import Limited, Task, run_task

CACHE_NAME = "cache"
"""In the folder of the server: what can be made again."""
COLLECTIONS_NAME = "collections.sqlite"
"""In the folder of the server: what people keep."""


@dataclass(frozen=True)
class Services:
    """What an application serves, and with what."""

    settings: ServeSettings
    catalogue: Catalogue
    models: Models
    workers: StandingWorkers
    cache: DiskCache
    collections: Collections
    jobs: Jobs

    @classmethod
    def open(cls, settings: ServeSettings) -> "Services":
        """Open the indexes; no model is loaded and no process started yet. Raises SearchIndexError."""
        return cls(
            settings=settings,
            catalogue=Catalogue.open(settings),
            models=Models(),
            workers=StandingWorkers(run_task, settings.num_workers),
            cache=DiskCache(settings.state_folder / CACHE_NAME, settings.limits.cache_bytes),
            collections=Collections(settings.state_folder / COLLECTIONS_NAME),
            jobs=Jobs(settings.num_workers, settings.limits.worker_bytes),
        )

    def decode(self, task: Task, label: str) -> Any:
        """The value of a task in a process that may die. Raises MediaError, BusyError."""
        limits = self.settings.limits
        limited = Limited(task, label, limits.worker_bytes, limits.worker_seconds)
        try:
            return self.workers.call(limited, wait_seconds=limits.wait_seconds, patience_seconds=limits.worker_seconds)
        except NoWorkerFree as error:
            raise BusyError(str(error)) from error

    def close(self) -> None:
        """End the processes and threads."""
        self.workers.close()
        self.models.close()
        self.collections.close()


def services(request: Request) -> Services:
    """Those of the application that a request is for."""
    return request.app.state.services


Served = Annotated[Services, Depends(services)]
