"""What a server takes from outside, and how it says no."""

from __future__ import annotations

from dataclasses import dataclass

from explanans.errors import InputError

MEGA = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Bounds of a server; each is a refusal in words, never a crash.

    Attributes:
        max_megabytes: of one picture's file.
        max_megapixels: of one picture, as its header says, looked at before anything is decoded.
        queue: requests that may wait for the model; one more is told to come again.
        deadline: seconds in which a request is answered, from its first byte.
        kept: pictures kept in memory, so that receipts need not send them again; the oldest goes first.
        kept_minutes: how long each is kept.
        uploads_megabytes: of all files that are in memory at once, because they arrive or wait to be decoded.
    """

    max_megabytes: float = 20
    max_megapixels: float = 50
    queue: int = 64
    deadline: float = 120
    kept: int = 64
    kept_minutes: float = 10
    uploads_megabytes: float = 500

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise InputError(f"{name}={value} must be above 0; leave it out for {type(self).__dict__[name]}.")


class Refusal(Exception):
    """A request that is not answered: what is wrong, and what to do.

    Attributes:
        status: of HTTP.
        what, next_step: sentences for a person.
        retry_after: seconds, where coming again helps.
    """

    def __init__(self, status: int, what: str, next_step: str, retry_after: int | None = None) -> None:
        super().__init__(what)
        self.status, self.what, self.next_step, self.retry_after = status, what, next_step, retry_after


def too_busy(retry_after: int) -> Refusal:
    return Refusal(503, "The server is busy.", f"Try again in {retry_after} seconds.", retry_after)
