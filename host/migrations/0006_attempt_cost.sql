-- What an attempt cost, in microseconds of CPU time over all its threads. NULL while it runs, where its process died, and in older
-- rows.
ALTER TABLE attempts ADD COLUMN cpu_us BIGINT;
