-- What jobs cost, by plugin version: what a version costs beside others, and what the next job will cost.

-- One row for each plugin in each stage of a job that has a result, and one for what the host itself did there. Single jobs and no
-- sums, because a median and an interval need them; they go with their job, so `retention.job_days` bounds them.
CREATE TABLE job_costs (
    job_id    TEXT   NOT NULL REFERENCES jobs (id),
    stage     TEXT   NOT NULL,
    -- A plugin's id, or `host/` and the kind of the job.
    component TEXT   NOT NULL,
    team_id   TEXT   NOT NULL,
    -- The work that was done, which costs are compared and scaled by, and the work that the plan had asked for: a scenario that is
    -- vetoed is drawn again.
    unit      TEXT   NOT NULL,
    units     DOUBLE PRECISION NOT NULL CHECK (units > 0),
    asked     DOUBLE PRECISION NOT NULL CHECK (asked > 0),
    tasks     BIGINT NOT NULL,
    fuel      BIGINT NOT NULL,
    cpu_us    BIGINT NOT NULL,
    memory_peak_bytes BIGINT NOT NULL,
    calls     BIGINT NOT NULL,
    copied_bytes BIGINT NOT NULL,
    ended_us  BIGINT NOT NULL,
    PRIMARY KEY (job_id, stage, component)
);
-- The newest jobs of a team with a component, and of all teams with one that is shipped.
CREATE INDEX job_costs_of_team ON job_costs (team_id, component, ended_us DESC);
CREATE INDEX job_costs_of_all ON job_costs (component, ended_us DESC);

-- Jobs in which a version failed itself: a job counts once for each code, however many of its tasks met it.
CREATE TABLE plugin_stops (
    -- No foreign key: a stop is noted while the job still runs, beside the transactions that change the job.
    job_id    TEXT   NOT NULL,
    plugin_id TEXT   NOT NULL REFERENCES plugins (id),
    code      TEXT   NOT NULL,
    team_id   TEXT   NOT NULL,
    at_us     BIGINT NOT NULL,
    PRIMARY KEY (job_id, plugin_id, code)
);
CREATE INDEX plugin_stops_of_team ON plugin_stops (team_id, plugin_id);

-- What history said the job would cost when it was submitted; NULL in older rows. The result shows it beside what it did cost.
ALTER TABLE jobs ADD COLUMN estimate TEXT;
-- Its CPU time, as far as it was known: what a team's quota counts before the job has used it.
ALTER TABLE jobs ADD COLUMN estimated_cpu_us BIGINT NOT NULL DEFAULT 0;
