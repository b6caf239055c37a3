"""What a caller can do something about."""

_MOST = 1_500
"""Characters of a message; what a caller handed over may be a whole file."""


class InputError(ValueError):
    """Something the caller handed over cannot be used.

    The message names the argument, what it got, what it wants and the next step; the command line prints it
    without a traceback and exits with status 2. Of a very long one the middle is left out, so that both the argument
    and the next step stay.
    """

    def __init__(self, message: object) -> None:
        text = str(message)
        half = _MOST // 2
        super().__init__(text if len(text) <= _MOST else f"{text[:half]} … {text[-half:]}")


class TrainingDiverged(RuntimeError):
    """A term of the loss became NaN or infinite; the last checkpoint is intact.

    The command line prints the message without a traceback and exits with status 1.
    """
