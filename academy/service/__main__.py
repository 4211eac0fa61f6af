"""``python -m academy.service --home H``: the service's process; ``academy up`` starts it."""

import os
import sys

# The service is nobody's child, so that nobody has to wait for it. This comes before the other
# imports: they take a second, and threads that they may start would not survive the fork.
if "--detach" in sys.argv:
    sys.argv.remove("--detach")
    if os.fork():
        os._exit(0)
    os.setsid()

from academy.service.server import main

if __name__ == "__main__":
    main()
