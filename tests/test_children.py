import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from datasets_app.children import ROOT, Child, ChildDied
from datasets_app.errors import JobError

MODULE = "tests.child_of_tests"


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child(MODULE, memory_limit_bytes=1 << 30, silence_seconds=5)
    yield child
    child.close()


def answers(child: Child, **request: Any) -> list[Any]:
    return [message for message in child.run(request, poll_seconds=0.05) if message is not None]


def wait_until_gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_it_yields_every_message_in_order_and_ends_after_done(child: Child) -> None:
    messages = answers(child, do="count", to=2000)

    assert [message["number"] for message in messages[:-1]] == list(range(2000))
    assert "done" in messages[-1]


def test_the_process_is_kept_between_requests(child: Child) -> None:
    first = answers(child, do="count", to=1)[-1]["done"]["pid"]
    second = answers(child, do="count", to=1)[-1]["done"]["pid"]

    assert first == second == child.pid


def test_it_yields_none_while_the_child_is_busy(child: Child) -> None:
    messages = list(child.run({"do": "sleep", "seconds": 0.4}, poll_seconds=0.05))

    assert messages.count(None) >= 4


def test_an_explained_failure_is_a_job_error_and_leaves_the_child_usable(child: Child) -> None:
    with pytest.raises(JobError, match="Row 3 has no text") as caught:
        answers(child, do="refuse")

    assert caught.value.advice == "Add some."
    pid = child.pid
    assert answers(child, do="count", to=1)[-1]["done"]["pid"] == pid


@pytest.mark.parametrize(
    ("order", "reason"), [("crash", "exited with 1"), ("panic", "exited with 1"), ("exit", "exited with 101")]
)
def test_a_crash_says_how_it_ended_and_the_next_request_gets_a_new_child(child: Child, order: str, reason: str) -> None:
    with pytest.raises(ChildDied, match=f"^{reason}$"):
        answers(child, do=order)

    assert child.pid is None
    assert "done" in answers(child, do="count", to=1)[-1]


def test_a_child_killed_while_idle_is_replaced(child: Child) -> None:
    pid = answers(child, do="count", to=1)[-1]["done"]["pid"]
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    assert answers(child, do="count", to=1)[-1]["done"]["pid"] != pid


def test_a_child_killed_at_work_names_the_signal(child: Child) -> None:
    conversation = child.run({"do": "sleep", "seconds": 30})
    next(conversation)
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)

    with pytest.raises(ChildDied, match="was killed by signal 9"):
        list(conversation)


@pytest.mark.parametrize("order", ["sleep", "hang holding the GIL"])
def test_a_silent_child_is_killed(order: str) -> None:
    child = Child(MODULE, memory_limit_bytes=1 << 30, silence_seconds=1.0)

    with pytest.raises(ChildDied, match="finished nothing in 1 s"):
        answers(child, do=order, seconds=30)

    assert child.pid is None


def test_a_child_that_eats_memory_is_killed_and_the_text_says_how_much() -> None:
    child = Child(MODULE, memory_limit_bytes=1 << 28, silence_seconds=20)

    with pytest.raises(ChildDied, match=r"used 0\.\d GB of memory, more than the 0.25 GB allowed"):
        answers(child, do="eat memory", megabytes=400)

    assert child.pid is None


def test_leaving_in_the_middle_kills_the_child(child: Child) -> None:
    conversation = child.run({"do": "sleep", "seconds": 30})
    next(conversation)
    pid = child.pid

    conversation.close()

    assert pid
    assert wait_until_gone(pid)
    assert "done" in answers(child, do="count", to=1)[-1]


def test_leaving_after_the_last_message_keeps_the_child(child: Child) -> None:
    conversation = child.run({"do": "count", "to": 1})
    done = next(message for message in conversation if message and "done" in message)

    conversation.close()

    assert child.pid == done["done"]["pid"]


def test_noise_on_standard_output_does_not_break_the_protocol(child: Child) -> None:
    messages = answers(child, do="shout")

    assert len(messages) == 1


def test_the_child_is_nice_single_threaded_and_knows_no_django(child: Child) -> None:
    facts = answers(child, do="environment")[0]

    assert facts["environment"]["TOKENIZERS_PARALLELISM"] == "false"
    assert facts["environment"]["FASTOKENS_BPE_THREADS"] == facts["environment"]["RAYON_NUM_THREADS"] == "1"
    assert facts["niceness"] >= 5
    assert not any(name.split(".")[0] == "django" for name in facts["modules"])


def test_what_the_child_imports_says_nothing_on_standard_error(child: Child) -> None:
    environment = answers(child, do="environment")[0]["environment"]

    done = subprocess.run(
        [sys.executable, "-c", "import transformers"], env=environment, capture_output=True, check=True
    )

    assert done.stderr == b""


def test_pyarrow_in_the_child_does_not_load_pandas(child: Child) -> None:
    assert answers(child, do="import", name="pandas")[0] == {"found": False}
    assert answers(child, do="import", name="pyarrow")[0] == {"found": True}


@pytest.mark.parametrize("order", ["sleep", "hang holding the GIL"])
def test_the_child_dies_with_its_parent(order: str) -> None:
    program = (
        "import sys; from datasets_app.children import Child\n"
        f"child = Child({MODULE!r}, memory_limit_bytes=1 << 30)\n"
        f"conversation = child.run({{'do': {order!r}, 'seconds': 60}})\n"
        "next(message for message in conversation if message)\n"
        "sys.stdout.write(f'{child.pid}\\n'); sys.stdout.flush(); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        time.sleep(0.1)

        parent.kill()

        assert wait_until_gone(pid)


def test_close_may_be_called_twice_and_before_anything_started() -> None:
    child = Child(MODULE, memory_limit_bytes=1 << 30)

    child.close()
    child.close()

    assert child.pid is None
