"""Small typed readers of the environment that fail loudly and name the variable."""

import base64
import os
import re
import secrets
import socket
from binascii import Error as NotBase64
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

LONGEST_SOCKET_PATH = 100
SECRET_BYTES = 64
TOKEN_KEY_BYTES = 32
LAST_PORT = 65_535
ADDRESS = re.compile(r"https?://[\w.-]+(?::(?P<port>\d{1,5}))?(?:/[\w.~%/-]*)?", re.ASCII)
HOST_PATTERN = re.compile(r"[\w.*?-]+(?::(?P<port>\d{1,5}))?", re.ASCII)
TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool = False) -> bool:
    value = text(name, "1" if default else "0").lower()
    if value not in TRUE | FALSE:
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to 1 or 0.")
    return value in TRUE


def number(name: str, default: int, least: int = 1) -> int:
    value = text(name, str(default))
    if not value.isdigit() or int(value) < least:
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to a whole number of at least {least}.")
    return int(value)


def share(name: str, default: float) -> float:
    value = text(name, str(default))
    try:
        parsed = float(value)
    except ValueError:
        parsed = -1.0
    if not 0 <= parsed <= 1:
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to a number between 0 and 1.")
    return parsed


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def address(name: str, value: str) -> str:
    """The value of `name`, checked; an error does not quote it, as there may be a password in it."""
    if not fits(ADDRESS, value):
        raise ImproperlyConfigured(
            f"{name} is no address: set it to http:// or https:// with a host, and a port or a path if need be. "
            "It takes no user, query or fragment."
        )
    return value


def host_patterns(name: str) -> list[str]:
    found = [word.lower() for word in words(name)]
    for word in found:
        if not fits(HOST_PATTERN, word):
            raise ImproperlyConfigured(
                f"{name} has {word!r}: give names of hosts such as *.example.org or files.example.org:8443, and no "
                "address."
            )
    return found


def fits(pattern: re.Pattern[str], value: str) -> bool:
    match = pattern.fullmatch(value)
    return match is not None and 0 < int(match["port"] or 1) <= LAST_PORT


def fresh_secret() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


def folders(name: str) -> list[Path]:
    """Absolute ones, which need not be there yet."""
    found = [Path(word).expanduser() for word in words(name)]
    for folder in found:
        if not folder.is_absolute() or ".." in folder.parts:
            raise ImproperlyConfigured(f"{name} has {str(folder)!r}: give whole paths that start with /.")
    return found


def key_file(path: Path, fresh_key: Callable[[], str] = fresh_secret) -> str:
    """The secret in `path`, made on the first start; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    if not path.exists():
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(fresh_key())
        try:
            os.link(fresh, path)  # whoever links first wins, and nobody ever reads half a key
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()


def fresh_token_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(TOKEN_KEY_BYTES)).decode()


def token_keys(name: str, path: Path) -> list[str]:
    """What Hub tokens are encrypted with: the newest key first, older ones to read what they encrypted.

    Without the variable one key in `path`, made on the first start. No error quotes a key.
    """
    keys = words(name)
    if not all(map(is_token_key, keys)):
        raise ImproperlyConfigured(f"{name} is wrong: each key is 32 random bytes in URL-safe base64, 44 characters.")
    if keys:
        return keys
    key = key_file(path, fresh_token_key)
    if not is_token_key(key):
        raise ImproperlyConfigured(f"{path} is damaged: restore it from a backup, or set {name}.")
    return [key]


def is_token_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, altchars="-_", validate=True)) == TOKEN_KEY_BYTES
    except (NotBase64, ValueError):
        return False


def embedded_redis_url(var: Path) -> str:
    """Where the embedded server listens: a unix socket, or where its path is too long a TCP port chosen once."""
    path = var / "redis.sock"
    if len(str(path)) <= LONGEST_SOCKET_PATH:
        return f"unix://{path}"
    port_file = var / "redis.port"
    if not port_file.exists():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port_file.write_text(str(probe.getsockname()[1]))
    return f"redis://127.0.0.1:{port_file.read_text().strip()}/0"
