"""Stored results are trained again, and what does not come out again is found."""

import json
from dataclasses import replace

import pytest

from workbook.runs import cluster, engine, store, verify
from workbook.runs.experiment import Experiment, key, vary

SMALL = Experiment(data="standin", n_s=4, cycles=1, hidden=(6,), log_every=4, sample=50)


@pytest.fixture(autouse=True)
def results(tiny, monkeypatch, tmp_path):
    """Four stored runs that differ in the seed, and a place for the certificate."""
    monkeypatch.setattr(verify, "CERTIFICATE", tmp_path / "verified.json")
    return engine.run(vary(SMALL, seed=range(4)))


def change(key, **how):
    """Change a stored result as its own program would, so that its checksum fits: scores, or how it was made."""
    record = store.load(key)
    for name, value in how.items():
        (record["scores"] if name in record["scores"] else record["run"])[name] = value
        if value is None:
            del record["run"][name]
    store.save(key, record)


def certificate():
    return json.loads(verify.CERTIFICATE.read_text())


def test_what_comes_out_again_is_certified(capsys, tiny):
    assert verify.sentence(tiny.fingerprint).startswith("Nobody")
    assert verify.main(["--data", "standin", "--share", "1", "--seed", "7"]) == 0
    assert "verify: 4 of 4 stored networks were trained again" in capsys.readouterr().out
    found = certificate()
    assert (found["compared"], found["agree"]) == ({"bits": 4, "scores": 0}, {"bits": 4, "scores": 0})
    assert verify.sentence(tiny.fingerprint).endswith("4 of 4 agree to the last bit.")
    assert verify.sentence("other data").startswith("Nobody")


def test_a_changed_digit_is_found_and_named(results, capsys, tiny):
    loss = results[1].scores["test_loss"]
    change(results[1].key, test_loss=loss + 1e-9)
    assert verify.main(["--share", "1"]) == 1
    said = capsys.readouterr()
    assert f"{results[1].key}: scores test_loss: {loss + 1e-9!r} is stored, {loss!r} came out" in said.err
    assert "3 of 4 agree to the last bit" in said.out
    assert verify.sentence(tiny.fingerprint).endswith(f"Not the same: {results[1].key}.")


def test_what_cannot_be_read_or_has_another_name_is_found(results, capsys):
    path = store.RESULTS / f"{results[0].key}.json"
    path.write_text(path.read_text()[:-30])
    record = store.load(results[1].key)
    record["run"]["experiment"]["seed"] = 5
    store.save(results[1].key, record)
    assert verify.main(["--share", "1"]) == 1
    said = capsys.readouterr().err
    assert f"{results[0].key}: cannot be read" in said
    assert f"{results[1].key}: its settings are not those of its name" in said


@pytest.mark.parametrize(("off", "status"), [(1e-9, 0), (5.0, 1)])
def test_another_kernel_is_judged_by_the_spread_of_the_seeds(results, off, status):
    change(results[0].key, kernel="Other", test_loss=results[0].scores["test_loss"] + off)
    assert verify.main(["--share", "1"]) == status
    found = certificate()
    assert found["compared"] == {"bits": 3, "scores": 1}
    assert found["agree"] == {"bits": 3, "scores": 1 - status}


def test_an_unrecorded_kernel_is_this_one_if_any_such_result_comes_out(results):
    for k in (results[0].key, results[1].key):
        change(k, kernel=None)
    change(results[0].key, test_loss=results[0].scores["test_loss"] + 1e-9)
    assert verify.main(["--share", "1"]) == 1 and list(certificate()["differ"]) == [results[0].key]
    change(results[1].key, test_loss=results[1].scores["test_loss"] + 1e-9)
    assert verify.main(["--share", "1"]) == 0 and certificate()["compared"] == {"bits": 2, "scores": 2}


def test_the_spread_is_of_runs_that_differ_in_the_seed_only(results):
    records, _ = verify.stored(engine.data.load("standin"))
    spread = verify.seed_spreads(records)[results[3].key]
    s = [r.scores["test_loss"] for r in results[:3]]
    mean = sum(s) / 3
    sd = (sum((x - mean) ** 2 for x in s) / 2) ** 0.5
    assert spread["test_loss"] == pytest.approx(9.9248 * 2**0.5 * sd, rel=1e-4)  # t, two degrees of freedom
    del records[results[0].key]
    assert not verify.seed_spreads(records)


def test_without_seeds_there_is_a_fixed_tolerance(results):
    records, _ = verify.stored(engine.data.load("standin"))
    old = next(iter(records.values()))
    old["scores"]["train_loss"] = 0.5
    for off, far in ((0.029, False), (0.031, True)):
        new = old | {"scores": old["scores"] | {"train_loss": old["scores"]["train_loss"] + off}}
        assert bool(verify.too_far(old, new, {})) == far
    huge = [old | {"scores": old["scores"] | {"train_loss": loss}} for loss in (2.7e9, 2.71e9, 2.8e9)]
    assert not verify.too_far(huge[0], huge[1], {}) and verify.too_far(huge[0], huge[2], {})


def test_the_sample_is_drawn_of_what_the_documents_asked_for(results, tmp_path, capsys):
    engine.run([replace(SMALL, l2=0.1)])
    asked = {results[0].key: 1.0, "gone-00000000": 1.0, results[2].key: 1.0}
    (tmp_path / "asked.json").write_text(json.dumps({"05": {"asked": asked, "beside": 0.0}}))
    assert verify.main(["--behind", str(tmp_path / "asked.json"), "--share", "50%", "--seed", "1"]) == 0
    assert "the documents, 2 results, 1 of them trained again (SEED=1)" in capsys.readouterr().out
    assert set(certificate()["sample"]) < {results[0].key, results[2].key}
    assert verify.main(["--behind", str(tmp_path / "none.json")]) == 0
    assert certificate()["stored"] == 5


@pytest.mark.parametrize("wrong", [["--share", "0"], ["--share", "six"], ["--share", "110%"], ["--seed", "x"]])
def test_wrong_options_are_one_line(wrong, capsys):
    assert verify.main(wrong) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1 and not verify.CERTIFICATE.exists()


def test_nothing_to_verify(results, capsys):
    for path in store.RESULTS.glob("*.json"):
        path.unlink()
    assert verify.main([]) == 2
    assert "no result of this lib/nn on standin is stored" in capsys.readouterr().err


def test_an_interruption_leaves_the_certificate(monkeypatch, capsys):
    def stop(*arguments):
        raise cluster.Interrupted("the scheduler is gone")
        yield

    monkeypatch.setattr(engine, "spread", stop)
    assert verify.main(["--share", "1"]) == 130
    assert "the scheduler is gone; verified.json is as it was" in capsys.readouterr().err
    assert not verify.CERTIFICATE.exists()


def test_a_run_that_fails_does_not_agree(results, monkeypatch, capsys):
    monkeypatch.setattr(engine, "spread", lambda f, queue, *rest: iter([(queue.next(1e99)[0], ValueError("bad"))]))
    assert verify.main(["--share", "1"]) == 1
    assert capsys.readouterr().err.count("training it again failed: bad") == 4
    assert key(SMALL) in certificate()["differ"]
