"""Forms with files, cut up as they arrive: Django reads of them what it would read of the whole."""

import io
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

from datasets_app.management import multipart
from datasets_app.management.multipart import Form, TooManyFiles, boundary_of

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
Part = tuple[str, bytes]


def body_of(*parts: Part, boundary: str = BOUNDARY) -> bytes:
    made = [f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + text for head, text in parts]
    return b"\r\n".join([*made, f"--{boundary}--\r\n".encode()])


def arrived(body: bytes, piece_bytes: int) -> Form:
    form = Form(BOUNDARY.encode())
    for start in range(0, len(body), piece_bytes):
        form.write(body[start : start + piece_bytes])
    form.finish()
    form.seek(0)
    return form


def request_with(body: io.BytesIO, **scope: Any) -> ASGIRequest:
    kind = f"multipart/form-data; boundary={BOUNDARY}".encode()
    headers = [(b"content-type", kind), (b"content-length", b"1000")]
    return ASGIRequest({"type": "http", "method": "POST", "path": "/", "headers": headers, **scope}, body)


def read_of(request: HttpRequest) -> tuple[list[tuple[str, list[str]]], list[tuple[str, str, str, bytes]]]:
    """The fields, and the files with what is in them."""
    with closing(request):
        several = [(name, file) for name, files in request.FILES.lists() for file in files]
        files = [(name, file.name, file.content_type, file.read()) for name, file in several]
        assert [len(content) for _, _, _, content in files] == [file.size for _, file in several]
        return list(request.POST.lists()), files


LINES = b"text\r\n" + b"the quick brown fox\r\n" * 40
FORMS = {
    "a file among fields": body_of(('name="a"', b"1"), ('name="f"; filename="a.csv"', LINES), ('name="b"', b"2")),
    "several files": body_of(*((f'name="f"; filename="{n}.csv"', LINES * n) for n in range(4))),
    "an empty file": body_of(('name="f"; filename="a.csv"', b"")),
    "no file chosen": body_of(
        ('name="f"; filename=""\r\nContent-Type: application/octet-stream', b""), ('name="a"', b"1")
    ),
    "what looks like a delimiter": body_of(
        ('name="f"; filename="a.csv"', b"x\r\n--\r\n------WebKit\r\n--" + BOUNDARY[:-1].encode())
    ),
    "ends of lines": body_of(('name="f"; filename="a.csv"', b"\r\n\r\n\r\n"), ('name="f"; filename="b.csv"', b"\n\r")),
    "a field called filename": body_of(
        ('name="filename"', b"x"), ("name=\"f\"; filename*=UTF-8''%e2%82%ac.csv", b"euro")
    ),
    "a kind of its own": body_of(('name="f"; filename="a.json"\r\nContent-Type: application/json', b"{}")),
    "a preamble": b"before\r\n" + body_of(('name="f"; filename="a.csv"', LINES)),
    "the length of a key": body_of(('name="f"; filename="a.csv"', b"0" * multipart.KEY_BYTES)),
    "an end that is missing": body_of(('name="a"', b"1"), ('name="f"; filename="a.csv"', LINES))[:-70],
    "lines that end otherwise": body_of(('name="a"', b"1"), ('name="f"; filename="a.csv"', b"x")).replace(
        b"\r\n", b"\n"
    ),
    "nothing of the kind": b"x" * 500,
    "nothing": b"",
}


@pytest.mark.parametrize("piece_bytes", [1, 7, 64, 100_000])
@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
def test_django_reads_the_same(body: bytes, piece_bytes: int) -> None:
    form = arrived(body, piece_bytes)
    files = form.hand_over()

    cut_up = read_of(request_with(form, files=files))

    assert cut_up == read_of(request_with(io.BytesIO(body)))
    for file in files.values():  # whose end is missing
        file.close()


def test_what_a_file_holds_is_nowhere_but_in_its_file() -> None:
    form = arrived(body_of(('name="a"', b"1"), ('name="f"; filename="a.csv"', LINES * 1000)), 1 << 16)

    (file,) = form.files.values()

    assert b"fox" not in form.getvalue()
    assert Path(file.name).read_bytes() == LINES * 1000
    form.close()


def test_many_files_are_told_apart() -> None:
    parts = [(f'name="f"; filename="{number}.csv"', str(number).encode()) for number in range(700)]
    form = arrived(body_of(*parts), 1000)  # longer than what Django reads at once

    _, files = read_of(request_with(form, files=form.hand_over()))

    assert [(name, content) for _, name, _, content in files] == [(f"{n}.csv", b"%d" % n) for n in range(700)]


def test_more_files_than_there_may_be_are_not_even_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MOST_FILES", 3)
    form = Form(BOUNDARY.encode())

    with pytest.raises(TooManyFiles):
        form.write(body_of(*[('name="f"; filename="a.csv"', b"x")] * 4))

    assert len(form.files) == 3
    form.close()


def test_a_form_that_is_closed_leaves_no_file() -> None:
    form = arrived(body_of(('name="f"; filename="a.csv"', LINES)), 100)
    (path,) = (Path(file.name) for file in form.files.values())
    assert path.exists()

    form.close()

    assert not path.exists()


def test_a_request_that_is_closed_leaves_no_file() -> None:
    form = arrived(body_of(('name="f"; filename="a.csv"', LINES)), 100)
    (path,) = (Path(file.name) for file in form.files.values())
    request = request_with(form, files=form.hand_over())
    assert request.FILES["f"].temporary_file_path() == str(path)

    request.close()

    assert not path.exists()


def test_a_key_that_was_not_drawn_names_nothing() -> None:
    guessed = b"0" * multipart.KEY_BYTES
    form = arrived(body_of(('name="f"; filename="a.csv"', guessed), ('name="g"; filename="b.csv"', LINES)), 100)

    files = {name: content for name, _, _, content in read_of(request_with(form, files=form.hand_over()))[1]}

    assert files == {"f": guessed, "g": LINES}


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'Multipart/Form-Data; charset=utf-8; boundary="a b"', b"a b"),
        (b"multipart/form-data;boundary=abc; charset=utf-8", b"abc"),
        (b"multipart/mixed; boundary=abc", None),
        (b"application/x-www-form-urlencoded", None),
        (b"", None),
    ],
)
def test_the_boundary_is_the_one_of_the_head(content_type: bytes, boundary: bytes | None) -> None:
    assert boundary_of(content_type) == boundary
