"""The command line: one file per command, none of which imports an engine before it runs."""
