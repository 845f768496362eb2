"""The names of all targets, by the module that has them: known without reading any code that is to be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

THEMES: Final[Mapping[str, Sequence[str]]] = {
    "languages": (*("condition", "scope", "pattern", "arm_id", "json_body", "template", "expression", "filters", "parameters", "pages"),),
    "storage": ("blob_url", "signature", "blob_headers", "moments", "batch_body", "xml", "model_calls", "model_file"),
    "signin": (*("token", "form", "arrival", "authorization", "redirect_uris", "assertion", "certificate", "password", "request_head"),),
    "providers": ("discovery", "key_set", "id_token", "exchange"),
    "bodies": ("resource_body", "graph_body"),
    "records": ("exported",),
}
NAMES: Final = tuple(name for names in THEMES.values() for name in names)
