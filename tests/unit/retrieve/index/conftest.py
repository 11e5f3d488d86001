"""An S3 server for the tests of this folder."""

from object_store import server, started_server

__all__ = ["server", "started_server"]
