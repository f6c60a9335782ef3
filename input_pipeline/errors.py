"""The one class of errors that are the user's to mend."""


class UserError(ValueError):
    """A setting, file or argument that cannot be used.

    The message is one for the user: what was given, what is allowed, how to fix it. The command
    line prints it as one line and ends with exit status 2; every other exception is a fault of this
    project and shows its traceback.
    """
