"""A small Hugging Face Hub on loopback: `with Hub() as hub: hub.add("lab/stories", {"train.csv": b"…"})`."""

from tests.hub.faults import Cut, Html, Redirect, Silent, Slow, Status, Unlike
from tests.hub.repositories import Repository
from tests.hub.server import Hub

__all__ = ["Cut", "Html", "Hub", "Redirect", "Repository", "Silent", "Slow", "Status", "Unlike"]
