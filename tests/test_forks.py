"""Children that one early process loads for and forks into."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from datasets_app.children import GIB, ROOT, Child, ChildDied, end_early, start_early
from datasets_app.forks import CAN_FORK
from tests.test_children import MODULE, answers, wait_until_gone

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="only Linux lets a process adopt what its child forked")
NOTE = {"do": "note", "text": "loaded"}


@pytest.fixture
def three() -> Iterator[list[Child]]:
    some = [Child(MODULE, memory_limit_bytes=GIB, silence_seconds=5) for _ in range(3)]
    yield some
    for child in some:
        child.close()


def done_by(child: Child) -> Any:
    return answers(child, do="count", to=1)[-1]["done"]["pid"]


def test_two_children_have_what_was_loaded_once_and_a_third_starts_anew(three: list[Child]) -> None:
    start_early(MODULE, GIB, 2, NOTE)

    notes = [answers(child, do="read notes")[0]["noted"] for child in three]

    assert notes[0] == notes[1] == [["loaded", notes[0][0][1]]]
    assert notes[2] == []
    assert len({notes[0][0][1], *(child.pid for child in three)}) == 4


def test_what_is_printed_while_the_first_one_loads_is_no_part_of_what_it_says(three: list[Child]) -> None:
    start_early(MODULE, GIB, 2, {"do": "shout"})

    assert len({done_by(child) for child in three}) == 3


def test_each_is_a_child_of_ours_that_can_be_killed_alone(three: list[Child]) -> None:
    start_early(MODULE, GIB, 2, NOTE)
    pids = [done_by(child) for child in three[:2]]
    assert {psutil.Process(pid).ppid() for pid in pids} == {os.getpid()}

    three[0].close()

    assert not psutil.pid_exists(pids[0])
    assert done_by(three[1]) == pids[1]


@pytest.mark.parametrize(
    ("order", "reason"), [("crash", "exited with 1"), ("exit", "exited with 101"), ("panic", "exited with 1")]
)
def test_the_death_of_one_is_noticed_while_the_other_lives(three: list[Child], order: str, reason: str) -> None:
    start_early(MODULE, GIB, 2)
    done_by(three[0])

    with pytest.raises(ChildDied, match=reason):
        answers(three[1], do=order)

    assert done_by(three[0]) == three[0].pid


def test_one_that_is_killed_at_work_names_the_signal(three: list[Child]) -> None:
    start_early(MODULE, GIB, 2)
    conversation = three[0].run({"do": "sleep", "seconds": 60}, poll_seconds=0.05)
    next(message for message in conversation if message)
    assert three[0].pid
    os.kill(three[0].pid, signal.SIGKILL)

    with pytest.raises(ChildDied, match="killed by signal 9"):
        list(conversation)


@pytest.mark.parametrize("advance", [{"do": "crash"}, {"do": "exit"}, {"do": "sleep", "seconds": 60}])
def test_where_the_first_one_fails_every_child_loads_for_itself(advance: dict[str, Any]) -> None:
    child = Child(MODULE, memory_limit_bytes=GIB, silence_seconds=0.5)
    start_early(MODULE, GIB, 1, advance)
    try:
        assert answers(child, do="read notes")[0]["noted"] == []
    finally:
        child.close()


@pytest.mark.parametrize("meet", [True, False])
def test_they_die_with_their_parent_used_or_not(meet: bool) -> None:
    program = (
        "import psutil, sys; from datasets_app.children import Child, start_early\n"
        f"start_early({MODULE!r}, 1 << 30, 2, {NOTE!r})\n"
        f"child = Child({MODULE!r}, memory_limit_bytes=1 << 30)\n"
        f"print(*(child.run({{'do': 'count', 'to': 1}}) if {meet} else ()), file=sys.stderr)\n"
        "pids = [process.pid for process in psutil.Process().children()]\n"
        "print(*pids, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == (2 if meet else 1)

        parent.kill()

        assert all(wait_until_gone(pid) for pid in pids)


@pytest.fixture(autouse=True)
def nothing_early() -> Iterator[None]:
    yield
    end_early()
