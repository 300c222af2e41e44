"""Three people: the owner made the things of a test, a colleague may look at them, a stranger is not signed in."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytest_plugins = ["tests.browser", "tests.hub.fixtures"]


@pytest.fixture
def owner(db) -> User:
    return User.objects.create_user("olga", first_name="Olga", last_name="Owner")


@pytest.fixture
def colleague(db) -> User:
    return User.objects.create_user("carl")


@pytest.fixture
def as_owner(owner) -> Client:
    return signed_in(owner)


@pytest.fixture
def as_colleague(colleague) -> Client:
    return signed_in(colleague)


@pytest.fixture
def as_stranger(db) -> Client:
    return Client()


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
