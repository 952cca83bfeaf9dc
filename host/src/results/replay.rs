//! What has come of repeating a job: whether everything was made again to the last bit, and if not, where that begins.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::run::{OutputRecord, RunRecord};
use crate::domain::ids::JobId;

/// A replay, held against the run record of the job that it repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplayReport {
    /// The job that was repeated.
    pub of: JobId,
    /// Whether every component made the same in every task.
    pub identical: bool,
    /// Outputs that were compared.
    pub outputs: usize,
    /// How many of them differ.
    pub different: usize,
    /// The first that differs, in the order of the work: whatever comes after may differ because of it.
    pub first_difference: Option<OutputDifference>,
    /// What is not as it was: version, engine, architecture. It may be why outputs differ.
    pub environment: Vec<EnvironmentDifference>,
}

/// What a component made then, and makes now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutputDifference {
    /// Stage of the job.
    #[schema(examples("simulate"))]
    pub stage: String,
    /// Number of the task within its stage, from 0.
    pub task: usize,
    /// The component.
    #[schema(examples("generator-race@0.1.0"))]
    pub component: String,
    /// SHA-256 of what it made; null where it made nothing.
    pub then: Option<String>,
    /// The same of the replay.
    pub now: Option<String>,
}

/// Something that the run record names and that has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentDifference {
    /// Field of the run record.
    #[schema(examples("engine"))]
    pub what: String,
    /// Of the job.
    pub then: String,
    /// Of the replay.
    pub now: String,
}

impl ReplayReport {
    /// Holds a repeated run against the first.
    #[must_use]
    pub fn compare(then: &RunRecord, now: &RunRecord) -> Self {
        let longest = then.outputs.len().max(now.outputs.len());
        let pairs = (0..longest).map(|at| (then.outputs.get(at), now.outputs.get(at)));
        let differences: Vec<_> = pairs.filter(|(then, now)| then != now).collect();
        let first = differences.first().and_then(|&(then, now)| difference(then, now));
        Self {
            of: then.job.clone(),
            identical: differences.is_empty(),
            outputs: longest,
            different: differences.len(),
            first_difference: first,
            environment: environment(then, now),
        }
    }
}

/// Where the two are of different components, it is the earlier run's that is missed.
fn difference(then: Option<&OutputRecord>, now: Option<&OutputRecord>) -> Option<OutputDifference> {
    let place = then.or(now)?;
    let at_place = now.filter(|now| now.is_where(place));
    Some(OutputDifference {
        stage: place.stage.clone(),
        task: place.task,
        component: place.component.clone(),
        then: then.map(|output| output.hash.clone()),
        now: at_place.map(|output| output.hash.clone()),
    })
}

fn environment(then: &RunRecord, now: &RunRecord) -> Vec<EnvironmentDifference> {
    let fields = [
        ("paddock", &then.paddock, &now.paddock),
        ("contract", &then.contract, &now.contract),
        ("engine", &then.engine, &now.engine),
        ("architecture", &then.architecture, &now.architecture),
    ];
    let changed = fields.into_iter().filter(|(_, then, now)| then != now);
    changed
        .map(|(what, then, now)| EnvironmentDifference { what: what.to_owned(), then: then.clone(), now: now.clone() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::run::tests::record;

    fn output(task: usize, component: &str, hash: &str) -> OutputRecord {
        OutputRecord { stage: "simulate".to_owned(), task, component: component.to_owned(), hash: hash.to_owned() }
    }

    #[test]
    fn the_same_outputs_are_identical_whatever_else_changed() {
        let then = record(vec![output(0, "generator", "a")]);
        let now = RunRecord { engine: "another".to_owned(), job: JobId::random(), ..then.clone() };
        let report = ReplayReport::compare(&then, &now);
        assert_eq!((report.identical, report.outputs, report.first_difference), (true, 1, None));
        assert_eq!(report.of, then.job);
        assert_eq!(report.environment.len(), 1);
        assert_eq!(report.environment[0].what, "engine");
    }

    #[test]
    fn the_first_difference_is_named_and_the_others_are_counted() {
        let then = record(vec![output(0, "generator", "a"), output(0, "physics", "b"), output(1, "generator", "c")]);
        let now = record(vec![output(0, "generator", "a"), output(0, "physics", "x"), output(1, "generator", "y")]);
        let report = ReplayReport::compare(&then, &now);
        assert_eq!((report.identical, report.different), (false, 2));
        let first = report.first_difference.unwrap();
        assert_eq!((first.task, first.component.as_str()), (0, "physics"));
        assert_eq!((first.then.as_deref(), first.now.as_deref()), (Some("b"), Some("x")));
    }

    #[test]
    fn what_is_there_once_only_differs() {
        let one = record(vec![output(0, "generator", "a")]);
        let none = record(Vec::new());
        let other = record(vec![output(0, "another", "a")]);
        for (then, now, expected) in [
            (&one, &none, ("generator", Some("a"), None)),
            (&none, &one, ("generator", None, Some("a"))),
            (&one, &other, ("generator", Some("a"), None)),
        ] {
            let first = ReplayReport::compare(then, now).first_difference.unwrap();
            assert_eq!((first.component.as_str(), first.then.as_deref(), first.now.as_deref()), expected);
        }
    }
}
