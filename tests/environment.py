"""Loaded before the settings (see pyproject.toml): the tests have a state folder of their own.

Where they run in several processes at once, each has a Redis database of its own too.
"""

import atexit
import os
import re
import shutil
import tempfile

_folder = tempfile.mkdtemp(prefix="yard-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["TOKENYARD_VAR"] = _folder
os.environ.setdefault("TOKENYARD_SLOTS", "2")
os.environ["TOKENYARD_LOG_LEVEL"] = "WARNING"

_worker = re.fullmatch(r"gw(\d+)", os.environ.get("PYTEST_XDIST_WORKER", ""))
_url = re.fullmatch(r"(rediss?://[^/]+)/(\d+)", os.environ.get("REDIS_URL", ""))
if _worker and _url:
    os.environ["REDIS_URL"] = f"{_url[1]}/{int(_url[2]) + int(_worker[1])}"
