//! Why rules, locks, excludes and salaries together leave no lineup: a smallest set of them that contradict each other, and which
//! single change would help. Small integer programs; no points are looked at.

use good_lp::{Expression, ProblemVariables, Solution, SolverModel, Variable, constraint, variable};

use super::{
    infeasible::Infeasible,
    rules::Demand,
    solver::{Model, solver},
    space::SearchSpace,
};

/// One of the user's own demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Cap,
    Floor,
    Lock(u16),
    Exclude(u16),
    Rule(usize),
}

/// Whether to look for any lineup, the cheapest or the dearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    Cheapest,
    Dearest,
}

/// The conflict, where there is one.
pub(super) fn conflict(space: &SearchSpace) -> Option<Infeasible> {
    let all = parts(space);
    if extreme(space, &all, Aim::Cheapest).is_some() {
        return None;
    }
    let mut conflicting = all.clone();
    for part in &all {
        let rest: Vec<Part> = conflicting.iter().copied().filter(|other| other != part).collect();
        if extreme(space, &rest, Aim::Cheapest).is_none() {
            conflicting = rest;
        }
    }
    let ways_out = conflicting.iter().filter_map(|&part| way_out(space, &all, part)).collect();
    Some(Infeasible::Conflict { parts: conflicting.iter().map(|&part| name(space, part)).collect(), ways_out })
}

/// Everything that is demanded. What comes first is dropped from the conflict first where there is a choice.
fn parts(space: &SearchSpace) -> Vec<Part> {
    let excludes = space.excludes.iter().copied().map(Part::Exclude);
    let locks = space.locks.iter().copied().map(Part::Lock);
    let rules = (0..space.rules.len()).map(Part::Rule);
    excludes.chain(locks).chain([Part::Floor, Part::Cap]).chain(rules).collect()
}

fn name(space: &SearchSpace, part: Part) -> String {
    let driver = |entry: u16| space.names.get(usize::from(entry)).cloned().unwrap_or_default();
    match part {
        Part::Cap => format!("the salary cap {}", space.salary_max_usd),
        Part::Floor => format!("the salary floor {}", space.salary_min_usd),
        Part::Lock(entry) => format!("the lock on {}", driver(entry)),
        Part::Exclude(entry) => format!("the exclude of {}", driver(entry)),
        Part::Rule(index) => format!("the rule \"{}\"", space.rules[index].name),
    }
}

/// What changing this one demand would have to be, if that alone helps.
fn way_out(space: &SearchSpace, all: &[Part], part: Part) -> Option<String> {
    let rest: Vec<Part> = all.iter().copied().filter(|&other| other != part).collect();
    match part {
        Part::Cap => extreme(space, &rest, Aim::Cheapest).map(|usd| format!("raise the salary cap to {usd}")),
        Part::Floor => extreme(space, &rest, Aim::Dearest).map(|usd| format!("lower the salary floor to {usd}")),
        _ => extreme(space, &rest, Aim::Cheapest).map(|_| format!("drop {}", name(space, part))),
    }
}

/// The salary of the cheapest or dearest lineup that satisfies these demands; `None` where none does.
fn extreme(space: &SearchSpace, parts: &[Part], aim: Aim) -> Option<u64> {
    let mut variables = ProblemVariables::new();
    let picks: Vec<Variable> = space.names.iter().map(|_| variables.add(variable().binary())).collect();
    let salary =
        || -> Expression { picks.iter().zip(&space.salary_usd).map(|(&pick, &usd)| f64::from(usd) * pick).sum() };
    let mut model = match aim {
        Aim::Cheapest => variables.minimise(salary()).using(solver),
        Aim::Dearest => variables.maximise(salary()).using(solver),
    };
    let count: Expression = picks.iter().sum();
    model.add_constraint(constraint!(count == space.roster_size as f64));
    for twins in &space.twins {
        let sum: Expression = twins.iter().map(|&entry| picks[usize::from(entry)]).sum();
        model.add_constraint(constraint!(sum <= 1.0));
    }
    for &part in parts {
        match part {
            Part::Cap => drop(model.add_constraint(constraint!(salary() <= f64::from(space.salary_max_usd)))),
            Part::Floor => drop(model.add_constraint(constraint!(salary() >= f64::from(space.salary_min_usd)))),
            Part::Lock(entry) => drop(model.add_constraint(constraint!(picks[usize::from(entry)] == 1.0))),
            Part::Exclude(entry) => drop(model.add_constraint(constraint!(picks[usize::from(entry)] == 0.0))),
            Part::Rule(index) => add_rule(&mut model, &picks, &space.rules[index].demand),
        }
    }
    let solution = model.solve().ok()?;
    let picked = picks.iter().zip(&space.salary_usd).filter(|(pick, _)| solution.value(**pick) > 0.5);
    Some(picked.map(|(_, &usd)| u64::from(usd)).sum())
}

fn add_rule(model: &mut Model, picks: &[Variable], demand: &Demand) {
    let sum = |set: &[u16]| -> Expression { set.iter().map(|&entry| picks[usize::from(entry)]).sum() };
    match demand {
        Demand::Count { of, at_least, at_most } => {
            model.add_constraint(constraint!(sum(of) >= f64::from(*at_least)));
            model.add_constraint(constraint!(sum(of) <= f64::from(*at_most)));
        }
        Demand::IfAny { any, then, at_least } => {
            for &entry in any {
                let needed = f64::from(*at_least) * picks[usize::from(entry)];
                model.add_constraint(constraint!(sum(then) >= needed));
            }
        }
        Demand::Linear { weights, at_least, at_most } => {
            let total = || -> Expression { picks.iter().zip(weights).map(|(&pick, &weight)| weight * pick).sum() };
            if at_least.is_finite() {
                model.add_constraint(constraint!(total() >= *at_least));
            }
            if at_most.is_finite() {
                model.add_constraint(constraint!(total() <= *at_most));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::Rule;

    fn space(rules: Vec<Rule>) -> SearchSpace {
        SearchSpace {
            salary_usd: vec![10_000, 9_000, 8_000, 5_000, 4_000],
            roster_size: 2,
            salary_max_usd: 15_000,
            locks: vec![0],
            excludes: vec![4],
            rules,
            names: ["Ada", "Bo", "Cy", "Di", "Ed"].map(str::to_owned).to_vec(),
            ..SearchSpace::default()
        }
    }

    fn count(name: &str, of: &[u16], at_least: u32, at_most: u32) -> Rule {
        Rule { name: name.to_owned(), demand: Demand::Count { of: of.to_vec(), at_least, at_most } }
    }

    #[test]
    fn a_conflict_names_what_contradicts_and_nothing_else() {
        let space = space(vec![count("one of Bo, Cy", &[1, 2], 1, 2), count("no Di", &[3], 0, 1)]);
        let Some(Infeasible::Conflict { parts, ways_out }) = conflict(&space) else { panic!("there is a conflict") };
        assert_eq!(parts, ["the lock on Ada", "the salary cap 15000", "the rule \"one of Bo, Cy\""]);
        assert_eq!(
            ways_out,
            ["drop the lock on Ada", "raise the salary cap to 18000", "drop the rule \"one of Bo, Cy\""]
        );
    }

    #[test]
    fn what_can_be_satisfied_is_no_conflict() {
        assert_eq!(conflict(&space(vec![count("with Di", &[3], 1, 1)])), None);
    }
}
