//! What a team files its jobs under: tags and names, given at submission and changed at any time, and whether they are to stay.
//! Nothing of this changes what a job does.

use serde_json::json;

use super::{error::JobsError, lease, retention};
use crate::{
    db::{Db, WriteTx},
    domain::ids::JobId,
};

/// What is to be different about a job; `None` leaves a thing as it is.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct JobChanges {
    /// Its name for people; `Some(None)` takes it away.
    pub name: Option<Option<String>>,
    /// All of its tags.
    pub tags: Option<Vec<String>>,
    /// Whether it stays however old it gets.
    pub keep: Option<bool>,
}

/// Changes a job, whatever its state.
///
/// # Errors
/// [`JobsError::UnknownJob`], or [`JobsError::Db`]: nothing has changed.
pub async fn change(db: &Db, job: &JobId, changes: &JobChanges) -> Result<(), JobsError> {
    let mut tx = db.write().await?;
    lease::lock_jobs(&mut tx, [job]).await?;
    check_exists(&mut tx, job).await?;
    if let Some(name) = &changes.name {
        rename(&mut tx, job, name.as_deref()).await?;
    }
    if let Some(tags) = &changes.tags {
        retag(&mut tx, job, tags).await?;
    }
    if let Some(keep) = changes.keep {
        retention::set_keep_in(&mut tx, job, keep).await?;
    }
    Ok(tx.commit().await?)
}

const EXISTS: &str = "SELECT COUNT(*) FROM jobs WHERE id = $1";

async fn check_exists(tx: &mut WriteTx, job: &JobId) -> Result<(), JobsError> {
    let count: i64 = sqlx::query_scalar(EXISTS).bind(job.as_str()).fetch_one(&mut **tx).await?;
    if count == 1 { Ok(()) } else { Err(JobsError::UnknownJob(job.clone())) }
}

const RENAME: &str = "UPDATE jobs SET name = $2 WHERE id = $1";

async fn rename(tx: &mut WriteTx, job: &JobId, name: Option<&str>) -> Result<(), JobsError> {
    sqlx::query(RENAME).bind(job.as_str()).bind(name).execute(&mut **tx).await?;
    Ok(())
}

const RETAG: &str = "UPDATE jobs SET tags = $2 WHERE id = $1";
const FORGET: &str = "DELETE FROM job_tags WHERE job_id = $1";

async fn retag(tx: &mut WriteTx, job: &JobId, tags: &[String]) -> Result<(), JobsError> {
    sqlx::query(RETAG).bind(job.as_str()).bind(json!(tags).to_string()).execute(&mut **tx).await?;
    sqlx::query(FORGET).bind(job.as_str()).execute(&mut **tx).await?;
    enter(tx, [(job, tags)]).await
}

/// The list is the outer loop, see `events::APPEND`.
const ENTER: &str = "
    INSERT INTO job_tags (team_id, tag, created_us, job_id)
    SELECT jobs.team_id, item.value ->> 'tag', jobs.created_us, jobs.id
    FROM json_each($1) AS item CROSS JOIN jobs WHERE jobs.id = item.value ->> 'job'";

/// Makes jobs that are stored already findable by their tags. Nothing is written where there are none.
pub(super) async fn enter<'a>(
    tx: &mut WriteTx,
    tagged: impl IntoIterator<Item = (&'a JobId, &'a [String])>,
) -> Result<(), JobsError> {
    let tagged = tagged.into_iter();
    let items = tagged.flat_map(|(job, tags)| tags.iter().map(move |tag| json!({ "job": job, "tag": tag })));
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        return Ok(());
    }
    sqlx::query(ENTER).bind(json!(items).to_string()).execute(&mut **tx).await?;
    Ok(())
}
