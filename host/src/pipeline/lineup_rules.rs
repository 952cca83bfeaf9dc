//! Turns rules and exposures in words of drivers into those of slate entries. Plain conversions.

use super::{contest_view::entries_named, roster::Roster};
use crate::{
    domain::{
        lineup_rule::{ExposureSpec, LineupRule},
        problem::Problem,
        race::{Race, RaceEntry},
        slate::Slate,
        spec::OptimizeSpec,
    },
    optimize::{Demand, Exposure, Rule},
};

/// The rules of a request.
///
/// # Errors
/// Where a rule names nobody of the slate.
pub fn rules(request: &OptimizeSpec, slate: &Slate, race: &Race) -> Result<Vec<Rule>, Problem> {
    let mut rules = Vec::new();
    for (index, rule) in request.rules.iter().enumerate() {
        let named = |field: &str, names: &[String]| entries_named(&format!("rules/{index}/{field}"), names, slate);
        match rule {
            LineupRule::Group { drivers, at_least, at_most } => {
                let most = at_most.map_or_else(|| "any number".to_owned(), |most| most.to_string());
                let name = format!("{at_least} to {most} of {}", drivers.join(", "));
                rules.push(count(name, named("drivers", drivers)?, *at_least, at_most.unwrap_or(u32::MAX)));
            }
            LineupRule::IfAny { drivers, then, at_least } => {
                let name = format!("with {} at least {at_least} of {}", drivers.join(" or "), then.join(", "));
                let (any, then) = (named("drivers", drivers)?, named("then", then)?);
                rules.push(Rule { name, demand: Demand::IfAny { any, then, at_least: *at_least } });
            }
            LineupRule::Never { driver, with } => {
                let driver_entry = one_named(&format!("rules/{index}/driver"), driver, slate)?;
                for (other, entry) in with.iter().zip(named("with", with)?) {
                    let pair = driver_entry.iter().copied().chain([entry]).collect();
                    rules.push(count(format!("never {driver} with {other}"), pair, 0, 1));
                }
            }
            LineupRule::TeamLimit { at_most } => {
                rules.extend(limits("team", *at_most, slate, race, |entry| &entry.team));
            }
            LineupRule::MakeLimit { at_most } => {
                rules.extend(limits("make", *at_most, slate, race, |entry| &entry.make));
            }
            LineupRule::Sum { name, numbers, at_least, at_most } => {
                let names: Vec<String> = numbers.keys().cloned().collect();
                let mut weights = vec![0.0; slate.entries.len()];
                for (entry, number) in named("numbers", &names)?.into_iter().zip(numbers.values()) {
                    weights[usize::from(entry)] = *number;
                }
                let (least, most) = (at_least.unwrap_or(f64::NEG_INFINITY), at_most.unwrap_or(f64::INFINITY));
                let name = format!("the sum of {name} from {least} to {most}");
                rules.push(Rule { name, demand: Demand::Linear { weights, at_least: least, at_most: most } });
            }
        }
    }
    Ok(rules)
}

fn one_named(field: &str, driver: &String, slate: &Slate) -> Result<Vec<u16>, Problem> {
    entries_named(field, std::slice::from_ref(driver), slate).map_err(|problem| problem.at(format!("/{field}")))
}

fn count(name: String, of: Vec<u16>, at_least: u32, at_most: u32) -> Rule {
    Rule { name, demand: Demand::Count { of, at_least, at_most } }
}

/// One rule per group of at least so many drivers that the limit can matter.
fn limits(what: &str, at_most: u32, slate: &Slate, race: &Race, group: fn(&RaceEntry) -> &String) -> Vec<Rule> {
    let mut groups = std::collections::BTreeMap::<&str, Vec<u16>>::new();
    for (index, entry) in (0_u16..).zip(&slate.entries) {
        if let Some(entry) = race.entries.get(usize::from(entry.race_entry)) {
            groups.entry(group(entry)).or_default().push(index);
        }
    }
    let binding = groups.into_iter().filter(|(_, entries)| entries.len() > at_most as usize);
    binding.map(|(name, entries)| count(format!("at most {at_most} of {what} {name}"), entries, 0, at_most)).collect()
}

/// The exposures of a request, in lineups, by any pick of the driver.
///
/// # Errors
/// Where an exposure names nobody of the slate or has a percentage out of range.
pub fn exposures(request: &OptimizeSpec, slate: &Slate, roster: &Roster) -> Result<Vec<Exposure>, Problem> {
    let mut exposures = Vec::new();
    for (index, spec) in request.exposures.iter().enumerate() {
        let entries = match &spec.driver {
            Some(driver) => one_named(&format!("exposures/{index}/driver"), driver, slate)?,
            None => (0..slate.entries.len() as u16).collect(),
        };
        let (at_least, at_most) = in_lineups(spec, request.lineups, index)?;
        let picks = entries.into_iter().filter_map(|entry| roster.picks_of(entry).first().copied());
        exposures.extend(picks.map(|entry| Exposure { entry, at_least, at_most }));
    }
    Ok(exposures)
}

fn in_lineups(spec: &ExposureSpec, lineups: u32, index: usize) -> Result<(u32, u32), Problem> {
    let share = |field: &str, percent: Option<f64>| match percent {
        Some(percent) if !(0.0..=100.0).contains(&percent) => {
            let detail = format!("{percent} is not a percentage.");
            Err(Problem::invalid(format!("/exposures/{index}/{field}"), detail, "Send a number from 0 to 100.")
                .with_limit("from 0 to 100"))
        }
        other => Ok(other.map(|percent| percent / 100.0 * f64::from(lineups))),
    };
    // A hair is taken off: 7 % of 100 lineups are 7 although 0.07 * 100 is more in binary.
    let least = share("percent_min", spec.percent_min)?.map_or(0, |share| (share - 1e-9).ceil() as u32);
    let most = share("percent_max", spec.percent_max)?.map_or(lineups, |share| (share + 1e-9).floor() as u32);
    Ok((least.max(spec.lineups_min.unwrap_or(0)), most.min(spec.lineups_max.unwrap_or(lineups))))
}
