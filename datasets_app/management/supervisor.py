"""Keeps a family of processes alive: what dies is started again with back-off, and all of it ends together.

Each process leads a session of its own, so Ctrl-C reaches only us, and whatever a dead one leaves behind in its
group is killed. Each also inherits a lifeline, so that none outlives us.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from datasets_app.management import lifetime, logs

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
HEALTHY_SECONDS = 60.0
READY_SECONDS = 20.0
STOP_SECONDS = 7.0
LAST_STOP_SECONDS = 1.5
POLL_SECONDS = 0.1
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Service:
    name: str
    command: Sequence[str]
    is_ready: Callable[[], bool] = lambda: True


class Supervisor:
    """`say` gets one line for whatever a person should know; with `parent`, we end when that process has ended."""

    def __init__(
        self, log_dir: Path, say: Callable[[str], None], inherit: Sequence[int] = (), parent: int | None = None
    ) -> None:
        self._log_dir = log_dir
        self._say = say
        self._parent = parent
        self._lifeline = lifetime.Lifeline()
        self._inherit = (self._lifeline.reader, *inherit)
        self._running: dict[str, int] = {}
        self._stop = asyncio.Event()
        self._is_hurried = False

    async def run(self, base: Sequence[Service], services: Sequence[Service], started: Callable[[], None]) -> None:
        """Until `stop()` or a signal; `base` starts first and ends last. Calls `started` when all are ready."""
        loop = asyncio.get_running_loop()
        for number in lifetime.end_signals():
            loop.add_signal_handler(number, self.stop)
        watch = asyncio.create_task(self._watch([*base, *services]))
        lower = await self._start(base)
        upper = await self._start(services)
        if not self._stop.is_set():
            started()
        await self._stop.wait()
        watch.cancel()
        await self._end(services, upper, STOP_SECONDS)
        await self._end(base, lower, LAST_STOP_SECONDS)
        self._lifeline.close()

    def stop(self) -> None:
        """Asked once: end in order. Asked again: at once."""
        if self._stop.is_set():
            self._is_hurried = True
        self._stop.set()

    async def _start(self, services: Sequence[Service]) -> list[asyncio.Task[None]]:
        """One after the other, each when the one before is ready: all at once they would slow down the first."""
        tasks: list[asyncio.Task[None]] = []
        for service in services:
            if not self._stop.is_set():
                tasks.append(asyncio.create_task(self._keep(service)))
                await self._until_ready(service)
        return tasks

    async def _until_ready(self, service: Service) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not (self._stop.is_set() or service.is_ready()):
            if time.monotonic() > deadline:
                self._say(f"{service.name} is not ready yet; its log is {self._log_path(service)}.")
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _keep(self, service: Service) -> None:
        delay = FIRST_DELAY_SECONDS
        while not self._stop.is_set():
            began = time.monotonic()
            why = await self._run_once(service)
            if self._stop.is_set():
                return
            if time.monotonic() - began > HEALTHY_SECONDS:
                delay = FIRST_DELAY_SECONDS
            self._say(f"{service.name} {why}; starting it again in {delay:g} s.")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), delay)
            delay = min(2 * delay, LONGEST_DELAY_SECONDS)

    async def _run_once(self, service: Service) -> str:
        """Why it ended, in words."""
        log = self._log_path(service)
        try:
            with logs.open_log(log) as output:
                start = output.tell()
                process = await self._spawn(service, output.fileno())
        except OSError as error:
            return f"could not start ({error})"
        self._running[service.name] = process.pid
        if self._stop.is_set():  # told to end while it was being started
            _signal(process.pid, signal.SIGTERM)
        code = await process.wait()
        del self._running[service.name]
        _kill_group(process.pid)
        return _describe(code, logs.last_line(log, start))

    async def _spawn(self, service: Service, output: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *service.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **self._lifeline.environment(), "PYTHONUNBUFFERED": "1"},
            pass_fds=self._inherit,
            start_new_session=True,
        )

    async def _watch(self, services: Sequence[Service]) -> None:
        readers = {service.name: logs.BadLines(self._log_path(service)) for service in services}
        while True:
            for name, reader in readers.items():
                for line in reader.new():
                    self._say(f"{name}: {line}")
            if self._parent is not None and os.getppid() != self._parent:
                self._stop.set()
            await asyncio.sleep(LOOK_SECONDS)

    async def _end(self, services: Sequence[Service], tasks: list[asyncio.Task[None]], seconds: float) -> None:
        for service in services:
            self._signal_running(service, signal.SIGTERM)
        ended = asyncio.gather(*tasks)
        deadline = time.monotonic() + seconds
        while not (ended.done() or self._is_hurried or time.monotonic() > deadline):
            await asyncio.sleep(POLL_SECONDS)
        for service in services:
            self._signal_running(service, signal.SIGKILL)
        await ended

    def _signal_running(self, service: Service, number: signal.Signals) -> None:
        if service.name in self._running:
            _signal(self._running[service.name], number)

    def _log_path(self, service: Service) -> Path:
        return self._log_dir / f"{service.name}.log"


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill_group(leader: int) -> None:
    """What a dead process started must not outlive it (PermissionError: macOS, when only zombies are left)."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _describe(code: int, last_line: str) -> str:
    if code < 0:
        return f"was killed by signal {-code}"
    return f"ended with code {code} ({last_line or 'it said nothing'})"
