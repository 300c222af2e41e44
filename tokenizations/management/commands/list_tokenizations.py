from typing import Any

from datasets_app.management.yard import YardCommand
from tokenizations.management.describe import tokenization_facts
from tokenizations.models import Tokenization


class Command(YardCommand):
    help = "List the tokenizations."

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        return [tokenization_facts(job) for job in Tokenization.objects.visible()], True
