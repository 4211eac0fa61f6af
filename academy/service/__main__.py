"""``python -m academy.service --home H``: the service's process; ``academy up`` starts it."""

from academy.service.server import main

if __name__ == "__main__":
    main()
