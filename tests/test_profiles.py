"""Profiles: what the short ones may change, and what a reader is told of them."""

from dataclasses import replace

import pytest

from lib import data
from workbook.runs.experiment import Experiment
from workbook.runs.profiles import caveat, profiled, setting

#: what a short profile may change: lengths and numbers of images
FIELDS = ("n_train", "sample", "n_s", "updates", "schedule_options", "log_every")


@pytest.mark.parametrize("profile, updates", [("quick", 300), ("dry", 60)])
def test_setting(tiny, profile, updates):
    full = setting("full", "standin")
    assert full == Experiment(data="standin")
    short = setting(profile, "auto")
    assert short.total_updates == updates and short.n_train < 45_000 and short.data == "standin"
    assert short == replace(full, **{name: getattr(short, name) for name in FIELDS})


def test_fewer_images_than_a_profile_takes_are_left_as_they_are():
    quick = profiled(Experiment(n_train=100, n_validation=50), "quick")
    assert (quick.n_train, quick.n_validation) == (100, 50)


def test_a_decay_stays_as_deep_when_its_run_is_shorter():
    decay = {"schedule": "exponential", "updates": 9000, "schedule_options": {"factor": 0.5, "every": 3000}}
    dry = profiled(Experiment(**decay), "dry")
    assert (dry.updates, dict(dry.schedule_options)) == (60, {"factor": 0.5, "every": 20})
    assert dry.etas()[-1] == Experiment(**decay).etas()[-1]


def test_unknown_profiles_and_data_are_refused():
    with pytest.raises(ValueError, match=r"profile = 'fast', allowed: full, quick, dry"):
        setting("fast", "standin")
    for function in (setting, caveat):
        with pytest.raises(ValueError, match=r"data = 'cifar' .*allowed: auto, cifar10, standin"):
            function("quick", "cifar")


def test_the_caveat_tells_what_is_not_the_real_thing(tiny, monkeypatch):
    assert "stand-in" in caveat("full", "auto") and "quick" not in caveat("full", "auto")
    assert "stand-in" in caveat("quick", "auto") and "quick" in caveat("quick", "auto")
    monkeypatch.setattr(data, "load", lambda name: replace(tiny, name="cifar10"))
    assert caveat("full", "auto") == "" and "stand-in" not in caveat("quick", "auto")
    assert "quick" in caveat("quick", "auto") and "only shows that everything runs" in caveat("dry", "auto")
