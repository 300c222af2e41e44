"""Bad rows that an import has set aside, from the workers to the page."""

import json

import pytest
from django.urls import reverse

from datasets_app import storage
from datasets_app.creating import create_dataset
from datasets_app.importing import ImportWork
from datasets_app.jobs import Status
from datasets_app.models import Dataset
from datasets_app.repair import recount_dataset
from tests import factories, real

GOOD = "id,text\n1,one\n2,two\n"
BAD = "id,text\n1,one\n<img src=x onerror=alert(1)>\n"


def imported(tmp_path, limit, *contents):
    files = []
    for number, content in enumerate(contents):
        path = tmp_path / f"{number}.csv"
        path.write_text(content)
        size = path.stat().st_size
        files.append({"name": path.name, "path": str(path), "split": "train", "kind": "csv", "bytes": size})
    dataset = create_dataset("letters", Dataset.Source.SERVER, files, options={"text": "lines", "bad_rows": limit})
    real.work_off(ImportWork())
    return Dataset.objects.select_related("import_job").get(pk=dataset.pk)


@pytest.mark.django_db(transaction=True)
def test_the_bad_rows_of_all_files_are_listed_in_their_order(as_colleague, tmp_path):
    dataset = imported(tmp_path, 5, BAD, GOOD, BAD + "x\n")

    job = dataset.import_job
    assert (job.status, dataset.rows, job.rows_total, dataset.rows_set_aside) == (Status.READY, 4, 7, 3)
    assert sum(shard.errored for shard in job.shards.all()) == 3
    assert "4 rows in train, 3 set aside" in dataset.events.filter(kind="ready").get().text
    answer = as_colleague.get(reverse("datasets:rejected_file", args=[dataset.pk]))
    rows = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert [(row["file"], row["line"]) for row in rows] == [("0.csv", 3), ("2.csv", 3), ("2.csv", 4)]
    assert answer["Content-Disposition"] == 'attachment; filename="letters-rejected.jsonl"'


@pytest.mark.django_db(transaction=True)
def test_the_dataset_leads_to_its_bad_rows_which_are_inert(as_colleague, tmp_path):
    dataset = imported(tmp_path, 5, BAD)
    address = reverse("datasets:rejected", args=[dataset.pk])

    assert address in as_colleague.get(dataset.get_absolute_url()).content.decode()
    html = as_colleague.get(address).content.decode()

    assert "Line 3 of 0.csv has 1 value, the header has 2." in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "<img" not in html


@pytest.mark.django_db(transaction=True)
def test_the_limit_holds_for_all_files_together(tmp_path):
    dataset = imported(tmp_path, 1, BAD, BAD)

    assert dataset.import_job.status == Status.FAILED
    assert dataset.import_job.failure == "2 rows are bad in all files together, and 1 may be set aside."
    assert not storage.rejected_path(dataset.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_without_a_limit_the_first_bad_row_stops_the_import(tmp_path):
    dataset = imported(tmp_path, 0, BAD)

    assert dataset.import_job.failure == "Line 3 of 0.csv has 1 value, the header has 2."


@pytest.mark.django_db(transaction=True)
def test_a_recount_keeps_what_was_set_aside(tmp_path):
    dataset = imported(tmp_path, 5, BAD)

    recount_dataset(dataset, None)

    dataset.import_job.refresh_from_db()
    assert dataset.rows_set_aside == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("content", "column", "said"),
    [
        ('{"id": 1, "text": null}\n', "text", "The column text is null in every row."),
        ('{"id": 1, "text": null}\n', "", "The column text is null in every row."),
        ("id,text\n1,\n2,\n", "text", "The column text is empty in every row."),
        ("id,text\n1,a\n", "words", "There is no text column words in 0.csv: it has id, text."),
        ("id,score\n1,2\n", "", "There is no column of text in 0.csv: it has id, score."),
        ("id,text\n1,\n2,\n", "", "The column text is empty in every row."),
    ],
)
def test_a_text_column_that_is_missing_or_empty_is_told(tmp_path, content, column, said):
    path = tmp_path / "0.csv"
    path.write_text(content)
    kind = "jsonl" if content.startswith("{") else "csv"
    file = {"name": "0.csv", "path": str(path), "split": "train", "kind": kind, "bytes": len(content)}
    create_dataset("letters", Dataset.Source.SERVER, [file], text_column=column)

    real.work_off(ImportWork())

    job = Dataset.objects.get(name="letters").import_job
    assert (job.status, job.failure) == (Status.FAILED, said)


@pytest.mark.parametrize("name", ["rejected", "rejected_file"])
def test_what_has_no_bad_rows_has_no_such_page(as_owner, as_stranger, name):
    dataset = factories.ready_dataset()
    address = reverse(f"datasets:{name}", args=[dataset.pk])

    assert as_owner.get(address).status_code == 404
    assert as_owner.post(address).status_code == 405
    assert as_stranger.get(address).status_code == 302
