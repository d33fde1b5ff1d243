"""Exercises with costs and their gradients: softmax with cross-entropy, one layer, k layers. Rows are images."""

from itertools import pairwise

import numpy as np

from lib.gradcheck import cost, gradients
from lib.nn import losses
from lib.nn.network import Network

from .exercise import Exercise, Mistake, Unfit
from .layers import AXIS, normal

# Softmax with cross-entropy


def _softmax_reference(S, y):
    loss, cache = losses.softmax_cross_entropy_forward(S, y)
    return loss, losses.softmax_cross_entropy_backward(1.0, cache)


def _softmax(S, axis=-1):
    E = np.exp(S - S.max(axis=axis, keepdims=True))
    return E / E.sum(axis=axis, keepdims=True)


def _softmax_with(loss=None, grad=None, axis=-1):
    """Return softmax with cross-entropy; loss and grad, functions of (P, Y), take the place of the right ones."""

    def both(S, y):
        P, Y = _softmax(S, axis), np.eye(S.shape[1])[y]
        wrong_loss = loss(P, Y) if loss else -np.mean(np.log((P * Y).sum(axis=1)))
        return wrong_loss, grad(P, Y) if grad else (P - Y) / len(y)

    return both


def _softmax_cases():
    y = np.array([0, 3, 1, 2, 3, 3, 0])
    (S,), (few,) = normal((7, 4)), normal((1, 4), seed=1)
    return {
        "7 images, 4 classes": (S, y),
        "one image": (few, y[1:2]),
        "arrays in float32": (S.astype(np.float32), y),
        "scores of 1000": (1000 * S, y),
    }


SOFTMAX = Exercise(
    "softmax_cross_entropy",
    ("S", "y"),
    ("loss", "grad_S"),
    _softmax_reference,
    _softmax_cases,
    "Subtract from every row of S its largest entry first: that changes no probability, and exp cannot overflow. "
    "S[np.arange(n), y] picks the score of the true class in every row. The gradient of the mean loss for S is "
    "(P - Y) / n, where Y has a single 1 in every row.",
    (losses.softmax_cross_entropy_forward, losses.softmax_cross_entropy_backward),
    (
        Mistake("summed over the wrong axis", "The probabilities of each *class* add up to 1. Those of each image "
                "should: softmax runs along the rows, axis=1.", _softmax_with(axis=0)),
        Mistake("one softmax for all", "exp(S) is divided by its sum over all images together. Each image needs a sum "
                "of its own: axis=1, keepdims=True.", _softmax_with(axis=None)),
        Mistake("not averaged over n", "You return a loss for every image. The loss is their mean, one number.",
                _softmax_with(loss=lambda P, Y: -np.log((P * Y).sum(axis=1)))),
        Mistake("averaged over the classes too", "np.mean over an (n, K) array divides by n K. Each image has only one "
                "true class: divide by n.", _softmax_with(loss=lambda P, Y: -np.log((P * Y).sum(axis=1)).mean()
                                                          / P.shape[1], grad=lambda P, Y: (P - Y) / P.size)),
        Mistake("labels not subtracted", "This is P / n. The gradient is (P - Y) / n: take 1 off at the true class.",
                _softmax_with(grad=lambda P, Y: P / len(P))),
        Mistake("labels not subtracted, not averaged over n", "This is P. The gradient is (P - Y) / n.",
                _softmax_with(grad=lambda P, Y: P)),
        Mistake("derivative for P instead of S", "-Y / P is how the loss depends on the probabilities. It must still "
                "pass the softmax, and becomes P - Y.", _softmax_with(grad=lambda P, Y: -Y / P / len(P))),
        Mistake("logarithm forgotten", "This is the mean probability of the true class. The loss is -ln of each.",
                _softmax_with(loss=lambda P, Y: -(P * Y).sum(axis=1).mean())),
        Mistake("another logarithm", "You take the logarithm to base 10; nats come from the natural one, np.log.",
                _softmax_with(loss=lambda P, Y: -np.log10((P * Y).sum(axis=1)).mean())),
        Mistake("another logarithm", "You take the logarithm to base 2; nats come from the natural one, np.log.",
                _softmax_with(loss=lambda P, Y: -np.log2((P * Y).sum(axis=1)).mean())),
    ),
    "In lib the two halves are two functions, and a leading axis may count several networks. The row maxima are taken "
    "in a way that is faster than S.max(axis=-1).",
    edges=(("scores of 1000", "overflow", "exp(1000) is infinite, and the probability of a class far below the largest "
            "is 0, whose logarithm is infinite. Subtract from each row its largest score before exp, and take the "
            "logarithm of the *sum*: ln p_y = (s_y - s_max) - ln(sum of exp(s - s_max))."),),
)  # fmt: skip


# The cost of one layer


def _one_layer_reference(X, y, W, b, l2):
    network = Network([{"W": W, "b": b}])
    [grads] = gradients(network, X, y, l2)
    return cost(network, X, y, l2), grads["W"], grads["b"]


def _one_layer(power=1, in_cost=1.0, in_grad=2.0, biases=0.0, over_n=0, axis=0, norm=1.0):
    """Return the cost and gradients of one layer; the defaults are right.

    power: of n by which the mean over the images is divided. in_cost, in_grad: factors of lambda. biases: factor of a
    penalty on b. over_n: power of n by which the penalty is divided. axis: of grad_b. norm: power of ||W||^2.
    """

    def cost_and_gradients(X, y, W, b, l2):
        n, P, Y = len(y), _softmax(X @ W + b), np.eye(len(b))[y]
        loss, G, l2 = -np.log((P * Y).sum(axis=1)).sum() / n**power, (P - Y) / n**power, l2 / n**over_n
        J = loss + in_cost * l2 * (np.sum(W**2) ** norm + biases * np.sum(b**2))
        return J, X.T @ G + in_grad * l2 * W, G.sum(axis=axis) + (2 * biases * l2 * b if biases else 0)

    return cost_and_gradients


def _one_layer_cases():
    X, W, b = normal((7, 5), (5, 4), 4)
    y = np.array([0, 3, 1, 2, 3, 3, 0])
    wide = normal((6, 3), (3, 5), 5, seed=1)
    return {"lambda = 0.1": (X, y, W, b, 0.1), "lambda = 0.5": (wide[0], y[:6], *wide[1:], 0.5),
            "lambda = 0": (X, y, W, b, 0.0)}  # fmt: skip


ONE_LAYER = Exercise(
    "one_layer",
    ("X", "y", "W", "b", "l2"),
    ("J", "grad_W", "grad_b"),
    _one_layer_reference,
    _one_layer_cases,
    "Forward: S = X @ W + b, then your softmax_cross_entropy(S, y), then the penalty l2 * np.sum(W**2). Backward: "
    "grad_S has all of the 1/n in it already, so grad_W is X.T @ grad_S and the gradient of the penalty, and grad_b "
    "the sum of the rows of grad_S.",
    (cost, gradients, losses.l2_penalty),
    (
        Mistake("penalty without its 2", "The derivative of lambda W^2 is 2 lambda W.", _one_layer(in_grad=1.0)),
        Mistake("penalty with one half", "You take lambda / 2 times the sum of the squares. This course's cost has no "
                "one half.", _one_layer(in_cost=0.5)),
        Mistake("penalty forgotten", "The term with lambda is missing.", _one_layer(in_cost=0.0, in_grad=0.0)),
        Mistake("penalty averaged over n", "The penalty is divided by n. Only the loss is a mean over the images; the "
                "penalty belongs to the weights.", _one_layer(over_n=1)),
        Mistake("biases penalised", "The penalty is on W alone, not on b.", _one_layer(biases=1.0)),
        Mistake("norm not squared", "The penalty is the sum of the *squares* of all entries of W, not its root.",
                _one_layer(norm=0.5)),
        Mistake("not averaged over n", "The loss is the mean over the n images, not their sum; its gradient likewise.",
                _one_layer(power=0)),
        Mistake("averaged twice", "The mean over the images is taken twice. P - Y has been divided by n already, or "
                "should be divided only once.", _one_layer(power=2)),
        Mistake("summed over the wrong axis", AXIS, _one_layer(axis=1)),
    ),
    "lib computes the cost and its gradients for any depth; with one layer this is what you were asked for.",
)  # fmt: skip


# A network of k layers


def _deep_network(weights, biases):
    return Network([{"W": W, "b": b} for W, b in zip(weights, biases, strict=True)])


def _deep_reference(X, y, weights, biases, l2):
    grads = gradients(_deep_network(weights, biases), X, y, l2)
    return [layer["W"] for layer in grads], [layer["b"] for layer in grads]


def _deep(gate=lambda S, H: S > 0, inputs=lambda H, S: H, penalised=lambda W: 2 * W, turned=False, last=False):
    """Return the gradients of k layers; the defaults are right.

    gate: what a gradient is multiplied by at a ReLU. inputs: what a layer's grad_W takes as its input. penalised: the
    penalty's gradient over lambda. turned: the lists run from the last layer to the first. last: the scores pass a ReLU
    """

    def backward(X, y, weights, biases, l2):
        H, sums, hidden = X, [], [X]
        for W, b in zip(weights, biases, strict=True):
            sums.append(H @ W + b)
            H = np.maximum(sums[-1], 0)
            hidden.append(H)
        scores = hidden[-1] if last else sums[-1]
        G = (_softmax(scores) - np.eye(scores.shape[1])[y]) / len(y)
        grads_W, grads_b = [], []
        for k in reversed(range(len(weights))):
            grads_W.insert(0, inputs(hidden[k], sums[k - 1] if k else X).T @ G + l2 * penalised(weights[k]))
            grads_b.insert(0, G.sum(axis=0))
            if k:
                G = (G @ weights[k].T) * gate(sums[k - 1], hidden[k])
        return (grads_W[::-1], grads_b[::-1]) if turned else (grads_W, grads_b)

    return backward


def _deep_observed(function, X, y, weights, biases, l2):
    answer = function(X, y, weights, biases, l2)
    if not isinstance(answer, tuple) or len(answer) != 2 or not all(isinstance(part, list) for part in answer):
        raise Unfit("It should return two lists, grads_W and grads_b, with one array for each layer.")
    if {len(part) for part in answer} != {len(weights)}:
        raise Unfit(f"The network has {len(weights)} layers; the lists have {len(answer[0])} and {len(answer[1])}.")
    return {f"grads_{name}[{k}]": part for name, each in zip("Wb", answer, strict=True) for k, part in enumerate(each)}


def _deep_cases():
    y = np.array([0, 2, 1, 2, 2, 0, 1])

    def case(*widths):
        (X,), pairs = normal((7, widths[0])), list(pairwise(widths))
        return X, y, list(normal(*pairs, seed=1)), list(normal(*widths[1:], seed=2)), 0.1

    return {"4 layers": case(6, 5, 4, 5, 3), "layers of equal width": case(4, 4, 4, 3), "1 layer": case(4, 3)}


DEEP = Exercise(
    "deep_backward",
    ("X", "y", "weights", "biases", "l2"),
    ("grads_W", "grads_b"),
    _deep_reference,
    _deep_cases,
    "Go forward and keep the input of every layer, and every s. Start back with (P - Y) / n. At each layer, from the "
    "last to the first: grad_W from its input and the gradient that has arrived, grad_b from its sum; then, unless it "
    "is the first layer, through W and through the ReLU below it.",
    (Network.backward, gradients),
    (
        Mistake("ReLU forgotten", "On the way back the gradient is not stopped where the ReLU was 0.",
                _deep(gate=lambda S, H: 1.0)),
        Mistake("multiplied by the output", "At the ReLU you multiply by its output. Its derivative is 1 or 0.",
                _deep(gate=lambda S, H: H)),
        Mistake("input before the ReLU", "grad_W takes the layer's input, and that is max(0, s) of the layer below, "
                "not s.", _deep(inputs=lambda H, S: S)),
        Mistake("lists turned round", "The gradients are right, but the last layer comes first.", _deep(turned=True)),
        Mistake("ReLU on the scores", "The last layer has no ReLU: its s are the scores.", _deep(last=True)),
        Mistake("penalty without its 2", "The derivative of lambda W^2 is 2 lambda W.", _deep(penalised=lambda W: W)),
        Mistake("penalty forgotten", "2 lambda W is missing.", _deep(penalised=lambda W: 0 * W)),
    ),
    "lib's network can also have batch normalisation and dropout; without them only the lines with affine_backward and "
    "relu_backward remain.",
    observe=_deep_observed,
)  # fmt: skip
