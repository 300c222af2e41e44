"""The rules of the look that a machine can hold."""

import re

import pytest
from django.conf import settings

CSS = sorted((settings.BASE_DIR / "static" / "css").glob("*.css"))
TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))
STATES = ["queued", "running", "paused", "ready", "failed", "cancelled", "stalled", "info"]
STATES += ["live", "reconnecting", "polling"]


def names(paths):
    return [path.name for path in paths]


@pytest.mark.parametrize("path", [path for path in CSS if path.name != "tokens.css"], ids=lambda path: path.name)
def test_colours_are_named_in_one_place(path):
    found = re.findall(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch)a?\(", path.read_text())

    assert found == []


@pytest.mark.parametrize("path", CSS, ids=lambda path: path.name)
def test_every_custom_property_that_is_used_is_defined(path):
    tokens = next(path for path in CSS if path.name == "tokens.css").read_text()

    used = set(re.findall(r"var\((--[a-z0-9-]+)", path.read_text()))

    assert {name for name in used if f"{name}:" not in tokens} == set()


def test_every_icon_that_is_used_is_in_the_sprite():
    sprite = (settings.BASE_DIR / "templates" / "_icons.html").read_text()

    used = {icon for path in TEMPLATES for icon in re.findall(r'href="#(i-[a-z]+)"', path.read_text())}

    assert used | {f"i-{state}" for state in STATES} <= set(re.findall(r'id="(i-[a-z]+)"', sprite))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_need_no_leave_from_the_content_policy(path):
    html = path.read_text()

    assert re.findall(r"\s(?:style|hx-on[:\w-]*|on\w+)=", html) == []
    assert re.findall(r"<style|<script(?! src=)|javascript:|ws-send", html) == []


@pytest.mark.parametrize(
    "path",
    [path for path in TEMPLATES if path.name in {"_card.html", "_job.html", "_progress.html", "_controls.html"}],
    ids=lambda path: path.name,
)
def test_fragments_for_the_socket_know_neither_request_nor_token(path):
    assert re.findall(r"csrf|request\.|user\b", path.read_text().replace("user|", "")) == []
