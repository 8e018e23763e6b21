"""The errors that a user is meant to read."""


class UserError(Exception):
    """Something the user can put right: a recipe, a path, a full disk.

    The message is one or more plain sentences that say what is wrong and what to do. The command line prints
    it without a traceback and exits with 2; any other exception is ours and exits with 1.
    """
