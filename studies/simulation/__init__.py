"""Simulated participants: they go through the real pages over HTTP, and answer by the protocol's model of people."""

from .coming import Outcome, simulate
from .people import Population, Spread
from .person import age
from .rates import Rates, rate_of, read_rates
from .rehearsing import Recovered, Rehearsal, rehearse

__all__ = [
    "Outcome",
    "Population",
    "Rates",
    "Recovered",
    "Rehearsal",
    "Spread",
    "age",
    "rate_of",
    "read_rates",
    "rehearse",
    "simulate",
]
