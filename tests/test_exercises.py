"""The exercises: right answers are accepted, wrong ones are caught and named, and nothing of it enters the report."""

import json
import re
import symtable
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from workbook.exercises import check, checking, how_far
from workbook.exercises.checking import EXERCISES
from workbook.exercises.diagnosis import diagnose
from workbook.report.execute import execute

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9]*.ipynb"))

#: right answers, as a student may write them
RIGHT = {
    "minibatches": """
def minibatches(n, batch_size, rng):
    order = rng.permutation(n)
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]
""",
    "relu_backward": """
def relu_backward(grad_out, S):
    return grad_out * (S > 0)
""",
    "affine_backward": """
def affine_backward(grad_out, X, W, b):
    return grad_out @ W.T, X.T @ grad_out, np.sum(grad_out, axis=0)
""",
    "softmax_cross_entropy": """
def softmax_cross_entropy(S, y):
    n = len(y)
    S = S - S.max(axis=1, keepdims=True)
    total = np.exp(S).sum(axis=1, keepdims=True)
    loss = np.mean(np.log(total[:, 0]) - S[np.arange(n), y])
    G = np.exp(S) / total
    G[np.arange(n), y] -= 1
    return loss, G / n
""",
    "one_layer": """
def one_layer(X, y, W, b, l2):
    S = X @ W + b
    P = np.exp(S) / np.exp(S).sum(axis=1, keepdims=True)
    Y = np.eye(len(b))[y]
    J = -np.mean(np.log(np.sum(P * Y, axis=1))) + l2 * np.sum(W**2)
    G = (P - Y) / len(y)
    return J, X.T @ G + 2 * l2 * W, G.sum(axis=0)
""",
    "momentum_step": """
def momentum_step(theta, v, grad, eta, rho):
    new = rho * v + eta * grad
    return theta - new, new
""",
    "cyclical_rate": """
def cyclical_rate(t, eta_min, eta_max, n_s):
    place = t % (2 * n_s)
    height = np.where(place <= n_s, place, 2 * n_s - place) / n_s
    return eta_min + height * (eta_max - eta_min)
""",
    "bn_forward": """
def bn_forward(S, gamma, beta, eps):
    mean, var = S.mean(axis=0), S.var(axis=0)
    S_hat = (S - mean) / np.sqrt(var + eps)
    return gamma * S_hat + beta
""",
    "bn_backward": """
def bn_backward(grad_out, S, gamma, beta, eps):
    mean, var = S.mean(axis=0), S.var(axis=0)
    std = np.sqrt(var + eps)
    S_hat = (S - mean) / std
    g = gamma * grad_out
    grad_S = (g - g.mean(axis=0) - S_hat * (g * S_hat).mean(axis=0)) / std
    return grad_S, (grad_out * S_hat).sum(axis=0), grad_out.sum(axis=0)
""",
    "deep_backward": """
def deep_backward(X, y, weights, biases, l2):
    inputs = [X]
    for W, b in zip(weights[:-1], biases[:-1]):
        inputs.append(np.maximum(inputs[-1] @ W + b, 0))
    S = inputs[-1] @ weights[-1] + biases[-1]
    P = np.exp(S) / np.exp(S).sum(axis=1, keepdims=True)
    G = (P - np.eye(S.shape[1])[y]) / len(y)
    grads_W, grads_b = [], []
    for H, W in zip(inputs[::-1], weights[::-1]):
        grads_W.insert(0, H.T @ G + 2 * l2 * W)
        grads_b.insert(0, G.sum(axis=0))
        G = (G @ W.T) * (H > 0)
    return grads_W, grads_b
""",
    "draw_lambdas": """
def draw_lambdas(low, high, n, rng):
    exponents = rng.uniform(np.log10(low), np.log10(high), n)
    return 10**exponents
""",
    "he_weights": """
def he_weights(d_in, d_out, rng):
    return np.sqrt(2 / d_in) * rng.standard_normal((d_in, d_out))
""",
    "dropout": """
def dropout(X, grad_out, drop_rate, rng):
    mask = (rng.random(X.shape) >= drop_rate) / (1 - drop_rate)
    return X * mask, grad_out * mask
""",
    "decayed_rate": """
def decayed_rate(t, eta, factor, every):
    return eta * factor ** (t // every)
""",
}

#: exercise, a part of its right answer, what stands there instead, and the kinds that are to be named
MUTANTS = [
    ("minibatches", "range(0, n, ", "range(0, n - batch_size + 1, ", "incomplete minibatch left out"),
    ("minibatches", "range(0, n, batch_size)", "range(0, n - batch_size, batch_size)", "off by one at the end"),
    ("minibatches", "rng.permutation(n)", "np.arange(n)", "not shuffled"),
    ("minibatches", "rng.permutation(n)", "rng.integers(0, n, n)", "drawn with replacement"),
    ("minibatches", "rng.permutation(n)", "rng.choice(n, n)", "drawn with replacement"),
    ("minibatches", "rng.permutation(n)", "np.random.default_rng(7).permutation(n)", "the same order in every epoch"),
    ("minibatches", "rng.permutation(n)", "np.random.default_rng().permutation(n)", "rng not used"),
    ("minibatches", "for start in range(0, n, batch_size)", "while True:\n     for start in range(0, n, batch_size)",
     "without end"),
    ("relu_backward", "grad_out * (S > 0)", "grad_out", "ReLU forgotten"),
    ("relu_backward", "S > 0", "S >= 0", "0 counted as positive"),
    ("relu_backward", "S > 0", "grad_out > 0", "gate on the gradient"),
    ("relu_backward", "(S > 0)", "np.maximum(S, 0)", "multiplied by the output"),
    ("relu_backward", "return grad_out * (S > 0)", "grad_out[S < 0] = 0; return grad_out",
     "changed its input in place"),
    ("relu_backward", "(S > 0)", "np.where(S > 0, 1.0, 0.0).astype(np.float64)", "wrong dtype"),
    ("affine_backward", "X.T @ grad_out", "grad_out.T @ X", "transposed"),
    ("affine_backward", "X.T @ grad_out", "X.T @ grad_out / len(X)", "averaged twice"),
    ("affine_backward", "np.sum(grad_out, axis=0)", "np.mean(grad_out, axis=0)", "averaged twice"),
    ("affine_backward", "np.sum(grad_out, axis=0)", "np.sum(grad_out, axis=1)", "summed over the wrong axis"),
    ("affine_backward", "axis=0", "axis=0, keepdims=True", "right values, wrong shape"),
    ("affine_backward", "grad_out @ W.T", "grad_out @ W", "W not transposed"),
    ("affine_backward", "np.sum(grad_out, axis=0)", "-np.sum(grad_out, axis=0)", "wrong sign"),
    ("affine_backward", "grad_out @ W.T, X.T @ grad_out,", "X.T @ grad_out, grad_out @ W.T,",
     "in another order"),
    ("softmax_cross_entropy", "G / n", "G", "not averaged over n"),
    ("softmax_cross_entropy", "np.mean(", "np.sum(", "not averaged over n"),
    ("softmax_cross_entropy", "G / n", "G / n**2", "averaged twice"),
    ("softmax_cross_entropy", "G / n", "-G / n", "wrong sign"),
    ("softmax_cross_entropy", "    S = S - S.max(axis=1, keepdims=True)\n", "", "overflow"),
    ("softmax_cross_entropy", "S = S - S.max", "S -= S.max", "changed its input in place"),
    ("softmax_cross_entropy", "    G[np.arange(n), y] -= 1\n", "", "labels not subtracted"),
    ("softmax_cross_entropy", "G / n", "G / np.float64(n)", "wrong dtype"),
    ("one_layer", "2 * l2 * W", "l2 * W", "penalty without its 2"),
    ("one_layer", "l2 * np.sum(W**2)", "l2 / 2 * np.sum(W**2)", "penalty with one half"),
    ("one_layer", " + 2 * l2 * W", "", "penalty forgotten"),
    ("one_layer", "l2 * np.sum(W**2)", "l2 * (np.sum(W**2) + np.sum(b**2))", "biases penalised"),
    ("one_layer", "l2 * np.sum(W**2)", "l2 * np.linalg.norm(W)", "norm not squared"),
    ("one_layer", "G = (P - Y) / len(y)", "G = P - Y", "not averaged over n"),
    ("one_layer", "G.sum(axis=0)", "G.mean(axis=0)", "averaged twice"),
    ("one_layer", "G.sum(axis=0)", "G.sum(axis=1)", "summed over the wrong axis"),
    ("momentum_step", "eta * grad", "grad", "rate forgotten"),
    ("momentum_step", "eta * grad", "(1 - rho) * eta * grad", "running mean"),
    ("momentum_step", "theta - new", "theta - v", "step with the old velocity"),
    ("momentum_step", "theta - new", "theta + new", "uphill"),
    ("momentum_step", "new = rho * v + eta * grad", "v *= rho; v += eta * grad; new = v", "changed its input in place"),
    ("momentum_step", "return theta - new, new", "return theta - new", "not what was asked for"),
    ("cyclical_rate", "t % (2 * n_s)", "(t + 1) % (2 * n_s)", "off by one at n_s"),
    ("cyclical_rate", "t % (2 * n_s)", "t % (2 * n_s + 1)", "off by one at n_s"),
    ("cyclical_rate", "t % (2 * n_s)", "t", "one cycle only"),
    ("cyclical_rate", "t % (2 * n_s)", "t % n_s", "never falls"),
    ("cyclical_rate", "(eta_max - eta_min)", "eta_max", "goes beyond eta_max"),
    ("cyclical_rate", "eta_min + height", "height", "eta_min forgotten"),
    ("cyclical_rate", "np.where(place <= n_s, place, 2 * n_s - place)", "(place if place <= n_s else 2 * n_s - place)",
     "raises an error"),
    ("bn_forward", "S.var(axis=0)", "S.var(axis=0, ddof=1)", "variance with n - 1"),
    ("bn_forward", "np.sqrt(var + eps)", "(np.sqrt(var) + eps)", "epsilon outside the root"),
    ("bn_forward", "np.sqrt(var + eps)", "(var + eps)", "root forgotten"),
    ("bn_forward", "S.mean(axis=0), S.var(axis=0)", "S.mean(), S.var()", "one mean for all units"),
    ("bn_forward", "S.mean(axis=0), S.var(axis=0)", "S.mean(axis=1, keepdims=True), S.var(axis=1, keepdims=True)",
     "summed over the wrong axis"),
    ("bn_forward", " + beta", "", "beta forgotten"),
    ("bn_forward", "(S - mean)", "(S.astype(np.float64) - mean)", "wrong dtype"),
    ("bn_backward", "- g.mean(axis=0) ", "", "the mean taken as a constant"),
    ("bn_backward", " - S_hat * (g * S_hat).mean(axis=0)", "", "the variance taken as a constant"),
    ("bn_backward", "(g - g.mean(axis=0) - S_hat * (g * S_hat).mean(axis=0))", "g",
     "mean and variance taken as constants"),
    ("bn_backward", "S.var(axis=0)", "S.var(axis=0, ddof=1)", "variance with n - 1"),
    ("bn_backward", "gamma * grad_out", "grad_out", "gamma forgotten"),
    ("bn_backward", ".mean(axis=0)) / std", ".sum(axis=0)) / std", "different"),  # no known one: it says where
    ("bn_backward", "grad_out.sum(axis=0)", "grad_out.sum(axis=1)", "summed over the wrong axis"),
    ("bn_backward", "(grad_out * S_hat).sum", "(grad_out * S).sum", "S instead of S_hat"),
    ("deep_backward", " * (H > 0)", "", "ReLU forgotten"),
    ("deep_backward", "2 * l2 * W", "l2 * W", "penalty without its 2"),
    ("deep_backward", "return grads_W, grads_b", "return grads_W[::-1], grads_b[::-1]", "lists turned round"),
    ("draw_lambdas", "10**exponents", "exponents", "logarithm returned"),
    ("draw_lambdas", "10**exponents", "np.exp(exponents)", "two different logarithms"),
    ("draw_lambdas", "return 10**exponents", "return rng.uniform(low, high, n)", "uniform in lambda itself"),
    ("draw_lambdas", "rng.uniform", "np.random.default_rng(3).uniform", "seed fixed"),
    ("he_weights", "np.sqrt(2 / d_in)", "2 / d_in", "variance for standard deviation"),
    ("he_weights", "np.sqrt(2 / d_in)", "np.sqrt(1 / d_in)", "Xavier's weights"),
    ("he_weights", "np.sqrt(2 / d_in)", "np.sqrt(2 / d_out)", "outputs for inputs"),
    ("he_weights", "rng.standard_normal((d_in, d_out))", "rng.uniform(-1, 1, (d_in, d_out))", "uniform draws"),
    ("he_weights", "(d_in, d_out))", "(d_out, d_in))", "not what was asked for"),
    ("dropout", "grad_out * mask", "grad_out * (rng.random(X.shape) >= drop_rate) / (1 - drop_rate)",
     "mask drawn anew in backward"),
    ("dropout", "grad_out * mask", "grad_out", "no mask in backward"),
    ("dropout", " / (1 - drop_rate)", "", "not scaled"),
    ("dropout", ">= drop_rate", "< drop_rate", "drop and keep exchanged"),
    ("dropout", "(1 - drop_rate)", "drop_rate", "divided by drop_rate"),
    ("decayed_rate", "t // every", "t / every", "falls between the steps"),
    ("decayed_rate", "t // every", "(t + 1) // every", "off by one"),
]  # fmt: skip


def defined(source, name):
    """Return the function of this name that a source defines."""
    namespace = {"np": np}
    exec(source, namespace)
    return namespace[name]


@pytest.fixture(autouse=True)
def nothing_seen(monkeypatch):
    monkeypatch.setattr(checking, "_hinted", set())


# Right and wrong answers


@pytest.mark.parametrize("name", EXERCISES)
def test_a_right_answer_is_accepted(name, capsys):
    check(defined(RIGHT[name], name))
    assert capsys.readouterr().out.startswith(f"Right! {name} agrees with lib in every case: ")
    assert diagnose(EXERCISES[name], EXERCISES[name].reference) == []


@pytest.mark.parametrize(("name", "right", "wrong", "kind"), MUTANTS)
def test_mutants_are_caught_and_named(name, right, wrong, kind):
    assert right in RIGHT[name]
    findings = diagnose(EXERCISES[name], defined(RIGHT[name].replace(right, wrong), name))
    assert kind in {finding.kind for finding in findings}, findings


@pytest.mark.parametrize("name", EXERCISES)
def test_every_known_mistake_can_be_told_from_the_others(name):
    for mistake in EXERCISES[name].mistakes:
        [finding] = diagnose(EXERCISES[name], mistake.function)
        assert finding.kind == mistake.kind and finding.sentence.endswith(mistake.sentence)


def test_every_exercise_has_its_mutants():
    assert RIGHT.keys() == EXERCISES.keys() == {name for name, *_ in MUTANTS}


def test_two_mistakes_in_one_function_are_named_both(capsys):
    check(defined(RIGHT["affine_backward"].replace("X.T @ grad_out", "grad_out.T @ X").replace("axis=0", "axis=1"),
                  "affine_backward"))  # fmt: skip
    text = capsys.readouterr().out
    assert "* Transposed. grad_W is right but transposed: (4, 5) instead of (5, 4)" in text
    assert "* Summed over the wrong axis. grad_b: A sum or a mean" in text


ODD = {
    "nothing": ("pass", "relu_backward is still to be written. It returns None"),
    "an error": ("x = 1\n    return grad_out @ S", "Raises an error. ValueError: matmul"),
    "its shapes": ("return grad_out @ S", r"The shapes are grad_out (7, 5), S (7, 5)."),
    "an if": ("return grad_out if S > 0 else 0", "A plain `if` decides once"),
    "a name": ("return grad * S", "NameError: name 'grad' is not defined"),
    "a list": ("return (grad_out * (S > 0)).tolist()", "grad_S is a list, and should be a NumPy array"),
    "a text": ("return 'done'", "grad_S is of type str, and should be an array of numbers"),
    "NaN": ("return S / 0", "Not finite. grad_S has NaN or infinite entries"),
    "a number": ("return 0.0", "grad_S has shape (), and should have (7, 5)"),
    "a factor": ("return 3 * grad_out * (S > 0)", "A factor. grad_S is right up to a factor: it is 3 times"),
    "a flat array": ("return (grad_out * (S > 0)).ravel()", "Right values, wrong shape. grad_S has shape (35,)"),
    "chance": ("return np.random.rand(*S.shape)", "Different. grad_S["),
    "an early exit": ("raise RuntimeError", "RuntimeError: , in line"),
}


@pytest.mark.parametrize(("body", "said"), ODD.values(), ids=ODD)
def test_any_function_gets_a_sentence(body, said, capsys):
    check(defined(f"def relu_backward(grad_out, S):\n    {body}\n", "relu_backward"))
    assert said in " ".join(capsys.readouterr().out.split())


def test_an_error_comes_with_the_line_of_the_student(capsys):
    def relu_backward(grad_out, S):
        helper = np.transpose
        return helper(grad_out) * (S > 0)

    check(relu_backward)
    text = " ".join(capsys.readouterr().out.split())
    assert re.search(r"in line \d+: `return helper\(grad_out\) \* \(S > 0\)` \(case: 7 images, 5 units\)", text)


def test_what_is_no_function_or_no_exercise_is_said(capsys):
    check(3.0)
    assert "check takes the function itself" in capsys.readouterr().out
    check(lambda grad_out: grad_out, "relu_backward")
    assert "It is called as relu_backward(grad_out, S), with these" in capsys.readouterr().out
    with pytest.raises(ValueError, match="did you mean 'relu_backward'"):
        check(np.sqrt, "relu_bakward")


# Hint and solution


def wrong_relu(grad_out, S):
    return grad_out


def test_first_a_hint_then_the_solution(capsys):
    def said(**how):
        check(wrong_relu, "relu_backward", **how)
        return capsys.readouterr().out

    first, second, third = said(), said(), said(solution=True)
    assert "ReLU forgotten" in first and "Hint: For one number" in first
    assert "ReLU forgotten" in second and "Hint" not in second and "check(relu_backward, solution=True)" in second
    assert "# lib/nn/layers.py, line" in third and "return grad_out * (cache > 0)" in third


def test_the_solution_is_not_the_first_thing_to_be_shown(capsys):
    check(wrong_relu, "relu_backward", solution=True)
    text = capsys.readouterr().out
    assert "Hint" in text and "Asked again" in text and "cache > 0" not in text


def test_whoever_is_right_may_see_how_lib_does_it(capsys):
    check(defined(RIGHT["he_weights"], "he_weights"))
    check(defined(RIGHT["he_weights"], "he_weights"), solution=True)
    assert '"he": lambda fan_in: np.sqrt(2 / fan_in)' in capsys.readouterr().out


@pytest.mark.parametrize("name", EXERCISES)
def test_every_solution_is_the_source_of_lib(name, capsys):
    for _ in range(2):
        check(defined(RIGHT[name], name), solution=True)
    hint, shown = capsys.readouterr().out.split("shows the solution.\n")
    assert hint.startswith("Hint: ") and "def " not in hint
    assert re.match(r"# (lib|workbook/runs)/[\w/]+\.py, line \d+\n", shown)


def notebook(*cells):
    cells = [new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def test_the_solution_is_not_saved_with_the_notebook():
    ask = "check(relu_backward, solution=True)"
    nb = notebook(
        new_code_cell("from workbook.exercises import check\ndef relu_backward(grad_out, S): return 1 / 0\n"),
        *(new_code_cell(source) for source in ("check(relu_backward)", ask)),
    )
    NotebookClient(nb, store_widget_state=False).execute()  # as JupyterLab saves it
    [_, said, shown] = [cell.outputs for cell in nb.cells]
    assert "ZeroDivisionError: division by zero, in line 2: `def relu_backward" in " ".join(said[0].text.split())
    assert "The solution of relu_backward is in lib/nn/layers.py, line" in shown[0].data["text/plain"]
    assert "widget-view" in " ".join(shown[0].data)
    assert "maximum" not in nbformat.writes(nb) and "cache > 0" not in nbformat.writes(nb)


# Predictions


@pytest.mark.parametrize(
    ("prediction", "how", "said"),
    [
        (30, {"unit": "%"}, "You predicted 30 %, and it is 28 %: you were off by 2 points."),
        (np.float32(28.5), {"unit": "nats"}, "it is 28 nats: you were off by 0.5 nats."),
        (7, {"factor": True}, "You predicted 7, and it is 28: 4 times too small."),
        (2800, {"factor": True}, "100 times too large."),
        (-1, {"factor": True}, "do not even have the same sign"),
        ("30 %", {"unit": "%"}, "it should be one number"),
        (None, {}, "Choose first"),
        (..., {}, "Choose first"),
    ],
)
def test_how_far(prediction, how, said, capsys):
    how_far(prediction, 28, **how)
    text = capsys.readouterr().out
    assert said in text and ("28" in text) == ("You predicted" in text)  # the outcome is not given away


# The notebooks


def parts(path):
    """Return the cells of a notebook before and in its exercises, as (kind, source)."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    tagged = ["exercise" in cell["metadata"].get("tags", []) for cell in cells]
    assert tagged == sorted(tagged)  # only at the end
    both = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    return both[: tagged.index(True)], both[tagged.index(True) :]


def assigned(cells):
    """Return the names that the code of cells defines outside of its functions."""
    source = "\n".join(source for kind, source in cells if kind == "code")
    symbols = symtable.symtable(source, "notebook", "exec").get_symbols()
    return {each.get_name() for each in symbols if each.is_assigned() or each.is_imported()} - {"_"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_your_turn_ends_every_numbered_notebook(path):
    before, ours = parts(path)
    text = "\n".join(source for _, source in ours)
    assert ours[0][1].startswith("## Your turn") and "Your turn" not in "\n".join(source for _, source in before)
    assert re.findall("^### (Predict|Change this|Build this)", text, re.M) == ["Predict", "Change this", "Build this"]
    assert re.findall("^prediction = None  # ", text, re.M) and "how_far(prediction, " in text and "change th" in text
    shared = assigned(before) & assigned(ours)
    assert not shared  # an exercise must not spoil the notebook above it


def test_every_exercise_is_in_one_notebook():
    built = []
    for path in NOTEBOOKS:
        for _, source in parts(path)[1]:
            built += re.findall(r"^check\((\w+)\)$", source, re.M)
            for name, arguments in re.findall(r"^def (\w+)\((.*)\):", source, re.M):
                if name in EXERCISES:
                    assert f"{name}({arguments})" == EXERCISES[name].call
    assert sorted(built) == sorted(EXERCISES)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_to_be_built_can_be_built_in_the_notebook(path, capsys):
    """The setup cell, every function as it is committed, and with a right answer."""
    cells = [source for kind, source in parts(path)[1] if kind == "code"]
    namespace = {"np": np}
    exec(cells[0], namespace)
    built = [re.match(r"def (\w+)", source)[1] for source in cells if re.search(r"^check\(", source, re.M)]
    for name in built:
        [stub] = [source for source in cells if source.startswith(f"def {name}(")]
        exec(stub, namespace)
        assert f"{name} is still to be written." in capsys.readouterr().out
        exec(f"{RIGHT[name]}\ncheck({name})", namespace)
        assert capsys.readouterr().out.startswith(f"Right! {name}")
    assert built


@pytest.mark.parametrize("number", ["03", "10"])
def test_a_prediction_that_needs_no_training(number, capsys):
    [path] = [path for path in NOTEBOOKS if path.name.startswith(number)]
    cells = [source for kind, source in parts(path)[1] if kind == "code"]
    namespace = {"np": np}
    for source in cells[:3]:
        exec(source.replace("prediction = None", "prediction = 1"), namespace)
    assert "You predicted 1 " in capsys.readouterr().out


def test_exercises_are_not_executed(tmp_path):
    exercise = {"tags": ["exercise"]}
    nb = notebook(
        "# Title", new_code_cell("profile = 'dry'", metadata={"tags": ["parameters"]}), new_code_cell("1 + 1"),
        new_markdown_cell("## Your turn", metadata=exercise), new_code_cell("1 / 0", metadata=exercise),
    )  # fmt: skip
    nbformat.write(nb, tmp_path / "a.ipynb")
    execute(tmp_path / "a.ipynb", tmp_path / "out.ipynb", {"profile": "full"})
    done = nbformat.read(tmp_path / "out.ipynb", 4)
    text = "\n".join(cell.source for cell in done.cells)
    assert "1 + 1" in text and "Your turn" not in text and "1 / 0" not in text
    assert len(nbformat.read(tmp_path / "a.ipynb", 4).cells) == len(nb.cells)  # the reader keeps them
