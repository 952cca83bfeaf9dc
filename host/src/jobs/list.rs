//! Listing a team's jobs, newest first, page by page, by what they are and what they are filed under.

use super::{
    document::{self, job_documents},
    error::JobsError,
    query::JobRow,
};
use crate::{
    db::Db,
    domain::{
        ids::{JobId, ScheduleId, TeamId},
        job::{JobKind, JobState},
    },
};

/// Which jobs of a team to list; a job has to be all of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct JobFilter {
    /// Of this kind.
    pub kind: Option<JobKind>,
    /// In this state.
    pub state: Option<JobState>,
    /// With this tag.
    pub tag: Option<String>,
    /// Of exactly this name.
    pub name: Option<String>,
    /// Made by a schedule, or by none.
    pub origin: Option<Origin>,
    /// Submitted then or later, in microseconds since 1970-01-01 UTC.
    pub created_from_us: Option<i64>,
    /// Submitted before then, in microseconds since 1970-01-01 UTC.
    pub created_before_us: Option<i64>,
}

/// Where a job comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A client submitted it.
    Client,
    /// This schedule made it.
    Schedule(ScheduleId),
}

/// The last job of a page; the next page starts after it. Jobs that arrive meanwhile do not shift it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCursor {
    /// When the job was submitted, in microseconds since 1970-01-01 UTC.
    pub created_us: i64,
    /// The job.
    pub id: JobId,
}

/// A page of jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPage {
    /// The jobs, newest first, with stages and without attempts.
    pub jobs: Vec<JobRow>,
    /// Where the next page starts; `None` on the last page.
    pub next: Option<JobCursor>,
}

/// A page of a team's jobs after `after`, at most `limit` (at least 1) of them.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn list(
    db: &Db,
    team: &TeamId,
    filter: &JobFilter,
    after: Option<&JobCursor>,
    limit: u32,
) -> Result<JobPage, JobsError> {
    let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
    // One more than asked for tells whether there is a next page.
    let asked = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let statement = Statement::of(team, filter, after, asked);
    let mut query = sqlx::query(db.sql(statement.text));
    for value in statement.values {
        query = match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        };
    }
    let mut jobs = document::read(&query.fetch_one(db.read()).await?)?;
    let has_more = jobs.len() > limit;
    jobs.truncate(limit);
    let last = jobs.last().filter(|_| has_more);
    let next = last.map(|job| JobCursor { created_us: job.created_us, id: job.id.clone() });
    Ok(JobPage { jobs, next })
}

/// A statement that names only the conditions it has: `$2 IS NULL OR kind = $2` would be one text for all lists, and the index
/// of a filter would never be used.
struct Statement<'a> {
    text: String,
    values: Vec<Value<'a>>,
}

enum Value<'a> {
    Text(&'a str),
    Number(i64),
}

/// The table that a list is read from in the order of its index, and its columns.
struct Source {
    tables: &'static str,
    team: &'static str,
    created: &'static str,
    job: &'static str,
}

const ALL: Source = Source { tables: "jobs", team: "jobs.team_id", created: "jobs.created_us", job: "jobs.id" };
const TAGGED: Source = Source {
    tables: "job_tags JOIN jobs ON jobs.id = job_tags.job_id",
    team: "job_tags.team_id",
    created: "job_tags.created_us",
    job: "job_tags.job_id",
};

impl<'a> Statement<'a> {
    fn of(team: &'a TeamId, filter: &'a JobFilter, after: Option<&'a JobCursor>, limit: i64) -> Self {
        let Source { tables, team: owner, created, job } = if filter.tag.is_some() { TAGGED } else { ALL };
        let text = format!("WITH page AS (SELECT jobs.id FROM {tables} WHERE TRUE");
        let mut statement = Self { text, values: Vec::new() };
        let conditions = [
            (owner, "=", Some(Value::Text(team.as_str()))),
            ("job_tags.tag", "=", filter.tag.as_deref().map(Value::Text)),
            ("jobs.kind", "=", filter.kind.map(|kind| Value::Text(kind.as_str()))),
            ("jobs.state", "=", filter.state.map(|state| Value::Text(state.as_str()))),
            ("jobs.name", "=", filter.name.as_deref().map(Value::Text)),
            (created, ">=", filter.created_from_us.map(Value::Number)),
            (created, "<", filter.created_before_us.map(Value::Number)),
        ];
        for (column, relation, value) in conditions {
            if let Some(value) = value {
                statement.push(&format!(" AND {column} {relation} "), value);
            }
        }
        match &filter.origin {
            Some(Origin::Client) => statement.text.push_str(" AND jobs.schedule_id IS NULL"),
            Some(Origin::Schedule(id)) => statement.push(" AND jobs.schedule_id = ", Value::Text(id.as_str())),
            None => {}
        }
        if let Some(cursor) = after {
            statement.push(&format!(" AND ({created}, {job}) < ("), Value::Number(cursor.created_us));
            statement.push(", ", Value::Text(cursor.id.as_str()));
            statement.text.push(')');
        }
        statement.push(&format!(" ORDER BY {created} DESC, {job} DESC LIMIT "), Value::Number(limit));
        statement.text.push_str(concat!(") SELECT ", job_documents!()));
        statement
    }

    /// Adds some text and the next value's place after it.
    fn push(&mut self, text: &str, value: Value<'a>) {
        self.values.push(value);
        self.text.push_str(text);
        self.text.push_str(&format!("${}", self.values.len()));
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row as _};

    use super::*;
    use crate::db::DbConfig;

    /// How SQLite would read a page, step by step.
    async fn plan(db: &Db, filter: &JobFilter, after: Option<&JobCursor>) -> Vec<String> {
        let team = TeamId::random();
        let statement = Statement::of(&team, filter, after, 50);
        let text = format!("EXPLAIN QUERY PLAN {}", statement.text);
        let mut query = sqlx::query(AssertSqlSafe(text));
        for value in statement.values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
            };
        }
        query.fetch_all(db.read()).await.unwrap().iter().map(|row| row.get("detail")).collect()
    }

    /// A rare tag, state, kind or name among a million jobs must not cost a million rows, nor a sort.
    #[tokio::test]
    async fn every_filter_has_an_index_that_also_gives_the_order() {
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(&DbConfig::in_directory(directory.path())).await.unwrap();
        let all = JobFilter::default();
        let cursor = JobCursor { created_us: 7, id: JobId::random() };
        let cases = [
            (all.clone(), "jobs_by_team"),
            (JobFilter { created_from_us: Some(1), created_before_us: Some(9), ..all.clone() }, "jobs_by_team"),
            (JobFilter { kind: Some(JobKind::Evaluate), ..all.clone() }, "jobs_by_kind"),
            (JobFilter { state: Some(JobState::Failed), ..all.clone() }, "jobs_by_state"),
            (JobFilter { name: Some("x".to_owned()), ..all.clone() }, "jobs_by_name"),
            (JobFilter { tag: Some("x".to_owned()), ..all }, "sqlite_autoindex_job_tags_1"),
        ];
        for (filter, index) in cases {
            for after in [None, Some(&cursor)] {
                let steps = plan(&db, &filter, after).await;
                assert!(steps.iter().any(|step| step.contains(index)), "{filter:?}: {steps:?}");
                assert!(!steps.iter().any(|step| step.contains("B-TREE")), "{filter:?}: {steps:?}");
            }
        }
    }
}
