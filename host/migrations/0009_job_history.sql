-- What a client sees of its jobs over time: tags, the times of every phase, what past jobs took, and what a team may use.

-- For reading back, in the client's order. Searching goes through job_tags.
ALTER TABLE jobs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
-- Carries team and time, so that a page of the jobs with a tag is one range of one index, however rare the tag is.
CREATE TABLE job_tags (
    team_id    TEXT   NOT NULL,
    tag        TEXT   NOT NULL,
    created_us BIGINT NOT NULL,
    job_id     TEXT   NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (team_id, tag, created_us, job_id)
);
CREATE INDEX job_tags_by_job ON job_tags (job_id);
-- A list's filters, each in the order of the list: a rare state or name is found without reading what lies between.
CREATE INDEX jobs_by_state ON jobs (team_id, state, created_us DESC, id DESC);
CREATE INDEX jobs_by_kind ON jobs (team_id, kind, created_us DESC, id DESC);
CREATE INDEX jobs_by_name ON jobs (team_id, name, created_us DESC, id DESC) WHERE name IS NOT NULL;

-- When the stage's tasks could first be claimed, and when the last of them was done. NULL in older rows.
ALTER TABLE stages ADD COLUMN opened_us BIGINT;
ALTER TABLE stages ADD COLUMN finished_us BIGINT;
-- The worker's first sign of life after the claim: a heartbeat or a report. A task that was claimed and never begun has none.
ALTER TABLE attempts ADD COLUMN first_heartbeat_us BIGINT;

-- What tasks took: seconds per unit of their stage's weight, as the exponentially weighted mean and variance of the logarithm,
-- because times spread by factors and not by sums. One row per team, and one for all teams together (team_id '').
CREATE TABLE task_times (
    team_id      TEXT   NOT NULL,
    kind         TEXT   NOT NULL,
    stage        TEXT   NOT NULL,
    log_mean     DOUBLE PRECISION NOT NULL,
    log_variance DOUBLE PRECISION NOT NULL CHECK (log_variance >= 0),
    jobs         BIGINT NOT NULL CHECK (jobs > 0),
    PRIMARY KEY (team_id, kind, stage)
);
-- The last event that task_times has learned from.
CREATE TABLE task_times_mark (sequence BIGINT NOT NULL);
INSERT INTO task_times_mark (sequence) VALUES (0);

-- Processes that claim tasks, and how many each runs at the same time: what a forecast divides the work by.
CREATE TABLE worker_processes (
    session TEXT   NOT NULL PRIMARY KEY,
    threads BIGINT NOT NULL,
    seen_us BIGINT NOT NULL
);

-- What an operator allows a team beside the settings' defaults; NULL means the default.
ALTER TABLE teams ADD COLUMN running_tasks_max BIGINT CHECK (running_tasks_max > 0);
ALTER TABLE teams ADD COLUMN live_jobs_max BIGINT CHECK (live_jobs_max > 0);
ALTER TABLE teams ADD COLUMN cpu_s_per_day_max BIGINT CHECK (cpu_s_per_day_max > 0);
-- CPU time of attempts that have ended, by day since 1970-01-01 UTC. Kept by the transactions that end attempts, so that a
-- submission reads one row.
CREATE TABLE team_usage (
    team_id TEXT   NOT NULL REFERENCES teams (id),
    day     BIGINT NOT NULL,
    cpu_us  BIGINT NOT NULL,
    PRIMARY KEY (team_id, day)
);
