"""A name that is not allowed: the message lists what is, and guesses what was meant."""

import pytest

from lib.choices import check_choice


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(
        ValueError, match=r"^split = '45k5k' \(did you mean '45k5k_tail'\?\), allowed: 45k5k_tail, 50k$"
    ):
        check_choice("split", "45k5k", ("45k5k_tail", "50k"))


def test_no_suggestion_if_nothing_is_near():
    with pytest.raises(ValueError, match=r"^loss = 7, allowed: softmax, hinge$"):
        check_choice("loss", 7, ("softmax", "hinge"))


def test_an_allowed_name_passes():
    assert check_choice("loss", "hinge", ("softmax", "hinge")) is None
