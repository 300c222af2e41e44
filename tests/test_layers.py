"""The arrows between modules point one way. Each rule: what may not be imported from where."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("config", "datasets_app", "tokenizations")
PURE = (
    "datasets_app/errors.py",
    "datasets_app/masking.py",
    "datasets_app/names.py",
    "datasets_app/children.py",
    "datasets_app/forks.py",
    "datasets_app/rates.py",
    "datasets_app/sparkline.py",
    "datasets_app/ingest",
    "tokenizations/engine",
)
FRAMEWORKS = ("django", "channels", "dramatiq")
ABOVE = {
    "datasets_app": ("tokenizations", "config"),
    "tokenizations": ("config",),
    "datasets_app/live.py": ("datasets_app.jobs", "datasets_app.models", "datasets_app.fanout"),
    "datasets_app/shards.py": ("datasets_app.models", "datasets_app.jobs"),
    "datasets_app/models.py": (
        "datasets_app.fanout",
        "datasets_app.consumers",
        "datasets_app.views",
        "datasets_app.forms",
    ),
    "datasets_app/fanout.py": ("datasets_app.consumers", "datasets_app.views"),
    "datasets_app/fragments.py": ("datasets_app.sockets", "datasets_app.fanout", "datasets_app.views"),
    "datasets_app/overview.py": ("datasets_app.fragments", "datasets_app.fanout", "datasets_app.views"),
    "datasets_app/listing.py": ("datasets_app.sockets", "datasets_app.fanout", "datasets_app.views"),
    "datasets_app/forms.py": ("datasets_app.views",),
    "tokenizations/models.py": ("tokenizations.views", "tokenizations.forms", "tokenizations.tokenizing"),
}


def modules():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT).as_posix()


def imported(path):
    """What a module imports when it runs; imports for type checking only do not count."""
    tree = ast.parse((ROOT / path).read_text())
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.dump(branch.test)
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_below(path, folder):
    return path == folder or path.startswith(f"{folder}/")


@pytest.mark.parametrize("path", list(modules()))
def test_the_arrows_point_one_way(path):
    forbidden = [name for folder, names in ABOVE.items() if is_below(path, folder) for name in names]
    if any(is_below(path, folder) for folder in PURE):
        forbidden += FRAMEWORKS

    wrong = [name for name in imported(path) for rule in forbidden if name == rule or name.startswith(f"{rule}.")]

    assert wrong == []
