-- What a client has asked for once under an `Idempotency-Key`. A row is written in the transaction that makes the thing it names,
-- so there is never a thing without its row or a row without its thing, and no row is ever "in progress".
CREATE TABLE idempotency_keys (
    team_id     TEXT   NOT NULL REFERENCES teams (id),
    key         TEXT   NOT NULL,
    -- SHA-256 of the route and the request, so that the same key with another request is noticed.
    fingerprint TEXT   NOT NULL,
    -- Id of what was made.
    subject     TEXT   NOT NULL,
    created_us  BIGINT NOT NULL,
    PRIMARY KEY (team_id, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_us);
