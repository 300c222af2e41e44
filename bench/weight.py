"""What a browser loads to show a page for the first time: the page, its style sheets, its scripts and their imports."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin

IMPORT = re.compile(r"""^import\b[^"']*["'](\.[^"']+)["']""", re.MULTILINE)
ADDRESS = {"link": "href", "script": "src"}


class Files(HTMLParser):
    """The addresses in a page's link and script elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ADDRESS and (address := dict(attrs).get(ADDRESS[tag])):
            self.addresses.append(address)


def weigh(html: str, read: Callable[[str], bytes]) -> dict[str, int]:
    """The bytes of the page and of each of its files, by their addresses."""
    weights = {"page": len(html.encode())}
    waiting = deque(Files(html).addresses)
    while waiting:
        if (address := waiting.popleft()) not in weights:
            content = read(address)
            weights[address] = len(content)
            waiting += imports(address, content)
    return weights


def imports(address: str, content: bytes) -> Iterator[str]:
    if address.endswith(".js"):
        yield from (urljoin(address, name) for name in IMPORT.findall(content.decode()))
