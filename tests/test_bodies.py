"""The web server takes no body that nobody asked for: not a byte of it is written down."""

import http.client
import socket
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from django.conf import settings

from datasets_app import bodies
from tests.stack import running_stack, wait_for
from tests.test_server import Memory, megabytes

MEGABYTE = 2**20
CHUNK = settings.UPLOAD_CHUNK_BYTES
SMALL = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
UPLOAD_ID = "12345678-1234-1234-1234-123456789abc"


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/datasets/add/", settings.UPLOAD_LIMIT_BYTES + SMALL),
        (f"/datasets/uploads/{UPLOAD_ID}/17/", CHUNK),
        (f"/datasets/uploads/{UPLOAD_ID}/", SMALL),
        ("/datasets/uploads/", SMALL),
        ("/datasets/add/../../x/", SMALL),
        ("/", SMALL),
        ("//datasets/add/", SMALL),
    ],
)
def test_only_a_few_addresses_take_more_than_a_form(path, taken):
    assert bodies.limit(path) == taken


@pytest.fixture(scope="module")
def stack():
    with running_stack() as running:
        yield running


@pytest.fixture(scope="module")
def cookies(stack):
    return stack.sign_in().cookies


def post(stack, path, size, cookies="", content_type="application/octet-stream"):
    """The status and the words of the answer, and how many bytes were sent before it came."""
    headers = {"Content-Length": str(size), "Content-Type": content_type, "Cookie": cookies}
    with closing(http.client.HTTPConnection("127.0.0.1", stack.port, timeout=20)) as connection:
        connection.putrequest("POST", path)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.stack
def test_a_body_over_the_limit_is_refused_by_its_head(stack, cookies):
    status, said = post(stack, "/theme/", SMALL + 1, cookies)

    assert (status, said) == (413, "That is more than 4.2 MB, the most that is taken here.\n")
    assert post(stack, f"/datasets/uploads/{UPLOAD_ID}/0/", CHUNK + 1, cookies)[0] == 413
    assert post(stack, "/datasets/add/", settings.UPLOAD_LIMIT_BYTES * 2, cookies)[0] == 413


@pytest.mark.stack
@pytest.mark.parametrize("path", ["/datasets/add/", f"/datasets/uploads/{UPLOAD_ID}/0/", "/tokenizers/add/"])
@pytest.mark.parametrize("name", ["", "tokenyard_session=nonsense"])
def test_a_stranger_is_refused_by_the_head(stack, path, name):
    assert post(stack, path, CHUNK, name) == (401, "Sign in first.\n")


@pytest.mark.stack
def test_what_has_no_length_is_cut_off(stack):
    with closing(http.client.HTTPConnection("127.0.0.1", stack.port, timeout=20)) as connection:
        connection.request(
            "POST", "/sign-in/", body=megabytes(3), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
        )
        assert connection.getresponse().status == 413


@pytest.mark.stack
def test_who_goes_on_sending_still_reads_the_answer(stack):
    with closing(http.client.HTTPConnection("127.0.0.1", stack.port, timeout=20)) as connection:
        connection.request("POST", "/datasets/add/", body=megabytes(40), headers={"Content-Length": str(40 * MEGABYTE)})

        assert connection.getresponse().status == 401


@pytest.mark.stack
def test_a_form_with_a_large_file_stays_out_of_memory_and_leaves_nothing(stack, cookies):
    memory = Memory(stack.part("web").pid)
    memory.start()
    scratch = Path(stack.var, "scratch")
    before = sorted(scratch.iterdir())

    with closing(socket.create_connection(("127.0.0.1", stack.port))) as connection:
        head = f"POST /datasets/add/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n"
        kind = "Content-Type: multipart/form-data; boundary=x\r\n"
        connection.sendall(f"{head}{kind}Content-Length: {300 * MEGABYTE}\r\n\r\n".encode())
        for part in megabytes(300):
            connection.sendall(part)
        answer = connection.recv(100)

    assert answer.startswith(b"HTTP/1.1 4")  # no such form
    assert memory.growth() < 60 * MEGABYTE
    assert sorted(scratch.iterdir()) == before


def form(client, *files, token=""):
    """The body of the form that adds a dataset, and its head."""
    token = token or next(cookie.value for cookie in client.jar if "csrf" in cookie.name)
    parts = [f'--x\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token}\r\n'.encode()]
    for number, file in enumerate(files):
        head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="fox-{number}.csv"\r\n\r\n'
        parts += [head.encode(), file, b"\r\n"]
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Cookie": client.cookies, "Referer": client.url}
    return b"".join([*parts, b"--x--\r\n"]), headers


def send_form(client, *files, **options):
    """The status of the answer, and where it leads to."""
    body, headers = form(client, *files, **options)
    with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(client.url).port, timeout=60)) as connection:
        connection.request("POST", "/datasets/add/", body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["Location"] or answer.read().decode()


def on_disk(stack):
    folders = (Path(stack.var, "scratch"), Path(stack.var, "storage", "uploads"))
    return sorted(path for folder in folders for path in folder.rglob("*"))


@pytest.mark.stack
@pytest.mark.parametrize("rows", [100, 200_000])
def test_a_form_of_somebody_signed_in_comes_through(stack, rows):
    client = stack.sign_in()
    file = b"text\n" + b"the quick brown fox\n" * rows

    status, address = send_form(client, file, b"text\nof the second\n", file)

    assert status == 302
    page = client.get(address)
    assert "the quick brown fox" in page
    assert "of the second" in page
    stored = sorted(path.stat().st_size for path in on_disk(stack) if path.parent.name in address)
    assert stored == [len(b"text\nof the second\n"), len(file), len(file)]


@pytest.mark.stack
@pytest.mark.skipif(not hasattr(psutil.Process, "io_counters"), reason="this system does not count what is written")
def test_the_files_of_a_form_are_written_once(stack):
    client, web = stack.sign_in(), stack.part("web")
    file = b"text\n" + b"the quick brown fox\n" * (5 * MEGABYTE)
    memory = Memory(web.pid)
    memory.start()
    before = web.io_counters().write_chars

    status, _ = send_form(client, file)

    assert status == 302
    assert web.io_counters().write_chars - before < 1.1 * len(file)
    assert memory.growth() < 60 * MEGABYTE


@pytest.mark.stack
def test_who_leaves_in_the_middle_of_a_form_leaves_nothing(stack):
    before = on_disk(stack)
    body, headers = form(stack.sign_in(), b"text\n" + b"the quick brown fox\n" * MEGABYTE)
    with closing(socket.create_connection(("127.0.0.1", stack.port))) as connection:
        lines = [f"{name}: {value}" for name, value in {**headers, "Content-Length": str(len(body))}.items()]
        connection.sendall("\r\n".join(["POST /datasets/add/ HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode())
        connection.sendall(body[: len(body) // 2])
        wait_for(lambda: on_disk(stack) != before, 10, "the beginning of the file")

    wait_for(lambda: on_disk(stack) == before, 10, "an end of the file")


@pytest.mark.stack
def test_a_form_that_is_refused_leaves_nothing(stack):
    client, before = stack.sign_in(), on_disk(stack)
    file = b"text\n" + b"the quick brown fox\n" * MEGABYTE

    assert send_form(client, file, b"")[0] == 422
    assert send_form(client, file, token="another")[0] == 403
    assert send_form(client, *[b"text\n" + b"x" * 2000] * 1001) == (
        413,
        "That is more than 1,000 files, the most that is taken.\n",
    )
    assert on_disk(stack) == before


@pytest.mark.stack
def test_what_is_large_besides_the_files_of_a_form_is_refused(stack):
    client = stack.sign_in()
    body, headers = form(client, b"text\nfox\n")
    field = b'--x\r\nContent-Disposition: form-data; name="more"\r\n\r\n' + b"x" * (SMALL + MEGABYTE) + b"\r\n"

    with closing(http.client.HTTPConnection("127.0.0.1", stack.port, timeout=20)) as connection:
        connection.request("POST", "/datasets/add/", body=field + body, headers=headers)
        assert connection.getresponse().status == 413
