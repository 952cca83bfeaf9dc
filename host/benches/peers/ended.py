"""Says when jobs have ended: `ended.py redis|SQL WARMING JOBS` says `ready` after the first of them, and `ended` after the rest."""

import os
import sys
import time

from protocol import wait_for_go

# Fine enough for runs of seconds, and so seldom that counting costs the peer nothing.
POLL_S = 0.01


def counter(what: str):
    if what == "redis":
        import redis

        # This database has one result per ended task, and nothing else.
        return redis.Redis.from_url(os.environ["PEER_REDIS"] + "/1").dbsize
    import psycopg

    connection = psycopg.connect(os.environ["PEER_POSTGRES"], autocommit=True)
    return lambda: connection.execute(what).fetchone()[0]


def main(what: str, warming: int, jobs: int) -> None:
    count = counter(what)
    while count() < warming:
        time.sleep(POLL_S)
    wait_for_go()
    while count() < warming + jobs:
        time.sleep(POLL_S)
    print("ended", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
