//! A contest's payouts in terms of slate entries, with the field of opponents that the ownership says. Checks included.

use std::sync::Arc;

use super::{
    contest_view::{entries_named, open_space},
    limits::PipelineConfig,
    pinned::derive_seed,
    roster::Roster,
};
use crate::{
    domain::{
        contest::Contest,
        payout::{PayoutSpec, PrizeSpec},
        problem::Problem,
        slate::Slate,
        spec::{OptimizeSpec, Together},
    },
    optimize::{Payouts, SearchSpace, Worth, sample_field},
};

/// Largest prize or fee, in US dollars.
const USD_MAX: f64 = 10_000_000.0;

/// Millionths in a dollar.
const MICRO: f64 = 1e6;

/// What the request's lineups are worth.
///
/// # Errors
/// Where the ownership names nobody of the slate or makes no field.
pub fn worth(request: &OptimizeSpec, slate: &Slate, contest: &Contest, roster: &Roster) -> Result<Worth, Problem> {
    match &request.together {
        None => Ok(Worth::Each(request.objective)),
        Some(Together::ExpectedMaximum) => Ok(Worth::ExpectedMaximum),
        Some(Together::AnyReaches { at_least }) => Ok(Worth::AnyReaches(*at_least)),
        Some(Together::ExpectedPayout { contest: spec }) => {
            let seed = derive_seed(request.scenarios.seed, "field");
            let space = open_space(slate, contest, roster);
            let ownership = ownership(spec, slate, roster, &space)?;
            let payouts = payouts(spec, request.lineups, &space, &ownership, seed)?;
            Ok(Worth::Payout(Arc::new(payouts)))
        }
    }
}

fn payouts(
    spec: &PayoutSpec,
    lineups: u32,
    space: &SearchSpace,
    ownership: &[f64],
    seed: u64,
) -> Result<Payouts, Problem> {
    let opponents = spec.entrants.saturating_sub(lineups) as usize;
    let opponents = sample_field(space, ownership, opponents, seed).map_err(|failure| failure.to_problem())?;
    let prizes = spec.prizes.iter().flat_map(|prize| (prize.from..=prize.to).map(|_| micro(prize.usd))).collect();
    Ok(Payouts { prizes, fee: micro(spec.entry_fee_usd), opponents })
}

fn micro(usd: f64) -> i64 {
    (usd * MICRO).round() as i64
}

/// The share of the opponents' lineups that each pick is in: a driver's is divided by the number of places of each kind.
fn ownership(spec: &PayoutSpec, slate: &Slate, roster: &Roster, space: &SearchSpace) -> Result<Vec<f64>, Problem> {
    let names: Vec<String> = spec.ownership.keys().cloned().collect();
    let named = entries_named("together/contest/ownership", &names, slate)
        .map_err(|problem| problem.at("/together/contest/ownership"))?;
    let mut shares = vec![None; slate.entries.len()];
    for (entry, percent) in named.into_iter().zip(spec.ownership.values()) {
        shares[usize::from(entry)] = Some(percent / 100.0);
    }
    let owned: f64 = shares.iter().flatten().sum();
    let others = shares.iter().filter(|share| share.is_none()).count();
    let left = (space.roster_size as f64 - owned).max(0.0) / others.max(1) as f64;
    let places = |pick: u16| roster.places_beside(pick) as f64;
    let share = |pick: u16| {
        let all: f64 = roster.picks_of(roster.entry(pick) as u16).into_iter().map(places).sum();
        shares[roster.entry(pick)].unwrap_or(left) * places(pick) / all
    };
    Ok((0..roster.len() as u16).map(share).collect())
}

/// Checks the numbers of a contest.
///
/// # Errors
/// The first one that is out of its range, with the range.
pub fn check_payouts(spec: &PayoutSpec, lineups: u32, config: &PipelineConfig) -> Result<(), Problem> {
    let refuse = |field: String, detail: String, limit: String| {
        Err(Problem::invalid(format!("/together/contest/{field}"), detail, format!("Send {limit}.")).with_limit(limit))
    };
    let most = config.entrants_max;
    if !(lineups..=most).contains(&spec.entrants) {
        let detail = format!("{} entrants with {lineups} lineups of one's own.", spec.entrants);
        return refuse("entrants".to_owned(), detail, format!("{lineups}..={most} entrants"));
    }
    let dollars = format!("from 0 to {USD_MAX} dollars");
    if !(0.0..=USD_MAX).contains(&spec.entry_fee_usd) {
        return refuse("entry_fee_usd".to_owned(), format!("{} is no fee.", spec.entry_fee_usd), dollars);
    }
    if !(1..=config.prizes_max).contains(&spec.prizes.len()) {
        let detail = format!("{} rows of prizes.", spec.prizes.len());
        return refuse("prizes".to_owned(), detail, format!("1..={} rows of prizes", config.prizes_max));
    }
    let (mut next, mut least) = (1, USD_MAX);
    for (index, &PrizeSpec { from, to, usd }) in spec.prizes.iter().enumerate() {
        if from != next || to < from || to > spec.entrants {
            let detail = format!("Places {from} to {to} follow place {}.", next - 1);
            let limit = format!("places from {next} on, without a gap, up to {}", spec.entrants);
            return refuse(format!("prizes/{index}"), detail, limit);
        }
        if !(0.0..=least).contains(&usd) {
            return refuse(
                format!("prizes/{index}/usd"),
                format!("{usd} is no prize here."),
                format!("from 0 to {least} dollars"),
            );
        }
        (next, least) = (to + 1, usd);
    }
    match spec.ownership.iter().find(|(_, percent)| !(0.0..=100.0).contains(*percent)) {
        None => Ok(()),
        Some((driver, percent)) => {
            let field = "ownership".to_owned();
            refuse(field, format!("{percent} of {driver} is not a percentage."), "from 0 to 100".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> PayoutSpec {
        let prize = |from, to, usd| PrizeSpec { from, to, usd };
        PayoutSpec {
            entrants: 100,
            entry_fee_usd: 5.0,
            prizes: vec![prize(1, 1, 100.0), prize(2, 5, 20.0)],
            ownership: [("Ada".to_owned(), 40.0)].into(),
        }
    }

    fn refused(change: impl Fn(&mut PayoutSpec)) -> Option<String> {
        let mut spec = spec();
        change(&mut spec);
        check_payouts(&spec, 3, &PipelineConfig::default()).err().and_then(|problem| problem.field)
    }

    #[test]
    fn every_number_of_a_contest_has_its_limits() {
        let config = PipelineConfig::default();
        let refused_entrants = |entrants| {
            refused(|spec| {
                spec.entrants = entrants;
                spec.prizes.truncate(1);
            })
        };
        assert_eq!(refused_entrants(2).as_deref(), Some("/together/contest/entrants"));
        assert!(refused_entrants(3).is_none() && refused_entrants(config.entrants_max).is_none());
        assert_eq!(refused_entrants(config.entrants_max + 1).as_deref(), Some("/together/contest/entrants"));
        for fee in [-0.5, f64::NAN, USD_MAX * 2.0] {
            assert_eq!(refused(|spec| spec.entry_fee_usd = fee).as_deref(), Some("/together/contest/entry_fee_usd"));
        }
        let rows = |count: u32| {
            refused(|spec| {
                spec.entrants = 1_000;
                spec.prizes = (1..=count).map(|place| PrizeSpec { from: place, to: place, usd: 1.0 }).collect();
            })
        };
        let most = config.prizes_max as u32;
        assert!(rows(most).is_none());
        assert_eq!([rows(0), rows(most + 1)].map(Option::unwrap), ["/together/contest/prizes"; 2]);
        assert_eq!(refused(|spec| spec.prizes[1].from = 3).as_deref(), Some("/together/contest/prizes/1"));
        assert_eq!(refused(|spec| spec.prizes[1].to = 101).as_deref(), Some("/together/contest/prizes/1"));
        assert_eq!(refused(|spec| spec.prizes[1].usd = 101.0).as_deref(), Some("/together/contest/prizes/1/usd"));
        assert_eq!(
            refused(|spec| {
                spec.ownership.insert("Bo".to_owned(), 101.0);
            })
            .as_deref(),
            Some("/together/contest/ownership")
        );
        assert_eq!(refused(|_| ()), None);
    }
}
