//! Which artifacts jobs name. Their texts (plan, inputs, outputs, result) are read as text: whatever looks like the hash of an
//! artifact counts as a reference, so that none is missed because somebody has added a field.
//!
//! A job that has not ended is read whenever somebody asks. One that has ended does not change any more: it is read once, and
//! what it names is written down.

use std::collections::HashSet;

use futures_util::TryStreamExt as _;
use serde_json::json;
use sqlx::Row as _;

use crate::{
    db::{Db, artifacts::ArtifactHash},
    domain::ids::JobId,
    jobs::{claim::parse_id, error::JobsError, lease},
};

/// Hexadecimal digits of a hash.
const DIGITS: usize = 64;

/// What a text mentions: every 64 hexadecimal digits in a row. More digits in a row are read in every way they could be meant.
fn mentions(text: &str) -> impl Iterator<Item = ArtifactHash> {
    let runs = text.split(|letter: char| !matches!(letter, '0'..='9' | 'a'..='f'));
    runs.filter(|run| run.len() >= DIGITS)
        .flat_map(|run| (0..=run.len() - DIGITS).filter_map(move |start| run[start..start + DIGITS].parse().ok()))
}

const LIVE_TEXTS: &str = "
    SELECT spec AS text FROM jobs WHERE references_us IS NULL
    UNION ALL SELECT result FROM jobs WHERE references_us IS NULL AND result IS NOT NULL
    UNION ALL SELECT tasks.input FROM tasks JOIN jobs ON jobs.id = tasks.job_id WHERE jobs.references_us IS NULL
    UNION ALL SELECT tasks.output FROM tasks JOIN jobs ON jobs.id = tasks.job_id
        WHERE jobs.references_us IS NULL AND tasks.output IS NOT NULL";

/// What is named by jobs whose references are not written down yet: those that have not ended, for the most part.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn live_mentions(db: &Db) -> Result<HashSet<ArtifactHash>, JobsError> {
    let mut found = HashSet::new();
    let mut rows = sqlx::query(LIVE_TEXTS).fetch(db.read());
    while let Some(row) = rows.try_next().await? {
        found.extend(mentions(row.try_get("text")?));
    }
    Ok(found)
}

const IN_USE: &str = "
    SELECT hash FROM artifact_references WHERE hash IN (SELECT value ->> 'hash' FROM json_each($1))
    UNION SELECT checkpoint FROM tasks WHERE checkpoint IN (SELECT value ->> 'hash' FROM json_each($1))";

/// Which of these artifacts an ended job names or a task goes on from.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn artifacts_in_use(db: &Db, asked: &[ArtifactHash]) -> Result<HashSet<ArtifactHash>, JobsError> {
    let rows = sqlx::query(IN_USE).bind(list(asked)).fetch_all(db.read()).await?;
    rows.iter().map(|row| parse_id(row, "hash", "artifact_references.hash")).collect()
}

fn list<'a>(hashes: impl IntoIterator<Item = &'a ArtifactHash>) -> String {
    let hashes: Vec<_> = hashes.into_iter().map(|hash| json!({ "hash": hash })).collect();
    json!(hashes).to_string()
}

const UNMARKED: &str = "
    SELECT id FROM jobs WHERE references_us IS NULL AND finished_us IS NOT NULL ORDER BY created_us, id LIMIT $1";

/// Jobs that are marked in a row before the next are asked for.
const JOBS_PER_PAGE: i64 = 100;

/// Writes down what ended jobs name, and lets go of their checkpoints, which nobody goes on from any more.
///
/// # Errors
/// [`JobsError::Db`] where the database fails; what is left is done the next time.
pub async fn mark_ended(db: &Db) -> Result<(), JobsError> {
    loop {
        let rows = sqlx::query(UNMARKED).bind(JOBS_PER_PAGE).fetch_all(db.read()).await?;
        for row in &rows {
            mark(db, &parse_id(row, "id", "jobs.id")?).await?;
        }
        if i64::try_from(rows.len()).is_ok_and(|rows| rows < JOBS_PER_PAGE) {
            return Ok(());
        }
    }
}

const TEXTS: &str = "
    SELECT spec AS text FROM jobs WHERE id = $1
    UNION ALL SELECT result FROM jobs WHERE id = $1 AND result IS NOT NULL
    UNION ALL SELECT input FROM tasks WHERE job_id = $1
    UNION ALL SELECT output FROM tasks WHERE job_id = $1 AND output IS NOT NULL";
const IS_UNMARKED: &str = "SELECT 1 FROM jobs WHERE id = $1 AND references_us IS NULL AND finished_us IS NOT NULL";
/// What looks like a hash and is no artifact's, like that of a race, has no row to refer to.
const REFER: &str = "
    INSERT INTO artifact_references (job_id, hash)
    SELECT $1, hash FROM artifacts WHERE hash IN (SELECT value ->> 'hash' FROM json_each($2))
    ON CONFLICT (job_id, hash) DO NOTHING";
const DROP_CHECKPOINTS: &str = "UPDATE tasks SET checkpoint = NULL WHERE job_id = $1 AND checkpoint IS NOT NULL";
const MARK: &str = "UPDATE jobs SET references_us = (SELECT now_us FROM clock) WHERE id = $1";

/// [`mark_ended`] for one job.
pub(super) async fn mark(db: &Db, job: &JobId) -> Result<(), JobsError> {
    let mut named = HashSet::new();
    // Outside of the transaction: an ended job's texts stay as they are.
    for row in sqlx::query(TEXTS).bind(job.as_str()).fetch_all(db.read()).await? {
        named.extend(mentions(row.try_get("text")?));
    }
    let mut tx = db.write().await?;
    lease::lock_jobs(&mut tx, [job]).await?;
    if sqlx::query(IS_UNMARKED).bind(job.as_str()).fetch_optional(&mut *tx).await?.is_none() {
        return Ok(tx.rollback().await?);
    }
    sqlx::query(REFER).bind(job.as_str()).bind(list(&named)).execute(&mut *tx).await?;
    sqlx::query(DROP_CHECKPOINTS).bind(job.as_str()).execute(&mut *tx).await?;
    sqlx::query(MARK).bind(job.as_str()).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_could_be_a_hash_is_a_mention() {
        let hash = ArtifactHash::of(b"a");
        let other = ArtifactHash::of(b"b");
        let found = |text: String| mentions(&text).collect::<HashSet<_>>();
        for text in
            [format!("{hash}"), format!("sha256:{hash}"), format!("{{\"x\":[\"{hash}\"]}}"), format!("ü{hash}ü")]
        {
            assert_eq!(found(text), HashSet::from([hash.clone()]));
        }
        // Run together, both are found among others.
        assert!(found(format!("{hash}{other}")).is_superset(&HashSet::from([hash.clone(), other])));
        assert!(found(hash.as_str()[1..].to_owned()).is_empty());
        assert!(found(hash.as_str().to_uppercase()).is_empty());
    }
}
