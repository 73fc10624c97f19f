"""Published test vectors, recognised by their shape and run through the library.

A vector file is known by the names inside it, never by its own name or folder,
so that the same files are found in whatever way somebody has unpacked them.

- *Recognised*: the document has all the names of one kind of file, or all but
  one. A name that is missing then, or a value of a wrong type, is a failure of
  that case: a damaged vector must not pass for a foreign file.
- *Not recognised*: everything else, with a reason; also files of a known kind
  for a curve, hash or algorithm that this library does not have, and files
  that cannot be read (no JSON, too large). That is no failure.
- *Failed*: the library and the vector disagree, or the case cannot be read, or
  the library crashed on it.

Every case can fail: what must be accepted is computed again and compared byte
by byte, with intermediate values where they are given; what must be refused has
to be refused for every suite that could be meant.
"""

from guosuo.selftest.report import Failure, Family, Report
from guosuo.selftest.run import run_selftest

__all__ = ["Failure", "Family", "Report", "run_selftest"]
