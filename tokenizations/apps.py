from django.apps import AppConfig


class TokenizationsConfig(AppConfig):
    name = "tokenizations"

    def ready(self) -> None:
        from tokenizations import sample  # noqa: F401  # hears when the sample's import finishes
