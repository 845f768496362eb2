"""Where sealed objects lie."""

from studiolo.rooms.blobs.backends.objects import open_objects

__all__ = ["open_objects"]
