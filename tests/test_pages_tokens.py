"""Hub tokens on the pages: everybody has their own, and none is ever shown again."""

import html
import uuid

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.debug import ExceptionReporter

from datasets_app.hub_tokens import HubToken
from tests.conftest import signed_in

TOKEN = "hf_" + "aB3" * 11 + "zQ7x"
HTMX = {"HX-Request": "true"}
PAGE = "/account/tokens/"


@pytest.fixture
def token(owner):
    return HubToken.store(owner, "olgas own", TOKEN)


def deletion(token):
    return reverse("datasets:delete_token", args=[token.pk])


def text(answer):
    return html.unescape(answer.content.decode())


def test_the_page_is_in_the_account_menu(as_owner):
    assert f'href="{PAGE}"' in text(as_owner.get(reverse("datasets:list")))


def test_the_page_lists_a_persons_own_tokens_by_their_ends(as_owner, as_colleague, token):
    mine, theirs = text(as_owner.get(PAGE)), text(as_colleague.get(PAGE))

    assert "olgas own" in mine
    assert "…zQ7x" in mine
    assert "kept until you delete it" in mine
    assert "never" in mine
    assert TOKEN not in mine
    assert "olgas own" not in theirs
    assert "zQ7x" not in theirs


def test_not_even_staff_sees_the_tokens_of_others_there(token):
    staff = signed_in(User.objects.create_user("sam", is_staff=True, is_superuser=True))

    assert "olgas own" not in text(staff.get(PAGE))
    assert staff.post(deletion(token)).status_code == 404
    assert HubToken.objects.exists()


def test_the_page_and_its_fragment_show_the_same(as_owner, token):
    page, fragment = as_owner.get(PAGE), as_owner.get(PAGE, headers=HTMX)

    assert "<html" in text(page)
    assert text(fragment).strip().startswith('<div class="found" id="tokens">')
    assert "HX-Request" in page["Vary"]
    assert "no-store" in page["Cache-Control"]


def test_a_longer_list_takes_no_more_queries(as_owner, owner, token, django_assert_max_num_queries):
    for number in range(5):
        HubToken.store(owner, f"more {number}", TOKEN)

    with django_assert_max_num_queries(4):
        as_owner.get(PAGE, headers=HTMX)


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(("once", "kept"), [({}, True), ({"once": "on"}, False)])
def test_a_token_is_added_and_not_shown_again(as_owner, owner, headers, once, kept):
    answer = as_owner.post(
        PAGE, {"name": "gated", "value": f"  {TOKEN}\n", **once}, headers=headers, follow=not headers
    )

    assert answer.status_code == 200
    assert "gated is added." in text(answer)
    assert TOKEN not in text(answer)
    stored = HubToken.objects.get()
    assert (stored.owner, stored.name, stored.kept, stored.reveal()) == (owner, "gated", kept, TOKEN)
    assert all(TOKEN not in str(session.get_decoded()) for session in Session.objects.all())
    assert all(TOKEN not in cookie.value for cookie in as_owner.cookies.values())


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"name": "", "value": TOKEN}, "Give it a name."),
        ({"name": "taken", "value": TOKEN}, "There is already a token named taken."),
        ({"name": TOKEN, "value": TOKEN}, "This is a token, not a name."),
        ({"name": "new", "value": ""}, "Paste the token."),
        ({"name": "new", "value": TOKEN + "é"}, "A token has only letters, digits and"),
        ({"name": "new", "value": f"{TOKEN} {TOKEN}"}, "A token has only letters, digits and"),
        ({"name": "new", "value": TOKEN + "\0"}, "Null characters are not allowed."),
        ({"name": "new", "value": TOKEN + "-"}, "After hf_ a token has 20 or more letters and digits."),
        ({"name": "new", "value": TOKEN * 9}, "A token has 16 to 200 characters."),
        ({"name": "n" * 61, "value": TOKEN}, "Ensure this value has at most 60 characters"),
    ],
)
def test_a_form_with_an_error_comes_back_without_the_token(as_owner, owner, headers, sent, said):
    HubToken.store(owner, "taken", "hf_" + "q" * 34)

    answer = as_owner.post(PAGE, sent, headers=headers)

    assert answer.status_code == 422
    assert said in text(answer)
    assert TOKEN not in text(answer)
    assert HubToken.objects.count() == 1


def test_what_else_was_filled_in_stays(as_owner):
    shown = text(as_owner.post(PAGE, {"name": "gated", "value": "hf_half", "once": "on"}))

    assert 'value="gated"' in shown
    assert "checked" in shown.split('name="once"')[1][:40]
    assert "hf_half" not in shown


def test_names_are_shown_as_text(as_owner, owner):
    HubToken.store(owner, "<img src=x onerror=alert(1)>", TOKEN)

    assert "<img" not in as_owner.get(PAGE).content.decode()


def test_a_token_is_deleted_for_good(as_owner, token):
    answer = as_owner.post(deletion(token), follow=True)

    assert answer.redirect_chain == [(PAGE, 302)]
    assert "olgas own is deleted." in text(answer)
    assert not HubToken.objects.exists()


def test_a_deletion_by_a_script_answers_with_what_is_left(as_owner, owner, token):
    HubToken.store(owner, "another", TOKEN)

    answer = as_owner.post(deletion(token), headers=HTMX)

    assert answer.status_code == 200
    assert "another" in text(answer)
    assert 'id="tokens"' in text(answer)
    assert "olgas own is deleted." in text(answer)


def test_a_token_that_is_gone_says_so(as_owner, token):
    token.delete()
    gone = HubToken(pk=uuid.uuid4())

    assert as_owner.post(deletion(gone)).status_code == 404
    answer = as_owner.post(deletion(gone), headers=HTMX)
    assert answer.status_code == 409
    assert "This token is not there any more." in text(answer)


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_nobody_deletes_the_token_of_another(as_colleague, token, headers):
    missing = as_colleague.post(deletion(HubToken(pk=uuid.uuid4())), headers=headers)
    answer = as_colleague.post(deletion(token), headers=headers)

    assert answer.status_code == missing.status_code == (409 if headers else 404)
    assert "olgas own" not in text(answer)
    assert HubToken.objects.exists()


def test_a_stranger_is_sent_to_the_sign_in(as_stranger, token):
    for answer in (as_stranger.get(PAGE), as_stranger.post(PAGE, {"value": TOKEN}), as_stranger.post(deletion(token))):
        assert answer.status_code == 302
        assert answer.url.startswith(reverse("sign_in"))
        assert TOKEN not in answer.url
    assert HubToken.objects.count() == 1


def test_wrong_methods_are_refused(as_owner, token):
    assert as_owner.put(PAGE).status_code == 405
    assert as_owner.get(deletion(token)).status_code == 405
    assert HubToken.objects.exists()


def test_a_form_of_another_site_is_refused(owner):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)

    assert client.post(PAGE, {"name": "gated", "value": TOKEN}).status_code == 403
    assert not HubToken.objects.exists()


@pytest.mark.parametrize("debug", [False, True])
def test_a_fault_while_a_token_is_stored_shows_it_nowhere(as_owner, settings, monkeypatch, caplog, debug):
    settings.DEBUG = debug
    as_owner.raise_request_exception = False
    monkeypatch.setattr("datasets_app.hub_tokens.cipher", broken)

    answer = as_owner.post(PAGE, {"name": "gated", "value": TOKEN})

    assert answer.status_code == 500
    assert TOKEN not in text(answer)
    assert TOKEN not in caplog.text
    assert ("broken by the test" in text(answer)) == debug


def broken():
    raise RuntimeError("broken by the test")


def test_a_report_of_a_fault_has_no_token(owner, rf: RequestFactory, monkeypatch):
    from datasets_app.token_views import tokens

    monkeypatch.setattr("datasets_app.hub_tokens.cipher", broken)
    request = rf.post(PAGE, {"name": "gated", "value": TOKEN})
    request.user = owner
    request.htmx = None
    try:
        tokens(request)
    except RuntimeError as error:
        reporter = ExceptionReporter(request, type(error), error, error.__traceback__)

    assert TOKEN not in reporter.get_traceback_text()
    assert TOKEN not in reporter.get_traceback_html()
