"""The benches' files import each other by name, as scripts of one folder do."""

import sys

from command_lines import ROOT

sys.path.insert(0, str(ROOT / "bench"))
