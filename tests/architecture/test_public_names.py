"""What users import is in `__all__`, is documented, and is all that examples and docs need."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# The main job shows its progress as the command line does; it is a demonstration, not a user.
NOT_PUBLIC_BUT_SHOWN = frozenset({"rhythm.cli.progress"})


def undocumented(module: object, names: list[str]) -> list[str]:
    """The classes and functions among `names` that have no docstring of their own."""
    found = []
    for name in names:
        value = getattr(module, name)
        if (inspect.isclass(value) or inspect.isfunction(value)) and not value.__doc__:
            found.append(name)
    return found


def private_imports(source: str) -> list[str]:
    """Imports of `rhythm` that a user could not rely on."""
    public = importlib.import_module("rhythm").__all__
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [alias.name for alias in names if alias.name.startswith("rhythm.")]
            case ast.ImportFrom(module="rhythm", names=names):
                found += [f"rhythm.{alias.name}" for alias in names if alias.name not in public]
            case ast.ImportFrom(module=str(name)) if name.startswith("rhythm."):
                found.append(name)
    return [name for name in found if name not in NOT_PUBLIC_BUT_SHOWN]


@pytest.mark.parametrize("package", ["rhythm", "rhythm.testing", "flowlang"])
def test_public_names_exist_and_are_documented(package: str) -> None:
    module = importlib.import_module(package)
    names = list(module.__all__)

    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(module, name)] == []
    assert undocumented(module, names) == []


def test_nothing_of_rhythm_is_public_by_accident() -> None:
    module = importlib.import_module("rhythm")

    visible = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }

    assert visible - set(module.__all__) == set()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").rglob("*.py")), ids=lambda path: path.parent.name + path.stem
)
def test_examples_use_public_names_alone(path: Path) -> None:
    assert private_imports(path.read_text()) == []


def test_a_private_import_is_found() -> None:
    source = "import rhythm.builder\nfrom rhythm import Nothing\nfrom rhythm.worker import loop\n"

    assert private_imports(source) == ["rhythm.builder", "rhythm.Nothing", "rhythm.worker"]


def test_a_name_without_a_docstring_is_found() -> None:
    class Module:
        class Bare:
            pass

    assert undocumented(Module, ["Bare"]) == ["Bare"]
