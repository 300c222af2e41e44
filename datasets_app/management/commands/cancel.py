from argparse import ArgumentParser
from typing import Any

from datasets_app import jobs
from datasets_app.errors import JobError
from datasets_app.management.describe import job_facts
from datasets_app.management.yard import YardCommand


class Command(YardCommand):
    help = "Cancel an import or a tokenization that has not ended. Finished shards are kept for a retry."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("id", help="of the job")

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        job = jobs.find(options["id"])
        if not job.cancel(None):
            job.refresh_from_db()
            raise JobError(f"{job} is {job.status} and cannot be cancelled.", "Nothing was changed.")
        return job_facts(job), True
