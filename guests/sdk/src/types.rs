//! The nouns that cross the plugin contract, as plain Rust values. They mirror `wit/paddock-plugin.wit` field by field;
//! shapes, units and ranges are documented there in full. Nothing here depends on WebAssembly.

/// The index of a driver or team that the model's history does not contain.
pub const UNSEEN: u32 = u32::MAX;

/// What kind of place a race is run at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrackType {
    Superspeedway,
    Road,
    Dirt,
    Short,
    LargeOval,
    Intermediate,
}

impl TrackType {
    /// Every track type, in the order of the contract.
    pub const ALL: [Self; 6] =
        [Self::Superspeedway, Self::Road, Self::Dirt, Self::Short, Self::LargeOval, Self::Intermediate];

    /// Position in [`TrackType::ALL`], 0..6.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Why a plugin declines to do what it was asked. The text is shown to the user as it stands, so it says what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The parameters do not make sense together. Names the parameter and its limit.
    InvalidParams(String),
    /// The data is outside what this plugin can handle.
    UnsupportedInput(String),
    /// A checkpoint is not this plugin's, not this version's, or not of this input.
    ForeignCheckpoint(String),
    /// The model has another posterior layout than this generator reads.
    ForeignModel(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, text) = match self {
            Self::InvalidParams(text) => ("invalid parameters", text),
            Self::UnsupportedInput(text) => ("unsupported input", text),
            Self::ForeignCheckpoint(text) => ("foreign checkpoint", text),
            Self::ForeignModel(text) => ("foreign model", text),
        };
        write!(f, "{kind}: {text}")
    }
}

impl std::error::Error for Refusal {}

/// One block of a posterior layout: `product(shape)` consecutive columns of a draw, row-major; a scalar has no axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Unique within the layout, `[a-z0-9_]{1,64}`.
    pub name: String,
    /// Sizes of each axis, slowest first.
    pub shape: Vec<u32>,
    /// Whether the host gates on its effective sample size.
    pub is_main: bool,
}

impl Parameter {
    /// Number of columns the block takes.
    pub fn columns(&self) -> usize {
        self.shape.iter().map(|&size| size as usize).product()
    }
}

/// A fitted posterior.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Name and version of the posterior layout.
    pub layout: String,
    /// Blocks of a draw, in order.
    pub parameters: Vec<Parameter>,
    /// Number of drivers in the history the model was fitted on.
    pub driver_count: u32,
    /// Number of teams in that history.
    pub team_count: u32,
    /// Number of draws.
    pub draw_count: u32,
    /// Shape `[draw_count][columns]`.
    pub draws: Vec<f64>,
}

impl Model {
    /// Number of columns of one draw.
    pub fn columns(&self) -> usize {
        self.parameters.iter().map(Parameter::columns).sum()
    }

    /// One draw, or `None` past the last.
    pub fn draw(&self, index: usize) -> Option<&[f64]> {
        let columns = self.columns();
        self.draws.get(index.checked_mul(columns)?..)?.get(..columns)
    }
}

/// A race as it is known before the green flag; one element per entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Race {
    pub track_type: TrackType,
    /// Scheduled distance in laps.
    pub race_laps: u16,
    /// Driver index in the model's history, or [`UNSEEN`].
    pub driver: Vec<u32>,
    /// Team index in the model's history, or [`UNSEEN`].
    pub team: Vec<u32>,
    /// Start position, a permutation of 1..=n.
    pub start: Vec<u16>,
}

impl Race {
    /// Number of entries n.
    pub fn entries(&self) -> usize {
        self.start.len()
    }
}

/// A batch of possible races; each list has shape `[scenarios][n]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScenarioBlock {
    pub scenarios: u32,
    /// Finish position; each row a permutation of 1..=n.
    pub finish: Vec<u16>,
    /// Laps led, in laps.
    pub laps_led: Vec<u16>,
    /// Laps on which the entry set the fastest lap, in laps.
    pub fastest_laps: Vec<u16>,
    /// Laps completed, in laps.
    pub laps_completed: Vec<u16>,
    /// 1 where the entry retired, else 0.
    pub retired: Vec<u8>,
}

/// A batch of lineups over one slate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineupBlock {
    pub lineups: u32,
    /// Entries per lineup.
    pub roster_size: u32,
    /// Slate entry indices, shape `[lineups][roster_size]`, ascending and distinct within a row.
    pub entry: Vec<u16>,
}

/// The slate that lineups are chosen from; one element per slate entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slate {
    pub driver: Vec<String>,
    /// Empty where unknown.
    pub team: Vec<String>,
    /// Manufacturer, empty where unknown.
    pub make: Vec<String>,
    /// Salary in whole contest dollars.
    pub salary_usd: Vec<u32>,
    /// Start position, or 0 where unknown.
    pub start: Vec<u16>,
    /// Salary cap in whole contest dollars.
    pub salary_cap_usd: u32,
}

/// A reason for which a constraint vetoes; verdict k stands for the k-th reason, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VetoReason {
    /// Stable key, `[a-z0-9-]{1,64}`.
    pub code: String,
    /// One sentence for people.
    pub summary: String,
    /// True for a rule that no real race breaks.
    pub is_hard: bool,
}

/// Who a plugin is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// `[a-z0-9-]{1,64}`.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// One sentence, at most 280 characters.
    pub summary: String,
    /// JSON Schema (draft 2020-12) of the parameters.
    pub params_schema: String,
    /// Veto reasons of a constraint, at most 255.
    pub veto_reasons: Vec<VetoReason>,
    /// The layout a calibrator writes or a generator reads.
    pub posterior_layout: Option<String>,
    pub judges_scenarios: bool,
    pub judges_lineups: bool,
}
