//! `paddock job list`: the team's jobs as a table, newest first.

use anyhow::Result;
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::{client::Client, job::print, remote::RemoteArgs, table::Table};

/// Jobs asked for with one request.
const PAGE_JOBS: usize = 50;

/// Which jobs to list; a job has to be all of it.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// `queued`, `running`, `succeeded`, `partial`, `failed` or `cancelled`.
    #[arg(long)]
    state: Option<String>,
    /// `calibrate`, `simulate`, `optimize` or `evaluate`.
    #[arg(long)]
    kind: Option<String>,
    /// A tag of the job.
    #[arg(long)]
    tag: Option<String>,
    /// Exactly this name.
    #[arg(long)]
    name: Option<String>,
    /// Submitted at this time or later, for example 2026-04-12T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Submitted before this time.
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Most jobs to list.
    #[arg(long, default_value_t = PAGE_JOBS)]
    limit: usize,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A job as the list shows it.
#[derive(Debug, Deserialize)]
struct Listed {
    id: String,
    kind: String,
    state: String,
    name: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    progress_percent: f64,
    eta_s: Option<f64>,
    created_at: String,
}

/// Lists jobs.
///
/// # Errors
/// Where the server refuses or does not answer.
pub fn list(args: &ListArgs) -> Result<()> {
    let jobs = all_pages(&args.remote.client(), args)?;
    if args.json {
        return print(&Value::Array(jobs));
    }
    let mut table = Table::new(&["id", "kind", "state", ">done", ">left", "submitted", "name", "tags"]);
    for job in jobs {
        table.row(row(serde_json::from_value(job)?));
    }
    table.lines().iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// Page after page until there are as many as were asked for.
fn all_pages(client: &Client, args: &ListArgs) -> Result<Vec<Value>> {
    let (mut jobs, mut cursor) = (Vec::new(), None);
    while jobs.len() < args.limit {
        let page = client.get_query("/v1/jobs", &query(args, args.limit - jobs.len(), cursor.as_deref()))?;
        jobs.extend(page["items"].as_array().cloned().unwrap_or_default());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    Ok(jobs)
}

fn query(args: &ListArgs, wanted: usize, cursor: Option<&str>) -> Vec<(&'static str, String)> {
    let given = [
        ("state", args.state.as_deref()),
        ("kind", args.kind.as_deref()),
        ("tag", args.tag.as_deref()),
        ("name", args.name.as_deref()),
        ("created_from", args.from.as_deref()),
        ("created_before", args.before.as_deref()),
        ("cursor", cursor),
    ];
    let mut query: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))).collect();
    query.push(("limit", wanted.min(PAGE_JOBS).to_string()));
    query
}

fn row(job: Listed) -> [String; 8] {
    [
        job.id,
        job.kind,
        job.state,
        format!("{:.0} %", job.progress_percent),
        job.eta_s.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.0} s")),
        job.created_at.chars().take(19).collect(),
        job.name.unwrap_or_default(),
        job.tags.join(", "),
    ]
}
