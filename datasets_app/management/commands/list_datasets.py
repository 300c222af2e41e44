from typing import Any

from datasets_app.management.describe import dataset_facts
from datasets_app.management.yard import YardCommand
from datasets_app.models import Dataset


class Command(YardCommand):
    help = "List the datasets."

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        return [
            dataset_facts(dataset) for dataset in Dataset.objects.visible().select_related("import_job", "download")
        ], True
