"""Rules of the repository that no single module can keep: imports, documents, versions, sizes, paths."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from command_lines import ROOT, parse

import vlsa
from vlsa.cli.reference import reference

MODULES = sorted((ROOT / "vlsa").rglob("*.py"))
STAGES = ("base", "config", "data", "model", "pretrain", "retrieve", "serve", "show", "reproduce")
"""Rooms in the order that imports follow; what is not named stands on top."""
SUBROOMS = {
    "config": ("", "recipes"),
    "data": ("", "media", "engine", "ingest", "benchmarks", "world", "store", "curate", "loading"),
    "model": ("", "warm_start"),
    "retrieve": ("encode", "evaluate", "index", "search"),
    "serve": ("static", "http", "media", "archive", "routes", ""),
    "show": ("compute", "plots", ""),
}
"""Folders of a room in the order that imports follow; "" is the files of the room itself."""
CORE_LIBRARIES = {"torch", "numpy", "einops", "jaxtyping", "safetensors", "tokenizers"}
BLOCKED = (
    "av",
    "lancedb",
    "PIL",
    "matplotlib",
    "tensorboard",
    "typer",
    "rich",
    "pyarrow",
    "webdataset",
    "wandb",
    "mlflow",
)
MOST_LINES = 300
DOCUMENTS = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


def name_of(path: Path) -> str:
    """Dotted name of a module, a package's without __init__."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path): path for path in MODULES}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    """Dotted names of the modules that these statements import."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in NAMES else node.module for name in whole}
    return names


def rank(module: str) -> tuple[int, int]:
    """Place of a module of ours in the order that imports follow: its room, and its folder within the room."""
    _, room, *rest = module.split(".")
    if room not in STAGES:
        return len(STAGES), 0
    order = SUBROOMS.get(room, ("",))
    folder = rest[0] if rest and (ROOT / "vlsa" / room / rest[0]).is_dir() else ""
    return STAGES.index(room), order.index(folder) if rest else 0


def ours(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith("vlsa.")}


PARTS = {name: path for name, path in NAMES.items() if name != "vlsa" and path.read_text(encoding="utf-8")}
"""Modules with something in them, but for the package's own door."""
IMPORTS = {name: ours(imported(ast.walk(tree_of(path)))) & PARTS.keys() for name, path in PARTS.items()}
"""What each imports of ours: in functions and for type checkers too."""


@pytest.mark.parametrize("name", PARTS)
def test_imports_point_from_later_rooms_and_folders_to_earlier_ones_only(name):
    assert {other for other in IMPORTS[name] if rank(other) > rank(name)} == set()


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, in order; empty when there are none."""
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str]:
        if name in way:
            return way[way.index(name) :]
        if name in done:
            return []
        found = next(filter(None, (visit(other, [*way, name]) for other in sorted(imports[name]))), [])
        done.add(name)
        return found

    return next(filter(None, (visit(name, []) for name in sorted(imports))), [])


def test_no_files_import_each_other_in_a_circle():
    assert circle(IMPORTS) == []


def test_a_circle_is_found_wherever_it_is_entered():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """The statements that run when a module is imported: not those in functions, nor for type checkers only."""
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += ast.iter_child_nodes(node)


def reachable(start: str) -> set[str]:
    """All modules that importing one of ours imports, ours by their whole names and others too."""
    todo, found = {start}, set()
    while todo:
        name = todo.pop()
        found.add(name)
        parents = {name.rpartition(".")[0]} & NAMES.keys()  # a package runs its __init__
        inside = imported(at_import(tree_of(NAMES[name]))) if name in NAMES else set()
        todo |= (inside | parents) - found
    return found


def test_the_training_core_imports_few_libraries():
    libraries = {name.split(".")[0] for name in reachable("vlsa.pretrain.loop")} - {"vlsa"} - sys.stdlib_module_names
    assert libraries <= CORE_LIBRARIES


def test_a_question_is_checked_and_its_index_opened_before_pytorch_or_lance_is_imported():
    found = reachable("vlsa.cli.search") | reachable("vlsa.retrieve.search.library")
    assert {"torch", "lancedb", "pyarrow", "tokenizers"} & {name.split(".")[0] for name in found} == set()


def test_the_process_that_searches_the_tables_never_imports_pytorch():
    assert "torch" not in {name.split(".")[0] for name in reachable("vlsa.retrieve.search.tables")}


def test_an_index_is_compared_with_its_folder_before_pytorch_lance_or_a_decoder_is_imported():
    found = reachable("vlsa.cli.index") | reachable("vlsa.retrieve.index.build")
    assert {"torch", "lancedb", "pyarrow", "av"} & {name.split(".")[0] for name in found} == set()


TWO_STEPS = """
import importlib.abc, sys
from pathlib import Path

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is not on this machine")

sys.meta_path.insert(0, Block())
import vlsa.pretrain.loop as loop
from vlsa.config.overrides import override
from vlsa.data.loading.loader import MemoryClips
from vlsa.data.world.clips import made_clips
from vlsa.config.recipes import recipe

changes = ["batch_size=4", "num_steps=2", "num_workers=0"]
config = override(recipe("tiny"), [f"train.{change}" for change in changes])
clips = MemoryClips({"train": list(made_clips(0, range(6)))})
summary = loop.pretrain(config, clips, Path(sys.argv[1]))
assert summary.finished and summary.metrics["loss"] > 0, summary
print(sorted(set(BLOCKED) & set(sys.modules)))
"""


def test_training_runs_where_media_storage_and_plotting_libraries_are_missing(tmp_path):
    code = f"BLOCKED = {BLOCKED}\n{TWO_STEPS}"
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "run")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"


def test_one_process_does_not_load_what_several_need():
    """Tensors in parts and FSDP2 take a second to import, which a search would feel."""
    code = "import sys, vlsa.pretrain.loop; print([n for n in NAMES if n in sys.modules])"
    code = f"NAMES = 'torch.distributed.tensor', 'torch.distributed.fsdp'; {code}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_process_that_decodes_does_not_load_pytorch():
    """Preparing and indexing start one a core, and another for each that dies: a second and 160 MB each."""
    names = "vlsa.data.store.prepare, vlsa.data.ingest.scan, vlsa.retrieve.index.build, vlsa.serve.media.decoding"
    code = f"import sys, {names}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_importing_the_package_does_nothing_and_loads_nothing():
    code = "import sys; before = set(sys.modules); import vlsa; print(sorted(set(sys.modules) - before)); dir(vlsa)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = ast.literal_eval(done.stdout)
    assert "vlsa" in loaded
    assert {name.split(".")[0] for name in loaded} - {"vlsa"} <= sys.stdlib_module_names
    assert [name for name in loaded if name.startswith("vlsa.")] == []


def test_every_public_name_of_the_package_is_there():
    assert all(getattr(vlsa, name) is not None for name in vlsa.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        vlsa.nonsense  # noqa: B018


def methods(node: ast.ClassDef) -> list[ast.FunctionDef]:
    """Public methods, without properties and the bare signatures of a protocol."""
    functions = [part for part in node.body if isinstance(part, ast.FunctionDef) and not part.name.startswith("_")]
    return [
        part
        for part in functions
        if ast.unparse(part.body) != "..." and not any("property" in ast.unparse(mark) for mark in part.decorator_list)
    ]


@pytest.mark.parametrize("path", [path for path in MODULES if path.read_text(encoding="utf-8")], ids=name_of)
def test_every_module_and_every_public_function_and_class_says_what_it_is(path):
    tree = tree_of(path)
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    ]
    public += [method for node in public if isinstance(node, ast.ClassDef) for method in methods(node)]
    assert ast.get_docstring(tree), path
    assert [node.name for node in public if not ast.get_docstring(node)] == []


def docstrings(path: Path) -> Iterator[str]:
    """The texts that stand by themselves: of the module, of classes and functions, below names."""
    statements = (node.value for node in ast.walk(tree_of(path)) if isinstance(node, ast.Expr))
    return (node.value for node in statements if isinstance(node, ast.Constant) and isinstance(node.value, str))


def missing_files(text: str, files: Collection[str]) -> set[str]:
    """Python files that a text names, by the end of their path, and that are not among the files."""
    named = set(re.findall(r"(?<![\w./*{}])[a-z_][a-z_0-9]*(?:/[a-z_0-9]+)*\.py\b", text))
    return {name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in files)}


def test_every_file_that_a_docstring_names_exists():
    sources = [*MODULES, *(path for part in ("tests", "bench") for path in (ROOT / part).rglob("*.py"))]
    files = {path.relative_to(ROOT).as_posix() for path in sources}
    found = {name_of(path): missing_files("\n".join(docstrings(path)), files) for path in MODULES}
    assert {name: missing for name, missing in found.items() if missing} == {}


def test_a_file_is_named_by_the_end_of_its_path():
    files = {"vlsa/data/loading/loader.py", "tests/parity/test_stft.py"}
    assert missing_files("Feeds loader.py, loading/loader.py and tests/parity/test_*.py.", files) == set()
    assert missing_files("Feeds data/loader.py (see x.py, oader.py).", files) == {"data/loader.py", "x.py", "oader.py"}


PLAIN_TERMS = {
    "pictures?": "video, frames or image",
    "told|tells": "reported, raised or logged; distinguish",
    "mends?|mended": "fix",
    "rebuil[dt]s?": "reconstruct",
    "wrongly paired|re-?paired": "negative pairs",
    "beside": "next to, in addition to",
}
"""Words that the sources do not use, nor their names, and what they say instead."""


def unusual_terms(text: str) -> list[str]:
    """The lines with one of these words, with their numbers; not where a path or a module has it as its name."""
    pattern = re.compile(rf"(?<![a-z/.])({'|'.join(PLAIN_TERMS)})(?![a-z])", re.IGNORECASE)
    return [f"{number}: {line.strip()}" for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent.name != "world"], ids=name_of)
def test_sources_use_the_terms_of_the_field(path):
    assert unusual_terms(path.read_text(encoding="utf-8")) == []


def test_an_unusual_term_is_found_in_names_too():
    assert unusual_terms("fine\nlast_picture = 1\n# Mended.\n") == ["2: last_picture = 1", "3: # Mended."]
    assert unusual_terms("from world.picture import x; file.tell(); depicture; a recommended pair") == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_source_file_is_longer_than_a_reader_likes(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def tracked() -> list[Path]:
    """Every text file of the repository; of a checkout, without what git ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    named = [ROOT / name for name in done.stdout.split("\0") if name]
    files = named or [path for part in ("vlsa", "tests", "docs", "bench") for path in (ROOT / part).rglob("*")]
    endings = {".py", ".md", ".toml", ".txt", ".css", ".js", ".html", ".json", ".jsonl", ".yml", ".yaml", ".cfg", ""}
    return [path for path in files if path.is_file() and path.suffix in endings and "__pycache__" not in path.parts]


def test_no_file_names_a_path_of_one_machine():
    homes = "|".join(("home", "root", "work", "Users", "opt", "scratch"))
    pattern = re.compile(rf"(?<![\w.:/}}])/({homes})/\w")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def bash_lines(path: Path) -> list[str]:
    """The command lines in a document's ```bash blocks; a line that ends in a backslash goes on in the next."""
    blocks = re.findall(r"^```bash\n(.*?)^```", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = "".join(blocks).replace("\\\n", " ")
    lines = (line.strip().removeprefix("$ ") for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_in_the_documents_exists_and_parses(name):
    lines = bash_lines(ROOT / name)
    if name == "README.md":
        assert "make demo" in {re.split(r"\s*#", line)[0] for line in lines}
    for line in lines:
        for command in re.split(r"\s*(?:&&|\||;)\s*", re.split(r"\s#", line)[0]):
            if command.startswith("vlsa "):
                parse(command)
            elif command.startswith("make "):
                targets = [word for word in command.split()[1:] if "=" not in word and not word.startswith("-")]
                assert set(targets) <= make_targets(), line


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_in_the_documents_leads_to_a_file(name):
    path = ROOT / name
    links = re.findall(r"\]\(([^)\s#]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


def test_every_test_that_the_documents_name_exists():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    known = {name for source in sources for name in re.findall(r"^def test_(\w+)", source, flags=re.MULTILINE)}
    rows = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8").splitlines()
    named = {name for row in rows if ".py: `" in row for name in re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`", row)}
    assert len(named) > 30
    assert named - known == set()


def test_every_reason_for_leaving_a_clip_out_is_explained():
    words = {node for path in MODULES for node in ast.walk(tree_of(path)) if isinstance(node, ast.keyword)}
    used = {word.value.value for word in words if word.arg == "reason" and isinstance(word.value, ast.Constant)}
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert used <= set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE))


def test_the_readme_lists_the_extras_that_there_are():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = re.findall(r"^\| `([\w-]+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert listed == list(project["optional-dependencies"])


def test_the_documented_help_is_current():
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == reference(), "docs/cli.md is old: run `make docs`"


def test_one_version_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert newest is not None
    assert project["version"] == vlsa.__version__ == newest[1]


def test_every_file_that_is_not_code_is_in_the_wheel():
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packaged = [
        path
        for package, patterns in setuptools["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    ]
    files = [path for path in (ROOT / "vlsa").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sorted(packaged) == sorted(path for path in files if path.suffix != ".py")
    assert {path.suffix for path in packaged} == {".css", ".js", ".html", ".svg"}


def requirement_name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower().replace("_", "-")


def test_every_library_that_is_asked_for_has_a_tested_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    exact = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in exact if not re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9A-Za-z.]*", line)] == []
    asked = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    names = {requirement_name(requirement) for requirement in asked} - {"vlsa"}
    assert names - {requirement_name(line) for line in exact} == set()
