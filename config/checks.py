"""Wrong combinations of settings, told at the start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

PUBSUB_LAYER = "channels_redis.pubsub.RedisPubSubChannelLayer"

KEYS = [("TOKENYARD_SECRET_KEY", "secret", "W003"), ("TOKENYARD_TOKEN_KEY", "token", "W005")]

# What `tokenizers` takes while it encodes one.
MEMORY_PER_BYTE_OF_ROW = 128


@register
def channel_layer_outlives_idle_sockets(**kwargs: Any) -> list[CheckMessage]:
    layer: Any = settings.CHANNEL_LAYERS["default"]
    hosts = layer["CONFIG"]["hosts"]
    if layer["BACKEND"] == PUBSUB_LAYER and all(host.get("socket_timeout", 0) is None for host in hosts):
        return []
    hint = f"Use {PUBSUB_LAYER} with socket_timeout None for every host."
    return [Error("With this channel layer every idle socket dies after 5 seconds.", hint=hint, id="tokenyard.E001")]


@register
def database_connections_are_given_back(**kwargs: Any) -> list[CheckMessage]:
    if settings.DATABASES["default"]["CONN_MAX_AGE"] == 0:
        return []
    return [
        Error(
            "Under ASGI each thread would keep a connection of its own.",
            hint="Leave CONN_MAX_AGE at 0; PostgreSQL is pooled.",
            id="tokenyard.E002",
        )
    ]


@register
def the_largest_row_fits_a_child(**kwargs: Any) -> list[CheckMessage]:
    if settings.REFERENCE_ROW_BYTES * MEMORY_PER_BYTE_OF_ROW <= settings.CHILD_MEMORY_BYTES:
        return []
    needed = settings.REFERENCE_ROW_BYTES * MEMORY_PER_BYTE_OF_ROW >> 20
    return [
        Warning(
            f"The reference encoder needs {needed} MiB for a row of TOKENYARD_REFERENCE_ROW_MB, more than a child has.",
            hint=f"Set TOKENYARD_CHILD_MEMORY_MB to more than {needed}, or allow only smaller rows.",
            id="tokenyard.W004",
        )
    ]


@register
def folders_to_import_from_are_there(**kwargs: Any) -> list[CheckMessage]:
    lost = [folder for folder in settings.IMPORT_DIRS if not folder.is_dir()]
    hint = "Mount it, or take it out of TOKENYARD_IMPORT_DIRS."
    return [Warning(f"{folder} is no folder of this machine.", hint=hint, id="tokenyard.W006") for folder in lost]


@register(deploy=True)
def many_machines_share_their_keys(**kwargs: Any) -> list[CheckMessage]:
    from config import env

    if settings.EMBEDDED_REDIS:
        return []
    return [
        Warning(
            f"The {what} key is a file of this machine, but REDIS_URL suggests that there are several.",
            hint=f"Set {name} to the same value on all of them, unless they share $TOKENYARD_VAR.",
            id=f"tokenyard.{number}",
        )
        for name, what, number in KEYS
        if not env.text(name)
    ]
