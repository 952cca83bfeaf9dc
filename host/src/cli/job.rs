//! `paddock job`: submit, list, watch, cancel, compare, fetch the result.

use std::{fs, io::Read, path::PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    job_compare::{self, CompareArgs},
    job_list::{self, ListArgs},
    job_verify::{self, VerifyArgs},
    remote::RemoteArgs,
    watch::{self, JobView},
};
use crate::{
    domain::job::JobState,
    results::cost::{CostEstimate, CostFigures, Figure, JobCost},
};

/// Submit a job, follow it, stop it, fetch its result.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Submit a job and print its id.
    Submit(SubmitArgs),
    /// List the team's jobs, newest first.
    List(ListArgs),
    /// Show the progress of a job until it ends.
    Watch(JobArgs),
    /// Stop a job.
    Cancel(JobArgs),
    /// Print the result of a job as JSON.
    Result(JobArgs),
    /// Show how two jobs that have ended differ.
    Compare(CompareArgs),
    /// Check the signature of a job's result, and repeat the job to see that everything comes out the same.
    Verify(VerifyArgs),
}

/// A specification to submit.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// File with the job as JSON (`{"kind": "optimize", "slate": ...}`), or `-` for standard input.
    spec: PathBuf,
    /// Check the job and print what it would take; submit nothing.
    #[arg(long)]
    preview: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// An existing job.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// Id of the job.
    job: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl JobCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the server refuses or does not answer, or the job has not succeeded.
    pub fn run(&self) -> Result<()> {
        match self {
            Self::Submit(args) => submit(args),
            Self::Watch(args) => watch(args),
            Self::Cancel(args) => cancel(args),
            Self::Result(args) => result(args),
            Self::List(args) => job_list::list(args),
            Self::Compare(args) => job_compare::compare(args),
            Self::Verify(args) => job_verify::verify(args),
        }
    }
}

fn submit(args: &SubmitArgs) -> Result<()> {
    let spec = read_spec(&args.spec)?;
    let client = args.remote.client();
    if args.preview {
        return print(&client.post_json("/v1/jobs/preview", &spec)?);
    }
    let job: JobView = serde_json::from_value(client.post_json("/v1/jobs", &spec)?)?;
    println!("{}", job.id);
    Ok(())
}

fn watch(args: &JobArgs) -> Result<()> {
    let watched = watch::watch(&args.remote.client(), &args.job)?;
    println!("{} {}", watched.job.id, watched.job.state.as_str());
    for component in watched.job.components.iter().filter(|component| component.reason.is_some()) {
        println!("  {}: {}", component.name, component.reason.as_deref().unwrap_or_default());
    }
    watched.job.cost.iter().flat_map(cost_lines).for_each(|line| println!("  {line}"));
    match (watched.job.state, watched.job.problem) {
        (JobState::Succeeded | JobState::Partial, _) => Ok(()),
        (_, Some(problem)) => bail!("{problem}"),
        (state, None) => bail!("the job is {}", state.as_str()),
    }
}

/// What the job cost, beside what was expected.
fn cost_lines(cost: &JobCost) -> Vec<String> {
    let JobCost { estimate, actual, ratio } = cost;
    let line = |name: &str, unit: f64, of: fn(&CostFigures) -> Option<f64>, expected: fn(&CostEstimate) -> &Figure| {
        let actual = of(actual)? / unit;
        let likely = estimate.as_ref().and_then(|estimate| expected(estimate).likely);
        let expected = likely.zip(ratio.as_ref().and_then(of));
        let beside = expected.map(|(likely, ratio)| format!(", {:.2} expected (x{ratio:.2})", likely / unit));
        Some(format!("{name:<10} {actual:.2}{}", beside.unwrap_or_default()))
    };
    let lines = [
        line("Gfuel", 1e9, |cost| cost.fuel, |estimate| &estimate.fuel),
        line("CPU s", 1.0, |cost| cost.cpu_s, |estimate| &estimate.cpu_s),
        line("wall s", 1.0, |cost| cost.wall_s, |estimate| &estimate.wall_s),
    ];
    lines.into_iter().flatten().collect()
}

fn cancel(args: &JobArgs) -> Result<()> {
    let path = format!("/v1/jobs/{}/cancel", args.job);
    let job: JobView = serde_json::from_value(args.remote.client().post_empty(&path)?)?;
    println!("{} {}", job.id, job.state.as_str());
    Ok(())
}

fn result(args: &JobArgs) -> Result<()> {
    print(&args.remote.client().get(&format!("/v1/jobs/{}/result", args.job))?)
}

fn read_spec(path: &PathBuf) -> Result<Value> {
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the job from standard input")?;
        text
    } else {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
    };
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

pub(super) fn print(value: &Value) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_cost_is_shown_beside_what_was_expected_where_that_is_known() {
        let (fuel, cpu_s, wall_s) = (Figure::sample(2e9), Figure::none("why"), Figure::sample(4.0));
        let estimate = CostEstimate { fuel, cpu_s, wall_s, queue_wait_s: None, components: Vec::new() };
        let actual = CostFigures { fuel: Some(3e9), cpu_s: Some(1.5), wall_s: None };
        let lines = cost_lines(&JobCost::new(Some(estimate), actual, true));
        assert_eq!(lines, ["Gfuel      3.00, 2.00 expected (x1.50)", "CPU s      1.50"]);
    }
}
