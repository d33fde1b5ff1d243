"""Profiles: what the quick one may change, and what a reader is told of it."""

from dataclasses import replace

import pytest

from lib import data
from workbook.runs.experiment import Experiment
from workbook.runs.profiles import caveat, profiled, setting

#: what the quick profile may change: lengths and numbers of images
QUICK_FIELDS = ("n_train", "sample", "n_s", "updates", "schedule_options", "log_every")


def test_setting(tiny):
    assert setting("full", "standin") == Experiment(data="standin")
    quick = setting("quick", "auto")
    assert quick.total_updates < 1000 and quick.n_train < 10_000 and quick.data == "standin"
    assert quick == replace(setting("full", "auto"), **{name: getattr(quick, name) for name in QUICK_FIELDS})


def test_a_decay_stays_as_deep_when_its_run_is_shorter():
    decay = {"schedule": "exponential", "updates": 9000, "schedule_options": {"factor": 0.5, "every": 3000}}
    quick = profiled(Experiment(**decay), "quick")
    assert (quick.updates, dict(quick.schedule_options)) == (60, {"factor": 0.5, "every": 20})
    assert quick.etas()[-1] == Experiment(**decay).etas()[-1]


def test_unknown_profiles_and_data_are_refused():
    with pytest.raises(ValueError, match=r"profile = 'fast', allowed: quick, full"):
        setting("fast", "standin")
    for function in (setting, caveat):
        with pytest.raises(ValueError, match=r"data = 'cifar' .*allowed: auto, cifar10, standin"):
            function("quick", "cifar")


def test_the_caveat_tells_what_is_not_the_real_thing(tiny, monkeypatch):
    assert "stand-in" in caveat("full", "auto") and "quick" not in caveat("full", "auto")
    assert "stand-in" in caveat("quick", "auto") and "quick" in caveat("quick", "auto")
    monkeypatch.setattr(data, "load", lambda name: replace(tiny, name="cifar10"))
    assert caveat("full", "auto") == "" and "stand-in" not in caveat("quick", "auto")
    assert "quick" in caveat("quick", "auto")
