-- The registry: how a version came in, who may use it, which version a name stands for, and what went wrong with it.

-- A row is there from the moment a component could say what it is; it is used once it has passed its tests.
ALTER TABLE plugins ADD COLUMN state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('compiled', 'active', 'rejected'));
-- What screening, compiling and testing found; NULL for what is shipped and for what is older than reports.
ALTER TABLE plugins ADD COLUMN report TEXT;
-- The key that brought it. No foreign key: a plugin outlives the deletion of its key.
ALTER TABLE plugins ADD COLUMN uploaded_by TEXT;
ALTER TABLE plugins ADD COLUMN deprecated_us BIGINT;
ALTER TABLE plugins ADD COLUMN deprecation TEXT;

-- Which other teams may use a team's plugin, all versions of it. Without a row it is private.
CREATE TABLE plugin_shares (
    owner_id TEXT NOT NULL REFERENCES teams (id),
    name     TEXT NOT NULL,
    -- A team's id, or '*' for every team.
    grantee  TEXT NOT NULL,
    PRIMARY KEY (owner_id, name, grantee)
);

-- Names of versions that can be moved. What one stands for is the plugin of its promotion.
CREATE TABLE plugin_aliases (
    team_id   TEXT   NOT NULL REFERENCES teams (id),
    name      TEXT   NOT NULL,
    alias     TEXT   NOT NULL,
    promotion BIGINT NOT NULL,
    -- Whether it goes back by itself where its version is quarantined.
    falls_back BIGINT NOT NULL DEFAULT 0 CHECK (falls_back IN (0, 1)),
    PRIMARY KEY (team_id, name, alias)
);
-- Every move of an alias. A move back takes over `earlier` of the one that it goes back to, so that going back twice goes further.
CREATE TABLE plugin_promotions (
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
    team_id   TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    alias     TEXT   NOT NULL,
    plugin_id TEXT   NOT NULL REFERENCES plugins (id),
    how       TEXT   NOT NULL CHECK (how IN ('promoted', 'rolled_back', 'fell_back')),
    earlier   BIGINT,
    -- NULL where the server did it.
    key_id    TEXT,
    at_us     BIGINT NOT NULL
);
CREATE INDEX plugin_promotions_by_alias ON plugin_promotions (team_id, name, alias, sequence);

-- Jobs in which a version crashed or broke the contract; a job counts once, however many of its tasks met it.
CREATE TABLE plugin_failures (
    plugin_id TEXT   NOT NULL REFERENCES plugins (id),
    team_id   TEXT   NOT NULL,
    -- No foreign key: the count outlives the job.
    job_id    TEXT   NOT NULL,
    code      TEXT   NOT NULL,
    at_us     BIGINT NOT NULL,
    PRIMARY KEY (plugin_id, team_id, job_id)
);
-- A quarantine holds for the team that it names, and for all teams where that is the plugin's owner: what another team's inputs do
-- to a plugin must not take it away from those who rely on it.
CREATE TABLE plugin_quarantines (
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
    plugin_id TEXT   NOT NULL REFERENCES plugins (id),
    team_id   TEXT   NOT NULL REFERENCES teams (id),
    reason    TEXT   NOT NULL,
    -- NULL where the server did it.
    key_id    TEXT,
    at_us     BIGINT NOT NULL,
    lifted_us BIGINT,
    lifted_by TEXT
);
CREATE UNIQUE INDEX plugin_quarantines_open ON plugin_quarantines (plugin_id, team_id) WHERE lifted_us IS NULL;
CREATE INDEX plugin_quarantines_by_plugin ON plugin_quarantines (plugin_id, team_id, lifted_us);

-- What the client of a job had better know, though the job runs: that a plugin of it is deprecated, for example. A list of texts.
ALTER TABLE jobs ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]';
