"""Switch off the telemetry of the libraries we build on, before any of them is imported.

Call `off()` right before the first `import onnxruntime`, `openvino`, … of a module. It only
sets what is not set yet and is safe to call often.
"""

from __future__ import annotations

import os
import sys

_ENVIRONMENT = {
    "ORT_DISABLE_TELEMETRY": "1",
    "NNCF_CI": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def off() -> None:
    """Tell ONNX Runtime, OpenVINO, nncf, Ray and huggingface_hub not to report home."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # OpenVINO imports this module if it can; `None` makes that import fail quietly.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
