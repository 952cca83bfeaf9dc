//! The built-in lineup constraint: at most so many drivers of one team. Drivers whose team the slate does not know count for none.

use std::collections::HashMap;

use paddock_sdk::{
    Constraint, Description, LineupBlock, LineupJudge, NoScenarioJudge, Plugin, Refusal, Slate, VetoReason, params,
};
use serde::Deserialize;

/// Number of a driver whose team is not known.
const NO_TEAM: u16 = u16::MAX;

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
    max_per_team: usize,
}

const fn two() -> usize {
    2
}

impl Plugin for TeamLimit {
    fn describe() -> Description {
        Description {
            name: "constraint-team-limit".into(),
            version: "0.1.1".into(),
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
    /// Number of each slate entry's team.
    team: Vec<u16>,
    max_per_team: usize,
}

impl LineupJudge for TeamJudge {
    fn open(slate: Slate, text: &str) -> Result<Self, Refusal> {
        let Params { max_per_team } = params::parse(text)?;
        if max_per_team == 0 {
            return Err(Refusal::InvalidParams("max_per_team is 0, it must be at least 1".into()));
        }
        let mut numbers: HashMap<&str, u16> = HashMap::new();
        let mut team = Vec::with_capacity(slate.team.len());
        for name in &slate.team {
            let next = numbers.len() as u16;
            let number = if name.is_empty() { NO_TEAM } else { *numbers.entry(name).or_insert(next) };
            team.push(number);
        }
        Ok(Self { team, max_per_team })
    }

    fn judge(&self, block: &LineupBlock) -> Result<Vec<u8>, Refusal> {
        let roster_size = block.roster_size as usize;
        if !(1..=ROSTER_MAX).contains(&roster_size) {
            return Err(Refusal::UnsupportedInput(format!(
                "lineups of {roster_size} entries, not of 1..={ROSTER_MAX}"
            )));
        }
        block.entry.chunks_exact(roster_size).map(|lineup| self.judge_one(lineup)).collect()
    }
}

impl TeamJudge {
    fn judge_one(&self, lineup: &[u16]) -> Result<u8, Refusal> {
        let team_of = |&entry: &u16| {
            let found = self.team.get(usize::from(entry)).copied();
            found.ok_or_else(|| Refusal::UnsupportedInput(format!("entry {entry} is not on the slate")))
        };
        let mut teams = [NO_TEAM; ROSTER_MAX];
        for (team, entry) in teams.iter_mut().zip(lineup) {
            *team = team_of(entry)?;
        }
        let teams = &teams[..lineup.len()];
        // Every pair is looked at: for a roster of six that is less than sorting it, or asking for memory.
        let mates = |team: &u16| teams.iter().filter(|other| *other == team).count();
        let is_over = |team: &u16| *team != NO_TEAM && mates(team) > self.max_per_team;
        Ok(if teams.iter().any(is_over) { TOO_MANY } else { 0 })
    }
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
