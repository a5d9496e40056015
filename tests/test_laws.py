"""The laws of the house: direction of imports, words of errors, public names, a test for each file."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import torchbeam
from torchbeam import errors
from torchbeam.cli import VERBS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "torchbeam"
FILES = sorted(PACKAGE.rglob("*.py"))
# A file imports only from rooms to the left of its own, or from its own.
ROOMS = [
    "version",
    "errors",
    "files",
    "heap",
    "design",
    "network",
    "data",
    "tasks",
    "learn",
    "look",
    "recipes",
    "report",
    "jobs",
    "cli",
    "__main__",
]
DESIGN_MAY_USE = {"lark", *sys.stdlib_module_names}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> list[tuple[str, bool]]:
    """(module, whether it stands at the top of the file) for every import; `from a import b` names a.b where it can."""
    tree = ast.parse(path.read_text())
    whole = ("TYPE_CHECKING", "sys.platform != 'win32'")  # conditions that hold for the file as a whole
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) in whole]
    top = {id(node) for node in [*tree.body, *(inner for block in blocks for inner in block.body)]}
    known = {module_of(each) for each in FILES}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                found.append((deeper if deeper in known else str(node.module), id(node) in top))
    return found


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "facade"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_one_way_and_stand_at_the_top(path):
    own = module_of(path)
    if own == "torchbeam":  # the facade names every room for type checkers, and resolves on first use
        return
    for module, at_top in imports_of(path):
        assert at_top, f"{own} imports {module} inside a function"
        if not module.startswith("torchbeam"):
            assert room_of(own) != "design" or module.split(".")[0] in DESIGN_MAY_USE, f"{own} imports {module}"
        elif module == "torchbeam":
            assert room_of(own) == "cli", f"{own} imports the facade"
        else:
            assert ROOMS.index(room_of(module)) <= ROOMS.index(room_of(own)), f"{own} imports {module}"


def test_only_the_written_places_import_by_name():
    found = {module_of(path) for path in FILES if "import_module(" in path.read_text()}
    assert found == {
        "torchbeam",
        "torchbeam.cli",
        "torchbeam.jobs.describe",
        "torchbeam.jobs.cheatsheet",
        "torchbeam.jobs.hub",
        "torchbeam.jobs.look",
        "torchbeam.jobs.tensorboard",
        "torchbeam.network.foreign",
    }


def test_no_two_files_import_each_other():
    graph = {module_of(path): {m for m, _ in imports_of(path) if m.startswith("torchbeam.")} for path in FILES}
    del graph["torchbeam"]
    assert list(TopologicalSorter(graph).static_order())


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(chr(10).join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_importing_torchbeam_loads_nothing_but_itself():
    loaded = {name for name in loaded_after("import torchbeam") if name.startswith("torchbeam")}
    assert loaded == {"torchbeam", "torchbeam.version"}


@pytest.mark.parametrize(
    "arguments", [["--help"], *([*verb.split(), "--help"] for verb in VERBS), ["describe", "lenet-5"]]
)
def test_help_and_describe_never_load_torch(arguments):
    loaded = loaded_after(f"from torchbeam.cli import main\ntry: main({arguments!r})\nexcept SystemExit: pass")
    assert "torchbeam.cli" in loaded
    assert not loaded & {"torch", "numpy", "rich.console"}


def test_the_design_room_never_loads_torch():
    names = [module_of(path) for path in FILES if room_of(module_of(path)) == "design"]
    assert "torch" not in loaded_after("\n".join(f"import {name}" for name in names))


def error_texts() -> list[tuple[str, str]]:
    """(place, literal words) of the message of every error made in the package."""
    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            function = node.func
            named = isinstance(function, ast.Name) and function.id in classes
            in_reader = isinstance(function, ast.Attribute) and function.attr == "error"
            if not (named or in_reader):
                continue
            message = node.args[0]
            pieces = message.values if isinstance(message, ast.JoinedStr) else [message]
            texts = [str(p.value) for p in pieces if isinstance(p, ast.Constant) and isinstance(p.value, str)]
            if texts:
                found.append((f"{module_of(path)}:{node.lineno}", max(texts, key=len)))
    return found


def test_every_error_is_read_by_a_test():
    tests = " ".join(path.read_text() for path in (ROOT / "tests").glob("*.py"))
    tests = re.sub(r"[\"']\s+[rf]?[\"']", "", tests).replace("\\", "")

    def is_read(text: str) -> bool:
        words = text.split()
        size = min(3, len(words))
        return any(" ".join(words[at : at + size]) in tests for at in range(len(words) - size + 1))

    texts = error_texts()
    assert len(texts) > 50
    assert [place for place, text in texts if not is_read(text)] == []


def test_every_error_class_is_drawn_in_the_tree_and_has_an_exit_code():
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.TorchbeamError):
            assert re.search(rf"\b{name}\b", errors.__doc__ or ""), name
            assert value.exit_code in (2, 3, 70)


def test_every_public_name_resolves_is_documented_and_in_the_docs():
    docs = (ROOT / "README.md").read_text() + "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    for name in torchbeam.PUBLIC:
        value = getattr(torchbeam, name)
        assert (value.__doc__ or "").strip(), f"{name} has no docstring"
        assert re.search(rf"\b(tb|torchbeam)\.{name}\b|`{name}`", docs), f"{name} is not in docs/"
    assert dir(torchbeam) == sorted(torchbeam.PUBLIC)


def test_type_checkers_see_the_same_public_names():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    static = {
        alias.asname: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    static |= {name: f"torchbeam.{name}" for name in ("errors", "look")}
    assert static == torchbeam.PUBLIC


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'torchbeam' has no attribute 'nothing'"):
        _ = torchbeam.nothing


def test_every_file_has_its_test_file():
    tests = {path.name for path in (ROOT / "tests").glob("test_*.py")}
    for path in FILES:
        if path.name in ("__init__.py", "__main__.py", "version.py"):
            continue
        room = path.parent.name
        if room in ("cli", "zoo", "recipes"):  # many thin files, held together by one test file
            assert f"test_{room}.py" in tests
            continue
        assert f"test_{path.stem}.py" in tests or f"test_{room}_{path.stem}.py" in tests, f"{module_of(path)}"


def test_nothing_from_outside_can_run_code():
    for path in FILES:
        text = path.read_text()
        assert not re.search(r"\bpickle\b|(?<!\.)\b(eval|exec)\(|torchvision\.io", text), module_of(path)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                told = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert told.get("weights_only") == "True", module_of(path)


def test_no_file_holds_two_ideas():
    for path in FILES:
        assert len(path.read_text().splitlines()) <= 450, module_of(path)
        assert path.stem not in ("utils", "helpers", "misc", "common")
