-- API keys and the audit trail. Teams are in 0001, because everything points at them.

CREATE TABLE api_keys (
    id         TEXT   NOT NULL PRIMARY KEY,
    team_id    TEXT   NOT NULL REFERENCES teams (id),
    -- For people: what the key is used for.
    name       TEXT   NOT NULL,
    -- SHA-256 of the key. A key has 160 random bits, so a slow password hash would protect nothing that this does not.
    hash       TEXT   NOT NULL UNIQUE,
    -- The first random digits, so that people can tell their keys apart.
    hint       TEXT   NOT NULL,
    scopes     TEXT   NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT,
    revoked_us BIGINT,
    -- Coarse on purpose: written at most once a minute, or every read would be a write.
    last_used_us BIGINT
);
CREATE INDEX api_keys_by_team ON api_keys (team_id, created_us);

-- Who did what. Append-only; no foreign keys, because it outlives what it names. Refused keys are in the log and not here:
-- anybody can send those, and this table must not grow at a stranger's will.
CREATE TABLE audit (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us      BIGINT NOT NULL,
    team_id    TEXT   NOT NULL,
    key_id     TEXT,
    action     TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    request_id TEXT
);
CREATE INDEX audit_by_team ON audit (team_id, sequence);
