from typing import Any

from datasets_app.hub_tokens import HubToken
from datasets_app.management.tokens import token_facts
from datasets_app.management.yard import YardCommand


class Command(YardCommand):
    help = "List the Hub tokens of all users, with their last four characters."

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        tokens = HubToken.objects.select_related("owner").order_by("owner__username", "name")
        return [token_facts(token) for token in tokens], True
