-- Teams, artifacts and the job engine.
--
-- Migrations are append-only: a file that has been released is never edited, a change is a new file. Times are integer
-- microseconds since 1970-01-01 UTC, structured values are JSON as text, so that the queries read the same on SQLite and PostgreSQL.

-- The database's own clock, the only one that leases are measured with: clocks of different machines disagree. A view hides
-- what is spelled differently in each database.
CREATE VIEW clock AS SELECT CAST(round(unixepoch('subsec') * 1000000.0) AS INTEGER) AS now_us;

-- The tenant. It stands here and not with the keys because everything else points at it.
CREATE TABLE teams (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    created_us BIGINT NOT NULL
);

-- What the artifact store holds. A row is written after its file is durable, so a row without a file is corruption and a file
-- without a row is garbage of a crash.
CREATE TABLE artifacts (
    hash       TEXT   NOT NULL PRIMARY KEY,
    size_bytes BIGINT NOT NULL,
    created_us BIGINT NOT NULL
);

CREATE TABLE jobs (
    id         TEXT   NOT NULL PRIMARY KEY,
    team_id    TEXT   NOT NULL REFERENCES teams (id),
    -- The key that submitted it. No foreign key: a job outlives the deletion of its key.
    key_id     TEXT,
    kind       TEXT   NOT NULL,
    name       TEXT,
    spec       TEXT   NOT NULL,
    priority   BIGINT NOT NULL DEFAULT 0,
    state      TEXT   NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'partial', 'failed', 'cancelled')),
    -- Set once by the first cancel and never cleared: a running task finds it here whatever process it runs in.
    cancel_requested_us BIGINT,
    -- Allowed running time; the deadline itself is set when the first task is claimed, so that waiting does not eat it.
    deadline_s  BIGINT,
    deadline_us BIGINT,
    created_us  BIGINT NOT NULL,
    started_us  BIGINT,
    finished_us BIGINT,
    -- 0..1, the weighted sum over the stages, kept up to date so that a list of jobs needs no aggregation.
    progress   DOUBLE PRECISION NOT NULL DEFAULT 0,
    result     TEXT,
    components TEXT   NOT NULL DEFAULT '[]',
    problem    TEXT,
    CHECK ((finished_us IS NOT NULL) = (state IN ('succeeded', 'partial', 'failed', 'cancelled')))
);
-- A team's jobs, newest first, page by page.
CREATE INDEX jobs_by_team ON jobs (team_id, created_us DESC, id DESC);
-- The reconciler looks at live jobs only; finished ones soon outnumber them by far.
CREATE INDEX jobs_live ON jobs (state) WHERE state IN ('queued', 'running');

CREATE TABLE stages (
    job_id      TEXT   NOT NULL REFERENCES jobs (id),
    ordinal     BIGINT NOT NULL,
    name        TEXT   NOT NULL,
    weight      DOUBLE PRECISION NOT NULL CHECK (weight > 0),
    state       TEXT   NOT NULL CHECK (state IN ('waiting', 'open', 'succeeded', 'failed', 'cancelled')),
    tasks_total BIGINT NOT NULL CHECK (tasks_total > 0),
    tasks_done  BIGINT NOT NULL DEFAULT 0 CHECK (tasks_done <= tasks_total),
    -- Sum of the progress of its tasks: 0..tasks_total.
    progress    DOUBLE PRECISION NOT NULL DEFAULT 0,
    note        TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, ordinal),
    UNIQUE (job_id, name)
);

-- The row is the queue: nothing is handed to a second place where it could be forgotten.
CREATE TABLE tasks (
    id       TEXT   NOT NULL PRIMARY KEY,
    job_id   TEXT   NOT NULL REFERENCES jobs (id),
    stage    BIGINT NOT NULL,
    position BIGINT NOT NULL,
    input    TEXT   NOT NULL,
    state    TEXT   NOT NULL CHECK (state IN ('waiting', 'ready', 'running', 'succeeded', 'failed', 'cancelled')),
    -- Copies of the job's, so that a claim reads one index of one table.
    priority       BIGINT NOT NULL,
    job_created_us BIGINT NOT NULL,
    -- A retry waits until then.
    not_before_us  BIGINT NOT NULL DEFAULT 0,
    -- Rises on claim and nowhere else. Every later write names the epoch it was claimed under, so a worker that lost the task
    -- changes nothing. The number of attempts would not do: a release does not count one.
    lease_epoch     BIGINT NOT NULL DEFAULT 0,
    lease_owner     TEXT,
    -- The process that the owner lives in: with an exclusive database, leases of any other process are known to be dead.
    lease_session   TEXT,
    lease_until_us  BIGINT,
    attempts_counted BIGINT NOT NULL DEFAULT 0,
    progress   DOUBLE PRECISION NOT NULL DEFAULT 0,
    checkpoint TEXT REFERENCES artifacts (hash),
    output     TEXT,
    UNIQUE (job_id, stage, position),
    FOREIGN KEY (job_id, stage) REFERENCES stages (job_id, ordinal),
    CHECK ((state = 'running') = (lease_until_us IS NOT NULL))
);
CREATE INDEX tasks_claimable ON tasks (priority DESC, job_created_us, job_id, position) WHERE state = 'ready';
CREATE INDEX tasks_leased ON tasks (lease_until_us) WHERE state = 'running';

-- One row per claim: the history of what happened to a task.
CREATE TABLE attempts (
    task_id     TEXT   NOT NULL REFERENCES tasks (id),
    lease_epoch BIGINT NOT NULL,
    job_id      TEXT   NOT NULL REFERENCES jobs (id),
    worker      TEXT   NOT NULL,
    started_us  BIGINT NOT NULL,
    finished_us BIGINT,
    outcome     TEXT   NOT NULL CHECK (outcome IN
        ('running', 'succeeded', 'retried', 'failed', 'cancelled', 'deadline', 'released', 'lost')),
    problem     TEXT,
    PRIMARY KEY (task_id, lease_epoch)
);
CREATE INDEX attempts_by_job ON attempts (job_id, started_us);

-- What happened to jobs, in the order in which it was committed. AUTOINCREMENT, because a sequence number that a reader has seen
-- must never be given out again, even after old rows are pruned.
CREATE TABLE events (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id     TEXT   NOT NULL REFERENCES jobs (id),
    team_id    TEXT   NOT NULL,
    kind       TEXT   NOT NULL CHECK (kind IN ('state', 'progress', 'component', 'log')),
    data       TEXT   NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE INDEX events_by_job ON events (job_id, sequence);
