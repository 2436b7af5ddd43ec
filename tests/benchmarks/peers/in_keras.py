"""Keras as its guides write it: `compile` and `fit`, on whichever back end KERAS_BACKEND names."""

import keras
import numpy as np
from keras import layers
from raced import EVERY, RATE, Layer, Work, gates


def made(layer: Layer, time: int) -> list[keras.Layer]:
    activation = layer.activation or None
    if layer.kind == "conv":
        return [layers.Conv2D(layer.outputs, 3, padding="same", activation=activation), layers.MaxPooling2D()]
    if layer.kind == "rnn":
        return [layers.SimpleRNN(layer.outputs, activation=activation, unroll=time <= 16)]
    if layer.kind == "lstm":
        return [layers.LSTM(layer.outputs, unroll=time <= 16)]
    return [layers.Flatten(), layers.Dense(layer.outputs, activation=activation)]


class Fit:
    """One network. An epoch is what lies between two evaluations; the batches are laid out in their order."""

    def __init__(self, work: Work) -> None:
        model = work.model
        built = [one for layer in model.layers for one in made(layer, model.shape[0])]
        self.network = keras.Sequential([keras.Input(model.shape), *built])
        floats = work.data["train"][1].dtype.kind == "f"
        loss = keras.losses.MeanSquaredError() if floats else keras.losses.SparseCategoricalCrossentropy(True)
        at_once = 1 if keras.backend.backend() == "torch" else EVERY  # which torch does not know
        self.network.compile(keras.optimizers.Adam(RATE, epsilon=1e-8), loss, steps_per_execution=at_once)
        own = []
        for layer, weights in zip(model.layers, work.weights, strict=True):
            own += [gates(part, "ifgo") if layer.kind == "lstm" else part for part in weights]
        self.network.set_weights([values[0] for values in own])
        self.validation = work.data["validation"]
        self.ordered = [values[work.order[0].ravel()] for values in work.data["train"]]
        self.batch = work.order.shape[-1]
        self.prepare(1)

    def prepare(self, repeats: int) -> None:
        """Lay the batches of the next calls out, which is not counted."""
        self.laid_out = [np.concatenate([values] * repeats) for values in self.ordered]

    def train(self, repeats: int) -> np.ndarray:
        x, y = self.laid_out
        history = self.network.fit(
            x, y, batch_size=self.batch, shuffle=False, epochs=len(x) // (self.batch * EVERY), steps_per_epoch=EVERY,
            validation_data=self.validation, validation_batch_size=len(self.validation[0]), verbose=0,
        ).history  # fmt: skip
        return np.array([[[a], [b]] for a, b in zip(history["loss"], history["val_loss"], strict=True)])


TRAINERS = {"fit": Fit}
