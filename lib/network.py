"""A fully connected network: its parameters and running statistics, forward, backward, and how it starts."""

import numpy as np

from lib.layers import (
    affine_backward,
    affine_forward,
    batch_norm_apply,
    batch_norm_backward,
    batch_norm_forward,
    relu_backward,
    relu_forward,
)

#: standard deviation of the initial weights from the number of inputs of their layer
INITIALISERS = {
    "he": lambda fan_in: np.sqrt(2 / fan_in),  # He et al. 2015, for ReLU
    "xavier": lambda fan_in: np.sqrt(1 / fan_in),  # Glorot & Bengio 2010 in the course's fan-in form
}


class Network:
    """k affine layers with ReLU between them, with or without batch normalisation before each ReLU.

    ``layers``: for each layer a dict of W (..., d_in, d_out) and b (..., d_out), and for hidden layers with batch
    normalisation gamma and beta (..., d_out). A leading axis of T in every array makes it T networks.
    ``averages``: for each hidden layer the running {"mean", "var"} (..., d_out); empty dicts before the first update.
    ``eps``: see layers.batch_norm_forward. ``decay``: weight of the old value in a running average.
    """

    def __init__(self, layers, *, eps=1e-8, decay=0.9):
        self.layers = layers
        self.averages = [{} for _ in layers[:-1]]
        self.eps, self.decay = eps, decay

    @property
    def weights(self):
        """The weight matrices, which the L2 penalty applies to: a list of (..., d_in, d_out)."""
        return [layer["W"] for layer in self.layers]

    def forward(self, X, *, training):
        """Return the scores (..., n, K) of X (n, d) and the cache for ``backward``.

        In training, batch normalisation takes the statistics of X, else the running averages. No state changes.
        """
        S, cache = affine_forward(X, self.layers[0]["W"], self.layers[0]["b"])
        S, caches = self.forward_hidden(S, training=training)
        return S, [cache, *caches]

    def forward_hidden(self, S, *, training):
        """Return the scores (..., n, K) and the caches, from the first layer's affine output S (..., n, d_1) on."""
        caches = []
        for layer, averages, following in zip(self.layers, self.averages, self.layers[1:], strict=False):
            normalised = statistics = None
            if "gamma" in layer:
                scale = layer["gamma"], layer["beta"]
                if training:
                    S, normalised, statistics = batch_norm_forward(S, *scale, self.eps)
                else:
                    S = batch_norm_apply(S, *scale, averages["mean"], averages["var"], self.eps)
            H, active = relu_forward(S)
            S, affine = affine_forward(H, following["W"], following["b"])
            caches.append((normalised, statistics, active, affine))
        return S, caches

    def backward(self, grad_scores, cache):
        """Return the gradients of all parameters, in the shape of ``layers``, from grad_scores (..., n, K)."""
        first, *caches = cache
        grads = [{} for _ in self.layers]
        grad = grad_scores
        for index in range(len(caches), 0, -1):
            normalised, _, active, affine = caches[index - 1]
            grad, grads[index]["W"], grads[index]["b"] = affine_backward(grad, affine)
            grad = relu_backward(grad, active)
            if normalised is not None:
                grad, gamma, beta = batch_norm_backward(grad, normalised)
                grads[index - 1].update(gamma=gamma, beta=beta)
        _, grads[0]["W"], grads[0]["b"] = affine_backward(grad, first, needs_input=False)
        return grads

    def update_averages(self, cache):
        """Move the running averages towards the mini-batch of a training forward; the first one starts them."""
        for averages, (_, statistics, _, _) in zip(self.averages, cache[1:], strict=True):
            for name, batch in zip(("mean", "var"), statistics or (), strict=False):
                if name in averages:
                    averages[name] = self.decay * averages[name] + (1 - self.decay) * batch
                else:
                    averages[name] = batch.copy()

    def state(self):
        """Return a copy of everything that predictions depend on: {"layers", "averages"}, lists of dicts of arrays."""
        copies = ([{k: v.copy() for k, v in part.items()} for part in parts] for parts in (self.layers, self.averages))
        return dict(zip(("layers", "averages"), copies, strict=True))

    def load_state(self, state):
        """Take over a state, whose arrays are copied."""
        for name, parts in state.items():
            setattr(self, name, [{k: v.copy() for k, v in part.items()} for part in parts])


def create(widths, init, rng, *, batch_norm=False, dtype=np.float32, **settings):
    """Return a new network: weights drawn, biases and beta 0, gamma 1.

    widths: units of every layer, inputs and outputs included, e.g. (3072, 50, 50, 10). init: "he", "xavier", or one
    standard deviation for all layers. rng: numpy Generator; the weights are drawn in float64, so both dtypes start
    at the same point. settings: eps and decay of ``Network``. Raises ValueError for an unknown init.
    """
    if isinstance(init, str) and init not in INITIALISERS:
        raise ValueError(f"init must be one of {', '.join(INITIALISERS)} or a standard deviation, got {init!r}")
    layers = []
    for index, (fan_in, units) in enumerate(zip(widths, widths[1:], strict=False)):
        std = INITIALISERS[init](fan_in) if isinstance(init, str) else init
        layer = {"W": std * rng.standard_normal((fan_in, units)), "b": np.zeros(units)}
        if batch_norm and index < len(widths) - 2:
            layer |= {"gamma": np.ones(units), "beta": np.zeros(units)}
        layers.append({name: array.astype(dtype) for name, array in layer.items()})
    return Network(layers, **settings)


def stack(networks):
    """Return one network of T trials from T untrained networks of the same widths."""
    layers = [
        {name: np.stack([layer[name] for layer in same]) for name in same[0]}
        for same in zip(*(network.layers for network in networks), strict=True)
    ]
    return Network(layers, eps=networks[0].eps, decay=networks[0].decay)
