"""Runs of a sweep that are whole notebooks: executed on the cluster, their executed copies kept as results are."""

import contextlib
import hashlib
import io
import json
import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from lib import data
from lib.choices import check_choice
from workbook.runs import cluster, engine, store
from workbook.runs.fields import require
from workbook.runs.passes import Queue
from workbook.runs.profiles import PROFILES


@cache
def data_name(name):
    """Return what "auto" stands for: the same for all runs, and said once."""
    return data.load(name).name


@dataclass
class Notebook:
    """``run: notebooks/NN-topic.ipynb``: its parameters, the numbers that it records; executed copies are the store."""

    path: str  # in the project
    folder: Path

    def make(self, parameters):
        """Return all parameters as the notebook takes them. Raises ValueError."""
        from workbook.report.parameters import ReportError, check_parameters, defaults

        notebook = store.ROOT / self.path
        try:
            values = defaults(notebook) | check_parameters(notebook, parameters)
        except ReportError as error:
            raise ValueError(error) from None
        if "data" in values:
            values["data"] = data_name(values["data"])
        if "profile" in values:
            check_choice("profile", values["profile"], PROFILES)
        for name, value in values.items():
            require(type(value) is not int or 0 <= value <= 1_000_000, name, value, "an integer from 0 to 1000000")
        return values

    def key(self, parameters):
        """Return the name of the executed copy."""
        return _hash([self.path, parameters, versions(self.path, parameters)])

    def outcomes(self, wanted, progress):
        """Yield (key, Result or exception) for {key: parameters}: what is stored, then each as it finishes."""
        missing = {}
        for k, parameters in wanted.items():
            if result := self._stored(k, parameters):
                yield k, progress.note(result, loaded=True)
            else:
                missing[k] = parameters

        def arguments(keys):
            parameters = missing[keys[0]]
            return self.path, parameters, versions(self.path, parameters), keys[0]

        each_alone = Queue(missing, alike=str, cost=lambda _: 1.0, most=lambda _: 1)
        for (k,), outcome in cluster.spread(execute, each_alone, arguments, progress):
            if not isinstance(outcome, Exception):
                text, error = outcome
                store.write(self.folder / ("failed" if error else "") / f"{k}.ipynb", text)
                outcome = cluster.RunError(error) if error else self._stored(k, missing[k])
            yield k, progress.note(outcome)

    def _stored(self, k, parameters):
        """Return the Result in an executed copy; None where there is none, or a damaged one."""
        path = self.folder / f"{k}.ipynb"
        try:
            notebook = json.loads(path.read_text())
            run, cells = notebook["metadata"]["run"], notebook["cells"]
            if run["checksum"] != _hash(cells):
                raise ValueError("its checksum does not fit")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            store.set_aside(path, error)
            return None
        outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", ())]
        recorded = [value for each in outputs for kind, value in each.items() if kind.endswith("record+json")]
        scores = {name: value for each in recorded for name, value in each.items()}
        return engine.Result(parameters, k, None in scores.values(), {}, scores, run)


def versions(notebook, parameters):
    """Return hashes of a notebook, the project's code and the data, as the files are now: a kernel reads them anew."""
    cells = json.loads((store.ROOT / notebook).read_text())["cells"]
    modules = sorted([*(store.ROOT / "lib").rglob("*.py"), *(store.ROOT / "workbook").rglob("*.py")])
    return {
        "notebook": _hash([cell["source"] for cell in cells if cell["cell_type"] == "code"]),
        "code": _hash([path.read_text() for path in modules]),
        "data": data.load(parameters["data"]).fingerprint if "data" in parameters else None,
    }


def _hash(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def execute(notebook, parameters, version, k, report):
    """Execute a notebook on a worker; return the text of its executed copy, and its error or None."""
    from workbook.report.execute import ReportError, execute

    engine.require(version, versions(notebook, parameters))
    start, error = time.perf_counter(), None
    with TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        # What the kernel trains it trains itself: on this cluster its passes could wait for ever behind notebooks that
        # wait for theirs, and processes of its own would crowd the core that this worker stands for.
        os.environ |= {"SCHEDULER": cluster.IN_PROCESS, "WORKBOOK_REPORTS": f"{folder}/reports"}
        out = Path(folder) / f"{k}.ipynb"
        try:
            execute(store.ROOT / notebook, out, parameters)
        except ReportError as failure:
            out, error = out.parent / "failed" / out.name, str(failure).replace(f"{folder}/", "")
        content = json.loads(out.read_text())
    content["metadata"]["run"] = {"seconds": time.perf_counter() - start, "checksum": _hash(content["cells"])}
    return json.dumps(content, indent=1), error
