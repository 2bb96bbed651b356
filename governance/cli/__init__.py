"""The command line: ``safe-conduct``.

Exit codes: 0 permit (or done), 1 a fault of ours, 2 usage or input, 3 deny, 4 integrity, 5 refer.
"""

from governance.cli.main import main

__all__ = ["main"]
