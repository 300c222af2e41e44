from django.apps import AppConfig


class WiringConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import broker, checks  # noqa: F401  # every process enqueues with this broker
