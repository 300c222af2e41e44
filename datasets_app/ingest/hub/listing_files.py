"""The file names of a repository as a file system, so that `datasets` finds its splits without a network or a disk."""

from itertools import accumulate
from typing import Any, ClassVar

from fsspec import AbstractFileSystem, register_implementation

PROTOCOL = "hub-listing"
ROOT = "files"
BASE = f"{PROTOCOL}://{ROOT}"


class ListingFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Holds one listing at a time: `show` replaces it. There is nothing to read in it but names."""

    protocol = PROTOCOL
    cachable = False
    entries: ClassVar[dict[str, dict[str, Any]]] = {}  # every file and folder, by name and in order

    @classmethod
    def show(cls, paths: list[str]) -> None:
        register_implementation(PROTOCOL, cls, clobber=True)
        files = [f"{ROOT}/{path}" for path in paths]
        folders = {folder for file in files for folder in _folders(file)}
        kinds = {**dict.fromkeys(folders, "directory"), **dict.fromkeys(files, "file")}
        cls.entries = {name: {"name": name, "size": 0, "type": kind} for name, kind in sorted(kinds.items())}

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        found = list(self.find(path, maxdepth=1, withdirs=True, detail=True).values()) or [self.info(path)]
        return found if detail else [entry["name"] for entry in found]

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **options: Any
    ) -> Any:
        inside = f"{self._strip_protocol(path).rstrip('/')}/"
        found = {
            name: entry
            for name, entry in self.entries.items()
            if name.startswith(inside)
            and (withdirs or entry["type"] == "file")
            and (not maxdepth or name.count("/", len(inside)) < maxdepth)
        }
        return found if detail else list(found)

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        name = self._strip_protocol(path).rstrip("/")
        if name not in self.entries:
            raise FileNotFoundError(path)
        return self.entries[name]


def _folders(path: str) -> list[str]:
    return list(accumulate(path.split("/")[:-1], "{}/{}".format))
