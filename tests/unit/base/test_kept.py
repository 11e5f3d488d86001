"""What is made once and kept, up to a number of values."""

import pickle

from vlsa.base.kept import Kept


def test_the_first_values_are_kept_and_further_ones_made_each_time():
    made: list[int] = []

    def square(number: int) -> int:
        made.append(number)
        return number**2

    kept: Kept[int, int] = Kept(2)
    for number in (1, 2, 3) * 3:
        assert kept.get(number, square) == number**2
    assert sorted(made) == [1, 2, 3, 3, 3]
    assert len(kept) == 2


def test_nothing_of_it_goes_to_another_process():
    kept: Kept[str, bytes] = Kept(5)
    kept.get("a", lambda _: bytes(10**6))
    there = pickle.loads(pickle.dumps(kept))
    assert (len(there), there.most) == (0, 5)
