"""Where a secret has got to: every cell of a database, every key of a Redis server, every byte of folders.

It is looked for as it is, and as base64, URL-encoded, hexadecimal, UTF-16 and JSON with escapes; Django's compressed
sessions and gzip files are opened.
"""

import base64
import gzip
import math
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

CHUNK_BYTES = 1 << 22
GZIP = b"\x1f\x8b"
# As django.core.signing writes what it has compressed: a dot, then base64.
COMPRESSED = re.compile(rb"\.([A-Za-z0-9_-]{16,})")


def find_canary(
    value: str, *, roots: Sequence[Path] = (), database: str = "", redis_url: str = "", texts: Iterable[str] = ()
) -> list[str]:
    """The places, each with how it is written there; [] if there is none.

    `roots` are folders or files, `database` the path of an SQLite file or the address of a PostgreSQL database,
    `texts` whatever else was collected, such as pages and headers. What cannot be opened is an error, not an absence.
    """
    forms = written(value)
    places = [
        *(place for root in roots for place in in_files(root, forms)),
        *(f"{where}: {form}" for where, data in cells(database) for form in found(data, forms)),
        *(f"{where}: {form}" for where, data in entries(redis_url) for form in found(data, forms)),
        *(f"text {number}: {form}" for number, text in enumerate(texts) for form in found(text, forms)),
    ]
    return sorted(set(places))


def written(value: str) -> dict[str, list[bytes]]:
    """By name the ways in which a text can stand in something larger."""
    plain, quoted = value.encode(), quote(value, safe="").encode()
    return {
        "plain": [plain],
        "reversed": [plain[::-1]],
        "base64": [form for offset in range(3) for form in base64_at(offset, plain)],
        "URL-encoded": sorted({quoted, "".join(f"%{byte:02X}" for byte in plain).encode()} - {plain}),
        "hexadecimal": [plain.hex().encode(), plain.hex().upper().encode()],
        "UTF-16": [value.encode("utf-16-le"), value.encode("utf-16-be")],
        "escaped": ["".join(f"\\u{ord(letter):04x}" for letter in value).encode()],
    }


def base64_at(offset: int, plain: bytes) -> list[bytes]:
    """Those characters of the base64 of a longer text that `plain` alone decides, `offset` bytes after a border."""
    first, last = math.ceil(offset * 4 / 3), (offset + len(plain)) * 4 // 3
    encoded = base64.b64encode(bytes(offset) + plain)[first:last]
    return [encoded, encoded.translate(bytes.maketrans(b"+/", b"-_"))]


def found(data: Any, forms: dict[str, list[bytes]]) -> list[str]:
    pieces = list(opened(as_bytes(data)))
    return [name for name, needles in forms.items() if any(needle in piece for needle in needles for piece in pieces)]


def as_bytes(data: Any) -> bytes:
    return bytes(data) if isinstance(data, bytes | bytearray | memoryview) else str(data).encode(errors="surrogatepass")


def opened(raw: bytes) -> Iterator[bytes]:
    yield raw
    for match in COMPRESSED.finditer(raw):
        with suppress(ValueError, zlib.error):
            yield zlib.decompress(base64.urlsafe_b64decode(match[1] + b"=" * (-len(match[1]) % 4)))


def in_files(root: Path, forms: dict[str, list[bytes]]) -> Iterator[str]:
    assert root.exists(), f"{root} does not exist"
    longest = max(len(needle) for needles in forms.values() for needle in needles)
    for path in [root, *root.rglob("*")]:
        yield from (f"name of {path}: {form}" for form in found(path.name, forms))
        if path.is_file() and not path.is_symlink():
            with suppress(FileNotFoundError):  # files that are being written come and go
                for chunk in chunks(path, longest):
                    yield from (f"{path}: {form}" for form in found(chunk, forms))


def chunks(path: Path, overlap: int) -> Iterator[bytes]:
    """Pieces that overlap, so that none is cut through."""
    with path.open("rb") as plain:
        is_packed = plain.read(len(GZIP)) == GZIP
    with gzip.open(path) if is_packed else path.open("rb") as file:
        before = b""
        while piece := file.read(CHUNK_BYTES):
            yield before + piece
            before = piece[-overlap:]


def cells(database: str) -> Iterator[tuple[str, Any]]:
    """Every cell of every table, by `table.column`."""
    if not database:
        return
    with closing(connected(database)) as connection:
        for table in tables(connection):
            rows = connection.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in rows.description]
            for row in rows:
                yield from ((f"{table}.{column}", cell) for column, cell in zip(columns, row, strict=True))


def connected(database: str) -> Any:
    if database.startswith(("postgres://", "postgresql://")):
        import psycopg

        return psycopg.connect(database)
    return sqlite3.connect(f"{Path(database).resolve().as_uri()}?mode=ro", uri=True)


def tables(connection: Any) -> list[str]:
    if isinstance(connection, sqlite3.Connection):
        listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    else:
        listed = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    return sorted(name for (name,) in listed)


def entries(redis_url: str) -> Iterator[tuple[str, Any]]:
    """Every key of a Redis database with all that is in it."""
    if not redis_url:
        return
    import redis

    with redis.Redis.from_url(redis_url) as server:
        for key in server.scan_iter():
            yield f"redis {key!r}", key
            for item in contents(server, key):
                yield f"redis {key!r}", item


def contents(server: Any, key: bytes) -> list[Any]:
    match server.type(key):
        case b"string":
            return [server.get(key) or b""]
        case b"list":
            return list(server.lrange(key, 0, -1))
        case b"set":
            return list(server.smembers(key))
        case b"zset":
            return list(server.zrange(key, 0, -1))
        case b"hash":
            return [part for pair in server.hgetall(key).items() for part in pair]
        case b"stream":
            return [part for _, fields in server.xrange(key) for pair in fields.items() for part in pair]
        case b"none":
            return []  # it has expired meanwhile
        case other:
            raise AssertionError(f"{key!r} is a {other!r}, which is not looked into")
