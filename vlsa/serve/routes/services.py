"""What the routes share: the indexes, the models, the decoding processes, the caches. Made once for an application.

Reads the settings; a route takes it as an argument (`Served`).
"""

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

from vlsa.base.errors import VlsaError
from vlsa.data.engine.standing import NoWorkerFree, StandingWorkers
from vlsa.serve.archive.asking import Asking, Places
from vlsa.serve.archive.catalogue import Catalogue
from vlsa.serve.archive.collections import Collections
from vlsa.serve.archive.describe import without_folders
from vlsa.serve.archive.encoding import Models
from vlsa.serve.archive.maps import Maps
from vlsa.serve.http.metrics import Metrics
from vlsa.serve.http.problems import BusyError
from vlsa.serve.http.settings import Limits, ServeSettings
from vlsa.serve.media.disk_cache import DiskCache
from vlsa.serve.media.jobs import Jobs
from vlsa.serve.media.task import Limited, Task, WarmUp, run_task
from vlsa.serve.media.transcode import Transcoder
from vlsa.serve.media.uploads import Uploads

if TYPE_CHECKING:
    from vlsa.retrieve.encode.encoders import Encoder

CACHE_NAME, UPLOADS_NAME = "cache", "uploads"
"""In the folder of the server: what can be made again, and what people ask with."""
COLLECTIONS_NAME = "collections.sqlite"
"""In the folder of the server: what people keep."""
MAPS_NAME = "maps"
"""In the folder of the server: a map of each index."""


@dataclass(frozen=True)
class Decoding:
    """Runs tasks in processes that may die."""

    workers: StandingWorkers
    limits: Limits

    def __call__(self, task: Task, label: str) -> Any:
        """The value of a task. Raises MediaError, BusyError."""
        limits = self.limits
        limited = Limited(task, label, limits.worker_bytes, limits.worker_seconds)
        try:
            return self.workers.call(limited, wait_seconds=limits.wait_seconds, patience_seconds=limits.worker_seconds)
        except NoWorkerFree as error:
            raise BusyError(str(error)) from error


@dataclass(frozen=True)
class Services:
    """What an application serves, and with what."""

    settings: ServeSettings
    catalogue: Catalogue
    models: Models
    decode: Decoding
    cache: DiskCache
    uploads: Uploads
    places: Places
    asking: Asking
    metrics: Metrics
    collections: Collections
    jobs: Jobs
    maps: Maps
    transcoder: Transcoder

    @classmethod
    def open(cls, settings: ServeSettings, encoder: "Encoder | None" = None) -> "Services":
        """Open the indexes; no model is loaded and no process started yet. Raises SearchIndexError.

        `encoder` is the model of all indexes, if it is loaded already.
        """
        limits, folder = settings.limits, settings.state_folder
        catalogue, models = Catalogue.open(settings, encoder), Models()
        decode = Decoding(StandingWorkers(run_task, settings.num_workers), limits)
        uploads = Uploads(folder / UPLOADS_NAME, limits, decode)
        cache, metrics = DiskCache(folder / CACHE_NAME, limits.cache_bytes), Metrics()
        metrics.watch("vlsa_cache_bytes", "Images in the cache.", lambda: cache.num_bytes)
        metrics.watch("vlsa_cache_hits", "Images that were in the cache.", lambda: cache.num_hits)
        metrics.watch("vlsa_cache_misses", "Images that were made.", lambda: cache.num_misses)
        metrics.watch("vlsa_encoded_items", "Texts and media that were encoded.", lambda: models.num_items)
        metrics.watch("vlsa_encoded_batches", "Runs of a model.", lambda: models.num_batches)
        return cls(
            settings=settings,
            catalogue=catalogue,
            models=models,
            decode=decode,
            cache=cache,
            uploads=uploads,
            places=Places(catalogue, uploads),
            asking=Asking(models, decode),
            metrics=metrics,
            collections=Collections(folder / COLLECTIONS_NAME),
            jobs=Jobs(settings.num_workers, limits.worker_bytes),
            maps=Maps(folder / MAPS_NAME),
            transcoder=Transcoder(settings.num_workers, limits.worker_bytes),
        )

    def start(self) -> None:
        """Load the models and start the decoding processes, so that the first question need not wait for them."""
        threading.Thread(target=self.models.warm_up, args=[self.catalogue], name="loading", daemon=True).start()
        for _ in range(self.settings.num_workers):
            threading.Thread(target=self._warm_up_worker, name="starting", daemon=True).start()

    def _warm_up_worker(self) -> None:
        with suppress(VlsaError):
            self.decode(WarmUp(), "start")

    def shown(self, message: str) -> str:
        """A message that names no folder of this disk."""
        for index in self.catalogue:
            message = without_folders(message, index)
        return self.uploads.named(message).replace(os.path.join(self.settings.state_folder, ""), "")

    def check_size(self, k: int) -> None:
        """Raises VlsaError for more answers than one may ask for at once."""
        if k > self.settings.limits.most_answers:
            raise VlsaError(
                f"search: k={k}; the server gives {self.settings.limits.most_answers} at once. Ask for less, or narrow "
                "the question with a filter."
            )

    def close(self) -> None:
        """End the processes and threads."""
        self.decode.workers.close()
        self.models.close()
        self.collections.close()


def services(request: Request) -> Services:
    """Those of the application that a request is for."""
    return request.app.state.services


Served = Annotated[Services, Depends(services)]
