"""Two archives, each with one application, for all tests of the server that change nothing in them."""

import pytest
from serving import browser, index_by_names, write_archive, write_mixed_footage


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """The folder of an index."""
    return write_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="session")
def client(archive, tmp_path_factory):
    with browser(archive, state=tmp_path_factory.mktemp("state")) as client:
        yield client


@pytest.fixture(scope="session")
def mixed_archive(tmp_path_factory):
    """A folder with `footage` of sounds, a video and a damaged file, and its `index`."""
    folder = tmp_path_factory.mktemp("mixed")
    index_by_names(write_mixed_footage(folder / "footage"), folder / "index")
    return folder


@pytest.fixture(scope="session")
def mixed_client(mixed_archive):
    with browser(mixed_archive / "index") as client:
        yield client
