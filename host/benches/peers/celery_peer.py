"""Celery with Redis as broker and store of results: a worker's settings, and the clients that submit to it.

`run.py` starts the worker as `celery --app celery_peer worker`, and the clients by `role.py`.
"""

import os
import threading
import time

from celery import Celery

from protocol import say_percentiles, wait_for_go

app = Celery("celery_peer", broker=os.environ["PEER_REDIS"] + "/0", backend=os.environ["PEER_REDIS"] + "/1")
app.conf.update(
    # A task is gone from the queue only after it has ended: without these two, a killed worker loses what it held.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # What Celery's guide to optimizing recommends for many short tasks.
    worker_prefetch_multiplier=64,
    broker_pool_limit=64,
    redis_max_connections=256,
)


@app.task
def nothing():
    """Does nothing: only the queue is measured."""


def submit(jobs: int, clients: int) -> None:
    """Sends `jobs` tasks from as many threads as there are clients, each waiting until Redis has its last one."""
    submit_side_by_side(1, clients)
    wait_for_go()
    submit_side_by_side(jobs // clients, clients)


def submit_side_by_side(jobs: int, clients: int) -> None:
    threads = [threading.Thread(target=submit_in_turn, args=(jobs,)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def submit_in_turn(jobs: int) -> None:
    for _ in range(jobs):
        nothing.delay()


def paced(jobs: int, pace_s: float) -> None:
    """One task at a time, a fixed time apart, each followed to its result."""
    nothing.delay().get()
    wait_for_go()
    begun = time.perf_counter()
    latencies = []
    for number in range(jobs):
        time.sleep(max(0.0, begun + number * pace_s - time.perf_counter()))
        sent = time.perf_counter()
        nothing.delay().get(interval=0.001)
        latencies.append(time.perf_counter() - sent)
    say_percentiles(latencies)
