"""Ray Serve: a replica a core behind its proxy."""

import signal

import plain
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse


@serve.deployment(
    num_replicas=plain.SETTING["replicas"],
    max_ongoing_requests=plain.SETTING["ongoing"],
    ray_actor_options={"num_cpus": 0.5},
    logging_config={"enable_access_log": False, "log_level": "ERROR"},
)
class Pictures:
    def __init__(self):
        self.classifier = plain.Classifier()

    async def __call__(self, request: Request):
        return JSONResponse(self.classifier.answer(await request.body()))


if __name__ == "__main__":
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
    )
    serve.start(http_options={"host": "127.0.0.1", "port": plain.PORT})
    serve.run(Pictures.bind(), route_prefix="/predict")
    signal.pause()
