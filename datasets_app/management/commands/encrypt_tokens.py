from typing import Any

from datasets_app.hub_tokens import HubToken
from datasets_app.management.yard import YardCommand


class Command(YardCommand):
    help = "Encrypt all Hub tokens anew with the first key of TOKENYARD_TOKEN_KEY, so that the others can go."

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        return {"encrypted": HubToken.objects.encrypt_anew()}, True
