"""Plays a role of a peer that is written in Python: `role.py celery_peer submit 1600 32` calls `submit(1600, 32)` of that file."""

import importlib
import sys

if __name__ == "__main__":
    peer, role, *numbers = sys.argv[1:]
    # Imported, not run: a task's name begins with that of its module, and has to be the same for clients and workers.
    module = importlib.import_module(peer)
    getattr(module, role)(*(float(number) if "." in number else int(number) for number in numbers))
