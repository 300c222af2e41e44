import gzip
import io
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from datasets_app.errors import JobError
from datasets_app.ingest.hub.first_rows import preview_rows
from datasets_app.ingest.hub.layout import kind_of_file
from tests.hub import Html, Slow, Status
from tests.hub.examples import csv_bytes, jsonl_bytes, parquet_bytes, rows
from tests.hub.fixtures import access_to, remote_file

NAME = "lab/stories"
MIB = 1 << 20


def zstd(content):
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


def json_bytes(count):
    return json.dumps(rows(count)).encode()


def preview(hub, path, **more):
    kind, compression = kind_of_file(path)
    file = remote_file(hub, NAME, path, **{"kind": kind, "compression": compression})
    return preview_rows(file, access=access_to(hub, None, hub.cdn_host), **more)


def bytes_sent(hub):
    ends = [asked.range.removeprefix("bytes=").split("-") for asked in hub.log if asked.range]
    return sum(int(last) - int(first) + 1 for first, last in ends)


@pytest.mark.parametrize("count", [30, 20_000])
@pytest.mark.parametrize(
    ("path", "make"),
    [
        ("train.parquet", parquet_bytes),
        ("train.csv", csv_bytes),
        ("train.jsonl", jsonl_bytes),
        ("train.json", json_bytes),
        ("train.jsonl.gz", lambda count: gzip.compress(jsonl_bytes(count))),
        ("train.csv.zst", lambda count: zstd(csv_bytes(count))),
    ],
)
def test_the_first_rows_are_real_and_little_is_read_for_them(hub, path, make, count):
    content = make(count)
    hub.add(NAME, {path: content})

    shown = preview(hub, path, rows=5)

    assert shown.rows == rows(5)
    assert shown.columns == [("id", "int64"), ("text", "string")]
    assert shown.text_column == "text"
    assert bytes_sent(hub) <= max(256 << 10, 2 * len(content) if path.endswith("parquet") else 0)


def test_a_large_parquet_file_is_read_in_parts(hub):
    out = io.BytesIO()
    noise = [json.dumps(row) * 8 for row in rows(30_000)]
    parquet.write_table(pa.table({"text": noise}), out, row_group_size=30_000, compression="none", use_dictionary=False)
    hub.add(NAME, {"train.parquet": out.getvalue()})

    shown = preview(hub, "train.parquet")

    assert len(shown.rows) == 20
    assert len(out.getvalue()) > 30 * MIB
    assert bytes_sent(hub) < 4 * MIB


def test_a_first_row_of_a_megabyte_is_still_shown(hub):
    line = json.dumps({"text": "word " * 200_000}) + "\n"
    hub.add(NAME, {"train.jsonl": (line * 8).encode()})

    shown = preview(hub, "train.jsonl")

    assert shown.rows[0]["text"].startswith("word word")


def test_a_bad_row_far_behind_does_not_matter_and_one_at_the_beginning_does(hub):
    hub.add(NAME, {"late.csv": csv_bytes(20_000) + b"1,2,3,4\n", "early.csv": b"a,b\n1\n" + csv_bytes(20_000)})

    assert preview(hub, "late.csv").rows
    with pytest.raises(JobError, match=r"Line 2 of early.csv"):
        preview(hub, "early.csv")


def test_unpacking_stops_long_before_a_bomb_is_through(hub):
    bomb = gzip.compress(b'{"id": 1, "text": "' + b"0" * (300 * MIB) + b'"}\n', 1)
    hub.add(NAME, {"train.jsonl.gz": bomb})

    with pytest.raises(JobError):
        preview(hub, "train.jsonl.gz")


@pytest.mark.parametrize("fault", [Html("<html>" + "x" * 1000), Status(503), Slow(0.05, 100)])
@pytest.mark.parametrize("path", ["train.parquet", "train.csv"])
def test_a_preview_that_cannot_be_had_says_why(hub, fault, path):
    hub.add(NAME, {path: parquet_bytes(2000) if path.endswith("parquet") else csv_bytes(2000)})
    hub.fault(path, fault, times=10)

    with pytest.raises(JobError) as refused:
        preview(hub, path, seconds=1.0)

    assert str(refused.value).endswith(".")
