"""What a caller can do something about."""


class InputError(ValueError):
    """Something the caller handed over cannot be used.

    The message names the argument, what it got, what it wants and the next step; the command line prints it
    without a traceback and exits with status 2.
    """


class TrainingDiverged(RuntimeError):
    """A term of the loss became NaN or infinite; the last checkpoint is intact.

    The command line prints the message without a traceback and exits with status 1.
    """
