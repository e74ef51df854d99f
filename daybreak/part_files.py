"""How the files of a delivery are named and compressed, by whatever of ours writes one.

Compressed bytes depend on the compressor, so the one that pyarrow carries is used, whose version the project pins, and
not the zlib that Python happens to be built with: the same rows are the same bytes on any machine.
"""

from __future__ import annotations

import pyarrow as pa

LEVEL = 1
PLAIN_PART, GZIP_PART = "part-00000.jsonl", "part-00000.jsonl.gz"


def gzipped(text: bytes) -> bytes:
    """The text as one member of a gzip file, without a name or a time in it; members may follow one another."""
    compressed: bytes = pa.Codec("gzip", compression_level=LEVEL).compress(text, asbytes=True)
    return compressed
