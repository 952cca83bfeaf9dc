-- The catalog: races, slates, models and plugins of each team.
--
-- A race and a slate are always read as a whole, so their entries are one JSON text, not rows of another table.

CREATE TABLE races (
    id         TEXT   NOT NULL PRIMARY KEY,
    team_id    TEXT   NOT NULL REFERENCES teams (id),
    season     BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    name       TEXT   NOT NULL,
    track      TEXT   NOT NULL,
    track_type TEXT   NOT NULL,
    race_laps  BIGINT NOT NULL,
    -- Copies of what the entries say, so that a list and the choice of a history need not parse them.
    entry_count BIGINT NOT NULL,
    has_results BIGINT NOT NULL,
    entries     TEXT   NOT NULL,
    created_us  BIGINT NOT NULL,
    -- The last import that changed it.
    updated_us  BIGINT NOT NULL,
    UNIQUE (team_id, season, number)
);

CREATE TABLE slates (
    id         TEXT   NOT NULL PRIMARY KEY,
    team_id    TEXT   NOT NULL REFERENCES teams (id),
    name       TEXT   NOT NULL,
    contest    TEXT   NOT NULL,
    race_id    TEXT   NOT NULL REFERENCES races (id),
    -- Drivers by name: their places among the race's entries change when the race is imported again with its results.
    entries    TEXT   NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE INDEX slates_by_team ON slates (team_id, created_us DESC, id DESC);

CREATE TABLE models (
    id              TEXT   NOT NULL PRIMARY KEY,
    team_id         TEXT   NOT NULL REFERENCES teams (id),
    -- The job that fitted it. No foreign key: a model outlives the deletion of its job.
    job_id          TEXT   NOT NULL,
    calibrator      TEXT   NOT NULL,
    calibrator_hash TEXT   NOT NULL,
    layout          TEXT   NOT NULL,
    draws           BIGINT NOT NULL,
    artifact        TEXT   NOT NULL REFERENCES artifacts (hash),
    races           BIGINT NOT NULL,
    first_race      TEXT   NOT NULL,
    last_race       TEXT   NOT NULL,
    fit             TEXT   NOT NULL,
    created_us      BIGINT NOT NULL
);
CREATE INDEX models_by_team ON models (team_id, created_us DESC, id DESC);

-- Versions are immutable: the bytes behind a name and version never change once they are here.
CREATE TABLE plugins (
    id          TEXT   NOT NULL PRIMARY KEY,
    -- NULL = shipped with the service, every team may use it.
    team_id     TEXT   REFERENCES teams (id),
    name        TEXT   NOT NULL,
    version     TEXT   NOT NULL,
    hash        TEXT   NOT NULL REFERENCES artifacts (hash),
    size_bytes  BIGINT NOT NULL,
    description TEXT   NOT NULL,
    created_us  BIGINT NOT NULL,
    disabled_us BIGINT
);
-- NULLs are distinct in a unique index, so shared plugins need their own.
CREATE UNIQUE INDEX plugins_of_team ON plugins (team_id, name, version) WHERE team_id IS NOT NULL;
CREATE UNIQUE INDEX plugins_shared ON plugins (name, version) WHERE team_id IS NULL;
