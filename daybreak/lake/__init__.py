"""The lake: Delta tables, one partition a day, each replaced in one atomic commit."""

from daybreak.lake.attempts import Attempt
from daybreak.lake.digest import rows_digest
from daybreak.lake.lake import Lake
from daybreak.lake.log import DataFile
from daybreak.lake.table import Commit, Table, Window

__all__ = ["Attempt", "Commit", "DataFile", "Lake", "Table", "Window", "rows_digest"]
