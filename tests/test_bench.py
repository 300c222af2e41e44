"""The benches measure what they say, at a size that a test has time for."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.urls import reverse

from bench.weight import Files, weigh
from datasets_app.listing import CARDS_A_PAGE
from tests import factories, real

TABS = 20
LIVE = ["--tabs", str(TABS), "--rate", "4", "--seconds", "4", "--no-stock", "--json"]
RUN_SECONDS = 180
FIGURES = {"p50_ms", "p95_ms", "p99_ms", "stale", "deliveries", "kb_per_socket", "web_cpu_seconds"}
HEAVIEST_BYTES = 150_000


@pytest.mark.stack
def test_the_live_bench_counts_every_tab_and_finds_none_behind():
    command = [sys.executable, "-m", "bench.live", *LIVE]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False, timeout=RUN_SECONDS
    )

    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured.keys() >= FIGURES
    assert (measured["joined"], measured["stale"], measured["different"]) == (TABS, 0, 0)
    assert measured["deliveries"] > 0


def measured(tmp_path, module, *options):
    """Of a few rows with a small tokenizer."""
    found, texts = tmp_path / f"{module}.json", real.parquet(tmp_path / "texts.parquet", real.texts(300))
    given = ["--texts", str(texts), "--tokenizers", str(real.byte_bpe(tmp_path / "small.json")), "--json", str(found)]
    command = [sys.executable, "-m", f"bench.{module}", *given, *options]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False, timeout=RUN_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return json.loads(found.read_text())


@pytest.mark.stack
def test_a_whole_job_is_measured_beside_the_script_that_labs_write(tmp_path):
    (row,) = measured(tmp_path, "whole", "--rounds", "1")

    assert row["encoder"] == "fastokens"
    assert row["ratio, median"] == pytest.approx(row["map, s"] / row["Tokenyard, s"], abs=0.1)
    assert row["Tokenyard, engine child, MB"] > 50


@pytest.mark.stack
def test_the_engine_is_measured_beside_its_encoder_alone(tmp_path):
    (row,) = measured(tmp_path, "engine", "--rounds", "1", "--copies", "20")

    assert 0 < row["share with the start, %"] < row["share, %"] < 100
    assert row["engine, MB/s"] < row["fastokens alone, MB/s"]


@pytest.mark.stack
def test_the_engine_is_measured_as_its_rows_grow(tmp_path):
    rows = measured(tmp_path, "growth", "--most", "10000")

    assert [row[""] for row in rows] == ["10,000 rows", "8 of 16 MiB"]
    assert all(row["peak, MB"] >= row["of which before the first row, MB"] > 50 for row in rows)


@pytest.mark.stack
def test_what_the_statistics_add_is_measured(tmp_path):
    (row,) = measured(tmp_path, "counting", "--most", "2000")

    assert (row["rows"], row["tokens"] > 2000) == (2000, True)
    assert row["counting, CPU s"] <= row["all else, CPU s"]


def test_the_list_with_all_its_styles_and_scripts_is_light(as_owner, owner):
    for number in range(CARDS_A_PAGE):
        factories.tokenization(factories.ready_dataset(f"letters {number}", created_by=owner))

    answer = as_owner.get(reverse("datasets:list"), headers={"Accept-Encoding": "gzip"})
    weights = weigh(gzip.decompress(answer.content).decode(), static_file)
    sent = len(answer.content) + sum(weights[address] for address in weights if address != "page")

    assert {"/static/live.js", "/static/swapping.js", "/static/css/base.css"} < weights.keys()
    assert sent < HEAVIEST_BYTES, weights  # the files even as they lie on disk


def test_a_page_is_weighed_with_what_its_scripts_import_each_file_once():
    html = '<link rel="stylesheet" href="/a.css"><script src="/js/b.js"></script><script src="/js/c.js"></script>'
    files = {"/a.css": b"12", "/js/b.js": b'import { d } from "./c.js";\n', "/js/c.js": b"1234"}

    weights = weigh(html, files.__getitem__)

    assert Files(html).addresses == list(files)
    assert weights == {"page": len(html), "/a.css": 2, "/js/b.js": 28, "/js/c.js": 4}


def static_file(address: str) -> bytes:
    path = finders.find(address.removeprefix(settings.STATIC_URL))
    assert path, f"{address} is nowhere"
    return Path(path).read_bytes()


@pytest.mark.stack
def test_imports_are_measured_beside_load_dataset(tmp_path):
    found = tmp_path / "importing.json"
    command = [sys.executable, "-m", "bench.importing", "--megabytes", "1", "--rounds", "1", "--json", str(found)]

    done = subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False, timeout=RUN_SECONDS
    )

    assert done.returncode == 0, done.stderr
    rows = json.loads(found.read_text())
    assert [row[""] for row in rows] == ["csv", "jsonl", "parquet", "parquet-of-one-group"]
    assert all(row["Tokenyard, import child, MB"] > 50 and row["ratio, median"] > 0 for row in rows)
