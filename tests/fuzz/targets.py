"""What is fuzzed: everything that reads bytes or text which a stranger wrote.

Each target takes bytes; a `Fault` is an answer, all else is a finding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import msgspec

from studiolo.kernel.faults import Fault
from tests.fuzz.readers import bodies, languages, providers, records, signin, storage
from tests.fuzz.readers.raw import check

CORPUS = Path(__file__).parent / "corpus"

TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (
        *(languages.condition, languages.scope, languages.pattern, languages.arm_id, languages.json_body, languages.template),
        *(languages.expression, languages.filters, languages.parameters, languages.pages),
        *(storage.blob_url, storage.signature, storage.blob_headers, storage.moments, storage.batch_body, storage.xml),
        *(storage.model_calls, storage.model_file),
        *(signin.token, signin.form, signin.arrival, signin.authorization, signin.redirect_uris, signin.assertion),
        *(signin.certificate, signin.password, signin.request_head),
        *(providers.discovery, providers.key_set, providers.id_token, providers.exchange),
        *(bodies.resource_body, bodies.graph_body, records.exported),
    )
}


def feed(name: str, raw: bytes) -> None:
    """Give bytes to a target; a fault is an answer, and has a text and a code."""
    fault: Fault | None = None
    try:
        TARGETS[name](raw)
    except Fault as raised:
        fault = raised
    if fault is not None:
        check(fault)


@functools.cache
def seeds(name: str) -> list[bytes]:
    """The corpus of a target: texts in a JSON list."""
    found: list[str] = msgspec.json.decode((CORPUS / f"{name}.json").read_bytes())
    return [each.encode("utf-8", "surrogateescape") for each in found]
