"""Keeps pandas out of our processes."""

from importlib.abc import MetaPathFinder


class WithoutPandas(MetaPathFinder):
    """pyarrow imports pandas at its first conversion only to know its classes: a second and 60 MB for nothing."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not for our processes", name=name)
