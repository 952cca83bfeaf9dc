"""Procrastinate: a worker on PostgreSQL, and the clients that submit to it, all on asyncio as its documentation has it."""

import asyncio
import os
import time

from procrastinate import App, PsycopgConnector

from protocol import say_percentiles, wait_for_go

app = App(connector=PsycopgConnector(conninfo=os.environ["PEER_POSTGRES"], min_size=1, max_size=34))


@app.task
async def nothing():
    """Does nothing: only the queue is measured."""


def schema() -> None:
    async def apply() -> None:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    asyncio.run(apply())


def worker(concurrency: int) -> None:
    async def work() -> None:
        async with app.open_async():
            await app.run_worker_async(concurrency=concurrency, listen_notify=True)

    asyncio.run(work())


def submit(jobs: int, clients: int) -> None:
    """Defers `jobs` jobs from as many coroutines as there are clients, each waiting for the commit of its last one."""

    async def submit_in_turn(count: int) -> None:
        for _ in range(count):
            await nothing.defer_async()

    async def flood() -> None:
        async with app.open_async():
            await asyncio.gather(*(submit_in_turn(1) for _ in range(clients)))
            wait_for_go()
            await asyncio.gather(*(submit_in_turn(jobs // clients) for _ in range(clients)))

    asyncio.run(flood())


# The time of an event is the start of the statement that made it: the commit that ends the job is left out, in its favour.
ENDED = """
    SELECT job_id, EXTRACT(EPOCH FROM at)::float8 AS at FROM procrastinate_events
    WHERE type = 'succeeded' AND job_id = ANY(%(ids)s)
"""


def paced(jobs: int, pace_s: float) -> None:
    """One job every so often, and afterwards the times at which the database was told that they had ended."""

    async def run() -> None:
        async with app.open_async():
            await nothing.defer_async()
            wait_for_go()
            sent = await submit_paced()
            say_percentiles(await latencies(sent))

    async def submit_paced() -> dict[int, float]:
        begun = time.perf_counter()
        sent = {}
        for number in range(jobs):
            await asyncio.sleep(max(0.0, begun + number * pace_s - time.perf_counter()))
            now = time.time()
            sent[await nothing.defer_async()] = now
        return sent

    async def latencies(sent: dict[int, float]) -> list[float]:
        while True:
            ended = await app.connector.execute_query_all_async(ENDED, ids=list(sent))
            if len(ended) == len(sent):
                return [row["at"] - sent[row["job_id"]] for row in ended]
            await asyncio.sleep(0.1)

    asyncio.run(run())
