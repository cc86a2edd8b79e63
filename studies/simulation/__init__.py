"""Simulated participants: they go through the real pages over HTTP, and answer by the protocol's model of people."""

from .coming import Outcome, simulate
from .people import Population, Spread
from .person import age
from .rates import Rates, rate_of, read_rates

__all__ = ["Outcome", "Population", "Rates", "Spread", "age", "rate_of", "read_rates", "simulate"]
