"""The administration as a browser would use it."""

import re

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse


def address(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def change(client, item, **fields):
    """Send the form of an object as the browser would, with some fields changed."""
    page = client.get(address(type(item), "change", item.pk))
    form = page.context["adminform"].form
    sent = {name: form[name].value() or "" for name in form.fields} | fields
    return client.post(address(type(item), "change", item.pk), sent, follow=True)


def act(client, action, *items):
    """Choose objects in their list, run an action, and return the messages."""
    sent = {"action": action, "_selected_action": [item.pk for item in items]}
    return said(client.post(address(type(items[0]), "changelist"), sent, follow=True))


def delete(client, *items):
    """The same for a deletion that has been confirmed."""
    sent = {"action": "delete_selected", "_selected_action": [item.pk for item in items], "post": "yes"}
    return said(client.post(address(type(items[0]), "changelist"), sent, follow=True))


def said(response):
    return [str(message) for message in response.context["messages"]]


def tables_updated(deed):
    """In the order in which a deed locks their rows."""
    with CaptureQueriesContext(connection) as captured:
        deed()
    updates = (re.match(r'UPDATE "(\w+)"', query["sql"]) for query in captured.captured_queries)
    return list(dict.fromkeys(update[1] for update in updates if update))
