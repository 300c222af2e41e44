"""`python -m tests.hub [--port N]`: a Hub to try things with by hand."""

import argparse
import threading
from contextlib import suppress

from tests.hub.examples import add_examples
from tests.hub.server import Hub


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hub", description="A small Hugging Face Hub on loopback.")
    parser.add_argument("--port", type=int, default=0, help="by default a free one")
    parser.add_argument("--cdn", action="store_true", help="redirect large files to another port, as the real Hub does")
    options = parser.parse_args()
    with Hub(options.port, redirects_large_files=options.cdn) as hub, suppress(KeyboardInterrupt):
        lines = [f"  {name:16} {what}" for name, what in add_examples(hub)]
        told = [f"HF_ENDPOINT={hub.endpoint}", *([f"large files: {hub.cdn_host}"] if options.cdn else [])]
        print("\n".join([*told, *lines]), flush=True)  # noqa: T201 - it is what was asked for
        threading.Event().wait()


if __name__ == "__main__":
    main()
