-- Recurring jobs, and what retention needs: which artifacts are in use, and who prunes next.

CREATE TABLE schedules (
    id        TEXT   NOT NULL PRIMARY KEY,
    team_id   TEXT   NOT NULL REFERENCES teams (id),
    -- The key that made or last changed it: its jobs are this key's. No foreign key, as in jobs.
    key_id    TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    cron      TEXT   NOT NULL,
    -- IANA name; the expression is read by the clock on the wall there.
    time_zone TEXT   NOT NULL,
    catch_up  TEXT   NOT NULL CHECK (catch_up IN ('once', 'skip')),
    -- The body that a client would send to POST /v1/jobs. Planned anew at every firing.
    request   TEXT   NOT NULL,
    enabled   BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    -- Why the server disabled it; NULL where a person did.
    disabled_reason TEXT,
    -- When it is due. The fence of a firing: whoever moves it on has fired, and nobody else can.
    next_fire_us BIGINT,
    last_fire_us BIGINT,
    last_job     TEXT,
    last_problem TEXT,
    failures_in_a_row BIGINT NOT NULL DEFAULT 0,
    -- Rises with every change by a client, so that no firing uses what it read before the change.
    revision   BIGINT NOT NULL DEFAULT 0,
    created_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL,
    UNIQUE (team_id, name),
    CHECK ((enabled = 1) = (next_fire_us IS NOT NULL))
);
CREATE INDEX schedules_due ON schedules (next_fire_us) WHERE next_fire_us IS NOT NULL;

-- The schedule that made the job. No foreign key: a job outlives its schedule.
ALTER TABLE jobs ADD COLUMN schedule_id TEXT;
-- Pinned: retention leaves the job alone.
ALTER TABLE jobs ADD COLUMN keep BIGINT NOT NULL DEFAULT 0;
CREATE INDEX jobs_ended ON jobs (finished_us) WHERE finished_us IS NOT NULL;

-- When the job's references were written down, which happens once, after its end: nothing of it changes any more. Until then its
-- own texts are read whenever artifacts are swept.
ALTER TABLE jobs ADD COLUMN references_us BIGINT;
CREATE INDEX jobs_without_references ON jobs (created_us) WHERE references_us IS NULL;

-- Which artifacts the texts of an ended job name. A foreign key both ways: while a job names an artifact, its row cannot be deleted.
CREATE TABLE artifact_references (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    hash   TEXT NOT NULL REFERENCES artifacts (hash),
    PRIMARY KEY (job_id, hash)
);
CREATE INDEX artifact_references_by_hash ON artifact_references (hash);

-- Until then it stays without anybody naming it: what was just stored is named a little later.
ALTER TABLE artifacts ADD COLUMN held_until_us BIGINT NOT NULL DEFAULT 0;
UPDATE artifacts SET held_until_us = created_us + 172800000000;
-- Set when it was found unused and its file is to go, and again when the file is gone. The row stays for a while as a tombstone:
-- whoever stored the same bytes meanwhile, and relied on the file, finds out when they write the row.
ALTER TABLE artifacts ADD COLUMN condemned_us BIGINT;
ALTER TABLE artifacts ADD COLUMN gone_us BIGINT;
CREATE INDEX artifacts_condemned ON artifacts (condemned_us) WHERE condemned_us IS NOT NULL;

-- The other ends of foreign keys to artifacts: a deleted row is looked for in each.
CREATE INDEX tasks_with_checkpoint ON tasks (checkpoint) WHERE checkpoint IS NOT NULL;
CREATE INDEX models_by_artifact ON models (artifact);
CREATE INDEX plugins_by_hash ON plugins (hash);

-- What one process of a fleet does at a time, and when it was last begun.
CREATE TABLE chores (
    name     TEXT   NOT NULL PRIMARY KEY,
    begun_us BIGINT NOT NULL
);
