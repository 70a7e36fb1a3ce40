"""Sentences as vectors that lie close where their meaning does: all-MiniLM-L6-v2 on onnxruntime.

This is the embedder that rules with `similar` conditions are given; `rules.similarity` says what
one is. It lives here because weights do: the registry pins them, and `rules/` opens no models.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Sequence
from importlib.resources import as_file
from importlib.resources import files as package_files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rules.rulebook import Rulebook, RuleStatus
from rules.similarity import rules_with_similarity
from speech.errors import ModelMissingError
from speech.models import find_model, registry

MODEL_ID = "all-minilm-l6-v2-int8"
N_DIMS = 384
MAX_TOKENS = 256  # what the model was made for; longer texts are cut
MAX_BATCH = 16  # texts at once
MAX_REMEMBERED = 4096  # sentences; 6 MB


class SentenceEmbedder:
    """The model, ready; remembers the embeddings of texts by a hash, not the texts themselves.

    The texts of one call go through the model together, which took two thirds of the time of one by
    one (2026-11) and gave the very same numbers. It runs on one thread, as one of many engines.

    Args:
        path: The ONNX file, already checked.

    Raises:
        ModelMissingError: the package that cuts texts into word pieces is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from tokenizers import BertWordPieceTokenizer
        except ImportError:
            raise ModelMissingError(
                "the package `tokenizers` is not installed; install the extra `earmark[similarity]`"
            ) from None
        import onnxruntime as ort

        with as_file(package_files("speech") / "wordpieces.txt") as vocabulary:
            self._tokenizer = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._known: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()

    @property
    def name(self) -> str:
        """The model, and the hash that it is pinned by."""
        (file,) = registry()[MODEL_ID].files
        return f"{MODEL_ID} {file.sha256}"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `rules.similarity.Embedder`."""
        if not texts:
            return np.zeros((0, N_DIMS), dtype=np.float32)
        keys = [hashlib.blake2b(_sound(text), digest_size=16).digest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        found = {key: self._known[key] for key in keys if key in self._known}
        for start in range(0, len(new), MAX_BATCH):
            some = list(new.items())[start : start + MAX_BATCH]
            vectors = self._embedded([text for _, text in some])
            found |= {key: vector for (key, _), vector in zip(some, vectors, strict=True)}
        for key, vector in found.items():  # those that were asked for last are kept longest
            self._known[key] = vector
            self._known.move_to_end(key)
        while len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return np.stack([found[key] for key in keys])

    def _embedded(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encoded = self._tokenizer.encode_batch([_sound(text).decode() for text in texts])
        ids = np.array([each.ids for each in encoded], dtype=np.int64)
        mask = np.array([each.attention_mask for each in encoded], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states = self._session.run(None, inputs)[0]  # shape (n_texts, n_tokens, N_DIMS)
        means = (states * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        vectors: NDArray[np.float32] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return vectors.astype(np.float32)


def _sound(text: str) -> bytes:
    return text.encode(errors="replace")  # lone surrogates are no text


def load_embedder(models_dir: Path) -> SentenceEmbedder:
    """The pinned model, from the models folder or from its package.

    Raises:
        ModelMissingError: it is not here, and how to get it.
        ModelHashError: what is here is not the pinned one.
    """
    return SentenceEmbedder(find_model(MODEL_ID, models_dir))


def embedder_for(
    rulebook: Rulebook,
    models_dir: Path,
    *,
    statuses: Collection[RuleStatus] = (RuleStatus.ACTIVE,),
) -> SentenceEmbedder | None:
    """The embedder that a rule book needs; None, and nothing loaded, where it needs none.

    Raises:
        ModelMissingError: a rule needs it, and it is not here.
        ModelHashError: what is here is not the pinned one.
    """
    asking = rules_with_similarity(rulebook, statuses)
    if not asking:
        return None
    try:
        return load_embedder(models_dir)
    except ModelMissingError as exc:
        raise ModelMissingError(f"rule {asking[0]} has a `similar` condition: {exc}") from None
