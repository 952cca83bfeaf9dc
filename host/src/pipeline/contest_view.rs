//! A slate as the optimizer and as lineup constraints see it. Plain conversions, used when a job is planned and when it runs.

use super::{lineup_rules::rules, roster::Roster};
use crate::{
    catalog::normal_form,
    domain::{
        contest::Contest,
        problem::Problem,
        race::Race,
        slate::{Slate, SlateEntry},
        spec::OptimizeSpec,
    },
    optimize::{Demand, Rule, SearchSpace},
    plugins::SlateView,
};

/// The lineups of picks that a request allows on a slate, before any constraint.
///
/// # Errors
/// Where a lock, an exclude or a rule names nobody of the slate.
pub fn search_space(
    request: &OptimizeSpec,
    slate: &Slate,
    race: &Race,
    contest: &Contest,
    roster: &Roster,
) -> Result<SearchSpace, Problem> {
    let mut space = open_space(slate, contest, roster);
    space.salary_min_usd = request.salary_min_usd;
    space.salary_max_usd = request.salary_max_usd.unwrap_or(contest.salary_cap_usd);
    space.excludes = roster.picks_of_all(&entries_named("excludes", &request.excludes, slate)?);
    for entry in entries_named("locks", &request.locks, slate)? {
        match roster.picks_of(entry).as_slice() {
            [pick] => space.locks.push(*pick),
            picks => {
                let name = format!("the lock on {}", slate.entries[usize::from(entry)].driver);
                let demand = Demand::Count { of: picks.to_vec(), at_least: 1, at_most: 1 };
                space.rules.push(Rule { name, demand });
            }
        }
    }
    space.rules.extend(rules(request, slate, race)?.into_iter().map(|rule| roster.of_picks(rule)));
    Ok(space)
}

/// The lineups of picks that the contest allows.
#[must_use]
pub fn open_space(slate: &Slate, contest: &Contest, roster: &Roster) -> SearchSpace {
    SearchSpace {
        salary_usd: (0..roster.len()).map(|pick| roster.salary_usd(pick, slate)).collect(),
        roster_size: usize::from(contest.roster_size),
        salary_max_usd: contest.salary_cap_usd,
        rules: roster.rules(),
        twins: roster.twins(),
        names: (0..roster.len()).map(|pick| roster.name(pick, slate)).collect(),
        ..SearchSpace::default()
    }
}

/// Slate entries by driver.
///
/// # Errors
/// Where a name is nobody's of the slate.
pub fn entries_named(field: &str, names: &[String], slate: &Slate) -> Result<Vec<u16>, Problem> {
    let forms: Vec<String> = slate.entries.iter().map(|entry| normal_form(&entry.driver)).collect();
    let entry_named = |(index, name): (usize, &String)| {
        let form = normal_form(name);
        let found = forms.iter().position(|known| *known == form).and_then(|entry| u16::try_from(entry).ok());
        found.ok_or_else(|| unknown_driver(&format!("/{field}/{index}"), name, &form, &slate.entries))
    };
    names.iter().enumerate().map(entry_named).collect()
}

fn unknown_driver(field: &str, name: &str, form: &str, entries: &[SlateEntry]) -> Problem {
    let similarity = |entry: &&SlateEntry| (strsim::jaro_winkler(form, &normal_form(&entry.driver)) * 1e6) as u64;
    let nearest = entries.iter().max_by_key(similarity);
    let hint = nearest.map(|entry| format!(" The nearest name is `{}`.", entry.driver)).unwrap_or_default();
    Problem::invalid(
        field,
        format!("No driver of the slate is called `{name}`.{hint}"),
        "Name drivers as the slate does.",
    )
}

/// The slate as lineup constraints see it: what it says itself, and what the race's entries add.
#[must_use]
pub fn slate_view(slate: &Slate, race: &Race, contest: &Contest) -> SlateView {
    let entry_of = |entry: &SlateEntry| race.entries.get(usize::from(entry.race_entry));
    let text = |field: fn(&crate::domain::race::RaceEntry) -> &String| -> Vec<String> {
        slate.entries.iter().map(|entry| entry_of(entry).map(field).cloned().unwrap_or_default()).collect()
    };
    SlateView {
        driver: slate.entries.iter().map(|entry| entry.driver.clone()).collect(),
        team: text(|entry| &entry.team),
        make: text(|entry| &entry.make),
        salary_usd: slate.entries.iter().map(|entry| entry.salary_usd).collect(),
        start: slate.entries.iter().map(|entry| entry_of(entry).map_or(0, |entry| entry.start)).collect(),
        salary_cap_usd: contest.salary_cap_usd,
    }
}
