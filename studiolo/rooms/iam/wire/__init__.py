"""What of identity speaks HTTP: who is calling, the token endpoint, the sign-in pages, explanations."""

from studiolo.rooms.iam.wire.access import access_routes
from studiolo.rooms.iam.wire.authenticator import Authenticator
from studiolo.rooms.iam.wire.graph import graph_surface
from studiolo.rooms.iam.wire.signin import signin_surface
from studiolo.rooms.iam.wire.tokens import token_surface

__all__ = ["Authenticator", "access_routes", "graph_surface", "signin_surface", "token_surface"]
