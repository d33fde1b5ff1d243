"""Inputs that nobody thought of: whatever they are, the answer is a result or one line, soon."""

import gzip
import io
import json
import pickle
import re
import tarfile
import time
from dataclasses import asdict, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lib import cifar
from lib.choices import shown
from workbook.claims import file
from workbook.claims.source import ClaimError
from workbook.report.exporter import ReportHTMLExporter
from workbook.report.notebook import ReportError
from workbook.runs import notebooks, store, sweep
from workbook.runs.experiment import Experiment, make
from workbook.runs.oddities import Oddities

pytestmark = pytest.mark.fuzz

NAMES = [f.name for f in fields(Experiment)] + [f"odd.{f.name}" for f in fields(Oddities)]
NAMES += ["optimizer_options.rho", "schedule_options.every", "augment.flip", "nonsense", "odd.", ".", ""]
WORDS = ["cifar10", "standin", "he", "xavier", "B1B2", "50k", "cyclical", "exponential", "adam", "sgd", "flip", "shift"]
ODD = [0, 1, 2, -1, 0.5, 1e-300, 1e308, 10**400, 2**53, 2**63, 2**64, float("nan"), float("inf"), True, None]

plain = st.sampled_from(ODD + WORDS) | st.integers() | st.floats() | st.text(max_size=10)
values = st.recursive(
    plain, lambda each: st.lists(each, max_size=4) | st.dictionaries(plain, each, max_size=3), max_leaves=8
)


def one_line(error):
    assert "\n" not in str(error) and 0 < len(str(error)) < 1000, str(error)


# Experiments


@given(st.dictionaries(st.sampled_from(NAMES), values, max_size=5))
def test_an_experiment_is_made_or_refused_in_one_line(given):
    try:
        experiment = make(given)
    except ValueError as error:
        return one_line(error)
    assert hash(experiment) is not None and experiment.total_updates <= 10_000_000
    assert make(json.loads(json.dumps(asdict(experiment)))) == experiment, "as the store has it"


# Files of sweeps and of claims

SWEEP = """run: experiment
method: tpe
parameters:
  l2: {distribution: log_uniform_values, min: 1e-5, max: 1e-1}
  hidden: {values: [[50, 50], [20]]}
  optimizer: {value: momentum}
  odd.skip: {value: 3}
trials: 3
generation: 2
metric: {name: validation_accuracy, goal: maximize}
seed: 0
"""
BOOK = """run: n.ipynb
parameters: {profile: {value: quick}, seeds: {values: [2, 3]}}
metric: {name: x, goal: minimize}
"""
CLAIMS = """author: A
seeds: 3
settings:
  coded: {batch_size: 450, odd: {skip: 1}}
experiments:
  A:
    stated: {hidden: [50]}
    numbers: {test_accuracy: 52.1 %, final_train_loss: {value: 1.1 nats, error: 0.02, where: figure 2}}
  LS:
    kind: search
    stated:
      trials: [{l2: [0, 0.1], eta_max: {log_uniform: [0.01, 0.1], draws: 3}}]
      trained: 2
    numbers: {rank_1_lambda: 0.1, number_of_trials: 2}
effects:
  - {better: A, than: A as coded, by: 0.9, where: page 1}
reasons:
  - {experiments: [A], numbers: ["*"], because: It rained., measured: {from: stated, to: coded}}
"""
HOSTILE = r"""!!bool abc ~ !!timestamp abc ~ !!python/object:os.system x ~ 1e308 ~ -1e308 ~ -1 ~ &a [1] ~ *a
<<: *a
../../etc ~ true ~ null ~ ~ ~ 2026-01-01 ~ 2026-99-99 ~ .nan ~ .inf ~ [] ~ {} ~ {value: 1} ~ {values: []} ~ 0
100000000 ~ 1:30 ~ 0x7fffffffffffffff ~ ' ~ ? [1] ~ - ~ | ~ > ~ %YAML 9.9 ~ --- ~ ... ~ =1+1
{log_uniform: [0, 1], draws: 9}
0e999999999 ~ 1e-99999 ~ <script> ~ [[50], 50] ~ A as ~ winners ~ search ~ gradient check"""
HOSTILE = [each for line in HOSTILE.splitlines() for each in line.split(" ~ ")]
HOSTILE += ["9" * 400, "9" * 5000, "[" * 300, "{a: " * 30, "\x00", "\u2028"]
pieces = st.sampled_from(HOSTILE) | st.text(max_size=6) | values.map(lambda value: shown(value)[:90])


def mutated(text):
    """Texts in which a word or more of a good one is replaced, left out, or gets another one before it."""
    words = re.findall(r"[^\s,{}\[\]]+|.|\n", text)
    change = st.tuples(st.integers(0, len(words) - 1), st.sampled_from(["replace", "insert", "drop"]), pieces)

    def apply(changes):
        changed = list(words)
        for place, how, piece in changes:
            changed[place] = {"replace": piece, "insert": f"{piece} {changed[place]}", "drop": ""}[how]
        return "".join(changed)

    return st.lists(change, min_size=1, max_size=3).map(apply)


@pytest.fixture
def small(tiny, tmp_path, monkeypatch):
    """A folder in which a sweep and a file of claims may stand, and a notebook."""
    cell = new_code_cell("profile = 'quick'\nseeds = 3", metadata={"tags": ["parameters"]})
    (tmp_path / "n.ipynb").write_text(json.dumps(new_notebook(cells=[cell])))
    monkeypatch.setattr(store, "ROOT", tmp_path)
    notebooks.data_name.cache_clear()
    return tmp_path


def read(load, wrong, path, text):
    path.write_text(text, errors="replace")
    start = time.process_time()
    try:
        load(str(path))
    except wrong as error:
        one_line(error)
        assert str(error).startswith(f"{path}:") and str(error)[len(str(path)) + 1].isdigit()
    assert time.process_time() < start + 2, text


@given(data=st.data())
def test_a_sweep_is_read_or_refused_in_one_line(small, data):
    text = data.draw(mutated(SWEEP) | mutated(BOOK) | st.text(max_size=50))
    read(sweep.load, sweep.SweepError, small / "s.yaml", text)


@given(data=st.data())
def test_claims_are_read_or_refused_in_one_line(small, data):
    read(file.load, ClaimError, small / "c.yml", data.draw(mutated(CLAIMS) | st.text(max_size=50)))


# Files of images, and results

N = 10
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 3072), np.uint8)
PICKLED = [pickle.dumps({b"labels": list(range(N)), b"data": PIXELS}, protocol=p) for p in (2, 4)]
BINARY = np.column_stack([np.arange(N, dtype=np.uint8), PIXELS]).tobytes()


def packed():
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name in cifar.FILES:
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(BINARY)
            tar.addfile(member, io.BytesIO(bytes([len(name) % 10]) + BINARY[1:-1] + name.encode()[-1:]))
    return content.getvalue()


def damaged(data, content):
    """Bytes some of which are changed, left out or put in; most changes are at the ends, where there are no pixels."""
    content = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, 200) | st.integers(-200, -1) | st.integers(0, len(content))) % (
            len(content) + 1
        )
        cut = data.draw(st.integers(0, 3) | st.just(len(content)))
        content[place : place + cut] = data.draw(st.binary(max_size=12))
    return bytes(content)


def read_images(files, scratch):
    try:
        cifar.identity(files, N)
        pixels, labels = next(cifar.read(files, N, scratch))
    except cifar.DataError as error:
        return one_line(error)
    assert pixels.shape == (N, 3072) and pixels.dtype == labels.dtype == np.uint8 and labels.max() < 10


@given(data=st.data())
def test_a_batch_is_read_or_refused_in_one_line(tmp_path, data):
    suffix, content = data.draw(st.sampled_from([("", PICKLED[0]), ("", PICKLED[1]), (".bin", BINARY)]))
    path = tmp_path / f"data_batch_1{suffix}"
    path.write_bytes(damaged(data, content))
    read_images([path] * 6, tmp_path)


@given(data=st.data())
def test_an_archive_is_read_or_refused_in_one_line(tmp_path, data):
    archive, content = tmp_path / cifar.ARCHIVES[0], packed()
    if data.draw(st.booleans()):
        content = gzip.compress(damaged(data, content), 1)
    else:
        content = damaged(data, gzip.compress(content, 1))
    archive.write_bytes(content)
    read_images([archive], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {archive.name}


RUN = dict.fromkeys(("date", "machine", "python", "numpy", "fingerprint"), "x") | {"seconds": 1, "experiment": {}}
CURVES = {name: [1, None] for name in ("update", "eta", *store.SCORES[:6])}
RECORD = {"diverged": False, "curves": CURVES, "scores": dict.fromkeys(store.SCORES, 0.5), "run": RUN}


@given(data=st.data())
def test_a_result_is_whole_or_damaged(data):
    """With or without a checksum."""
    try:
        record = store._whole("a-b", damaged(data, json.dumps(RECORD).encode()).decode(errors="replace"))
    except (ValueError, RecursionError):
        return
    assert record.keys() >= RECORD.keys() and len(record["curves"]) == 8


# Pages

TEXTS = r"""<script>x()</script> ~ <img src=x onerror=x()> ~ </style> ~ [a](javascript:x()) ~ [a](JAVA&#115;cript:x())
[a](data:text/html,x) ~ [s]{onclick='x()'} ~ `#sys.x`{=typst} ~ `<b>`{=html} ~ #sys.version ~ \input{/etc/passwd}
$\input{x}$ ~ $x^2$ ~ \begin{align}x\end{align} ~ ::: ~ ::: {#refs} ~ # H {onclick=x} ~ ``` ~ ```` ~ > q ~ - a
=1+1 ~ @fig-one ~ <div onclick=x> ~ ![i](/etc/passwd) ~ ![i](http://localhost:1/x.png) ~ { ~ } ~ $ ~ * ~ _ ~ \
</td><script>x()</script> ~ ::: {onclick=x} ~ <http://a/"onclick=x> ~ <!-- ~ --> ~ &lt; ~ ![i](/etc/passwd.png)"""
TEXTS = [each for line in TEXTS.splitlines() for each in line.split(" ~ ")]
TEXTS += ["\n\n", "[a](<\x01javascript:x()>)", "| a | b |\n|---|---|\n| 1 | <script> |"]
texts = st.lists(st.sampled_from(TEXTS) | st.text(max_size=8), max_size=4).map(" ".join)
LIVE = re.compile(
    r"<script|<iframe|<img[^>]*src=x|<[a-z][^>]* on[a-z]+=|(href|src)=.[^\"/?#]*script:|data:text/html|root:x"
)


@settings(max_examples=max(1, settings().max_examples // 20))
@given(source=texts, said=texts, caption=texts, cell=texts, alt=texts)
def test_a_page_holds_nothing_that_runs(source, said, caption, cell, alt):
    html = "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td onclick=x>%s</td></tr></tbody></table>"
    escaped = cell.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")  # as pandas does
    item = {"label": "tbl-one", "caption": caption, "alt": alt}
    outputs = [
        new_output("display_data", {"text/markdown": said, "text/plain": said}),
        new_output("display_data", {"text/html": html % escaped}, metadata={"report": item}),
    ]
    nb = new_notebook(cells=[new_markdown_cell(source), new_code_cell("1", outputs=outputs, execution_count=1)])
    try:
        page = ReportHTMLExporter().from_notebook_node(nb)[0]
    except ReportError as error:
        return one_line(error)
    body = page[page.index("<main>") : page.index("</main>")]
    assert not LIVE.search(body), body
