"""JSON: lines of objects, or an array of objects, or objects one after the other."""

import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pyarrow as pa
from pyarrow import json as arrow_json

from datasets_app.errors import JobError
from datasets_app.ingest.blocks import Block, not_utf8_in, read_blocks
from datasets_app.ingest.elements import read_elements
from datasets_app.ingest.inferred import read_inferred
from datasets_app.ingest.schema import conflict, conform, in_words, unite
from datasets_app.ingest.source import PARSE_ERRORS, Chunk, Source, empty

