"""What recruiters take on top of what people are paid."""

from studies import recruiters
from studies.recruiters import Fee


def fees() -> dict[str, Fee]:
    """Every fee by a key of its own: the recruiter's key, and the number of the kind of account."""
    return {f"{key}:{n}": fee for key, one in recruiters.available().items() for n, fee in enumerate(one.fees)}


def with_fees(amount: int, recruiter: str) -> list[tuple[Fee, int]]:
    """What an amount comes to with each fee of a recruiter, in the units of the amount, rounded up."""
    return [(fee, amount + -(-amount * round(fee.rate * 1000) // 1000)) for fee in recruiters.get(recruiter).fees]
