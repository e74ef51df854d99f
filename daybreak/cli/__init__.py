"""The command line: one file a command, none of which imports an engine before it runs."""
