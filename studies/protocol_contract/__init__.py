"""What every protocol promises, to be asked of any: `check_protocol(protocol)`, or `manage.py check_protocol KEY`.

Studies are made of made-up images and a bench without PyTorch, in transactions that are rolled back.  A property is a
function that raises `NotKept` with one line; together they are PROPERTIES, in the order in which a study goes.
"""

from .subject import NotKept, Subject
from .suite import PROPERTIES, Outcome, Property, check_protocol, keeps, verdict

__all__ = ["PROPERTIES", "NotKept", "Outcome", "Property", "Subject", "check_protocol", "keeps", "verdict"]
