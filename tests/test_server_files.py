"""Files on the server: only inside the folders that settings name, wherever a path or a link leads."""

import os

import pytest
from django.urls import reverse

from datasets_app import leases, server_files, storage
from datasets_app.errors import JobError
from datasets_app.importing import ImportWork
from datasets_app.models import Dataset, Import, Upload

CSV = b"text\nthe quick brown fox\n"
ADD = "datasets:add_server_files"


def put(path, content=CSV):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def shared(tmp_path, settings):
    """The folder that may be imported from, beside one that may not."""
    folder = tmp_path / "shared"
    folder.mkdir()
    settings.IMPORT_DIRS = [folder]
    put(tmp_path / "secret" / "salaries.csv")
    return folder


def names(typed):
    return [file["name"] for file in server_files.find(typed)[0]]


def test_a_hidden_file_is_refused_even_by_its_path(shared):
    path = put(shared / ".hidden.csv")

    with pytest.raises(JobError, match=r"\.hidden\.csv is a hidden file"):
        server_files.find(str(path))


def test_a_file_is_given_by_its_whole_path_or_from_the_folder_on(shared):
    path = put(shared / "wiki" / "a.csv")

    for typed in (str(path), "wiki/a.csv", f"  {path}  "):
        assert server_files.find(typed) == (
            [{"name": "a.csv", "path": str(path), "kind": "csv", "bytes": len(CSV)}],
            [],
        )


def test_a_folder_stands_for_all_that_can_be_read_in_it(shared):
    for name in ("b/2.jsonl", "a.csv", ".hidden.csv", ".git/c.csv"):
        put(shared / "wiki" / name)
    put(shared / "wiki" / "README.md")
    put(shared / "wiki" / "none.csv", b"")

    files, left_out = server_files.find("wiki")

    assert [file["name"] for file in files] == ["wiki/a.csv", "wiki/b/2.jsonl"]
    assert [said.split(" ", 1)[0] for said in left_out] == ["wiki/README.md", "wiki/none.csv"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("*.csv", ["1.csv", "2.csv"]),
        ("[1].csv", ["1.csv"]),
        ("**/*.csv", ["1.csv", "2.csv", "3.csv", "4.csv"]),
        ("*/*.csv", ["3.csv"]),
        ("in/**/4.csv", ["4.csv"]),
        ("**/**/**/4.csv", ["4.csv"]),
    ],
)
def test_a_pattern_names_what_fits(shared, typed, found):
    for name in ("1.csv", "2.csv", "in/3.csv", "in/deep/4.csv"):
        put(shared / name)

    assert [name.rsplit("/", 1)[1] for name in names(typed)] == found


def test_a_name_with_marks_of_a_pattern_is_that_file(shared):
    put(shared / "a[1].csv")

    assert names("a[1].csv") == ["a[1].csv"]


@pytest.mark.parametrize(
    "typed",
    ["{out}/secret/salaries.csv", "/etc/passwd", "../secret/salaries.csv", "{in}/../secret/salaries.csv", "/", "/*",
     "{in}/nothing.csv", "{in}-not/a.csv", "a\0b.csv", "~/a.csv"],
)  # fmt: skip
def test_what_is_outside_and_what_is_not_there_are_refused_in_the_same_words(shared, typed):
    typed = typed.replace("{out}", str(shared.parent)).replace("{in}", str(shared))

    with pytest.raises(JobError) as refused:
        server_files.find(typed)

    assert str(refused.value).endswith("is nothing that may be imported.")
    assert str(shared) in refused.value.advice


def test_links_that_lead_outside_are_not_followed(shared):
    secret = shared.parent / "secret"
    (shared / "file.csv").symlink_to(secret / "salaries.csv")
    (shared / "folder").symlink_to(secret)
    put(shared / "good.csv")

    for typed in ("file.csv", "folder", "folder/salaries.csv", "folder/*.csv"):
        with pytest.raises(JobError, match="is nothing that may be imported"):
            server_files.find(typed)
    files, left_out = server_files.find("**/*.csv")

    assert [file["name"] for file in files] == [f"{shared.name}/good.csv"]
    assert left_out == [f"{shared.name}/file.csv leads out of the folders that may be imported from. It is left out."]


def test_a_link_inside_is_read_under_its_own_name(shared):
    blob = put(shared / "blobs" / "0a1b2c")
    (shared / "a.csv").symlink_to(blob)

    (file,), _ = server_files.find("a.csv")

    assert (file["name"], file["path"], file["kind"]) == ("a.csv", str(blob), "csv")


def test_what_is_tokenyards_own_is_never_imported(shared, settings):
    settings.STORAGE_ROOT = shared / "storage"
    put(settings.STORAGE_ROOT / "uploads" / "a.csv")

    with pytest.raises(JobError, match="is nothing that may be imported"):
        server_files.find("storage/uploads/a.csv")


def test_too_many_files_are_refused(shared, settings, monkeypatch):
    for number in range(4):
        put(shared / f"{number}.csv")
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 3
    with pytest.raises(JobError, match="names 4 files"):
        server_files.find("*.csv")

    monkeypatch.setattr(server_files, "LOOKED_AT", 3)
    with pytest.raises(JobError, match="has over 3 files"):
        server_files.find("*.csv")


def test_a_file_that_cannot_be_imported_says_why(shared):
    put(shared / "a.docx")
    put(shared / "none.csv", b"")
    os.mkfifo(shared / "pipe.csv")

    for typed, said in (("a.docx", "cannot be read"), ("none.csv", "is empty"), ("pipe.csv", "may be imported")):
        with pytest.raises(JobError, match=said):
            server_files.find(typed)


def test_without_the_setting_there_is_no_such_way(as_owner, settings, tmp_path):
    settings.IMPORT_DIRS = []
    path = put(tmp_path / "a.csv")

    assert "Files on the server" not in as_owner.get(reverse("datasets:add")).content.decode()
    answer = as_owner.post(reverse(ADD), {"path": str(path)})
    assert answer.status_code == 422
    assert not Upload.objects.exists()


def test_it_is_previewed_and_imported_where_it_lies(as_owner, owner, shared):
    path = put(shared / "notes-test.csv")

    address = as_owner.post(reverse(ADD), {"path": "notes-test.csv"}).url
    html = as_owner.get(address).content.decode()
    as_owner.post(address, {"name": "notes", "text_column": "text", "split_0": "test"})

    assert "the quick brown fox" in html
    dataset = Dataset.objects.get(name="notes")
    assert (dataset.source, dataset.created_by) == ("server", owner)
    assert dataset.import_job.shards.get().path == str(path)
    upload = dataset.import_job.upload
    assert not storage.upload_dir(upload.pk).exists()


def test_a_path_outside_is_told_beside_the_field(as_owner, shared):
    answer = as_owner.post(reverse(ADD), {"path": "/etc/passwd"})

    assert answer.status_code == 422
    assert "/etc/passwd is nothing that may be imported." in answer.content.decode()


def test_another_persons_choice_of_server_files_stays_theirs(as_owner, as_colleague, shared):
    put(shared / "a.csv")
    address = as_owner.post(reverse(ADD), {"path": "a.csv"}).url

    assert as_colleague.get(address).status_code == 404


def test_removing_the_choice_leaves_the_file(as_owner, shared):
    path = put(shared / "a.csv")
    as_owner.post(reverse(ADD), {"path": "a.csv"})
    upload = Upload.objects.get()

    piece = reverse("datasets:piece", args=[upload.pk, 0])
    sent = as_owner.post(f"{piece}?offset={len(CSV)}", b"x", content_type="application/octet-stream")
    as_owner.post(reverse("datasets:remove_upload", args=[upload.pk]))

    assert sent.status_code == 404
    assert path.read_bytes() == CSV
    assert not Upload.objects.exists()


def test_a_link_that_comes_later_is_refused_by_page_and_import(as_owner, shared):
    path = put(shared / "a.csv")
    address = as_owner.post(reverse(ADD), {"path": "a.csv"}).url
    as_owner.post(address, {"name": "notes", "text_column": "text", "split_0": "train"})
    other = as_owner.post(reverse(ADD), {"path": "a.csv"}).url
    claim = leases.claim(Import, "here")

    path.unlink()
    path.symlink_to(shared.parent / "secret" / "salaries.csv")

    assert as_owner.get(other).status_code == 404
    with pytest.raises(JobError, match="leads out of the folders"):
        ImportWork().request(claim, shared)
