-- Webhooks: where a team wants to be told what happens to its jobs, and what it is still to be told.

CREATE TABLE webhooks (
    id          TEXT   NOT NULL PRIMARY KEY,
    team_id     TEXT   NOT NULL REFERENCES teams (id),
    url         TEXT   NOT NULL,
    name        TEXT,
    -- Separated by spaces; NULL = all, also those that a later version brings.
    event_types TEXT,
    created_us  BIGINT NOT NULL,
    -- The first failure since the last success.
    failing_since_us BIGINT,
    -- The receiver asked for a pause: nothing is sent before.
    paused_until_us  BIGINT NOT NULL DEFAULT 0,
    disabled_us      BIGINT,
    disabled_reason  TEXT CHECK (disabled_reason IN ('gone', 'failing')),
    CHECK ((disabled_us IS NULL) = (disabled_reason IS NULL))
);
CREATE INDEX webhooks_by_team ON webhooks (team_id, created_us DESC, id DESC);

-- Readable, unlike API keys: whoever signs needs the secret itself. During a rotation several are live.
CREATE TABLE webhook_secrets (
    id         TEXT   NOT NULL PRIMARY KEY,
    webhook_id TEXT   NOT NULL REFERENCES webhooks (id),
    secret     TEXT   NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT
);
CREATE INDEX webhook_secrets_by_webhook ON webhook_secrets (webhook_id, created_us);

-- One event for one webhook. The row has all that is sent, so that it does not need the job and its events to be kept.
CREATE TABLE webhook_deliveries (
    -- Made by the database, because one statement makes the deliveries of many events. 128 random bits, as in every id.
    id         TEXT   NOT NULL PRIMARY KEY DEFAULT ('dlv_' || lower(hex(randomblob(16)))),
    -- No foreign key: a webhook that is deleted at the wrong moment must not fail the transaction of a job. What is left behind
    -- is never sent and soon pruned.
    webhook_id TEXT   NOT NULL,
    event_type TEXT   NOT NULL,
    -- The event and its job; NULL for a ping.
    sequence   BIGINT,
    job_id     TEXT,
    job_kind   TEXT,
    job_name   TEXT,
    data       TEXT   NOT NULL DEFAULT '{}',
    -- When the event happened.
    created_us BIGINT NOT NULL,
    state      TEXT   NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts   BIGINT NOT NULL DEFAULT 0,
    due_us     BIGINT NOT NULL,
    -- Rises on claim and nowhere else; whoever writes the outcome names it.
    lease_epoch    BIGINT NOT NULL DEFAULT 0,
    lease_until_us BIGINT,
    finished_us    BIGINT,
    -- What came of the last attempt.
    attempted_us   BIGINT,
    status         BIGINT,
    error          TEXT,
    response       TEXT,
    CHECK ((finished_us IS NULL) = (state = 'pending'))
);
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, created_us DESC, id DESC);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, due_us, sequence)
    WHERE state = 'pending' AND lease_until_us IS NULL;
CREATE INDEX webhook_deliveries_leased ON webhook_deliveries (webhook_id) WHERE lease_until_us IS NOT NULL;
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_us) WHERE finished_us IS NOT NULL;
