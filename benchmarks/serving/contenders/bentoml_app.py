"""BentoML: a worker process a core; the picture is the body of the request."""

import os
import sys

import bentoml
import plain
from PIL.Image import Image


@bentoml.service(
    workers=plain.SETTING["workers"],
    threads=plain.SETTING["service_threads"],
    traffic={"timeout": 60, "max_concurrency": 1000},
    metrics={"enabled": plain.SETTING["metrics"]},
)
class Pictures:
    def __init__(self):
        self.classifier = plain.Classifier()

    @bentoml.api(route="/predict")
    def predict(self, image: Image, /) -> dict:
        return self.classifier.run(plain.pixels(image)[None])[0]


if __name__ == "__main__":
    where = ["--host", "127.0.0.1", "--port", str(plain.PORT)]
    os.execv(
        sys.executable,
        [sys.executable, "-m", "bentoml", "serve", "bentoml_app:Pictures", *where],
    )
