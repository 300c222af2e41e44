from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from datasets_app.models import Import, Preference, Worker
from datasets_app.signin import make_link
from tests import factories

PAGES = [
    "datasets:list",
    "datasets:add",
    "datasets:overview",
    "datasets:tokens",
    "tokenizations:tokenizers",
    "tokenizations:add_tokenizer",
]


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_is_sent_to_the_sign_in(as_stranger, page):
    answer = as_stranger.get(reverse(page))

    assert answer.status_code == 302
    assert answer.url.startswith(reverse("sign_in"))


def test_a_script_of_a_page_hears_that_the_session_is_over(as_stranger, owner):
    dataset = factories.queued_dataset(created_by=owner)

    answer = as_stranger.get(reverse("datasets:card", args=[dataset.pk]), headers={"HX-Request": "true"})

    assert answer.status_code == 401
    assert dataset.name not in answer.content.decode()


def test_a_password_signs_in(as_stranger, owner):
    owner.set_password("correct horse")
    owner.save(update_fields=["password"])

    answer = as_stranger.post(reverse("sign_in"), {"username": "olga", "password": "correct horse"})

    assert answer.url == reverse("datasets:list")
    assert as_stranger.get(answer.url).status_code == 200


def test_a_wrong_password_is_told_on_the_form(as_stranger, owner):
    answer = as_stranger.post(reverse("sign_in"), {"username": "olga", "password": "wrong"})

    assert "Nobody has this name and this password." in answer.content.decode()


def test_what_is_left_blank_is_asked_for(as_stranger):
    html = as_stranger.post(reverse("sign_in"), {}).content.decode()

    assert "Enter your name." in html
    assert "Enter your password." in html


def test_a_link_signs_in_once(as_stranger, owner):
    link = make_link(owner, "")

    first, second = as_stranger.get(link), Client().get(link)

    assert first.url == reverse("datasets:list")
    assert second.status_code == 410
    assert "This link is used up" in second.content.decode()


def test_an_old_link_does_not_sign_in(as_stranger, owner, settings):
    settings.PASSWORD_RESET_TIMEOUT = -1

    answer = as_stranger.get(make_link(owner, ""))

    assert answer.status_code == 410


@pytest.mark.parametrize("uid", ["MQ", "not-base64!", "Mg=="])
def test_a_made_up_link_does_not_sign_in(as_stranger, owner, uid):
    assert as_stranger.get(reverse("sign_in_link", args=[uid, "c0ffee-000"])).status_code == 410


def test_signing_out_takes_a_post(as_owner):
    assert as_owner.get(reverse("sign_out")).status_code == 405
    assert as_owner.post(reverse("sign_out")).url == reverse("sign_in")
    assert as_owner.get(reverse("datasets:list")).status_code == 302


def test_the_theme_is_kept_and_checked(as_owner, owner):
    assert 'value="dark" checked' in as_owner.get(reverse("datasets:list")).content.decode()

    answer = as_owner.post(reverse("theme"), {"theme": "light", "next": "/tokenizers/"})

    assert answer.url == "/tokenizers/"
    assert Preference.objects.get(user=owner).theme == "light"
    assert 'value="light" checked' in as_owner.get(answer.url).content.decode()


def test_the_theme_is_set_without_leaving_the_page(as_owner, owner):
    answer = as_owner.post(reverse("theme"), {"theme": "system"}, headers={"HX-Request": "true"})

    assert answer.status_code == 204
    assert Preference.objects.get(user=owner).theme == "system"


def test_the_theme_never_leads_to_another_site(as_owner):
    answer = as_owner.post(reverse("theme"), {"theme": "light", "next": "https://elsewhere.example/"})

    assert answer.url == reverse("datasets:list")


def test_an_unknown_theme_is_refused(as_owner):
    assert as_owner.post(reverse("theme"), {"theme": "beige"}).status_code == 422
    assert as_owner.get(reverse("theme")).status_code == 405


def test_health_needs_no_sign_in(as_stranger):
    answer = as_stranger.get(reverse("health"))

    assert answer.status_code == 200
    assert answer.json() == {"database": "reachable"}


def test_the_banner_shows_only_while_nobody_works(as_owner, owner):
    factories.queued_dataset(created_by=owner)
    fresh = as_owner.get(reverse("datasets:overview"))
    Import.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    idle = as_owner.get(reverse("datasets:overview"))
    Worker.objects.create(id="here", queue="import", slots=1, seen_at=timezone.now() + timedelta(seconds=5))
    busy = as_owner.get(reverse("datasets:overview"))

    assert "No worker is running" not in fresh.content.decode()
    assert "No worker is running" in idle.content.decode()
    assert "No worker is running" not in busy.content.decode()


def test_pages_run_no_inline_script_or_style(as_owner, owner):
    factories.tokenization(factories.ready_dataset(created_by=owner))

    for page in (
        reverse("datasets:list"),
        reverse("tokenizations:tokenizers"),
        reverse("datasets:add"),
        reverse("datasets:tokens"),
    ):
        html = as_owner.get(page).content.decode()
        assert " style=" not in html
        assert "<style" not in html
        assert "hx-on" not in html
        assert "<script>" not in html
