"""What CleanVision, imagededup and cleanlab find in a folder, each as its documentation says.

`python curation_peers.py TOOL FOLDER OUT WEIGHTS`, in an environment that has them; writes JSON.
Nothing of ours is imported. imagededup's and cleanlab's networks are timm's
`tf_efficientnet_lite0` with the weights that we use too: a model of one's own is a documented
setting of imagededup (`CustomModel`), and cleanlab asks for features and held-out probabilities
of any model (cross-validated logistic regression, as in its tutorials).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def cleanvision(folder: Path, _: str) -> dict[str, Any]:
    from cleanvision import Imagelab

    lab = Imagelab(data_path=str(folder))
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, verbose=False)
    sets = lab.info["exact_duplicates"]["sets"] + lab.info["near_duplicates"]["sets"]
    return {"sets": [[Path(path).name for path in group] for group in sets]}


def phash(folder: Path, _: str) -> dict[str, Any]:
    from imagededup.methods import PHash

    found = PHash(verbose=False).find_duplicates(
        image_dir=str(folder), recursive=True, scores=True, max_distance_threshold=12
    )
    return {"pairs": _scored(found)}


def cnn(folder: Path, weights: str) -> dict[str, Any]:
    import torch
    from imagededup.methods import CNN
    from imagededup.utils import CustomModel

    model, transform = _network(weights)
    method = CNN(verbose=False, model_config=CustomModel("lite0", model, transform))
    with torch.inference_mode():
        found = method.find_duplicates(
            image_dir=str(folder), recursive=True, scores=True, min_similarity_threshold=0.8
        )
    return {"pairs": _scored(found)}


def cleanlab(folder: Path, weights: str) -> dict[str, Any]:
    import numpy as np
    import torch
    from cleanlab.filter import find_label_issues
    from cleanlab.outlier import OutOfDistribution
    from cleanlab.rank import get_label_quality_scores
    from PIL import Image
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from torch.utils.data import DataLoader

    files, pictures = [], []
    model, transform = _network(weights)
    for path in sorted(folder.rglob("*.jpg")):
        try:
            with Image.open(path) as image:
                image.convert("RGB")
        except OSError:
            continue
        files.append(path)

    class Pictures(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, at: int) -> Any:
            with Image.open(files[at]) as image:
                return transform(image.convert("RGB"))

    with torch.inference_mode():
        pictures = [model(batch).numpy() for batch in DataLoader(Pictures(), batch_size=64)]
    features = np.concatenate(pictures)
    names = sorted({path.parent.name for path in files})
    labels = np.array([names.index(path.parent.name) for path in files])
    head = LogisticRegression(max_iter=1000)
    chances = cross_val_predict(head, features, labels, cv=5, method="predict_proba")
    issues = find_label_issues(labels, chances, return_indices_ranked_by="self_confidence")
    quality = get_label_quality_scores(labels, chances)
    alien = OutOfDistribution().fit_score(features=features)
    return {
        "issues": [files[at].name for at in issues],
        "quality": {path.name: float(value) for path, value in zip(files, quality, strict=True)},
        "belonging": {path.name: float(value) for path, value in zip(files, alien, strict=True)},
    }


def _network(weights: str) -> tuple[Any, Any]:
    import timm
    import torch
    from timm.data import create_transform

    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    theirs = torch.load(weights, map_location="cpu", weights_only=True)
    model.load_state_dict(dict(zip(model.state_dict(), theirs.values(), strict=True)))
    model.reset_classifier(0)
    transform = create_transform((3, 224, 224), mean=(0.5,) * 3, std=(0.5,) * 3, crop_pct=1.0)
    return model.eval(), transform


def _scored(found: dict[str, list[tuple[str, float]]]) -> list[list[Any]]:
    pairs = {
        tuple(sorted((Path(one).name, Path(other).name))): float(score)
        for one, others in found.items()
        for other, score in others
    }
    return [[*pair, score] for pair, score in pairs.items()]


if __name__ == "__main__":
    tool, place, out, state = sys.argv[1:]
    Path(out).write_text(json.dumps(globals()[tool](Path(place), state)))
