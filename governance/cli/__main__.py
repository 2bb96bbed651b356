"""``python -m governance.cli`` is ``safe-conduct``."""

from governance.cli import main

if __name__ == "__main__":
    main()
