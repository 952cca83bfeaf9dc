-- The signature of a job's result, by the node that made it, as DSSE has it: {"keyid", "sig"}. The signed bytes are those of `result`.
ALTER TABLE jobs ADD COLUMN signature TEXT;

-- Public keys of all nodes that have ever signed. The secret halves are in files of the nodes.
CREATE TABLE signing_keys (
    key_id TEXT PRIMARY KEY,
    public_key TEXT NOT NULL,
    added_us BIGINT NOT NULL
);
