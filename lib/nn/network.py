"""A fully connected network: parameters and running averages, forward, backward, and the initial weights."""

import copy
from itertools import pairwise

import numpy as np

from lib.nn import layers as ops

#: standard deviation of a layer's initial weights, given its number of inputs
INITIALISERS = {
    "he": lambda fan_in: np.sqrt(2 / fan_in),  # He et al. 2015, for ReLU
    "xavier": lambda fan_in: np.sqrt(1 / fan_in),  # Glorot & Bengio 2010, in the course's form, with fan_in only
}


class Network:
    """k affine layers with ReLU between them, with or without batch normalisation.

    ``layers``: a dict for each layer with W (..., d_in, d_out) and b (..., d_out); hidden layers with batch
    normalisation also have gamma and beta (..., d_out). A leading axis of T in every array makes it T networks.
    ``averages``: a dict for each hidden layer with the running "mean" and "var" (..., d_out) of batch normalisation;
    empty before the first update.

    eps: added to the variance in batch normalisation. decay: weight of the old value in a running average. from_zero:
    the running averages start at 0 instead of the first minibatch's statistics. after_relu: batch normalisation comes
    after the ReLU instead of before it. drop_rate: probability that dropout sets a hidden unit to 0 during training.
    """

    def __init__(self, layers, *, eps=1e-8, decay=0.9, from_zero=False, after_relu=False, drop_rate=0.0):
        self.layers, self.averages = layers, [{} for _ in layers[:-1]]
        self.eps, self.decay, self.from_zero = eps, decay, from_zero
        self.after_relu, self.drop_rate = after_relu, drop_rate

    @property
    def weights(self):
        """The weight matrices, to which the L2 penalty applies: a list of (..., d_in, d_out)."""
        return [layer["W"] for layer in self.layers]

    def forward(self, X, *, training, rng=None):
        """Return the scores (..., n, K) of X (n, d) and the cache for ``backward``, without changing any state.

        In training, batch normalisation uses the statistics of X, and rng draws the masks of dropout. Otherwise batch
        normalisation uses the running averages, and there is no dropout. Raises ValueError for an X of the wrong width,
        and for training a network with dropout without an rng.
        """
        first = self.layers[0]
        if X.shape[-1] != first["W"].shape[-2]:
            raise ValueError(f"the network takes rows of {first['W'].shape[-2]} numbers, got X of shape {X.shape}")
        if training and self.drop_rate and rng is None:
            raise ValueError("a network with dropout needs rng, a numpy Generator, to be trained")
        S, cache = ops.affine_forward(X, first["W"], first["b"])
        S, caches = self.forward_hidden(S, "batch" if training else "average", rng if training else None)
        return S, [cache, *caches]

    def forward_hidden(self, S, statistics, rng=None):
        """Return the scores (..., n, K) and the caches, given the first affine layer's output S (..., n, d_1).

        statistics: "batch" normalises by mean and variance of S, "average" by the running averages. rng: for dropout.
        """
        caches = []
        for layer, averages, following in zip(self.layers, self.averages, self.layers[1:], strict=False):
            H, cache = self._hidden_forward(S, layer, averages, statistics, rng)
            S, cache["affine"] = ops.affine_forward(H, following["W"], following["b"])
            caches.append(cache)
        return S, caches

    def _hidden_forward(self, S, layer, averages, statistics, rng):
        """Return what a hidden layer makes of its affine output S (batch norm and ReLU, then dropout), and a cache."""
        cache, eps = {}, self.eps
        if self.after_relu:
            S, cache["relu"] = ops.relu_forward(S)
        if "gamma" in layer and statistics == "batch":
            S, cache["norm"], cache["statistics"] = ops.batch_norm_forward(S, layer["gamma"], layer["beta"], eps)
        elif "gamma" in layer:
            S = ops.batch_norm_apply(S, layer["gamma"], layer["beta"], averages["mean"], averages["var"], eps)
        if not self.after_relu:
            S, cache["relu"] = ops.relu_forward(S)
        if self.drop_rate and rng is not None:
            S, cache["dropout"] = ops.dropout_forward(S, self.drop_rate, rng)
        return S, cache

    def backward(self, grad_scores, cache):
        """Return the gradients of all parameters, in the shape of ``layers``, given grad_scores (..., n, K)."""
        first, *caches = cache
        grads, grad = [{} for _ in self.layers], grad_scores
        for index in range(len(caches), 0, -1):
            hidden = caches[index - 1]
            grad, grads[index]["W"], grads[index]["b"] = ops.affine_backward(grad, hidden["affine"])
            if "dropout" in hidden:
                grad = ops.dropout_backward(grad, hidden["dropout"])
            if not self.after_relu:
                grad = ops.relu_backward(grad, hidden["relu"])
            if "norm" in hidden:
                grad, grads[index - 1]["gamma"], grads[index - 1]["beta"] = ops.batch_norm_backward(
                    grad, hidden["norm"]
                )
            if self.after_relu:
                grad = ops.relu_backward(grad, hidden["relu"])
        _, grads[0]["W"], grads[0]["b"] = ops.affine_backward(grad, first, needs_input=False)
        return grads

    def update_averages(self, cache):
        """Move the running averages towards the statistics of the minibatch whose training forward gave the cache."""
        for averages, hidden in zip(self.averages, cache[1:], strict=True):
            if "statistics" not in hidden:  # a layer without batch normalisation
                continue
            for name, batch in zip(("mean", "var"), hidden["statistics"], strict=True):
                if name not in averages:
                    averages[name] = np.zeros_like(batch) if self.from_zero else batch.copy()
                averages[name] += (1 - self.decay) * (batch - averages[name])

    def state(self):
        """Return a copy of everything that predictions depend on: {"layers", "averages"}, lists of dicts of arrays."""
        return copy.deepcopy({"layers": self.layers, "averages": self.averages})

    def load_state(self, state):
        """Replace parameters and running averages by copies of those in a ``state``."""
        self.layers, self.averages = copy.deepcopy((state["layers"], state["averages"]))


def create(widths, init, rng, *, bias_std=0.0, batch_norm=False, dtype=np.float32, **settings):
    """Return a new network: weights drawn, biases 0 or drawn with standard deviation bias_std, gamma 1, beta 0.

    widths: units of every layer, inputs and outputs included, e.g. (3072, 50, 50, 10). init: "he", "xavier", or one
    standard deviation for all layers. rng: a numpy Generator, which draws in float64 for either dtype. settings: those
    of ``Network``. Raises ValueError for an unknown init.
    """
    if isinstance(init, str) and init not in INITIALISERS:
        raise ValueError(f"init must be one of {', '.join(INITIALISERS)} or a standard deviation, got {init!r}")
    layers = []
    for index, (fan_in, units) in enumerate(pairwise(widths)):
        std = INITIALISERS[init](fan_in) if isinstance(init, str) else init
        layer = {"W": std * rng.standard_normal((fan_in, units)), "b": np.zeros(units)}
        if bias_std:
            layer["b"] = bias_std * rng.standard_normal(units)
        if batch_norm and index < len(widths) - 2:
            layer |= {"gamma": np.ones(units), "beta": np.zeros(units)}
        layers.append({name: array.astype(dtype) for name, array in layer.items()})
    return Network(layers, **settings)


def stack(networks):
    """Return one network of T trials, made of T untrained networks of the same widths and settings.

    In memory the first weights, (T, d_in, d_out), lie as (d_in, T, d_out), as ``products.shared_product`` reads them.
    """
    together = copy.deepcopy(networks[0])
    for index, layer in enumerate(together.layers):
        for name in layer:
            layer[name] = np.stack([network.layers[index][name] for network in networks])
    first = together.layers[0]
    first["W"] = first["W"].swapaxes(0, 1).copy().swapaxes(0, 1)
    return together
