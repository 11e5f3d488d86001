"""The application run by uvicorn until it is stopped."""

import uvicorn

from vlsa.serve.app import create_app
from vlsa.serve.http.settings import ServeSettings

IDLE_SECONDS = 15
"""A connection without a request is closed after so long."""


def run(settings: ServeSettings) -> None:
    """Serve until Ctrl-C. Raises SearchIndexError, ConfigError, OSError when the port is in use."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        timeout_keep_alive=IDLE_SECONDS,
        server_header=False,
        access_log=False,
    )
    uvicorn.Server(config).run()
