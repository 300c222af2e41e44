"""Keeps pandas out of our processes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder


class WithoutPandas(MetaPathFinder):
    """pyarrow imports pandas at its first conversion only to know its classes: a second and 60 MB for nothing."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not for our processes", name=name)


@contextmanager
def pandas_allowed() -> Iterator[None]:
    """For importing `datasets`, which cannot be had without it."""
    before = sys.meta_path[:]
    sys.meta_path[:] = [finder for finder in before if not isinstance(finder, WithoutPandas)]
    try:
        yield
    finally:
        sys.meta_path[:] = before
