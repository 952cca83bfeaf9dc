//! The places of a lineup as the search sees them: which driver may take which, for what share of points and salary.
//!
//! Where places count alike, a pick is a driver. Where they do not, as with a captain, each driver is one pick per kind of place, and
//! at most one of them is in a lineup. Places that count alike but are not open to everybody become rules about sets of drivers: by
//! Hall's theorem (1935) drivers can be seated if no set of places is all that too many of them may take.

use crate::{
    domain::{
        contest::{Contest, Slot},
        lineup::Lineup,
        problem::Problem,
        slate::Slate,
    },
    optimize::{Demand, ENTRIES_MAX, Rule},
};

/// What a share counts when it counts in full.
const FULL_PERCENT: u32 = 100;

/// Places that count alike.
#[derive(Debug, Clone, PartialEq)]
struct Role {
    points_percent: u32,
    salary_percent: u32,
    slots: Vec<Slot>,
}

impl Role {
    fn places(&self) -> usize {
        self.slots.iter().map(|slot| usize::from(slot.count)).sum()
    }
}

/// A driver in a kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pick {
    entry: u16,
    role: usize,
}

/// The picks of a slate.
#[derive(Debug, Clone)]
pub struct Roster {
    roles: Vec<Role>,
    picks: Vec<Pick>,
    /// Positions per slate entry.
    positions: Vec<Vec<String>>,
    entries: usize,
}

impl Roster {
    /// The picks that a contest allows on a slate.
    ///
    /// # Errors
    /// Where there are more than can be searched.
    pub fn new(contest: &Contest, slate: &Slate) -> Result<Self, Problem> {
        let positions: Vec<Vec<String>> = slate.entries.iter().map(|entry| entry.positions.clone()).collect();
        let roles = roles(contest);
        let mut picks = Vec::new();
        for (role, of) in roles.iter().enumerate() {
            let may = |entry: &usize| of.slots.iter().any(|slot| slot.is_open_to(&positions[*entry]));
            let entries = (0..slate.entries.len()).filter(may);
            picks.extend(entries.map(|entry| Pick { entry: entry as u16, role }));
        }
        if picks.len() > ENTRIES_MAX {
            let detail =
                format!("{} drivers in {} kinds of places are {} picks.", positions.len(), roles.len(), picks.len());
            return Err(Problem::invalid("/slate", detail, "Use a slate with fewer drivers.")
                .with_limit(format!("{ENTRIES_MAX} picks")));
        }
        Ok(Self { roles, picks, entries: slate.entries.len(), positions })
    }

    /// Number of picks.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.picks.len()
    }

    /// The slate entry of a pick.
    #[must_use]
    pub fn entry(&self, pick: u16) -> usize {
        usize::from(self.picks[usize::from(pick)].entry)
    }

    /// The picks of a slate entry.
    #[must_use]
    pub fn picks_of(&self, entry: u16) -> Vec<u16> {
        (0_u16..).zip(&self.picks).filter(|(_, pick)| pick.entry == entry).map(|(index, _)| index).collect()
    }

    /// Places that count like a pick's.
    #[must_use]
    pub fn places_beside(&self, pick: u16) -> usize {
        self.roles[self.picks[usize::from(pick)].role].places()
    }

    /// The picks of slate entries.
    #[must_use]
    pub fn picks_of_all(&self, entries: &[u16]) -> Vec<u16> {
        entries.iter().flat_map(|&entry| self.picks_of(entry)).collect()
    }

    /// The picks of the same driver, for drivers with several.
    #[must_use]
    pub fn twins(&self) -> Vec<Vec<u16>> {
        let all = (0..self.entries as u16).map(|entry| self.picks_of(entry));
        all.filter(|picks| picks.len() > 1).collect()
    }

    /// A pick's salary, from that of its driver.
    #[must_use]
    pub fn salary_usd(&self, pick: usize, slate: &Slate) -> u32 {
        let Pick { entry, role } = self.picks[pick];
        let salary = u64::from(slate.entries[usize::from(entry)].salary_usd);
        u32::try_from(salary * u64::from(self.roles[role].salary_percent) / u64::from(FULL_PERCENT)).unwrap_or(u32::MAX)
    }

    /// A pick's name: the driver, and the kind of place where there are several.
    #[must_use]
    pub fn name(&self, pick: usize, slate: &Slate) -> String {
        let Pick { entry, role } = self.picks[pick];
        let driver = &slate.entries[usize::from(entry)].driver;
        match self.roles.len() {
            1 => driver.clone(),
            _ => format!("{driver} ({})", self.roles[role].slots[0].name),
        }
    }

    /// The picks' points, from those of the entries; both have shape `[row][scenario]`.
    #[must_use]
    pub fn points(&self, of_entries: &[f32], scenarios: usize) -> Vec<f32> {
        let column = |pick: &Pick| {
            let share = f64::from(self.roles[pick.role].points_percent) / f64::from(FULL_PERCENT);
            let column = &of_entries[usize::from(pick.entry) * scenarios..][..scenarios];
            column.iter().map(move |&points| (f64::from(points) * share) as f32)
        };
        self.picks.iter().flat_map(column).collect()
    }

    /// What a lineup must satisfy so that each of its drivers has a place.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (index, role) in self.roles.iter().enumerate() {
            let of_role = |pick: &&(u16, &Pick)| pick.1.role == index;
            let picks: Vec<(u16, &Pick)> = (0_u16..).zip(&self.picks).filter(|pick| of_role(&pick)).collect();
            if self.roles.len() > 1 {
                let of = picks.iter().map(|(pick, _)| *pick).collect();
                let places = role.places() as u32;
                rules.push(count(format!("{places} of {}", names(&role.slots)), of, places, places));
            }
            for set in 1_u32..1 << role.slots.len() {
                let is_in = |slot: usize| set >> slot & 1 == 1;
                let seats: u32 = role
                    .slots
                    .iter()
                    .enumerate()
                    .filter(|(slot, _)| is_in(*slot))
                    .map(|(_, slot)| u32::from(slot.count))
                    .sum();
                let is_bound = |entry: u16| {
                    let positions = &self.positions[usize::from(entry)];
                    role.slots.iter().enumerate().all(|(slot, of)| is_in(slot) || !of.is_open_to(positions))
                };
                let of: Vec<u16> =
                    picks.iter().filter(|(_, pick)| is_bound(pick.entry)).map(|(pick, _)| *pick).collect();
                let slots: Vec<Slot> = role
                    .slots
                    .iter()
                    .enumerate()
                    .filter(|(slot, _)| is_in(*slot))
                    .map(|(_, slot)| slot.clone())
                    .collect();
                // The places of the whole role bind nobody that the number of places does not.
                if of.len() > seats as usize && slots.len() < role.slots.len() {
                    rules.push(count(format!("at most {seats} who can only be {}", names(&slots)), of, 0, seats));
                }
            }
        }
        rules
    }

    /// A rule about slate entries, as one about picks.
    #[must_use]
    pub fn of_picks(&self, rule: Rule) -> Rule {
        let demand = match rule.demand {
            Demand::Count { of, at_least, at_most } => Demand::Count { of: self.picks_of_all(&of), at_least, at_most },
            Demand::IfAny { any, then, at_least } => {
                Demand::IfAny { any: self.picks_of_all(&any), then: self.picks_of_all(&then), at_least }
            }
            Demand::Linear { weights, at_least, at_most } => {
                let weights = self.picks.iter().map(|pick| weights[usize::from(pick.entry)]).collect();
                Demand::Linear { weights, at_least, at_most }
            }
        };
        Rule { name: rule.name, demand }
    }

    /// A lineup of picks as one of slate entries.
    #[must_use]
    pub fn entries_of(&self, lineup: &Lineup) -> Lineup {
        Lineup::new(lineup.entries().iter().map(|&pick| self.picks[usize::from(pick)].entry).collect())
    }

    /// The picks of a lineup in the order of the contest's places, each with the name of its place.
    #[must_use]
    pub fn seated(&self, lineup: &Lineup) -> Vec<(u16, String)> {
        let mut seated = Vec::with_capacity(lineup.entries().len());
        for (index, role) in self.roles.iter().enumerate() {
            let picks: Vec<u16> =
                lineup.entries().iter().copied().filter(|&pick| self.picks[usize::from(pick)].role == index).collect();
            let seats: Vec<&Slot> =
                role.slots.iter().flat_map(|slot| std::iter::repeat_n(slot, usize::from(slot.count))).collect();
            let taken = self.seat(&picks, &seats);
            seated.extend(seats.iter().zip(taken).filter_map(|(slot, pick)| Some((picks[pick?], slot.name.clone()))));
        }
        seated
    }

    /// Who takes which seat: one pick after the other, moving those that sit already where that is needed.
    fn seat(&self, picks: &[u16], seats: &[&Slot]) -> Vec<Option<usize>> {
        let mut taken = vec![None; seats.len()];
        for pick in 0..picks.len() {
            let mut tried = vec![false; seats.len()];
            self.find_seat(pick, picks, seats, &mut taken, &mut tried);
        }
        taken
    }

    fn find_seat(
        &self,
        pick: usize,
        picks: &[u16],
        seats: &[&Slot],
        taken: &mut [Option<usize>],
        tried: &mut [bool],
    ) -> bool {
        for seat in 0..seats.len() {
            if tried[seat] || !seats[seat].is_open_to(&self.positions[self.entry(picks[pick])]) {
                continue;
            }
            tried[seat] = true;
            if taken[seat].is_none_or(|other| self.find_seat(other, picks, seats, taken, tried)) {
                taken[seat] = Some(pick);
                return true;
            }
        }
        false
    }
}

/// The contest's places by what they count, in the order of their first one.
fn roles(contest: &Contest) -> Vec<Role> {
    let mut roles: Vec<Role> = Vec::new();
    for slot in contest.places() {
        let Slot { points_percent, salary_percent, .. } = slot;
        let same = |role: &&mut Role| role.points_percent == points_percent && role.salary_percent == salary_percent;
        match roles.iter_mut().find(same) {
            Some(role) => role.slots.push(slot),
            None => roles.push(Role { points_percent, salary_percent, slots: vec![slot] }),
        }
    }
    roles
}

fn names(slots: &[Slot]) -> String {
    slots.iter().map(|slot| slot.name.as_str()).collect::<Vec<_>>().join(" or ")
}

fn count(name: String, of: Vec<u16>, at_least: u32, at_most: u32) -> Rule {
    Rule { name, demand: Demand::Count { of, at_least, at_most } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        contest::ScoringTable,
        ids::{RaceId, SlateId},
        slate::SlateEntry,
    };

    fn contest(slots: Vec<Slot>) -> Contest {
        Contest {
            key: "test-2021".to_owned(),
            name: "Test".to_owned(),
            operator: "Test".to_owned(),
            first_season: 2021,
            last_season: None,
            roster_size: slots.iter().map(|slot| slot.count).sum(),
            slots,
            salary_cap_usd: 100,
            scoring: ScoringTable {
                finish_hundredths: vec![100],
                place_differential_hundredths: 0,
                lap_led_hundredths: 0,
                fastest_lap_hundredths: 0,
                lap_completed_hundredths: 0,
            },
            source: "none".to_owned(),
        }
    }

    fn slot(name: &str, count: u16, eligible: &[&str], percent: u32) -> Slot {
        let eligible = eligible.iter().map(|&position| position.to_owned()).collect();
        Slot { name: name.to_owned(), count, eligible, points_percent: percent, salary_percent: percent }
    }

    fn slate(positions: &[&[&str]]) -> Slate {
        let entry = |(index, positions): (usize, &&[&str])| SlateEntry {
            driver: format!("Driver {index}"),
            external_id: None,
            salary_usd: 10 + index as u32,
            positions: positions.iter().map(|&position| position.to_owned()).collect(),
            race_entry: index as u16,
        };
        let entries = positions.iter().enumerate().map(entry).collect();
        let (id, race) = (SlateId::random(), RaceId::random());
        Slate { id, name: "test".to_owned(), contest: "test-2021".to_owned(), race, entries }
    }

    /// Sets of picks that the rules and the twins allow.
    fn allowed(roster: &Roster, places: usize) -> Vec<Vec<u16>> {
        let is_met = |rule: &Rule, lineup: &[u16]| match &rule.demand {
            Demand::Count { of, at_least, at_most } => {
                let count = lineup.iter().filter(|pick| of.contains(pick)).count() as u32;
                (*at_least..=*at_most).contains(&count)
            }
            _ => panic!("{rule:?}"),
        };
        let sets = (0_u32..1 << roster.len()).filter(|set| set.count_ones() as usize == places);
        let lineups =
            sets.map(|set| (0..roster.len() as u16).filter(|pick| set >> pick & 1 == 1).collect::<Vec<u16>>());
        let rules = roster.rules();
        let one_of = |twins: &Vec<u16>, lineup: &[u16]| lineup.iter().filter(|pick| twins.contains(pick)).count() <= 1;
        lineups
            .filter(|lineup| {
                rules.iter().all(|rule| is_met(rule, lineup))
                    && roster.twins().iter().all(|twins| one_of(twins, lineup))
            })
            .collect()
    }

    #[test]
    fn a_captain_is_another_pick_of_the_same_driver_and_counts_more() {
        let slate = slate(&[&[][..]; 4]);
        let roster = Roster::new(&contest(vec![slot("CPT", 1, &[], 150), slot("D", 2, &[], 100)]), &slate).unwrap();
        assert_eq!((roster.len(), roster.twins().len()), (8, 4));
        // Four captains, and two of the three others.
        let lineups = allowed(&roster, 3);
        assert_eq!(lineups.len(), 4 * 3);
        assert_eq!((roster.salary_usd(1, &slate), roster.salary_usd(5, &slate)), (16, 11));
        assert_eq!(roster.points(&[1.0, 2.0, 3.0, 4.0], 1), [1.5, 3.0, 4.5, 6.0, 1.0, 2.0, 3.0, 4.0]);
        let seated = roster.seated(&Lineup(vec![2, 4, 7]));
        let mut sorted = seated;
        sorted.sort();
        assert_eq!(sorted, [(2, "CPT".to_owned()), (4, "D".to_owned()), (7, "D".to_owned())]);
        assert_eq!(roster.entries_of(&Lineup(vec![2, 4, 7])), Lineup(vec![0, 2, 3]));
        assert_eq!(roster.name(2, &slate), "Driver 2 (CPT)");
    }

    #[test]
    fn drivers_are_allowed_together_exactly_if_all_of_them_have_a_place() {
        let places = || vec![slot("A", 1, &["a"], 100), slot("B", 2, &["b"], 100), slot("FLEX", 1, &["a", "c"], 100)];
        let slate = slate(&[&["a"], &["a", "b"], &["b"], &["b", "c"], &["c"], &["a", "c"], &["x"]]);
        let roster = Roster::new(&contest(places()), &slate).unwrap();
        assert_eq!(roster.len(), 6, "nobody has a place for the last driver");
        let allowed = allowed(&roster, 4);
        let sets = (0_u32..1 << 6).filter(|set| set.count_ones() == 4);
        for set in sets {
            let lineup: Vec<u16> = (0..6).filter(|pick| set >> pick & 1 == 1).collect();
            let seated = roster.seated(&Lineup(lineup.clone()));
            assert_eq!(allowed.contains(&lineup), seated.len() == 4, "{lineup:?} sit as {seated:?}");
        }
    }

    #[test]
    fn a_slate_at_the_limit_of_picks_is_taken_and_one_past_it_is_refused() {
        let contest = contest(vec![slot("CPT", 1, &[], 150), slot("D", 2, &[], 100)]);
        assert!(Roster::new(&contest, &slate(&[&[][..]; ENTRIES_MAX / 2])).is_ok());
        let problem = Roster::new(&contest, &slate(&[&[][..]; ENTRIES_MAX / 2 + 1])).unwrap_err();
        assert_eq!(problem.limit.as_deref(), Some("128 picks"));
    }
}
