//! Past races, checked and laid out for the likelihood: eight races side by side, so that running sums over a race's order
//! become independent lanes instead of one long chain of additions.

use attrition_model::{GROUP_COUNT, start_covariate, track_group};
use paddock_sdk::kernels::LANES;
use paddock_sdk::{History, Refusal};

/// Rows whose logarithms are taken together, as one logarithm of a product; a batch has a multiple of this many positions.
pub(crate) const ROWS_PER_LN: usize = 4;

/// Fewest and most cars in a race.
const FIELD_MIN: usize = 2;
const FIELD_MAX: usize = 100;

/// All races, in batches of eight of similar field size.
#[derive(Debug, Clone, PartialEq)]
pub struct Races {
    pub(crate) driver_count: usize,
    pub(crate) team_count: usize,
    pub(crate) batches: Vec<Batch>,
}

/// Up to eight races. Row lists have shape `[position][lane]`, best finisher first. Past a race's field the rows are padding: an
/// entry so good that it never drops out, in stages of weight zero.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Batch {
    /// Index into the driver x group table; the slot past its end is the padding's.
    pub driver_group: Vec<[u32; LANES]>,
    /// Index into the team table; the slot past its end is the padding's.
    pub team: Vec<[u32; LANES]>,
    pub start: Vec<[f64; LANES]>,
    /// The race's weight where the row is a stage (someone else was still in), else 0.
    pub stage_weight: Vec<[f64; LANES]>,
    /// 1 where the row is a stage, else 0.
    pub is_stage: Vec<[f64; LANES]>,
    pub weight: [f64; LANES],
    pub track_type: [usize; LANES],
}

impl Races {
    /// Checks `history` and lays it out.
    ///
    /// # Errors
    /// [`Refusal::UnsupportedInput`], naming the race, when the history has no races, is not shaped as the contract says, or has
    /// a race that is not a whole finishing order of 2 to 100 cars.
    pub fn new(history: &History) -> Result<Self, Refusal> {
        check_shape(history)?;
        for race in 0..history.races() {
            check_race(history, race)?;
        }
        let mut order: Vec<usize> = (0..history.races()).collect();
        order.sort_by_key(|&race| history.rows(race).len());
        Ok(Self {
            driver_count: history.driver_count as usize,
            team_count: history.team_count as usize,
            batches: order.chunks(LANES).map(|races| Batch::new(history, races)).collect(),
        })
    }

    /// Weighted number of rows that speak about each effect.
    pub(crate) fn weighted_counts(&self) -> Counts {
        let mut driver_group = vec![0.0; self.driver_count * GROUP_COUNT + 1];
        let mut team = vec![0.0; self.team_count + 1];
        for batch in &self.batches {
            for (driver_slots, team_slots) in batch.driver_group.iter().zip(&batch.team) {
                for lane in 0..LANES {
                    driver_group[driver_slots[lane] as usize] += batch.weight[lane];
                    team[team_slots[lane] as usize] += batch.weight[lane];
                }
            }
        }
        driver_group.pop();
        team.pop();
        let driver = driver_group.chunks_exact(GROUP_COUNT).map(|groups| groups.iter().sum()).collect();
        Counts { driver, team, driver_group }
    }
}

/// Weighted number of rows per driver, team, and driver x group.
pub(crate) struct Counts {
    pub driver: Vec<f64>,
    pub team: Vec<f64>,
    pub driver_group: Vec<f64>,
}

impl Batch {
    fn new(history: &History, races: &[usize]) -> Self {
        let longest = races.iter().map(|&race| history.rows(race).len()).max().unwrap_or(0);
        let positions = longest.next_multiple_of(ROWS_PER_LN);
        let mut batch = Self {
            driver_group: vec![[history.driver_count * GROUP_COUNT as u32; LANES]; positions],
            team: vec![[history.team_count; LANES]; positions],
            start: vec![[0.0; LANES]; positions],
            stage_weight: vec![[0.0; LANES]; positions],
            is_stage: vec![[0.0; LANES]; positions],
            weight: [0.0; LANES],
            track_type: [0; LANES],
        };
        for (lane, &race) in races.iter().enumerate() {
            batch.fill_lane(history, race, lane);
        }
        batch
    }

    fn fill_lane(&mut self, history: &History, race: usize, lane: usize) {
        let rows = history.rows(race);
        let field = rows.len();
        let group = track_group(history.track_type[race]) as u32;
        self.weight[lane] = history.weight[race];
        self.track_type[lane] = history.track_type[race].index();
        for row in rows {
            let position = usize::from(history.finish[row]) - 1;
            self.driver_group[position][lane] = history.driver[row] * GROUP_COUNT as u32 + group;
            self.team[position][lane] = history.team[row];
            self.start[position][lane] = start_covariate(history.start[row], field);
            if position > 0 {
                self.stage_weight[position][lane] = history.weight[race];
                self.is_stage[position][lane] = 1.0;
            }
        }
    }
}

fn check_shape(history: &History) -> Result<(), Refusal> {
    let races = history.races();
    let entries = history.driver.len();
    if races == 0 || entries == 0 {
        return Err(unsupported("the history has no finished race; add results first".into()));
    }
    let per_race = [history.track_type.len(), history.weight.len()];
    let per_entry = [history.team.len(), history.start.len(), history.finish.len()];
    let offsets = &history.race_offsets;
    let is_shaped = per_race.iter().all(|&length| length == races)
        && per_entry.iter().all(|&length| length == entries)
        && offsets[0] == 0
        && offsets[races] as usize == entries
        && offsets.is_sorted();
    if is_shaped { Ok(()) } else { Err(unsupported("the history's lists do not fit together".into())) }
}

fn check_race(history: &History, race: usize) -> Result<(), Refusal> {
    let rows = history.rows(race);
    let field = rows.len();
    let refuse = |why: String| Err(unsupported(format!("race {race} of the history {why}")));
    if !(FIELD_MIN..=FIELD_MAX).contains(&field) {
        return refuse(format!("has {field} entries; this model needs {FIELD_MIN} to {FIELD_MAX}"));
    }
    if !(history.weight[race] > 0.0 && history.weight[race] <= 1.0) {
        return refuse(format!("has weight {}, outside (0, 1]", history.weight[race]));
    }
    let mut is_taken = vec![false; field];
    for row in rows {
        let finish = usize::from(history.finish[row]);
        if finish == 0 || finish > field || std::mem::replace(&mut is_taken[finish - 1], true) {
            return refuse(format!("has finish positions that are not a permutation of 1..={field}"));
        }
        if history.start[row] == 0 || usize::from(history.start[row]) > field {
            return refuse(format!("has a start position outside 1..={field}"));
        }
        if history.driver[row] >= history.driver_count || history.team[row] >= history.team_count {
            return refuse("names a driver or team outside the counts".into());
        }
    }
    Ok(())
}

fn unsupported(why: String) -> Refusal {
    Refusal::UnsupportedInput(why)
}
