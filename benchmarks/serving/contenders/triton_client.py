"""A public client of the Open Inference Protocol, unmodified: what it gets, as JSON.

python triton_client.py http|grpc HOST:PORT MODEL FILE…, in an environment with tritonclient.
"""

import importlib
import json
import pathlib
import sys

import numpy as np

kind, address, model, *files = sys.argv[1:]
library = importlib.import_module(f"tritonclient.{kind}")
client = library.InferenceServerClient(address)


def ready(name):
    try:
        return client.is_model_ready(name)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


found = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model_ready": client.is_model_ready(model),
    "absent_ready": ready("absent"),
}
server = client.get_server_metadata()
about = client.get_model_metadata(model)
if kind == "grpc":
    found |= {"server": server.name, "inputs": [one.name for one in about.inputs]}
else:
    found |= {"server": server["name"], "inputs": [one["name"] for one in about["inputs"]]}
asked = np.array([pathlib.Path(file).read_bytes() for file in files], object)
tensor = library.InferInput(found["inputs"][0], [len(files)], "BYTES")
tensor.set_data_from_numpy(asked)
outputs = [library.InferRequestedOutput(name) for name in ("probabilities", "label")]
told = client.infer(model, [tensor], outputs=outputs, request_id="seven")
found["probabilities"] = told.as_numpy("probabilities").tolist()
found["labels"] = [one.decode() for one in told.as_numpy("label").ravel()]
if kind == "http":  # without the binary extension: numbers as JSON
    outputs = [library.InferRequestedOutput("probabilities", binary_data=False)]
    told = client.infer(model, [tensor], outputs=outputs)
    found["probabilities_as_json"] = told.as_numpy("probabilities").tolist()
try:
    client.infer("absent", [tensor])
except Exception as error:
    found["absent"] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
