"""One archive and one application for all tests of the server."""

import pytest
from serving import browser, write_archive


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """The folder of an index."""
    return write_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="session")
def client(archive, tmp_path_factory):
    with browser(archive, state=tmp_path_factory.mktemp("state")) as client:
        yield client
