from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class SecretsFilter(SafeExceptionReporterFilter):
    """Leaves out what views call sensitive, on the pages of a server that is being debugged too."""

    def is_active(self, request: HttpRequest | None) -> bool:
        return True
