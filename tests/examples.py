"""An example of each protocol, by its key: what the contract test needs to know of a protocol and cannot guess.

A protocol without an example here fails the contract test.
"""

from typing import Any

#: A design that differs from the default in everything it can; `classifier` is filled in by the test.
EXAMPLES: dict[str, dict[str, Any]] = {
    "rectified_labeling": {
        "answers_per_stimulus": 7,
        "threshold": 6,
        "trials_per_participant": 20,
        "classes": ["accordion", "grand_piano"],
        "sample": 9,
        "seed": 3,
    },
}
