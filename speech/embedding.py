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
MAX_REMEMBERED = 4096  # sentences; 6 MB


class SentenceEmbedder:
    """The model, ready; remembers the embeddings of texts by a hash, not the texts themselves.

    Texts go through the model one by one. In a batch, int8 models of this kind scale all texts by
    the largest value in the batch, so a text's embedding would depend on its neighbours and the
    same call could have other hits. One thread, for the same reason.

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
        return np.stack([self._remembered(text) for text in texts])

    def _remembered(self, text: str) -> NDArray[np.float32]:
        key = hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()
        vector = self._known.get(key)
        if vector is None:
            vector = self._known[key] = self._embedded(text)
            if len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return vector

    def _embedded(self, text: str) -> NDArray[np.float32]:
        clean = text.encode(errors="replace").decode()  # lone surrogates are no text
        ids = np.array([self._tokenizer.encode(clean).ids], dtype=np.int64)
        inputs = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        states = self._session.run(None, inputs)[0][0]  # shape (n_tokens, N_DIMS)
        mean = states.mean(axis=0)
        vector: NDArray[np.float32] = (mean / np.linalg.norm(mean)).astype(np.float32)
        return vector


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
