//! Where each parameter block lies in a draw. Written once, here, so that calibrator and generator cannot disagree.

use std::ops::Range;

use paddock_sdk::{Model, Parameter, Refusal};

use crate::predictor::{Draw, GROUP_COUNT};

/// Name and version of the posterior layout.
pub const LAYOUT: &str = "attrition-plackett-luce/1";

const TRACK_TYPES: usize = 6;

/// The columns of a draw for a history with this many drivers and teams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub driver_count: usize,
    pub team_count: usize,
}

impl Layout {
    /// The blocks in order, as the host stores them.
    pub fn parameters(&self) -> Vec<Parameter> {
        let block = |name: &str, shape: &[usize], is_main| Parameter {
            name: name.into(),
            shape: shape.iter().map(|&size| size as u32).collect(),
            is_main,
        };
        vec![
            block("log_sd_driver", &[], true),
            block("log_sd_team", &[], true),
            block("log_sd_driver_group", &[], true),
            block("start", &[TRACK_TYPES], true),
            block("driver", &[self.driver_count], true),
            block("team", &[self.team_count], true),
            block("driver_group", &[self.driver_count, GROUP_COUNT], false),
        ]
    }

    /// Number of columns of a draw.
    pub fn columns(&self) -> usize {
        self.driver_group().end
    }

    /// Column of the log standard deviation between drivers; teams and driver x group follow.
    pub const LOG_SD: Range<usize> = 0..3;

    /// Columns of the start effects, one per track type in the order of the contract.
    pub const START: Range<usize> = 3..3 + TRACK_TYPES;

    /// Columns of the driver effects.
    pub fn driver(&self) -> Range<usize> {
        Self::START.end..Self::START.end + self.driver_count
    }

    /// Columns of the team effects.
    pub fn team(&self) -> Range<usize> {
        self.driver().end..self.driver().end + self.team_count
    }

    /// Columns of the driver x track-group effects, group fastest.
    pub fn driver_group(&self) -> Range<usize> {
        self.team().end..self.team().end + self.driver_count * GROUP_COUNT
    }
}

/// A model whose layout has been checked.
#[derive(Debug, Clone)]
pub struct Posterior {
    layout: Layout,
    draw_count: usize,
    draws: Vec<f64>,
}

impl Posterior {
    /// Checks that `model` is of this layout and complete.
    ///
    /// # Errors
    /// [`Refusal::ForeignModel`] when it is not; a model of another calibrator needs that calibrator's own generator.
    pub fn new(model: Model) -> Result<Self, Refusal> {
        if model.layout != LAYOUT {
            return Err(Refusal::ForeignModel(format!(
                "the model has the posterior layout {:?}, this generator reads {LAYOUT:?}",
                model.layout
            )));
        }
        let layout = Layout { driver_count: model.driver_count as usize, team_count: model.team_count as usize };
        if model.parameters != layout.parameters() {
            return Err(Refusal::ForeignModel(format!("the model's blocks are not those of {LAYOUT:?}")));
        }
        let draw_count = model.draw_count as usize;
        if draw_count == 0 || model.draws.len() != draw_count * layout.columns() {
            return Err(Refusal::ForeignModel("the model has no draws, or an incomplete one".into()));
        }
        Ok(Self { layout, draw_count, draws: model.draws })
    }

    /// The layout of each draw.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Number of draws, at least 1.
    pub fn draw_count(&self) -> usize {
        self.draw_count
    }

    /// The draw at `index`, counted round and round, so that any scenario number names a draw.
    pub fn draw(&self, index: u64) -> Draw<'_> {
        let columns = self.layout.columns();
        let first = (index % self.draw_count as u64) as usize * columns;
        Draw::new(self.layout, &self.draws[first..first + columns])
    }
}

#[cfg(test)]
mod tests {
    use paddock_sdk::{Race, Rng, TrackType, UNSEEN};

    use super::*;

    fn model(draw_count: u32) -> Model {
        let layout = Layout { driver_count: 2, team_count: 1 };
        let columns = layout.columns();
        Model {
            layout: LAYOUT.into(),
            parameters: layout.parameters(),
            driver_count: 2,
            team_count: 1,
            draw_count,
            draws: (0..columns * draw_count as usize).map(|column| 0.01 * column as f64).collect(),
        }
    }

    #[test]
    fn blocks_and_ranges_agree() {
        let layout = Layout { driver_count: 7, team_count: 3 };
        let total: usize = layout.parameters().iter().map(Parameter::columns).sum();
        assert_eq!(total, layout.columns());
    }

    #[test]
    fn a_model_of_another_layout_is_refused() {
        let foreign = Model { layout: "other/1".into(), ..model(1) };
        assert!(matches!(Posterior::new(foreign), Err(Refusal::ForeignModel(_))));
        let incomplete = Model { draw_count: 2, ..model(1) };
        assert!(matches!(Posterior::new(incomplete), Err(Refusal::ForeignModel(_))));
    }

    #[test]
    fn worth_adds_the_blocks_and_unseen_entries_vary() {
        let posterior = Posterior::new(model(2)).expect("a valid model");
        let race = Race {
            track_type: TrackType::Road,
            race_laps: 90,
            driver: vec![1, UNSEEN],
            team: vec![0, UNSEEN],
            start: vec![1, 2],
        };
        let mut rng = Rng::for_stream(1, 1);
        let mut worth = [0.0; 2];
        posterior.draw(2).worths(&race, &mut rng, &mut worth);
        // Columns by hand: start[road] 4, driver[1] 10, team[0] 11, driver_group[1, road] 12 + 5.
        assert!((worth[0] - 0.01 * (4.0 + 10.0 + 11.0 + 17.0)).abs() < 1e-12);
        let first = worth[1];
        posterior.draw(2).worths(&race, &mut rng, &mut worth);
        assert!((worth[1] - first).abs() > 1e-9);
    }
}
