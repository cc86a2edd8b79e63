"""Simulated participants: they go through the real pages over HTTP, and answer by the protocol's model of people."""

from .answer_rates import Rates, rate_of, read_rates
from .crowd import SimulationOutcome, simulate
from .participant import age
from .population import Population, Spread
from .rehearsal import Recovered, Rehearsal, rehearse

__all__ = [
    "Population",
    "Rates",
    "Recovered",
    "Rehearsal",
    "SimulationOutcome",
    "Spread",
    "age",
    "rate_of",
    "read_rates",
    "rehearse",
    "simulate",
]
