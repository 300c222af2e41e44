"""Whether the workers really kept all cores busy while something was measured."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from tests.stack import Stack, wait_for

ENGINE = "tokenizations.engine.child"
SAMPLE_SECONDS = 0.2
START_SECONDS = 60.0


class Busy:
    """`share` of the samples so far in which each core had an engine that wanted to run."""

    def __init__(self, engines: list[psutil.Process]) -> None:
        self.engines = engines
        self.samples = self.hits = 0
        self.ended = threading.Event()

    @property
    def share(self) -> float:
        return self.hits / self.samples if self.samples else 0.0

    def watch(self) -> None:
        while not self.ended.wait(SAMPLE_SECONDS):
            self.samples += 1
            self.hits += all(map(wants_to_run, self.engines))


@contextmanager
def watched(stack: Stack, slots: int) -> Iterator[Busy]:
    """From when all slots are at work."""
    wait_for(lambda: sum(map(wants_to_run, engines(stack))) == slots, START_SECONDS, "all slots at work")
    busy = Busy(engines(stack))
    thread = threading.Thread(target=busy.watch)
    thread.start()
    try:
        yield busy
    finally:
        busy.ended.set()
        thread.join()


def engines(stack: Stack) -> list[psutil.Process]:
    found = []
    for process in stack.family():
        with suppress(psutil.Error):
            if ENGINE in process.cmdline():
                found.append(process)
    return found


def wants_to_run(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_RUNNING
    except psutil.Error:
        return False
