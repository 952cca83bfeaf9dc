//! What the demo prints of results: metrics beside the naive baseline, vetoes by reason, the portfolio, and what it all cost.

use crate::{
    cli::{table::Table, watch::StageTime},
    domain::spec::Objective,
    optimize::{PortfolioEnd, Proof},
    results::{
        ComponentCost, FitSummary, ForecastSummary, LineupVeto, PortfolioLineup, PortfolioSummary, SimulationSummary,
    },
};

/// Drivers of the outlook that are shown.
const DRIVERS_SHOWN: usize = 8;

/// How the fit went, in the terms in which a fit is judged.
pub fn fit(fit: &FitSummary) -> Vec<String> {
    let mut lines = vec![
        format!(
            "  {} on {} races: {} chains, {} draws, {} divergences",
            fit.plugin, fit.races, fit.chains, fit.draws, fit.divergences
        ),
        format!(
            "  worst R-hat {:.3}, smallest effective sample size {:.0} (bulk) and {:.0} (tail)",
            fit.max_rhat, fit.min_ess_bulk, fit.min_ess_tail
        ),
    ];
    lines.extend(fit.warnings.iter().map(|warning| format!("  warning: {warning}")));
    lines
}

/// Scores on races that the fit had not seen, beside those of a forecast that holds every position equally likely.
pub fn forecast(forecast: &ForecastSummary) -> Vec<String> {
    let report = &forecast.report;
    let mut scores = Table::new(&["forecast of unseen races", ">model", ">uniform", ">better by"]);
    let rows = [
        ("CRPS (positions)", report.scores.crps, report.uniform.crps),
        ("log score (nats)", report.scores.log_score, report.uniform.log_score),
        ("winner log-loss (nats)", report.scores.winner_log_loss, report.uniform.winner_log_loss),
        ("top-10 Brier", report.scores.top10_brier, report.uniform.top10_brier),
    ];
    for (name, model, uniform) in rows {
        let gain = format!("{:.1} %", (1.0 - model / uniform) * 100.0);
        scores.row([name.to_owned(), format!("{model:.3}"), format!("{uniform:.3}"), gain]);
    }
    let mut lines = vec![format!("  {} races, {} entries; lower is better", report.races, report.entries)];
    lines.extend(scores.lines());
    let covered = report.coverage.iter().map(|coverage| {
        let percent = |share: f64| share * 100.0;
        format!(
            "{:.0} %: {:.1} of {:.1}",
            percent(coverage.level),
            percent(coverage.observed),
            percent(coverage.expected)
        )
    });
    lines.push(format!("  intervals that held the result: {}", covered.collect::<Vec<_>>().join(", ")));
    lines
}

/// Vetoes by reason, and what the scenarios that were kept say.
pub fn simulation(simulation: &SimulationSummary) -> Vec<String> {
    let mut lines = vec![format!(
        "  {} scenarios kept of {} drawn: {} vetoed ({:.2} %)",
        grouped(simulation.scenarios),
        grouped(simulation.drawn),
        grouped(simulation.vetoed),
        simulation.veto_rate * 100.0
    )];
    let mut vetoes = Table::new(&[">vetoed", "reason", "rule", "meaning"]);
    for veto in &simulation.vetoes {
        let rule = if veto.is_hard { "hard" } else { "soft" };
        vetoes.row([grouped(veto.count), veto.reason.clone(), rule.to_owned(), veto.summary.clone()]);
    }
    lines.extend(vetoes.lines());
    lines.push(String::new());
    lines.extend(outlook(simulation));
    lines
}

fn outlook(simulation: &SimulationSummary) -> Vec<String> {
    let mut table = Table::new(&["driver", ">start", ">mean finish", ">win", ">top 5", ">laps led", ">out"]);
    for driver in simulation.drivers.iter().take(DRIVERS_SHOWN) {
        table.row([
            driver.driver.clone(),
            driver.start.to_string(),
            format!("{:.1}", driver.finish_mean),
            format!("{:.1} %", driver.win * 100.0),
            format!("{:.1} %", driver.top5 * 100.0),
            format!("{:.1}", driver.laps_led_mean),
            format!("{:.1} %", driver.retired * 100.0),
        ]);
    }
    table.lines()
}

/// The lineups with salaries and tail scores.
pub fn portfolio(portfolio: &PortfolioSummary) -> Vec<String> {
    let tail = match portfolio.objective {
        Objective::Mean => "the mean score".to_owned(),
        Objective::UpperCvar { alpha } => format!("the mean of the best {:.0} % of scores", alpha * 100.0),
        Objective::Probability { at_least } => format!("the chance of {at_least} points or more"),
        Objective::Quantile { share } => format!("the {:.0} % quantile of scores", share * 100.0),
    };
    let lineups = &portfolio.lineups;
    let proven =
        lineups.iter().filter(|lineup| lineup.certificate.is_some_and(|backed| backed.proof == Proof::Optimal)).count();
    let mut lines = vec![format!(
        "  {} lineups for {}, best {tail} first; {proven} proven optimal",
        lineups.len(),
        portfolio.contest
    )];
    match &portfolio.end {
        PortfolioEnd::Complete => {}
        PortfolioEnd::Exhausted { found, wanted, reason } => lines.push(format!("  {found} of {wanted}: {reason}")),
        PortfolioEnd::Deadline { found, wanted, .. } => {
            lines.push(format!("  {found} of {wanted}: the deadline came first"));
        }
    }
    lines.extend(lineups.first().map(best).unwrap_or_default());
    let mut table = Table::new(&[">#", ">salary", ">mean", ">tail", ">fresh tail", "drivers"]);
    for (index, lineup) in lineups.iter().enumerate() {
        table.row(lineup_cells(index + 1, lineup));
    }
    lines.extend(table.lines());
    lines.extend(lineup_vetoes(&portfolio.lineup_vetoes));
    let most_used = portfolio.exposure.iter().take(DRIVERS_SHOWN);
    let exposure: Vec<String> = most_used.map(|driver| format!("{} {}", driver.driver, driver.lineups)).collect();
    lines.push(format!("  most used: {}", exposure.join(", ")));
    lines
}

fn best(lineup: &PortfolioLineup) -> Vec<String> {
    let drivers = lineup.drivers.iter();
    let drivers: Vec<String> =
        drivers.map(|driver| format!("{} ${}", driver.driver, grouped(u64::from(driver.salary_usd)))).collect();
    vec![format!("  best: {}", drivers.join(", "))]
}

fn lineup_cells(rank: usize, lineup: &PortfolioLineup) -> [String; 6] {
    let fresh = lineup.validation.as_ref().map_or_else(|| "-".to_owned(), |tail| format!("{:.1}", tail.fresh));
    let drivers: Vec<&str> = lineup.drivers.iter().map(|driver| surname(&driver.driver)).collect();
    [
        rank.to_string(),
        format!("${}", grouped(lineup.salary_usd)),
        format!("{:.1}", lineup.score.mean),
        format!("{:.1}", lineup.score.upper_cvar),
        fresh,
        drivers.join(", "),
    ]
}

fn lineup_vetoes(vetoes: &[LineupVeto]) -> Vec<String> {
    vetoes.iter().map(|veto| format!("  {} lineups vetoed by {}: {}", veto.count, veto.plugin, veto.reason)).collect()
}

/// The name without the first word, which keeps `Jr.` with what it belongs to.
fn surname(name: &str) -> &str {
    name.split_once(' ').map_or(name, |(_, rest)| rest)
}

/// Wall time per stage as the client saw it, and what each component used.
pub fn cost(times: &[StageTime], components: &[ComponentCost]) -> Vec<String> {
    let mut stages = Table::new(&["stage", ">wall"]);
    for time in times {
        stages.row([time.name.clone(), format!("{:.1} s", time.wall_s)]);
    }
    let mut used = Table::new(&["component", ">fuel", ">CPU", ">peak memory", ">calls"]);
    for component in components {
        let usage = &component.usage;
        let fuel = if usage.fuel == 0 { "-".to_owned() } else { format!("{:.2} G", usage.fuel as f64 / 1e9) };
        let memory = match usage.memory_peak_bytes {
            0 => "-".to_owned(),
            bytes => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
        };
        let cpu = format!("{:.2} s", usage.cpu_ms / 1e3);
        used.row([component.plugin.clone(), fuel, cpu, memory, grouped(usage.calls)]);
    }
    let mut lines = stages.lines();
    lines.push(String::new());
    lines.extend(used.lines());
    lines
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::plugin::Usage, results::VetoCount};

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let grouped: Vec<String> = [0, 999, 1_000, 50_000, 1_234_567].into_iter().map(grouped).collect();
        assert_eq!(grouped, ["0", "999", "1,000", "50,000", "1,234,567"]);
    }

    #[test]
    fn a_surname_keeps_its_suffix() {
        assert_eq!(surname("Ada Lane Jr."), "Lane Jr.");
        assert_eq!(surname("Zed"), "Zed");
    }

    #[test]
    fn native_components_show_no_fuel() {
        let usage = |fuel, memory_peak_bytes| Usage { fuel, memory_peak_bytes, cpu_ms: 1500.0, ..Usage::default() };
        let component = |plugin: &str, usage| ComponentCost { plugin: plugin.to_owned(), usage };
        let times = [StageTime { name: "fit".to_owned(), wall_s: 2.04 }];
        let lines =
            cost(&times, &[component("a@1.0.0", usage(2_500_000_000, 3 << 20)), component("optimizer", usage(0, 0))]);
        let line = |start: &str| lines.iter().find(|line| line.trim_start().starts_with(start)).unwrap();
        assert!(line("fit").ends_with("2.0 s"), "{lines:?}");
        assert!(line("a@1.0.0").contains("2.50 G") && line("a@1.0.0").contains("3.0 MiB"), "{lines:?}");
        assert!(line("optimizer").contains("  -  ") && line("optimizer").contains("1.50 s"), "{lines:?}");
    }

    #[test]
    fn every_veto_reason_is_shown_even_where_it_vetoed_nothing() {
        let veto = |reason: &str, is_hard, count| VetoCount {
            plugin: "constraint-x@1.0.0".to_owned(),
            reason: reason.to_owned(),
            summary: "Too much.".to_owned(),
            is_hard,
            count,
        };
        let summary = SimulationSummary {
            scenarios: 10_000,
            drawn: 10_250,
            vetoed: 250,
            veto_rate: 250.0 / 10_250.0,
            vetoes: vec![veto("too-wild", false, 250), veto("impossible", true, 0)],
            artifacts: Vec::new(),
            drivers: Vec::new(),
        };
        let text = simulation(&summary).join("\n");
        assert!(text.contains("10,000 scenarios kept of 10,250 drawn: 250 vetoed (2.44 %)"), "{text}");
        assert!(text.contains("too-wild    soft") && text.contains("impossible  hard"), "{text}");
    }
}
