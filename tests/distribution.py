"""Which tests pytest-xdist gives to which of its processes."""

from pathlib import Path

from xdist.scheduler import LoadScopeScheduling


class ByModule(LoadScopeScheduling):
    """A module goes to one process, which makes its fixtures once, and so do all modules of `together`.

    Marks of `xdist_group` have no effect: pytest-xdist 3.8 notes them in `_nodeid`, which pytest 9.2 does not read.
    """

    together: tuple[str, ...] = ()

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return "together" if Path(module).stem in self.together else module
