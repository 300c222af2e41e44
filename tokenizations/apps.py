from django.apps import AppConfig


class TokenizationsConfig(AppConfig):
    name = "tokenizations"
