import json
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from datasets_app import storage
from datasets_app.models import Dataset, Upload
from datasets_app.names import shown_name
from tests import factories
from tests.hub.fixtures import CANARY

CSV = b"number,text\n1,the quick brown fox\n2,jumps over\n"
LINES = b'{"number": 3, "text": "the lazy dog"}\n'


def sent(name="notes-train.csv", content=CSV):
    return SimpleUploadedFile(name, content)


def uploaded(client, *files):
    answer = client.post(reverse("datasets:add"), {"files": list(files) or [sent()]})
    assert answer.status_code == 302, answer.content.decode()
    return answer.url


def test_the_form_takes_many_files(as_owner):
    html = as_owner.get(reverse("datasets:add")).content.decode()

    assert 'type="file"' in html
    assert "multiple" in html


def test_files_are_kept_under_numbers_of_ours(as_owner, owner):
    uploaded(as_owner, sent("../../etc/passwd.csv"), sent("b.jsonl", LINES))

    upload = Upload.objects.get(created_by=owner)
    assert [file["kind"] for file in upload.files] == ["csv", "jsonl"]
    assert sorted(path.name for path in storage.upload_dir(upload.pk).iterdir()) == ["0", "1"]
    assert upload.path(upload.files[1]).read_bytes() == LINES


def test_a_hidden_file_is_refused(as_owner):
    answer = as_owner.post(reverse("datasets:add"), {"files": [sent(".hidden.csv")]})

    assert answer.status_code == 422
    assert ".hidden.csv is a hidden file. Give it another name." in answer.content.decode()


def test_a_token_is_no_name_of_a_file_or_of_a_dataset(as_owner):
    file = as_owner.post(reverse("datasets:add"), {"files": [sent(f"{CANARY}.csv")]})
    name = as_owner.post(uploaded(as_owner, sent()), {"name": CANARY, "split_0": "train"})

    for answer in (file, name):
        assert answer.status_code == 422
        assert "This is a token" in answer.content.decode()
        assert CANARY not in answer.content.decode()


def test_the_first_rows_come_before_the_import(as_owner):
    html = as_owner.get(uploaded(as_owner, sent(), sent("notes-test.jsonl", LINES))).content.decode()

    assert "the quick brown fox" in html
    assert "the lazy dog" in html
    assert 'value="notes"' in html
    assert 'name="split_0" value="train"' in html
    assert 'name="split_1" value="test"' in html
    assert '<option value="text" selected>' in html
    assert not Dataset.objects.exists()


def test_a_text_file_can_be_one_row(as_owner):
    address = uploaded(as_owner, sent("poem.txt", b"one\ntwo\n"))

    lines = as_owner.get(address).content.decode()
    whole = as_owner.get(address, {"text_rows": "file", "split_0": "verse"}, headers={"HX-Request": "true"})

    assert lines.count("<tr><td") == 2
    assert whole.content.decode().count("<tr><td") == 1
    assert 'value="verse"' in whole.content.decode()
    assert "<html" not in whole.content.decode()


def test_a_file_that_cannot_be_read_says_where_and_offers_no_import(as_owner):
    html = as_owner.get(uploaded(as_owner, sent("bad.csv", b"a,b\n1,2\n3,4,5\n"))).content.decode()

    assert "ine 3 of bad.csv" in html
    assert ">Import</button>" not in html


def test_the_import_starts_with_what_was_chosen(as_owner, owner):
    address = uploaded(as_owner, sent(), sent("b.jsonl", LINES))
    choices = {"name": "fox", "text_column": "text", "split_0": "train", "split_1": "held.out"}

    answer = as_owner.post(address, choices)

    dataset = Dataset.objects.get(name="fox")
    assert answer.url == dataset.get_absolute_url()
    assert (dataset.created_by, dataset.text_column, dataset.source) == (owner, "text", "upload")
    shards = dataset.import_job.shards.order_by("index")
    assert [(shard.name, shard.split, shard.kind) for shard in shards] == [
        ("notes-train.csv", "train", "csv"),
        ("b.jsonl", "held.out", "jsonl"),
    ]
    assert dataset.import_job.upload is not None


def test_an_upload_is_imported_once(as_owner):
    address = uploaded(as_owner)
    choices = {"name": "fox", "text_column": "text", "split_0": "train"}

    first = as_owner.post(address, choices)
    second = as_owner.post(address, choices | {"name": "fox again"})

    assert second.url == first.url
    assert Dataset.objects.count() == 1


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"name": "taken"}, "There is already a dataset named taken."),
        ({"name": " "}, "Give it a name."),
        ({"split_0": ""}, "Name the split that the file belongs to, such as train."),
        ({"split_0": "a/b"}, "Use letters, digits and underscores"),
        ({"split_0": "staging"}, "Use letters, digits and underscores"),
        ({"text_column": "nothing"}, "Select a valid choice"),
    ],
)
def test_bad_choices_are_told_beside_the_field(as_owner, choices, said):
    factories.queued_dataset("taken")
    address = uploaded(as_owner)

    answer = as_owner.post(address, {"name": "fox", "text_column": "text", "split_0": "train"} | choices)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert Dataset.objects.count() == 1


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "Choose at least one file."),
        ([("a.docx", b"x")], "cannot be read"),
        ([("a.csv", b"text\na\n"), ("b.csv", b"")], "b.csv is empty. Leave it out, or choose another file."),
    ],
)
def test_files_that_cannot_be_taken_are_refused(as_owner, files, said):
    answer = as_owner.post(reverse("datasets:add"), {"files": [sent(*file) for file in files]})

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Upload.objects.exists()


def test_a_file_over_the_limit_is_refused(as_owner, settings):
    settings.UPLOAD_LIMIT_BYTES = 10

    answer = as_owner.post(reverse("datasets:add"), {"files": [sent()]})

    assert "is over 10 bytes" in answer.content.decode()


def test_what_is_not_imported_yet_is_its_senders_alone(as_owner, as_colleague):
    address = uploaded(as_owner)

    assert as_colleague.get(address).status_code == 404
    assert as_owner.get(reverse("datasets:preview", args=[uuid.uuid4()])).status_code == 404


def test_text_in_a_preview_is_inert(as_owner):
    row = json.dumps({"text": "<script>alert(1)</script>", "<b>": {"deep": "<i>"}}).encode()

    html = as_owner.get(uploaded(as_owner, sent("a.jsonl", row))).content.decode()

    assert "<script>alert" not in html
    assert "<b>" not in html.split('class="table"')[1].split("</table>")[0]


def test_names_are_shown_without_characters_that_turn_the_text_around(as_owner, owner):
    uploaded(as_owner, sent("harmless\u202etxt.csv"))

    assert Upload.objects.get(created_by=owner).files[0]["name"] == "harmlesstxt.csv"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd.csv", "../../etc/passwd.csv"),
        ("C:\\Users\\me\\notes.csv", "C:\\Users\\me\\notes.csv"),
        ("a\r\nSet-Cookie: x.csv", "aSet-Cookie: x.csv"),
        ("harmless\u202evsc.csv", "harmlessvsc.csv"),
        ("\ufeffso\u00adft\u061c.csv", "soft.csv"),
        (f"{'x' * 300}.csv", f"{'x' * 196}.csv"),
        ("<img src=x onerror=alert(1)>.csv", "&lt;img src=x onerror=alert(1)&gt;.csv"),
    ],
)
def test_a_name_is_only_ever_shown(as_owner, owner, tmp_path, name, shown):
    upload = Upload.objects.create(
        created_by=owner, files=[{"name": shown_name(name), "stored": "0", "kind": "csv", "bytes": len(CSV)}]
    )
    storage.write(upload.path(upload.files[0]), CSV)

    html = as_owner.get(reverse("datasets:preview", args=[upload.pk])).content.decode()

    assert upload.path(upload.files[0]).name == "0"
    assert "<img" not in html
    assert f">{shown}</h2>" in html


def test_what_is_detected_is_shown_for_each_file(as_owner):
    address = uploaded(as_owner, sent("a.csv", b"id;text\n1;caf\xe9\n"), sent("b.jsonl", LINES))

    html = as_owner.get(address).content.decode()

    for said in ("Encoding: Windows-1252", "Delimiter: semicolon", "Header: yes", "Layout: an object per line", "café"):
        assert said in html


def test_a_choice_draws_the_first_rows_again(as_owner):
    address = uploaded(as_owner, sent("a.csv", b"one|a,two\nthree|b\n"))
    broken = as_owner.get(address).content.decode()

    asked = {"delimiter": "bar", "header": "no", "name": "typed"}
    html = as_owner.get(address, asked, headers={"HX-Request": "true"}).content.decode()

    assert "A file cannot be read" in broken
    assert "<bdi>three</bdi></td>" in html
    assert ">Import</button>" in html
    assert '<option value="column_1" selected>' in html
    assert "<html" not in html


def test_the_rows_can_be_read_again_without_a_script(as_owner):
    address = uploaded(as_owner, sent("a.csv", b"one|a,two\nthree|b\n"))

    answer = as_owner.post(address, {"name": "fox", "split_0": "train", "delimiter": "bar", "look": "1"})

    assert answer.status_code == 200
    assert ">Import</button>" in answer.content.decode()
    assert not Dataset.objects.exists()


def test_choices_of_reading_become_those_of_the_import(as_owner):
    address = uploaded(as_owner, sent("a.csv", b"id|text\n1|a\n2\n"))
    choices = {"delimiter": "bar", "header": "yes", "encoding": "latin-1", "bad_rows": "7"}

    as_owner.post(address, {"name": "fox", "text_column": "text", "split_0": "train", **choices})

    job = Dataset.objects.get(name="fox").import_job
    assert job.options == {"text": "lines", **choices, "bad_rows": 7}


def test_choices_that_no_file_has_are_not_offered(as_owner):
    html = as_owner.get(uploaded(as_owner, sent("b.jsonl", LINES))).content.decode()

    assert 'name="layout"' in html
    assert 'name="encoding"' in html
    assert 'name="delimiter"' not in html
    assert 'name="text_rows"' not in html
