"""Imported first: makes the product's code importable, with the state folder of the stack, or with one of its own."""

import os

import django

if "TOKENYARD_VAR" not in os.environ:
    import tests.environment  # noqa: F401

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()
