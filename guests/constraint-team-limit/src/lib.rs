//! The built-in lineup constraint: at most so many drivers of one team. Drivers whose team the slate does not know count for none.

use std::collections::HashMap;

use paddock_sdk::{
    Constraint, Description, LineupBlock, LineupJudge, NoScenarioJudge, Plugin, Refusal, Slate, VetoReason, params,
};
use serde::Deserialize;

/// Most entries of a lineup that the contract allows.
const ROSTER_MAX: usize = 32;

/// The verdict on a lineup with too many drivers of one team.
const TOO_MANY: u8 = 1;

/// More drivers never mend a lineup, so that parts of lineups may be judged.
const SCHEMA: &str = r#"{"x-judges-partial-lineups":true,"type":"object","additionalProperties":false,"properties":{"max_per_team":{"type":"integer","minimum":1,"maximum":32,"default":2,"description":"Most drivers of one team in a lineup."}}}"#;

/// The plugin.
#[derive(Debug)]
pub struct TeamLimit;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Most drivers of one team, 1..=32.
    #[serde(default = "two")]
    max_per_team: u32,
}

const fn two() -> u32 {
    2
}

impl Plugin for TeamLimit {
    fn describe() -> Description {
        Description {
            name: "constraint-team-limit".into(),
            version: "0.1.2".into(),
            summary: "Keeps lineups from having too many drivers of one team.".into(),
            params_schema: SCHEMA.into(),
            veto_reasons: vec![VetoReason {
                code: "too-many-of-one-team".into(),
                summary: "More drivers of one team than `max_per_team` allows.".into(),
                is_hard: false,
            }],
            posterior_layout: None,
            judges_scenarios: false,
            judges_lineups: true,
        }
    }
}

impl Constraint for TeamLimit {
    type Scenarios = NoScenarioJudge;
    type Lineups = TeamJudge;
}

/// Judges the lineups of one slate.
#[derive(Debug)]
pub struct TeamJudge {
    /// Number of each slate entry's team; drivers without one have a number each.
    team: Vec<u16>,
    max_per_team: u32,
}

impl LineupJudge for TeamJudge {
    fn open(slate: Slate, text: &str) -> Result<Self, Refusal> {
        let Params { max_per_team } = params::parse(text)?;
        if max_per_team == 0 {
            return Err(Refusal::InvalidParams("max_per_team is 0, it must be at least 1".into()));
        }
        let mut numbers: HashMap<&str, u16> = HashMap::new();
        let team = slate.team.iter().enumerate().map(|(entry, name)| {
            // The first entry of a team gives it its number, so that no two entries without one share it.
            let number = entry as u16;
            if name.is_empty() { number } else { *numbers.entry(name).or_insert(number) }
        });
        let team = team.collect();
        Ok(Self { team, max_per_team })
    }

    fn judge(&self, block: &LineupBlock) -> Result<Vec<u8>, Refusal> {
        let roster_size = block.roster_size as usize;
        if !(1..=ROSTER_MAX).contains(&roster_size) {
            return Err(Refusal::UnsupportedInput(format!(
                "lineups of {roster_size} entries, not of 1..={ROSTER_MAX}"
            )));
        }
        // The compiler unrolls what is of a usual size.
        match roster_size {
            5 => self.judge_all(&block.entry, 5),
            6 => self.judge_all(&block.entry, 6),
            _ => self.judge_all(&block.entry, roster_size),
        }
    }
}

impl TeamJudge {
    #[inline(always)]
    fn judge_all(&self, entries: &[u16], roster_size: usize) -> Result<Vec<u8>, Refusal> {
        let mut verdicts = Vec::with_capacity(entries.len() / roster_size);
        // How many drivers of each team were met, above `base`, which rises with every lineup: nothing has to be set back.
        let mut met = vec![0_u64; self.team.len()];
        let mut base = 0;
        for lineup in entries.chunks_exact(roster_size) {
            let mut most = base;
            for &entry in lineup {
                let team = self.team.get(usize::from(entry)).and_then(|team| met.get_mut(usize::from(*team)));
                let Some(team) = team else { return Err(unknown(entry)) };
                *team = (*team).max(base) + 1;
                most = most.max(*team);
            }
            verdicts.push(if most - base > u64::from(self.max_per_team) { TOO_MANY } else { 0 });
            base += ROSTER_MAX as u64;
        }
        Ok(verdicts)
    }
}

fn unknown(entry: u16) -> Refusal {
    Refusal::UnsupportedInput(format!("entry {entry} is not on the slate"))
}

paddock_sdk::export_constraint!(TeamLimit);

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(params: &str, lineups: &[[u16; 3]]) -> Result<Vec<u8>, Refusal> {
        let team = ["Red", "Blue", "Red", "", "", "Red"].map(str::to_owned).to_vec();
        let slate = Slate { team, ..Slate::default() };
        let entry = lineups.iter().flatten().copied().collect();
        TeamJudge::open(slate, params)?.judge(&LineupBlock { lineups: lineups.len() as u32, roster_size: 3, entry })
    }

    #[test]
    fn the_limit_holds_on_both_sides() {
        assert_eq!(verdicts("{}", &[[0, 1, 2], [0, 2, 5]]), Ok(vec![0, 1]));
        assert_eq!(verdicts(r#"{"max_per_team": 3}"#, &[[0, 2, 5]]), Ok(vec![0]));
        assert_eq!(verdicts(r#"{"max_per_team": 1}"#, &[[0, 1, 3], [0, 1, 2]]), Ok(vec![0, 1]));
    }

    #[test]
    fn drivers_without_a_team_are_no_team() {
        assert_eq!(verdicts(r#"{"max_per_team": 1}"#, &[[0, 3, 4]]), Ok(vec![0]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(matches!(verdicts(r#"{"max_per_team": 0}"#, &[]), Err(Refusal::InvalidParams(_))));
        assert!(matches!(verdicts(r#"{"limit": 1}"#, &[]), Err(Refusal::InvalidParams(_))));
        assert!(matches!(verdicts("{}", &[[0, 1, 6]]), Err(Refusal::UnsupportedInput(_))));
        let of_size = |roster_size: usize| {
            let judge = TeamJudge::open(Slate { team: vec![String::new(); 40], ..Slate::default() }, "{}").unwrap();
            let entry = (0..roster_size as u16).collect();
            judge.judge(&LineupBlock { lineups: 1, roster_size: roster_size as u32, entry })
        };
        assert_eq!(of_size(ROSTER_MAX), Ok(vec![0]));
        assert!(matches!(of_size(ROSTER_MAX + 1), Err(Refusal::UnsupportedInput(_))));
    }

    #[test]
    fn a_part_of_a_lineup_is_vetoed_only_where_every_lineup_with_it_is() {
        let pairs: Vec<[u16; 2]> = (0..6).flat_map(|one| (one + 1..6).map(move |two| [one, two])).collect();
        let team = ["Red", "Blue", "Red", "", "", "Red"].map(str::to_owned).to_vec();
        let judge = TeamJudge::open(Slate { team, ..Slate::default() }, r#"{"max_per_team": 1}"#).unwrap();
        for pair in pairs {
            let part = judge.judge(&LineupBlock { lineups: 1, roster_size: 2, entry: pair.to_vec() }).unwrap();
            for third in (0..6).filter(|third| !pair.contains(third)) {
                let mut entry = vec![pair[0], pair[1], third];
                entry.sort_unstable();
                let whole = judge.judge(&LineupBlock { lineups: 1, roster_size: 3, entry }).unwrap();
                assert!(part == [0] || whole != [0], "{pair:?} and {third}");
            }
        }
    }
}
