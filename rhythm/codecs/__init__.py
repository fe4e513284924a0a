"""What payloads can go through on their way to Redis: compression, encryption, a codec of your own.

Inputs, outputs, errors with their tracebacks, signals, state, progress, what workflows decide and
log, and snapshots are payloads. Ids, names, queues, times, statuses, a digest of what a start was
given and the sources of workflows are not: they stay readable.
"""

from rhythm.codecs.compression import Compression
from rhythm.codecs.encryption import Encryption
from streams.sealing import PayloadCodec

__all__ = ["Compression", "Encryption", "PayloadCodec"]
