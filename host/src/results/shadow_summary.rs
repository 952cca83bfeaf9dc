//! What comparisons of a candidate add up to over jobs: what a promotion is decided on.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::shadow::{
    CostComparison, RaceScores, ScoreComparison, ShadowPart, ShadowReport, VerdictComparison, VerdictPair,
};
use crate::domain::plugin::Usage;

/// A candidate beside one version, over many jobs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ShadowSummary {
    /// Which plugin of the jobs.
    pub part: ShadowPart,
    /// The version that made the results, `name@version`.
    pub promoted: String,
    /// Jobs.
    pub jobs: usize,
    /// Those in which the candidate failed, or could not be compared with everything.
    pub failed: usize,
    /// Verdicts side by side, for constraints; examples are with each job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdicts: Option<VerdictComparison>,
    /// Forecast scores side by side; each race counts once, by its newest forecast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoreComparison>,
    /// What each cost on the same inputs.
    pub cost: CostComparison,
}

/// Sums comparisons of one candidate up, newest first.
#[must_use]
pub fn summaries(reports: &[ShadowReport]) -> Vec<ShadowSummary> {
    let mut groups: BTreeMap<(ShadowPart, &str), Vec<&ShadowReport>> = BTreeMap::new();
    for report in reports {
        groups.entry((report.part, &report.promoted)).or_default().push(report);
    }
    groups.into_iter().map(|((part, promoted), reports)| summary(part, promoted, &reports)).collect()
}

fn summary(part: ShadowPart, promoted: &str, reports: &[&ShadowReport]) -> ShadowSummary {
    let (mut known, mut found) = (Usage::default(), Usage::default());
    for report in reports {
        known.add(&report.cost.promoted);
        found.add(&report.cost.candidate);
    }
    ShadowSummary {
        part,
        promoted: promoted.to_owned(),
        jobs: reports.len(),
        failed: reports.iter().filter(|report| report.failure.is_some()).count(),
        verdicts: verdicts(reports),
        scores: scores(reports),
        cost: CostComparison::of(known, found),
    }
}

fn verdicts(reports: &[&ShadowReport]) -> Option<VerdictComparison> {
    let mut counts: BTreeMap<(&Option<String>, &Option<String>), u64> = BTreeMap::new();
    let compared: Vec<_> = reports.iter().filter_map(|report| report.verdicts.as_ref()).collect();
    for pair in compared.iter().flat_map(|verdicts| &verdicts.matrix) {
        *counts.entry((&pair.promoted, &pair.candidate)).or_default() += pair.count;
    }
    let matrix = counts.into_iter().map(|((promoted, candidate), count)| VerdictPair {
        promoted: promoted.clone(),
        candidate: candidate.clone(),
        count,
    });
    (!compared.is_empty()).then(|| VerdictComparison::of(matrix.collect()))
}

fn scores(reports: &[&ShadowReport]) -> Option<ScoreComparison> {
    let mut races: BTreeMap<&str, &RaceScores> = BTreeMap::new();
    let compared = reports.iter().filter_map(|report| report.scores.as_ref());
    for race in compared.flat_map(|scores| &scores.per_race) {
        races.entry(&race.race).or_insert(race);
    }
    ScoreComparison::of(races.into_values().cloned().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(promoted: &str, more: serde_json::Value) -> ShadowReport {
        let usage =
            |fuel: u64| json!({ "fuel": fuel, "cpu_ms": 1.0, "memory_peak_bytes": 0, "calls": 1, "copied_bytes": 0 });
        let mut report = json!({
            "part": "constraint", "promoted": promoted, "promoted_hash": "", "candidate": "rule@2.0.0",
            "candidate_hash": "", "cost": { "promoted": usage(100), "candidate": usage(150) },
        });
        report.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(report).unwrap()
    }

    #[test]
    fn verdicts_and_costs_add_up_by_the_version_that_was_beside() {
        let verdicts = |kept: u64, vetoed: u64| {
            let matrix = json!([
                { "promoted": null, "candidate": null, "count": kept },
                { "promoted": null, "candidate": "slow", "count": vetoed },
            ]);
            let judged = kept + vetoed;
            json!({ "verdicts": { "judged": judged, "agreed": kept, "agreement": 0.5, "matrix": matrix, "examples": [] } })
        };
        let trapped = crate::domain::problem::Problem::internal("It trapped.");
        let found = summaries(&[
            report("rule@1.0.0", verdicts(7, 3)),
            report("rule@1.0.0", verdicts(8, 2)),
            report("rule@1.0.0", json!({ "failure": trapped })),
            report("rule@1.1.0", verdicts(1, 0)),
        ]);
        assert_eq!(found.iter().map(|found| (found.jobs, found.failed)).collect::<Vec<_>>(), [(3, 1), (1, 0)]);
        let verdicts = found[0].verdicts.as_ref().unwrap();
        assert_eq!((verdicts.judged, verdicts.agreed, verdicts.agreement), (20, 15, 0.75));
        assert_eq!(verdicts.matrix.iter().map(|pair| pair.count).collect::<Vec<_>>(), [15, 5]);
        assert_eq!((found[0].cost.promoted.fuel, found[0].cost.fuel_percent), (300, Some(50.0)));
        assert!(found[0].scores.is_none());
    }

    #[test]
    fn a_race_counts_once_by_its_newest_forecast() {
        let scores = |race: &str, crps: f64| {
            let scored =
                |crps: f64| json!({ "crps": crps, "log_score": 3.0, "winner_log_loss": 2.0, "top10_brier": 0.2 });
            let none = json!({ "pairs": 1, "mean": 0.0, "better": 0 });
            let per_race = json!([{ "race": race, "promoted": scored(5.0), "candidate": scored(crps) }]);
            json!({ "part": "calibrator", "scores": { "crps": none, "log_score": none, "per_race": per_race } })
        };
        let found = summaries(&[
            report("fit@1.0.0", scores("2025-10", 4.0)),
            report("fit@1.0.0", scores("2025-10", 9.0)),
            report("fit@1.0.0", scores("2025-09", 6.0)),
        ]);
        let scores = found[0].scores.as_ref().unwrap();
        assert_eq!(scores.per_race.iter().map(|race| race.race.as_str()).collect::<Vec<_>>(), ["2025-09", "2025-10"]);
        assert_eq!((scores.crps.pairs, scores.crps.mean, scores.crps.better), (2, 0.0, 1));
    }
}
