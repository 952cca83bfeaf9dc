-- Teams share the workers by weight, a team's own jobs go by priority, and a job is recognised by what it would do.

-- Share of the workers beside the other teams' weights.
ALTER TABLE teams ADD COLUMN weight BIGINT NOT NULL DEFAULT 1 CHECK (weight > 0);
-- When the team last got a worker: of teams that use equal shares, the one that has waited longer for its weight is next.
ALTER TABLE teams ADD COLUMN last_claim_us BIGINT NOT NULL DEFAULT 0;

-- A copy of the job's, like the priority: a claim looks for a team first and then for that team's next task.
ALTER TABLE tasks ADD COLUMN team_id TEXT NOT NULL DEFAULT '';
UPDATE tasks SET team_id = (SELECT jobs.team_id FROM jobs WHERE jobs.id = tasks.job_id);
DROP INDEX tasks_claimable;
CREATE INDEX tasks_claimable ON tasks (team_id, priority DESC, job_created_us, job_id, position) WHERE state = 'ready';
CREATE INDEX tasks_running_of_team ON tasks (team_id) WHERE state = 'running';

-- SHA-256 of kind and plan, so that submitting the same twice is noticed while the first still lives. NULL in older rows.
ALTER TABLE jobs ADD COLUMN plan_hash TEXT;
CREATE INDEX jobs_live_of_team ON jobs (team_id, plan_hash) WHERE state IN ('queued', 'running');
