"""Settings that come from the environment, and what Django's checks say of them."""

import os
import subprocess
import sys

import pytest
from django.conf import settings as started_with

from config import checks

ROW = "TOKENYARD_REFERENCE_ROW_MB"


def read(name, **environment):
    """A setting as a new process has it, or the last line of why there is none."""
    program = f"from config import settings; print(settings.{name})"
    env = {**os.environ, **environment}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=env, cwd=started_with.BASE_DIR, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).splitlines()[-1]


@pytest.mark.parametrize(("environment", "size"), [({}, 4_194_304), ({ROW: "64"}, 67_108_864), ({ROW: ""}, 4_194_304)])
def test_the_largest_row_of_the_reference_is_given_in_mib(environment, size):
    assert read("REFERENCE_ROW_BYTES", **environment) == str(size)


@pytest.mark.parametrize("wrong", ["0", "4.5", "much"])
def test_a_wrong_largest_row_stops_the_start(wrong):
    assert read("REFERENCE_ROW_BYTES", **{ROW: wrong}).endswith(
        f"{ROW} is '{wrong}': set it to a whole number of at least 1."
    )


def test_rows_that_a_child_has_no_memory_for_are_warned_of(settings):
    settings.CHILD_MEMORY_BYTES = 4 << 30

    settings.REFERENCE_ROW_BYTES = 32 << 20
    assert checks.the_largest_row_fits_a_child() == []
    settings.REFERENCE_ROW_BYTES = 33 << 20
    (warning,) = checks.the_largest_row_fits_a_child()

    assert warning.id == "tokenyard.W004"
    assert "needs 4224 MiB" in warning.msg


def test_folders_to_import_from_are_whole_paths():
    name = "TOKENYARD_IMPORT_DIRS"

    assert read("IMPORT_DIRS", **{name: ""}) == "[]"
    assert (
        read("IMPORT_DIRS", **{name: "/data/wiki, /srv/texts"}) == "[PosixPath('/data/wiki'), PosixPath('/srv/texts')]"
    )
    for wrong in ("data", "/data/../etc"):
        assert read("IMPORT_DIRS", **{name: wrong}).endswith(
            f"{name} has '{wrong}': give whole paths that start with /."
        )


def test_a_folder_to_import_from_that_is_not_there_is_warned_of(settings, tmp_path):
    settings.IMPORT_DIRS = [tmp_path, tmp_path / "nothing"]

    (warning,) = checks.folders_to_import_from_are_there()

    assert warning.msg == f"{tmp_path / 'nothing'} is no folder of this machine."


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("", "https://huggingface.co"),
        ("https://mirror.example.org/hf/", "https://mirror.example.org/hf"),
        (" http://127.0.0.1:8085 ", "http://127.0.0.1:8085"),
    ],
)
def test_the_hub_is_an_address(given, taken):
    assert read("HUB_ENDPOINT", HF_ENDPOINT=given) == taken


@pytest.mark.parametrize(
    "wrong",
    [
        "huggingface.co",
        "ftp://x",
        "http://",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://a:secret@127.0.0.1:8321",
        "http://127.0.0.1/api?x=1",
        "http://127.0.0.1/#x",
        "http://two words",
    ],
)
def test_a_hub_that_is_no_address_stops_the_start(wrong):
    said = read("HUB_ENDPOINT", HF_ENDPOINT=wrong)

    assert "HF_ENDPOINT is no address: set it to http:// or https:// with a host" in said
    assert "secret" not in said


def test_hosts_of_the_hub_are_patterns():
    name = "TOKENYARD_HUB_HOSTS"

    assert read("HUB_HOSTS", **{name: "*.CDN.example.org, files.example.org:8443"}) == (
        "['*.cdn.example.org', 'files.example.org:8443']"
    )
    for wrong in ("https://cdn.example.com", "a.b:xx", "a.b:70000", "a.b/c"):
        assert f"{name} has '{wrong}': give names of hosts" in read("HUB_HOSTS", **{name: wrong})
