"""SoundDescs: ids with leading zeros, and a pickle that must not run anything."""

import pickle
import pickletools
from collections import OrderedDict, defaultdict

import pytest

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks.pickles import read_pickle


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


CAPTIONS = {"07033137": "Rain on a tin roof.", "nhu05091190": ["A robin", "A robin sings"], "0001": ""}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_ids_keep_their_zeros_and_every_protocol_is_read(importer, protocol):
    importer.video("07033137.wav", "nhu05091190.wav", "7033137.wav", "0001.wav")
    captions = importer.file("raw-captions.pkl", pickle.dumps(CAPTIONS, protocol))
    train = importer.file("train_list.txt", "07033137\n0001\n")
    test = importer.file("test_list.txt", "nhu05091190\n")
    importer.run("sounddescs", captions, train, test)
    assert importer.facts() == {
        "07033137": ("train", "07033137.wav", 0.0, 20.0, ("Rain on a tin roof.",)),
        "nhu05091190": ("test", "nhu05091190.wav", 0.0, 20.0, ("A robin", "A robin sings")),
    }
    assert [(line.id, line.reason) for line in importer.report] == [("0001", "no_caption")]
    assert sorted(importer.looked_at) == ["07033137.wav", "nhu05091190.wav"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", [defaultdict, OrderedDict])
def test_the_dicts_of_the_standard_library_are_read_as_plain_ones(importer, protocol, kind):
    importer.video("07033137.wav", "nhu05091190.wav")
    captions = defaultdict(list) if kind is defaultdict else OrderedDict()
    captions |= CAPTIONS
    path = importer.file("raw-captions.pkl", pickle.dumps(captions, protocol))
    importer.run("sounddescs", path, importer.file("test_list.txt", "07033137\nnhu05091190\n"))
    assert [facts[-1] for facts in importer.facts().values()] == [
        ("Rain on a tin roof.",),
        ("A robin", "A robin sings"),
    ]
    assert type(read_pickle(path)) is dict


def calls(name: str, arguments: bytes) -> bytes:
    """A pickle of {"1": NAME(*ARGUMENTS)}."""
    return b"\x80\x02}X\x01\x00\x00\x001c" + name.replace(".", "\n").encode() + b"\n" + arguments + b"Rs."


@pytest.mark.parametrize(
    "data",
    [
        calls("builtins.list", b")"),
        calls("builtins.eval", b"X\x03\x00\x00\x001+1\x85"),
        calls("collections.Counter", b")"),
        calls("collections.defaultdict", b"N"),
        calls("collections.OrderedDict", b"K\x05\x85R(K\x05\x85"),
        calls("collections.OrderedDict", b"]K\x05a\x85"),
        b"\x80\x02}ccollections\ndefaultdict\nNs.",
    ],
)
def test_only_dicts_are_made_by_a_pickle(tmp_path, data):
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(ManifestError, match=r"a.pkl: (not a whole pickle|this pickle asks)"):
        read_pickle(tmp_path / "a.pkl")


def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(importer):
    captions = importer.file("descriptions.pkl", pickle.dumps({"1": Bomb(importer.root / "harm")}))
    with pytest.raises(ManifestError, match=r"asks for '(_io|io)\.open', which would run code"):
        importer.run("sounddescs", captions, importer.file("test_list.txt", "1\n"))
    assert not (importer.root / "harm").exists()


def hostile() -> dict[str, bytes]:
    good = pickle.dumps(CAPTIONS)
    return {
        "empty": b"",
        "cut": good[:-9],
        "noise": b"\x80\x04" + bytes(range(256)),
        "no frame": b"\x80\x04\x95" + b"\xff" * 8,
        "huge": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f",
        "text": b"these are not the captions",
        "unhashable": b"\x80\x02}](K\x01eK\x02s.",
        "state": b"\x80\x02}}b.",
        "extension": b"\x80\x02\x82\x01.",
    }


@pytest.mark.parametrize("kind", hostile())
def test_a_broken_pickle_is_one_error(importer, kind):
    path = importer.file("descriptions.pkl", hostile()[kind])
    with pytest.raises(
        ManifestError, match=r"descriptions.pkl: (not a whole pickle|this pickle asks|not an annotation)"
    ):
        importer.run("sounddescs", path, importer.file("test_list.txt", "1\n"))


def test_a_pickle_of_numbers_as_ids_or_of_something_else_is_refused(importer):
    chosen = importer.file("test_list.txt", "07033137\n")
    numbers = importer.file("numbers.pkl", pickletools.optimize(pickle.dumps({7033137: "rain"})))
    with pytest.raises(ManifestError, match="a number loses its leading zeros"):
        importer.run("sounddescs", numbers, chosen)
    with pytest.raises(ManifestError, match=r"found a list of a text.*\{id: description\}"):
        importer.run("sounddescs", importer.file("list.pkl", pickle.dumps(["rain"])), chosen)
    with pytest.raises(ManifestError, match="one id a line"):
        importer.run("sounddescs", importer.file("good.pkl", pickle.dumps(CAPTIONS)))
