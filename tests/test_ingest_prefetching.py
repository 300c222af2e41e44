import threading
from collections.abc import Iterator

import pytest

from datasets_app.ingest.prefetching import ahead


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("length", [0, 1, 2, 7])
def test_the_items_come_in_order_whole(count: int, length: int) -> None:
    assert list(ahead(iter(range(length)), count)) == list(range(length))


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("the third")

    coming = ahead(items())

    assert [next(coming), next(coming)] == [1, 2]
    with pytest.raises(ValueError, match="the third"):
        next(coming)


def test_they_are_made_in_another_thread_and_no_more_than_asked_for() -> None:
    made, makers = [], set()

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            makers.add(threading.current_thread())
            yield number

    coming = ahead(items(), 2)
    assert next(coming) == 0
    coming.close()

    assert len(made) <= 4
    assert threading.current_thread() not in makers
