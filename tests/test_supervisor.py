"""The supervisor with small stand-ins as its services; test_up.py has the real ones."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

import psutil
import pytest

from datasets_app.management import supervisor as module
from datasets_app.management.supervisor import Service, Supervisor

ROOT = Path(__file__).resolve().parent.parent
WAIT_SECONDS = 15.0
IDLE = "import time; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {IDLE}"
PARENT = f"import subprocess, sys, time; print(subprocess.Popen([sys.executable, '-c', {IDLE!r}]).pid); {IDLE}"
FOLLOWER = f"from datasets_app.management import lifetime; lifetime.follow_parent(); {IDLE}"
# A supervisor in a process of its own, so that it can be killed.
FAMILY = """
import asyncio, sys
from pathlib import Path
from datasets_app.management.supervisor import Service, Supervisor

services = [Service(f"follower{number}", [sys.executable, "-c", sys.argv[2]]) for number in range(2)]
supervisor = Supervisor(Path(sys.argv[1]), lambda line: print(line, flush=True))
asyncio.run(supervisor.run([], services, lambda: print("started", flush=True)))
"""


def python(name: str, code: str) -> Service:
    return Service(name, [sys.executable, "-c", code])


def pid_in(path: Path, timeout: float = WAIT_SECONDS) -> int:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = re.findall(r"^\d+$", path.read_text() if path.exists() else "", re.MULTILINE)
        if found:
            return int(found[-1])
        time.sleep(0.02)
    raise AssertionError(f"{path} has no process id")


def descendants(pid: int, count: int) -> list[int]:
    parent = psutil.Process(pid)
    wait_until(lambda: len(parent.children(recursive=True)) == count)
    return [child.pid for child in parent.children(recursive=True)]


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], timeout: float = WAIT_SECONDS) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


async def soon(condition: Callable[[], bool], timeout: float = WAIT_SECONDS) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.02)


Scenario = Callable[[Supervisor, list[str]], Coroutine[None, None, None]]


def play(log_dir: Path, services: list[Service], scenario: Scenario, base: list[Service] | None = None) -> list[str]:
    """Supervise until the scenario is over. Returns what was said."""
    said: list[str] = []

    async def run() -> None:
        supervisor = Supervisor(log_dir, said.append)
        running = asyncio.create_task(supervisor.run(base or [], services, lambda: said.append("started")))
        try:
            await soon(lambda: "started" in said)
            await scenario(supervisor, said)
        finally:
            supervisor.stop()
            await running

    asyncio.run(run())
    return said


def test_it_starts_what_was_killed_again_and_says_why(tmp_path: Path) -> None:
    announce = f"import os; print(os.getpid(), flush=True); {IDLE}"

    async def kill(_: Supervisor, said: list[str]) -> None:
        first = pid_in(tmp_path / "a.log")
        os.kill(first, signal.SIGKILL)
        await soon(lambda: pid_in(tmp_path / "a.log") != first)

    said = play(tmp_path, [python("a", announce)], kill)

    assert said[1:] == ["a was killed by signal 9; starting it again in 0.5 s."]
    assert not is_alive(pid_in(tmp_path / "a.log"))


def test_it_waits_longer_after_each_death_and_quotes_the_last_line(tmp_path: Path) -> None:
    async def look(_: Supervisor, said: list[str]) -> None:
        await soon(lambda: len(said) == 3)

    said = play(tmp_path, [python("a", "print('one'); raise SystemExit('no luck')")], look)

    assert [line for line in said if line != "started"] == [
        "a ended with code 1 (no luck); starting it again in 0.5 s.",
        "a ended with code 1 (no luck); starting it again in 1 s.",
    ]


def test_a_command_that_is_missing_is_said_and_tried_again(tmp_path: Path) -> None:
    async def look(_: Supervisor, said: list[str]) -> None:
        await soon(lambda: len(said) == 3)

    said = play(tmp_path, [Service("a", ["/nowhere/at/all"])], look)

    assert sum(line.startswith("a could not start (") for line in said) == 2


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.5)
    pids: list[int] = []

    async def look(supervisor: Supervisor, _: list[str]) -> None:
        await soon(lambda: "deaf" in (tmp_path / "a.log").read_text())
        pids.extend(supervisor._running.values())

    said = play(tmp_path, [python("a", STUBBORN)], look)

    assert said == ["started"]
    assert pids
    assert not any(map(is_alive, pids))


def test_asked_twice_it_does_not_wait(tmp_path: Path) -> None:
    async def stop(supervisor: Supervisor, _: list[str]) -> None:
        await soon(lambda: "deaf" in (tmp_path / "a.log").read_text())
        supervisor.stop()
        await asyncio.sleep(0.1)

    began = time.monotonic()
    play(tmp_path, [python("a", STUBBORN)], stop)

    assert time.monotonic() - began < module.STOP_SECONDS


def test_what_a_dead_process_had_started_ends_too(tmp_path: Path) -> None:
    grandchildren: list[int] = []

    async def kill(supervisor: Supervisor, said: list[str]) -> None:
        grandchildren.append(pid_in(tmp_path / "a.log"))
        os.kill(supervisor._running["a"], signal.SIGKILL)
        await soon(lambda: len(said) > 1)

    play(tmp_path, [python("a", PARENT)], kill)

    wait_until(lambda: not any(map(is_alive, grandchildren)))


def test_the_base_ends_after_the_others(tmp_path: Path) -> None:
    tell = "import signal, sys, time\ndef end(*_): sys.exit(print(time.monotonic(), flush=True))\n"
    code = f"{tell}signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(600)"

    async def look(_: Supervisor, __: list[str]) -> None:
        await soon(lambda: all("ready" in (tmp_path / f"{name}.log").read_text() for name in ("base", "other")))

    play(tmp_path, [python("other", code)], look, base=[python("base", code)])

    ends = {name: float((tmp_path / f"{name}.log").read_text().split()[-1]) for name in ("base", "other")}
    assert ends["base"] > ends["other"]


def test_a_service_that_is_not_ready_in_time_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READY_SECONDS", 0.3)

    async def nothing(_: Supervisor, __: list[str]) -> None:
        return

    said = play(tmp_path, [Service("a", [sys.executable, "-c", IDLE], is_ready=lambda: False)], nothing)

    assert said == [f"a is not ready yet; its log is {tmp_path / 'a.log'}.", "started"]


def test_an_error_in_a_log_is_shown_once(tmp_path: Path) -> None:
    lines = "".join(f"2026-08-01 10:00:0{second},123 ERROR name: it broke\n" for second in range(3))
    code = f"print({lines!r} + '2026-08-01 10:00:04,123 INFO name: fine', flush=True); {IDLE}"

    async def look(_: Supervisor, said: list[str]) -> None:
        await soon(lambda: len(said) > 1)
        await asyncio.sleep(2 * module.LOOK_SECONDS)

    said = play(tmp_path, [python("a", code)], look)

    assert sorted(said) == ["a: name: it broke", "started"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_nothing_outlives_the_supervisor(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", FAMILY, str(tmp_path), FOLLOWER]
    family = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert family.stdout is not None
    assert family.stdout.readline() == "started\n"
    children = descendants(family.pid, 2)

    family.send_signal(number)
    family.communicate(timeout=WAIT_SECONDS)

    wait_until(lambda: not any(map(is_alive, children)))


def test_it_ends_when_the_process_it_follows_has_ended(tmp_path: Path) -> None:
    code = FAMILY.replace("flush=True))\na", "flush=True), parent=int(sys.argv[3]))\na")
    shell = f"""import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", {code!r}, {str(tmp_path)!r}, {FOLLOWER!r}, str(os.getpid())]).wait()"""
    parent = subprocess.Popen([sys.executable, "-c", shell], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    family = descendants(parent.pid, 3)

    parent.kill()
    parent.communicate(timeout=WAIT_SECONDS)

    wait_until(lambda: not any(map(is_alive, family)))
