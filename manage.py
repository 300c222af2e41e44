#!/usr/bin/env python
import os
import sys

from datasets_app.masking import mask_stderr
from datasets_app.pandas_free import WithoutPandas

INTERRUPTED = 130


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    mask_stderr()
    sys.meta_path.insert(0, WithoutPandas())
    try:
        from django.core.exceptions import ImproperlyConfigured

        from datasets_app.management import early
    except ImportError:
        sys.exit("Tokenyard's packages are not installed for this Python: use make run, or .venv/bin/python.")
    try:
        early.begin(sys.argv)  # before the rest of Django is imported, which takes a while

        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
