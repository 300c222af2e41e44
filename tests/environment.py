"""Loaded before the settings (see pyproject.toml): the tests have a state folder of their own."""

import os
import tempfile

os.environ["TOKENYARD_VAR"] = tempfile.mkdtemp(prefix="yard-")
os.environ.setdefault("TOKENYARD_SLOTS", "2")
os.environ["TOKENYARD_LOG_LEVEL"] = "WARNING"
