"""The one outbound client of the command line: it knows the public API, and nothing else of the server."""

from studiolo.app.client.session import Client, Refusal, open_client
from studiolo.app.client.storage import Container, parse_asset_uri

__all__ = ["Client", "Container", "Refusal", "open_client", "parse_asset_uri"]
