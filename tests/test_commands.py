"""Commands on their own, with no server and no broker."""

import gzip
import json
import os
import pty
import signal
import subprocess
import sys

import pytest
from django.conf import settings

from tests import real

pytestmark = pytest.mark.stack


@pytest.fixture
def manage(tmp_path):
    """Runs a command with a state folder of its own, which nothing has prepared."""
    env = {**os.environ, "TOKENYARD_VAR": str(tmp_path / "var"), "TOKENYARD_LOG_LEVEL": "WARNING"}
    env.pop("DATABASE_URL", None)
    env.pop("REDIS_URL", None)

    def run(*arguments, popen=False, stdin=subprocess.DEVNULL, flags=()):
        command = [sys.executable, *flags, str(settings.BASE_DIR / "manage.py"), *arguments]
        if popen:
            return subprocess.Popen(
                command, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)

    return run


@pytest.fixture
def prose(tmp_path):
    return real.parquet(tmp_path / "prose.parquet", real.texts(3000))


def test_a_fresh_folder_goes_from_a_file_to_tokens_with_three_commands(manage, prose, tmp_path):
    imported = manage("import_dataset", "prose", str(prose), "--json")
    added = manage("add_tokenizer", "small", str(real.byte_bpe(tmp_path / "tokenizer.json")), "--json")
    done = manage("tokenize", "prose", "small", "--here", "--max-length", "128", "--json")

    assert json.loads(imported.stdout)["rows"] == 3000, imported.stderr
    assert json.loads(added.stdout)["kind"] == "BPE", added.stderr
    assert json.loads(done.stdout)["status"] == "ready", done.stderr
    assert (imported.stderr, added.stderr, done.stderr) == ("", "", "")


def test_what_only_children_need_is_loaded_by_them_alone(manage, prose, tmp_path):
    manage("add_tokenizer", "small", str(real.byte_bpe(tmp_path / "tokenizer.json")))
    commands = [["import_dataset", "prose", str(prose)], ["tokenize", "prose", "small", "--here"]]
    for command in commands:
        done = manage(*command, flags=["-X", "importtime"])

        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "django" in loaded
        assert not loaded & {"numpy", "pyarrow", "pandas", "tokenizers"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["tokenize", "prose", "small", "--nonsense"],
            "Unrecognized arguments: --nonsense. See manage.py tokenize --help.\n",
        ),
        (["tokenize", "prose", "small", "--filter", "most"], "Argument --filter: invalid choice: 'most' (choose from"),
        (["cancel"], "The following arguments are required: "),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(manage, arguments, said):
    done = manage(*arguments)

    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("how", ["--here", "--detach"])
def test_a_batch_begins_nothing_if_one_of_it_cannot_be(manage, prose, tmp_path, how):
    other = tmp_path / "other.jsonl"
    other.write_text('{"words": "One."}\n{"words": "Two."}\n')
    manage("import_dataset", "prose", str(prose))
    manage("import_dataset", "other", str(other))
    manage("add_tokenizer", "small", str(real.byte_bpe(tmp_path / "tokenizer.json")))

    done = manage("tokenize", "prose", "other", "--tokenizer", "small", "--text-column", "text", how, "--json")

    assert (done.returncode, done.stdout) == (1, "")
    assert "other has no text column text. Choose one of: words." in done.stderr
    assert json.loads(manage("list_tokenizations", "--json").stdout) == []


def test_with_no_worker_it_says_so_and_waits_no_longer_than_told(manage, prose, tmp_path):
    manage("import_dataset", "prose", str(prose))
    manage("add_tokenizer", "small", str(real.byte_bpe(tmp_path / "tokenizer.json")))

    waited = manage("tokenize", "prose", "small", "--wait", "1")

    assert waited.returncode != 0
    assert "No worker is running" in waited.stderr
    assert json.loads(manage("list_tokenizations", "--json").stdout)[0]["status"] == "queued"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_without_a_terminal_cancels(manage, prose, tmp_path, sign):
    manage("import_dataset", "prose", str(prose))
    manage("add_tokenizer", "small", str(real.byte_bpe(tmp_path / "tokenizer.json")))
    with manage("tokenize", "prose", "small", popen=True) as waiting:
        try:
            assert "No worker is running" in waiting.stderr.readline()
            waiting.send_signal(sign)
            out, err = waiting.communicate(timeout=30)
        finally:
            waiting.kill()

    assert waiting.returncode != 0, out + err
    assert json.loads(manage("list_tokenizations", "--json").stdout)[0]["status"] == "cancelled"


@pytest.mark.parametrize(("answer", "status"), [("c", "cancelled"), ("d", "queued")])
def test_an_interrupt_at_a_terminal_asks_what_to_do(manage, prose, tmp_path, answer, status):
    manage("import_dataset", "prose", str(prose))
    manage("add_tokenizer", "small", str(real.byte_bpe(tmp_path / "tokenizer.json")))
    keyboard, terminal = pty.openpty()
    try:
        with manage("tokenize", "prose", "small", popen=True, stdin=terminal) as waiting:
            try:
                assert "No worker is running" in waiting.stderr.readline()
                waiting.send_signal(signal.SIGINT)
                os.write(keyboard, f"{answer}\n".encode())
                _, said = waiting.communicate(timeout=30)
            finally:
                waiting.kill()
    finally:
        os.close(keyboard)
        os.close(terminal)

    assert "Cancel the job, or detach" in said
    assert json.loads(manage("list_tokenizations", "--json").stdout)[0]["status"] == status


def test_how_files_are_read_can_be_said_on_the_command_line(manage, tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress("1|caf\xe9,a\n2\n3|b\n".encode("latin-1")))
    flags = ["--delimiter", "bar", "--no-header", "--encoding", "latin-1", "--bad-rows", "1"]

    imported = manage("import_dataset", "letters", str(path), *flags, "--json")
    refused = manage("import_dataset", "more", str(path), *flags[:-2], "--json")

    facts = json.loads(imported.stdout)
    assert facts["rows"] == 2, imported.stderr
    assert refused.returncode == 1
    assert "Line 2 of a.csv.gz has 1 value, the first line has 2." in refused.stderr


def test_the_layout_of_json_can_be_said_on_the_command_line(manage, tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"data": [{"text": "a"}, {"text": "b"}]}')

    found = manage("import_dataset", "found", str(path), "--json")
    said = manage("import_dataset", "said", str(path), "--layout", "lines", "--json")

    assert json.loads(found.stdout)["rows"] == 2, found.stderr
    assert "There is no column of text in a.json" in said.stderr
