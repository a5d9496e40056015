# pyright: reportMissingImports=false
# Keras and JAX stand in an environment of their own, whose Python runs this file.
"""Keras 3 on JAX, as its own examples write it: `model.fit`, fp32.

`PYTHON -m bench.peers.keras_jax speed FOLDER 0 EPOCHS` trains the lecture's network on CIFAR-10's binary files.
`PYTHON -m bench.peers.keras_jax MNIST|FashionMNIST FOLDER SEED EPOCHS` is its 'Simple MNIST convnet': Adam, batches of
128, the test part measured after each epoch. KERAS_BACKEND=jax must be set.
"""

import sys
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
from keras import layers

from bench.peers.given import BATCH, CLASSES, LR, MEAN, MOMENTUM, SIDE, STD, read_drawn, read_idx, say

PAD = 4


class Drawn(keras.utils.PyDataset):
    """Batches in another order each epoch, every picture flipped and cropped by itself, a batch at once in NumPy:
    Keras's own layer RandomCrop cannot be compiled by JAX."""

    def __init__(self, folder: Path) -> None:
        super().__init__()  # one thread makes batches ahead
        self.pictures_NHWC, self.labels = read_drawn(folder)
        self.padded_NHWC = np.pad(self.pictures_NHWC, ((0, 0), (PAD, PAD), (PAD, PAD), (0, 0)))
        self.chance = np.random.default_rng(0)
        self.on_epoch_end()

    def __len__(self) -> int:
        return len(self.labels) // BATCH

    def on_epoch_end(self) -> None:
        """Draws the next epoch's order."""
        self.order = self.chance.permutation(len(self.labels))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        chosen = self.order[index * BATCH : (index + 1) * BATCH]
        down, right = self.chance.integers(0, 2 * PAD + 1, (2, BATCH, 1)) + np.arange(SIDE)[None, None]
        right = np.where(self.chance.integers(0, 2, (BATCH, 1)) == 1, right[:, ::-1], right)
        return self.padded_NHWC[chosen[:, None, None], down[:, :, None], right[:, None, :]], self.labels[chosen]


def lecture() -> Any:
    """[CONV-BN-RELU-CONV-BN-RELU-POOL]*3 -> FC, 32, 64 and 128 filters of 3x3."""
    model = keras.Sequential([keras.Input((SIDE, SIDE, 3)), layers.Rescaling(1 / 255)])
    model.add(layers.Normalization(mean=MEAN, variance=[spread**2 for spread in STD]))
    for filters in (32, 64, 128):
        for _ in range(2):
            model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
            model.add(layers.BatchNormalization())
            model.add(layers.ReLU())
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    model.add(layers.Dense(CLASSES))
    return model


def convnet() -> Any:
    """The example's network."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def told(pictures: int) -> Any:
    """What says a line after each epoch."""

    def line(epoch: int, logs: dict[str, float]) -> None:
        score = logs.get("val_accuracy")
        say({"epoch": epoch + 1, "pictures": pictures} | ({} if score is None else {"score": float(score)}))

    return keras.callbacks.LambdaCallback(on_epoch_end=line)


def speed(folder: Path, epochs: int) -> None:
    pictures, model = Drawn(folder), lecture()
    model.compile(
        keras.optimizers.SGD(LR, momentum=MOMENTUM, nesterov=True),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(pictures, epochs=epochs, verbose=0, callbacks=[told(len(pictures) * BATCH)])


def example(folder: Path, seed: int, epochs: int) -> None:
    keras.utils.set_random_seed(seed)
    (pictures, labels), (tests, test_labels) = (read_idx(folder, part) for part in ("train", "t10k"))
    seen, unseen = ((x.astype("float32") / 255)[..., np.newaxis] for x in (pictures, tests))
    model = convnet()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        seen, labels, 128, epochs, verbose=0, callbacks=[told(len(labels))], validation_data=(unseen, test_labels)
    )


def main() -> None:
    what, folder, number, epochs = sys.argv[1:]
    backend = keras.backend.backend()
    say({"with": f"keras {keras.__version__}, {backend} {jax.__version__}, {jax.devices()[0].platform}"})
    if what == "speed":
        speed(Path(folder), int(epochs))
    else:
        example(Path(folder), int(number), int(epochs))


if __name__ == "__main__":
    main()
