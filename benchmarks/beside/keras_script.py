"""The example `mnist_cnn.json` in Keras 3, on whatever backend `KERAS_BACKEND` names.

Usage: keras_script.py DATA.npz EPOCHS. Waits for a line on its standard input before each epoch
and prints the epoch's seconds and accuracy as one JSON line, so that peers can take turns.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np


def main() -> None:
    import keras
    from keras import layers

    with np.load(sys.argv[1]) as file:
        x, y = file["x"].astype(np.float32) / 255, np.eye(10, dtype=np.float32)[file["y"]]
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adadelta(1.0, rho=0.95, epsilon=1e-7)
    model.compile(optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    print(json.dumps({"ready": keras.backend.backend()}), flush=True)
    for _ in range(int(sys.argv[2])):
        if not sys.stdin.readline():
            raise SystemExit("nobody asks any more")
        start = time.perf_counter()
        history = model.fit(x, y, batch_size=32, epochs=1, verbose=0)
        seconds = time.perf_counter() - start
        accuracy = float(history.history["accuracy"][-1])
        print(json.dumps({"seconds": seconds, "accuracy": accuracy}), flush=True)


if __name__ == "__main__":
    main()
