"""Over several processes, each module runs in one of them: what its tests share is made once."""

from types import SimpleNamespace

from distribution import ByModule

TOGETHER = ("test_ray", "test_ranks")
TESTS = [
    "tests/unit/test_a.py::test_one[a::b]",
    *(f"tests/unit/{TOGETHER[0]}.py::test_{n}" for n in range(3)),
    "tests/unit/test_a.py::test_two",
    f"tests/integration/{TOGETHER[1]}.py::test_them[2]",
    "tests/unit/test_a.py::test_three[@x]",
    *(f"tests/bench/test_a.py::test_{n}" for n in range(3)),
]


class Worker:
    """Remembers which tests it was sent."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.sent: list[str] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += [TESTS[index] for index in indices]

    def shutdown(self) -> None:
        self.shutting_down = True


def test_a_module_and_what_starts_processes_are_sent_to_one_worker_in_order():
    options = {"tx": ["popen", "popen"]}
    config = SimpleNamespace(getvalue=options.get, option=SimpleNamespace(loadscopereorder=False))
    scheduler = ByModule(config, None)
    scheduler.together = TOGETHER
    workers = [Worker("gw0"), Worker("gw1")]
    for worker in workers:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, TESTS)
    scheduler.schedule()
    first, second = workers
    assert first.sent == [test for test in TESTS if test.startswith("tests/unit/test_a.py")]
    assert second.sent == [test for test in TESTS if any(name in test for name in TOGETHER)]
    scheduler.mark_test_complete(first, TESTS.index(first.sent[0]))
    assert first.sent[3:] == [test for test in TESTS if test.startswith("tests/bench/test_a.py")]
