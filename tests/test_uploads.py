"""Uploads in pieces: who may send what, how much of it, and where each piece belongs."""

import io
import json
import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from datasets_app import keeper, sending, storage
from datasets_app.jobs import from_now
from datasets_app.models import UPLOADS_KEPT, Upload
from tests import factories
from tests.hub.fixtures import CANARY

CSV = b"text\nthe quick brown fox\n"
MEGABYTE = 10**6


def announced(name="a.csv", size=25, modified=1):
    return {"name": name, "bytes": size, "modified": modified}


def begin(client, *files, is_folder=False):
    body = {"files": list(files) or [announced()], "is_folder": is_folder}
    return client.post(reverse("datasets:begin_upload"), json.dumps(body), content_type="application/json")


def begun(client, *files, **options):
    answer = begin(client, *files, **options)
    assert answer.status_code == 201, answer.content.decode()
    return answer.json()


def send(client, url, content, offset=0, number=0):
    address = f"{url}{number}/?offset={offset}"
    return client.post(address, content, content_type="application/octet-stream")


def upload_at(url):
    return Upload.objects.get(pk=url.strip("/").rsplit("/", 1)[1])


def test_pieces_become_a_file_that_is_previewed(as_owner):
    url = begun(as_owner)["url"]

    first = send(as_owner, url, CSV[:7])
    last = send(as_owner, url, CSV[7:], 7)

    assert (first.json(), last.json()["sent"]) == ({"sent": 7, "next": None}, len(CSV))
    assert "the quick brown fox" in as_owner.get(last.json()["next"]).content.decode()
    assert as_owner.get(url).json()["next"] == last.json()["next"]


def test_a_piece_is_taken_once_and_only_where_the_file_ends(as_owner):
    url = begun(as_owner)["url"]
    send(as_owner, url, CSV[:7])

    again, too_far = send(as_owner, url, CSV[:7]), send(as_owner, url, CSV[9:], 9)

    assert [(answer.status_code, answer.json()) for answer in (again, too_far)] == [(409, {"sent": 7})] * 2
    assert upload_at(url).path({"stored": 0}).read_bytes() == CSV[:7]


def test_the_next_file_waits_for_nothing(as_owner):
    url = begun(as_owner, announced("a.csv"), announced("b.csv"))["url"]

    second = send(as_owner, url, CSV, number=1)
    first = send(as_owner, url, CSV, number=0)

    assert second.json()["next"] is None
    assert first.json()["next"]


@pytest.mark.parametrize("query", ["", "?offset=", "?offset=-1", "?offset=x", f"?offset={'9' * 5000}", "?offset=٣"])
def test_a_piece_says_where_it_belongs(as_owner, query):
    url = begun(as_owner)["url"]

    answer = as_owner.post(f"{url}0/{query}", CSV, content_type="application/octet-stream")

    assert answer.status_code == 422
    assert upload_at(url).sent_bytes == 0


def test_more_than_was_announced_is_refused_and_not_kept(as_owner):
    url = begun(as_owner)["url"]
    send(as_owner, url, CSV[:7])

    answer = send(as_owner, url, CSV, 7)

    assert answer.status_code == 422
    assert upload_at(url).sent_bytes == 7


def test_a_piece_larger_than_a_piece_may_be_is_refused(as_owner, settings):
    settings.UPLOAD_CHUNK_BYTES = 10
    url = begun(as_owner)["url"]

    assert send(as_owner, url, CSV[:11]).status_code == 422
    assert send(as_owner, url, CSV[:10]).status_code == 200


def test_the_same_files_chosen_again_go_on_where_they_were(as_owner):
    first = begun(as_owner, announced("a.csv"), announced("b.csv"))
    send(as_owner, first["url"], CSV[:7])

    again = begun(as_owner, announced("a.csv"), announced("b.csv"))
    other = begun(as_owner, announced("a.csv", modified=2), announced("b.csv"))

    assert again["url"] == first["url"]
    assert [file["sent"] for file in again["files"]] == [7, 0]
    assert other["url"] != first["url"]


def test_a_colleague_neither_sees_nor_continues_nor_removes_it(as_owner, as_colleague):
    url = begun(as_owner)["url"]

    answers = [as_colleague.get(url), send(as_colleague, url, CSV), as_colleague.post(f"{url}remove/")]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert upload_at(url).sent_bytes == 0
    assert begun(as_colleague)["url"] != url


def test_a_stranger_is_told_to_sign_in(as_stranger):
    address = reverse("datasets:begin_upload")

    assert as_stranger.post(address, "{}", content_type="application/json").status_code == 302
    answer = as_stranger.post(address, "{}", content_type="application/json", headers={"Accept": "application/json"})
    assert answer.status_code == 401


def test_a_preview_needs_the_whole_upload(as_owner):
    url = begun(as_owner)["url"]

    assert as_owner.get(reverse("datasets:preview", args=[upload_at(url).pk])).status_code == 404


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([announced("a.docx")], "cannot be read"),
        ([announced(size=0)], "a.csv is empty. "),
        ([announced(f"{CANARY}.csv")], "This is a token"),
        ([announced("../.a.csv")], "is a hidden file"),
        ([announced(f"{'x' * 1000}.csv")], "has over 1,000 characters. Give it a shorter one."),
        ([announced(size=-1)], "cannot be sent"),
        ([announced(name="")], "cannot be sent"),
        ([], "There is no file here that can be read."),
        (["a.csv"], "It is not said which files"),
        ([announced(), announced("b.csv"), announced("c.csv")], "over 2."),
    ],
)
def test_what_cannot_be_taken_is_refused_before_it_is_sent(as_owner, settings, files, said):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2

    answer = as_owner.post(
        reverse("datasets:begin_upload"), json.dumps({"files": files}), content_type="application/json"
    )

    assert answer.status_code == 422
    assert said in " ".join(answer.json().values())
    assert CANARY not in answer.content.decode()
    assert not Upload.objects.exists()


@pytest.mark.parametrize("body", ["", "[]", "{", '{"files": 3}', "[" * 100_000])
def test_nonsense_is_refused(as_owner, body):
    answer = as_owner.post(reverse("datasets:begin_upload"), body, content_type="application/json")

    assert answer.status_code == 422


def test_a_folder_above_is_not_taken_for_a_hidden_one(as_owner):
    assert begun(as_owner, announced("../../etc/passwd.csv"))["files"][0]["name"] == "../../etc/passwd.csv"


def test_half_a_character_in_a_name_is_replaced(as_owner):
    url = begun(as_owner, announced("\ud800.csv"))["url"]
    page = send(as_owner, url, CSV).json()["next"]

    assert "\N{REPLACEMENT CHARACTER}.csv" in as_owner.get(page).content.decode()
    assert as_owner.get(reverse("datasets:add")).status_code == 200


def test_of_a_folder_the_rest_is_left_out_and_named(as_owner):
    names = ["wiki/a.csv", "wiki/.DS_Store", "wiki/README.md", "wiki/.git/b.csv", "wiki/sub/c.csv"]

    answer = begun(as_owner, *map(announced, names), announced("wiki/none.csv", 0), is_folder=True)

    assert [file["name"] for file in answer["files"]] == ["wiki/a.csv", "wiki/sub/c.csv"]
    assert answer["places"] == [0, 4]
    html = as_owner.get(reverse("datasets:add")).content.decode()
    assert "wiki/.DS_Store, wiki/README.md, wiki/.git/b.csv, wiki/none.csv." in html


def test_an_upload_over_the_limit_is_refused_as_a_whole(as_owner, settings):
    settings.UPLOAD_LIMIT_BYTES = 3 * MEGABYTE

    answer = begin(as_owner, announced("a.csv", 2 * MEGABYTE), announced("b.csv", 2 * MEGABYTE))

    assert answer.json()["error"] == "That is 4.0 MB, over 3.0 MB for one upload."


def test_what_waits_counts_for_the_quota_until_it_is_removed(as_owner, as_colleague, settings):
    settings.UPLOAD_QUOTA_BYTES = 5 * MEGABYTE
    url = begun(as_owner, announced("a.csv", 3 * MEGABYTE))["url"]

    refused = begin(as_owner, announced("b.csv", 3 * MEGABYTE))
    assert refused.json()["error"] == "3.0 MB of yours are waiting here, and with 3.0 MB more it is over 5.0 MB."
    assert begin(as_colleague, announced("b.csv", 3 * MEGABYTE)).status_code == 201

    assert as_owner.post(f"{url}remove/").url == reverse("datasets:add")
    assert begin(as_owner, announced("b.csv", 3 * MEGABYTE)).status_code == 201


def test_a_plain_form_has_the_same_quota(as_owner, settings):
    settings.UPLOAD_QUOTA_BYTES = 10

    answer = as_owner.post(reverse("datasets:add"), {"files": [io.BytesIO(CSV)]})
    named = io.BytesIO(CSV)
    named.name = "a.csv"
    refused = as_owner.post(reverse("datasets:add"), {"files": [named]})

    assert answer.status_code == 422
    assert "over 10 bytes for one upload" in refused.content.decode()
    assert not Upload.objects.exists()


def test_what_does_not_fit_on_the_disk_is_refused_with_what_is_on_its_way(as_owner, monkeypatch):
    room = sending.SPARE_BYTES + 5 * MEGABYTE
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: SimpleNamespace(free=room))
    begun(as_owner, announced("a.csv", 3 * MEGABYTE))

    answer = begin(as_owner, announced("b.csv", 3 * MEGABYTE))

    assert answer.json()["error"].startswith("There is room for 5.0 MB on the server’s disk")


@pytest.mark.parametrize(("has_scratch", "status"), [(True, 302), (False, 422)])
def test_what_a_form_has_brought_to_the_same_disk_needs_no_more_room(as_owner, monkeypatch, has_scratch, status):
    room = sending.SPARE_BYTES + 10
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: SimpleNamespace(free=room))
    monkeypatch.setattr(storage, "has_scratch", lambda: has_scratch)

    answer = as_owner.post("/datasets/add/", {"files": SimpleUploadedFile("a.csv", b"text\n" + b"fox\n" * 100)})

    assert answer.status_code == status
    assert ("There is room for 10 bytes" in answer.content.decode()) is not has_scratch


def test_a_disk_that_fills_up_keeps_what_was_there(as_owner):
    url = begun(as_owner, announced(size=MEGABYTE))["url"]
    send(as_owner, url, CSV)
    upload = upload_at(url)

    def fills_up(size):
        raise OSError(28, "No space left on device")

    with pytest.raises(sending.JobError, match="The disk is full"):
        sending.append(upload, upload.files[0], len(CSV), SimpleNamespace(read=fills_up))

    assert upload.sent_bytes == len(CSV)


def test_a_piece_is_copied_in_small_blocks(as_owner):
    upload = upload_at(begun(as_owner, announced(size=8 * 2**20))["url"])
    asked = []

    class Piece(io.BytesIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    sending.append(upload, upload.files[0], 0, Piece(bytes(8 * 2**20)))

    assert set(asked) == {sending.COPIED_BYTES}
    assert upload.finish()


def test_of_two_writers_of_one_file_one_comes_too_late(as_owner):
    upload = upload_at(begun(as_owner, announced(size=2 * MEGABYTE))["url"])
    late = []

    def write():
        try:
            sending.append(upload, upload.files[0], 0, io.BytesIO(bytes(MEGABYTE)))
        except sending.OutOfPlace:
            late.append(1)

    with sending.ending(upload, upload.files[0]):
        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
    for writer in writers:
        writer.join()

    assert (upload.sent_bytes, late) == (MEGABYTE, [1])


def test_a_client_that_vanished_leaves_nothing_after_a_day(as_owner):
    url = begun(as_owner)["url"]
    send(as_owner, url, CSV[:7])
    upload = upload_at(url)
    Upload.objects.update(created_at=from_now(-2 * UPLOADS_KEPT))

    keeper.sweep()
    assert storage.upload_dir(upload.pk).exists()

    Upload.objects.update(touched_at=from_now(-UPLOADS_KEPT - timedelta(seconds=1)))
    keeper.sweep()
    assert not Upload.objects.exists()
    assert not storage.upload_dir(upload.pk).exists()
    assert send(as_owner, url, CSV[7:], 7).status_code == 404


def test_sending_on_keeps_an_upload(as_owner):
    url = begun(as_owner)["url"]
    Upload.objects.update(touched_at=from_now(-UPLOADS_KEPT))

    send(as_owner, url, CSV[:7])
    keeper.sweep()

    assert upload_at(url).sent_bytes == 7


def test_the_page_lists_what_waits_for_its_owner_alone(as_owner, as_colleague):
    url = begun(as_owner)["url"]
    send(as_owner, url, CSV[:7])
    address = reverse("datasets:add")

    html = as_owner.get(address).content.decode()

    assert "7 bytes of 25 bytes sent" in html
    assert "Not imported yet" not in as_colleague.get(address).content.decode()
    send(as_owner, url, CSV[7:], 7)
    assert reverse("datasets:preview", args=[upload_at(url).pk]) in as_owner.get(address).content.decode()


def test_what_is_being_imported_is_not_removed(as_owner, owner):
    url = begun(as_owner)["url"]
    send(as_owner, url, CSV)
    dataset = factories.queued_dataset("letters", created_by=owner, upload=upload_at(url))

    as_owner.post(f"{url}remove/")

    assert dataset.import_job.upload.sent_bytes == len(CSV)
    assert "Not imported yet" not in as_owner.get(reverse("datasets:add")).content.decode()
