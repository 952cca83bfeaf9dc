-- Candidates that run beside the promoted version of a plugin, and what came of it.

-- The version or alias of the same plugin that runs beside what the alias stands for, in the owner's own jobs.
ALTER TABLE plugin_aliases ADD COLUMN shadow TEXT;

-- One row for each candidate of a job. It outlives the job: what a promotion is decided on is seen over many jobs.
CREATE TABLE shadow_runs (
    job_id       TEXT   NOT NULL,
    position     BIGINT NOT NULL,
    team_id      TEXT   NOT NULL REFERENCES teams (id),
    promoted_id  TEXT   NOT NULL REFERENCES plugins (id),
    candidate_id TEXT   NOT NULL REFERENCES plugins (id),
    -- All that was found, as it is in the job's result.
    report       TEXT   NOT NULL,
    at_us        BIGINT NOT NULL,
    PRIMARY KEY (job_id, position)
);
CREATE INDEX shadow_runs_by_candidate ON shadow_runs (candidate_id, team_id, at_us DESC, job_id);
