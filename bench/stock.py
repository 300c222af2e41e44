"""The stock pattern, to compare with: a group membership, a read and a rendering for each socket.

A server of its own, beside the product's, on the same database, the same Redis and the same daphne.
"""

import argparse
import uuid

from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.template.loader import render_to_string
from django.urls import path

import bench.environment  # noqa: F401
from datasets_app import cards
from datasets_app.management.server import Server


class StockConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.dataset: uuid.UUID = self.scope["url_route"]["kwargs"]["dataset"]
        await self.channel_layer.group_add(f"dataset_{self.dataset}", self.channel_name)
        await self.accept()
        await self.changed({})

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(f"dataset_{self.dataset}", self.channel_name)

    async def changed(self, event: dict[str, str]) -> None:
        await self.send(text_data=await database_sync_to_async(progress_html)(self.dataset))


def progress_html(dataset: uuid.UUID) -> str:
    card = cards.load_ids([dataset])[0]
    return render_to_string("datasets/_progress.html", {"progress": card.tokenizations[0]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    sockets = URLRouter([path("ws/stock/<uuid:dataset>/", StockConsumer.as_asgi())])
    application = ProtocolTypeRouter({"websocket": AuthMiddlewareStack(sockets)})
    Server.at("127.0.0.1", parser.parse_args().port, application).run()


if __name__ == "__main__":
    main()
