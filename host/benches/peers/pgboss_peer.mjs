// pg-boss: a worker on PostgreSQL, and the clients that submit to it.
// `run.py` starts it as `schema`, `worker CONCURRENCY BATCH`, `submit JOBS CLIENTS` and `paced JOBS PACE_S`.

import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

// The package lies in the folder of this run, not beside this file.
const require = createRequire(`${process.env.PEER_NPM}/package.json`)
const { PgBoss } = await import(pathToFileURL(require.resolve('pg-boss')))

const QUEUE = 'peer'
const boss = new PgBoss({
  connectionString: process.env.PEER_POSTGRES,
  max: 34,
  schedule: false,
  useListenNotify: true
})
boss.on('error', error => console.error(error))
await boss.start()

const seconds = () => performance.now() / 1e3
const sleep = duration => new Promise(resolve => setTimeout(resolve, Math.max(0, duration) * 1e3))

async function waitForGo () {
  console.log('ready')
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'go') return
  }
}

async function submitInTurn (jobs) {
  for (let job = 0; job < jobs; job++) await boss.send(QUEUE, {})
}

function percentiles (latencies) {
  latencies.sort((one, other) => one - other)
  const at = share => latencies[Math.floor((latencies.length - 1) * share)] * 1e3
  return JSON.stringify({ p50_ms: at(0.5), p99_ms: at(0.99) })
}

const roles = {
  async schema () {
    await boss.createQueue(QUEUE, { notify: true })
  },

  // Fetches whole batches, and without a pause while they come full: both are what its documentation offers for throughput.
  async worker (concurrency, batch) {
    const options = { batchSize: batch, localConcurrency: concurrency, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }
    await boss.work(QUEUE, options, async () => {})
    await new Promise(() => {})
  },

  // As many loops as there are clients, each waiting for the commit of its last job.
  async submit (jobs, clients) {
    const all = count => Promise.all(Array.from({ length: clients }, () => submitInTurn(count)))
    await all(1)
    await waitForGo()
    await all(jobs / clients)
  },

  // `completed_on` is the start of the statement that ends a job: its commit is left out, in its favour.
  async paced (jobs, pace) {
    await boss.send(QUEUE, {})
    await waitForGo()
    const begun = seconds()
    const sent = new Map()
    for (let number = 0; number < jobs; number++) {
      await sleep(begun + number * pace - seconds())
      const now = (performance.timeOrigin + performance.now()) / 1e3
      sent.set(await boss.send(QUEUE, {}), now)
    }
    const sql = "SELECT id, EXTRACT(EPOCH FROM completed_on)::float8 AS at FROM pgboss.job WHERE state = 'completed' AND id = ANY($1)"
    for (;;) {
      const { rows } = await boss.getDb().executeSql(sql, [[...sent.keys()]])
      if (rows.length === jobs) return console.log(percentiles(rows.map(row => row.at - sent.get(row.id))))
      await sleep(0.1)
    }
  }
}

const [role, ...numbers] = process.argv.slice(2)
await roles[role](...numbers.map(Number))
process.exit(0)
