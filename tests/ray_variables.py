"""The environment of Ray in tests: of all nodes and drivers, set before Ray is imported.

One token for all clusters of a test process, since Ray reads it once.
"""

import secrets

from processes import environment

from vlsa.data.engine import ray_cluster

VARIABLES = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONPATH": environment()["PYTHONPATH"],
    **ray_cluster.LIKE_LOCAL,
}
