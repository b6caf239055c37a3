"""The command line: the commands, their options, ready-made recipes."""
