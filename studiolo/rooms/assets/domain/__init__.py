"""What may be written about an asset, its container and a datastore: pure rules over JSON values."""

from studiolo.rooms.assets.domain.components import settle_component
from studiolo.rooms.assets.domain.containers import admit_container, admit_data_container, container_for_data, container_for_version
from studiolo.rooms.assets.domain.datastores import DEFAULT_NAMES, admit_datastore, default_datastores, expiry_seconds
from studiolo.rooms.assets.domain.listing import code_facets, find_code, shows_asset, shows_datastore, shows_model
from studiolo.rooms.assets.domain.storage import ProjectStorage
from studiolo.rooms.assets.domain.versions import Family, admit_version, settle_code, settle_data, settle_environment, settle_model

__all__ = [
    "DEFAULT_NAMES",
    "Family",
    "ProjectStorage",
    "admit_container",
    "admit_data_container",
    "admit_datastore",
    "admit_version",
    "code_facets",
    "container_for_data",
    "container_for_version",
    "default_datastores",
    "expiry_seconds",
    "find_code",
    "settle_code",
    "settle_component",
    "settle_data",
    "settle_environment",
    "settle_model",
    "shows_asset",
    "shows_datastore",
    "shows_model",
]
