"""LitServe: a worker a core, batches where the setting asks for them."""

from typing import Annotated

import litserve
import numpy as np
import plain
from fastapi import Depends, Request


async def whole(request: Request):
    return await request.body()


class Raw(litserve.LitAPI):
    """Takes the file as the body of the request, without a detour through base64 or a form."""

    def setup(self, device):
        self.classifier = plain.Classifier()

    def decode_request(self, request: Annotated[bytes, Depends(whole)]):
        return plain.decode(request)

    def predict(self, pixels):
        if self.max_batch_size > 1:
            return self.classifier.run(np.asarray(pixels))
        return self.classifier.run(pixels[None])[0]

    def batch(self, inputs):
        return np.stack(inputs)

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        return output


if __name__ == "__main__":
    setting = plain.SETTING
    api = Raw(max_batch_size=setting["batch"], batch_timeout=setting.get("wait", 0.0))
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=setting["workers"],
        fast_queue=setting.get("fast_queue", False),
        timeout=60,
    )
    server.run(
        host="127.0.0.1",
        port=plain.PORT,
        num_api_servers=setting.get("api_servers", 1),
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
