"""Turns texts into vectors with the packaged MiniLM: a BERT encoder in NumPy. Runs in the worker process only.

The computation is that of the model's card: mean of the last layer's tokens, brought to unit length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType] - its paths are typed loosely
from tokenizers import Tokenizer

from studiolo.rooms.models.backends.local.frames import Failed
from studiolo.rooms.models.domain.inference import Embedded

MAX_INPUT_TOKENS: Final = 512
_BATCH_TOKENS: Final = 2048
_LAYERS, _HEADS, _WIDTH, _EPSILON = 6, 12, 384, 1e-12

_ERF_FACTORS: Final = tuple(np.float32(factor) for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592))
_ONE, _HALF, _HALF_ROOT = np.float32(1), np.float32(0.5), np.float32(0.5**0.5)

Floats = NDArray[np.float32]


class EmbeddingEngine:
    """One loaded encoder."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._weights: dict[str, Floats] = load_file(folder / "model.safetensors")

    def embed(self, texts: Sequence[str], is_cancelled: Callable[[], bool], alive: Callable[[], None]) -> Embedded | Failed | None:
        """The texts' vectors in their order; None if nobody waits for them any more."""
        encoded = [found.ids for found in self._tokenizer.encode_batch(list(texts))]
        for index, ids in enumerate(encoded):
            if len(ids) > MAX_INPUT_TOKENS:
                return Failed(
                    0,
                    "context_length_exceeded",
                    f"This model's maximum input length is {MAX_INPUT_TOKENS} tokens, but the input at index {index} has {len(ids)}. "
                    "Split it.",
                    "input",
                )
        vectors: Floats = np.empty((len(texts), _WIDTH), dtype="<f4")
        # Texts of like length go together, so that little is computed for padding.
        order = sorted(range(len(encoded)), key=lambda index: len(encoded[index]))
        while order:
            if is_cancelled():
                return None
            longest = len(encoded[order[-1]])
            batch = order[-max(1, _BATCH_TOKENS // longest) :]
            del order[-len(batch) :]
            vectors[batch] = self._forward([encoded[index] for index in batch], longest)
            alive()
        return Embedded(vectors.tobytes(), _WIDTH, sum(map(len, encoded)))

    def _forward(self, batch: list[list[int]], longest: int) -> Floats:
        weights = self._weights
        ids = np.zeros((len(batch), longest), dtype=np.int64)
        mask = np.zeros((len(batch), longest), dtype=np.float32)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        x = weights["embeddings.word_embeddings.weight"][ids]
        x = x + weights["embeddings.position_embeddings.weight"][:longest] + weights["embeddings.token_type_embeddings.weight"][0]
        x = self._normal(x, "embeddings.LayerNorm")
        shade: Floats = (mask[:, None, None, :] - 1) * np.float32(1e9)
        for layer in range(_LAYERS):
            x = self._layer(x, shade, f"encoder.layer.{layer}")
        pooled: Floats = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        return pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), np.float32(1e-12))

    def _layer(self, x: Floats, shade: Floats, name: str) -> Floats:
        attended = self._dense(self._attention(x, shade, name), f"{name}.attention.output.dense")
        x = self._normal(x + attended, f"{name}.attention.output.LayerNorm")
        inner = _gelu(self._dense(x, f"{name}.intermediate.dense"))
        return self._normal(x + self._dense(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _attention(self, x: Floats, shade: Floats, name: str) -> Floats:
        rows, length, _ = x.shape
        split = (rows, length, _HEADS, _WIDTH // _HEADS)
        query, key, value = (
            self._dense(x, f"{name}.attention.self.{part}").reshape(split).transpose(0, 2, 1, 3) for part in ("query", "key", "value")
        )
        scores: Floats = query @ key.transpose(0, 1, 3, 2) / np.float32((_WIDTH // _HEADS) ** 0.5) + shade
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        return (scores @ value).transpose(0, 2, 1, 3).reshape(x.shape)

    def _dense(self, x: Floats, name: str) -> Floats:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normal(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(_EPSILON))
        return centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _gelu(x: Floats) -> Floats:
    shares: Floats = _erf(x * _HALF_ROOT) + _ONE
    shares *= x
    shares *= _HALF
    return shares


def _erf(x: Floats) -> Floats:
    """Abramowitz and Stegun 7.1.26: off by at most 1.5e-7, which is what 32-bit floats hold."""
    size = np.abs(x)
    t: Floats = np.float32(1) / (np.float32(1) + np.float32(0.3275911) * size)
    series: Floats = np.zeros_like(t)
    for factor in _ERF_FACTORS:
        series = (series + factor) * t
    tail: Floats = series * np.exp(-size * size)
    return np.copysign(np.float32(1) - tail, x, dtype=np.float32)
