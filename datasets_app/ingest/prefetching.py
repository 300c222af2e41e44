"""Reading ahead, in a thread of its own: a file is read and cut while the blocks before are parsed."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
BLOCKS_AHEAD = 2


def ahead(items: Iterator[Item], count: int = BLOCKS_AHEAD) -> Generator[Item, None, None]:
    """The same items, `count` of them made before they are asked for, and with the same error at the end."""
    end = object()
    with ThreadPoolExecutor(1) as pool:
        coming = deque(pool.submit(next, items, end) for _ in range(count))
        while (item := coming.popleft().result()) is not end:
            coming.append(pool.submit(next, items, end))
            yield item  # type: ignore[misc]
