"""What must hold for any table of answers, whatever its size, order and names."""

import json

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.analysis.panels import RULES
from studies.analysis.reanalysis import reanalysis

FEW = settings(max_examples=60, deadline=None)


@st.composite
def tables(draw):
    """Any table in which nobody answers a stimulus twice, unequal panels and all."""
    participants, stimuli = draw(st.integers(1, 30)), draw(st.integers(1, 12))
    pairs = draw(
        st.lists(
            st.tuples(st.integers(0, participants - 1), st.integers(0, stimuli - 1)),
            min_size=1,
            max_size=120,
            unique=True,
        )
    )
    said = draw(st.lists(st.integers(0, 1), min_size=len(pairs), max_size=len(pairs)))
    return pd.DataFrame(pairs, columns=["participant", "stimulus"]).assign(answer=said)


@st.composite
def full_tables(draw):
    """Panels of one size from enough participants for an interval."""
    stimuli, panel = draw(st.integers(2, 25)), draw(st.integers(1, 6))
    participants = draw(st.integers(12, 40))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    people = np.concatenate([rng.choice(participants, panel, replace=False) for _ in range(stimuli)])
    said = rng.random(stimuli * panel) < np.repeat(rng.beta(0.6, 0.6, stimuli), panel)
    return pd.DataFrame(
        {"participant": people, "stimulus": np.repeat(np.arange(stimuli), panel), "answer": said.astype(int)}
    )


def report(frame, **more):
    return reanalysis(frame, population=1000, errors=100, draws=20, **more)


@FEW
@given(st.one_of(tables(), full_tables()), st.randoms(use_true_random=False), st.sampled_from(sorted(RULES)))
def test_the_report_does_not_depend_on_the_order_of_rows_or_on_names(frame, random, rule):
    order = list(range(len(frame)))
    random.shuffle(order)
    renamed = frame.iloc[order].assign(
        participant=lambda f: "worker " + (7 * f.participant + 3).astype(str),
        stimulus=lambda f: "photo " + (-f.stimulus).astype(str),
        answer=lambda f: f.answer.map({0: "no", 1: "yes"}),
    )
    # To the last digit.
    assert report(frame, rule=rule) == report(renamed, rule=rule)


@FEW
@given(st.one_of(tables(), full_tables()), st.sampled_from(sorted(RULES)))
def test_thresholds_are_monotone_from_everything_to_nothing(frame, rule):
    result = report(frame, rule=rule)
    curve, rectified = result["threshold_curve"], result["rectified_error"]["curve"]
    if curve[0] is None:
        assert result["accepted_share"]["reason"]
        return
    assert curve == sorted(curve, reverse=True)
    assert (curve[0], curve[-1]) == (1, 0)
    assert rectified == sorted(rectified)
    assert (rectified[0], rectified[-1]) == (0, 0.1)
    assert result["accepted_share"]["estimate"] == curve[result["accepted_share"]["threshold"]]


@FEW
@given(st.one_of(tables(), full_tables()), st.sampled_from(sorted(RULES)), st.integers(1, 12))
def test_every_report_is_plain_json_and_every_null_has_its_reason(frame, rule, panel):
    result = report(frame, rule=rule, panel=panel)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    for share in (result["accepted_share"], result["rectified_error"]):
        assert (share["low"] is None) == (share["reason"] is not None)
        assert (share["low"] is None) == (share["high"] is None) == (share["standard_error"] is None)
    for name, reason in result["agreement"]["reasons"].items():
        assert result["agreement"][name] is None
        assert reason


@FEW
@given(full_tables())
def test_intervals_hold_their_estimate_and_stay_within_bounds(frame):
    result = report(frame)
    share, rectified = result["accepted_share"], result["rectified_error"]
    if share["low"] is not None:
        assert 0 <= share["low"] <= share["estimate"] <= share["high"] <= 1
        assert 0 <= rectified["low"] <= rectified["estimate"] <= rectified["high"] <= 0.1
    assert share["wilson"]["low"] <= share["estimate"] <= share["wilson"]["high"]
    for name, bounds in result["agreement"]["intervals"].items():
        if bounds["low"] is not None:
            assert -1 <= bounds["low"] <= result["agreement"][name] <= bounds["high"] <= 1


@FEW
@given(full_tables())
def test_saying_no_for_yes_mirrors_the_histogram_and_keeps_agreement(frame):
    plain, mirrored = report(frame), report(frame.assign(answer=1 - frame.answer))
    assert mirrored["histogram"] == plain["histogram"][::-1]
    for name in ("raw", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1"):
        one, other = plain["agreement"][name], mirrored["agreement"][name]
        assert (one is None and other is None) or abs(one - other) < 1e-12
