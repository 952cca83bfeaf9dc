//! Following a job until it ends: a bar per stage on a terminal, a line per step elsewhere.

use std::{
    io::{IsTerminal, Write, stdout},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;

use super::client::{Client, RemoteProblem};
use crate::{
    domain::job::{Component, JobState},
    results::cost::JobCost,
};

/// Pause between two looks at the job.
const POLL: Duration = Duration::from_millis(150);
/// Bars count in thousandths of a stage.
const BAR_STEPS: f64 = 1000.0;

/// A job as the API shows it; fields that the commands do not use are left out.
#[derive(Debug, Clone, Deserialize)]
pub struct JobView {
    /// Id.
    pub id: String,
    /// State.
    pub state: JobState,
    /// Place among the queued jobs of all teams.
    #[serde(default)]
    pub position: Option<u32>,
    /// Estimated seconds to the end.
    pub eta_s: Option<f64>,
    /// Stages, in order.
    pub stages: Vec<StageView>,
    /// Why there is no result.
    pub problem: Option<RemoteProblem>,
    /// How the parts of the result went.
    #[serde(default)]
    pub components: Vec<Component>,
    /// What it was expected to cost, and has cost.
    #[serde(default)]
    pub cost: Option<JobCost>,
}

/// A stage of a job.
#[derive(Debug, Clone, Deserialize)]
pub struct StageView {
    /// Name.
    pub name: String,
    /// `waiting`, `open`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// 0..=100.
    pub progress_percent: f64,
    /// What it is doing.
    #[serde(default)]
    pub note: String,
}

/// Wall time of a stage, as seen by the client.
#[derive(Debug, Clone)]
pub struct StageTime {
    /// Name.
    pub name: String,
    /// Seconds.
    pub wall_s: f64,
}

/// How the job ended, and how long its stages took.
#[derive(Debug)]
pub struct Watched {
    /// The job in its terminal state.
    pub job: JobView,
    /// One per stage that began.
    pub times: Vec<StageTime>,
}

/// Looks at the job until it is terminal, and shows how far it is.
///
/// # Errors
/// Where the server does not answer, or the job cannot be seen.
pub fn watch(client: &Client, job: &str) -> Result<Watched> {
    let mut display = Display::new();
    let mut clock = StageClock::default();
    loop {
        let view: JobView = serde_json::from_value(client.get(&format!("/v1/jobs/{job}"))?)?;
        clock.look(&view);
        display.show(&view)?;
        if view.state.is_terminal() {
            display.finish();
            return Ok(Watched { job: view, times: clock.times() });
        }
        thread::sleep(POLL);
    }
}

enum Display {
    Bars { all: MultiProgress, bars: Vec<ProgressBar> },
    Lines { last: Vec<(String, u32)> },
}

impl Display {
    fn new() -> Self {
        if stdout().is_terminal() {
            Self::Bars { all: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()), bars: Vec::new() }
        } else {
            Self::Lines { last: Vec::new() }
        }
    }

    fn show(&mut self, view: &JobView) -> Result<()> {
        match self {
            Self::Bars { all, bars } => show_bars(all, bars, view),
            Self::Lines { last } => show_lines(last, view),
        }
    }

    fn finish(&self) {
        if let Self::Bars { bars, .. } = self {
            for bar in bars {
                bar.abandon();
            }
        }
    }
}

fn show_bars(all: &MultiProgress, bars: &mut Vec<ProgressBar>, view: &JobView) -> Result<()> {
    let style = ProgressStyle::with_template("  {prefix:<14} {bar:30.cyan/blue} {msg}")?.progress_chars("=> ");
    for stage in view.stages.iter().skip(bars.len()) {
        let bar = ProgressBar::new(BAR_STEPS as u64).with_style(style.clone()).with_prefix(stage.name.clone());
        bars.push(all.add(bar));
    }
    for (bar, stage) in bars.iter().zip(&view.stages) {
        bar.set_position((stage.progress_percent / 100.0 * BAR_STEPS) as u64);
        bar.set_message(stage_line(stage, view));
    }
    Ok(())
}

/// One line when a stage begins, at every quarter of it, and when its state changes: a log, not an animation.
fn show_lines(last: &mut Vec<(String, u32)>, view: &JobView) -> Result<()> {
    let mut out = stdout().lock();
    last.resize(view.stages.len(), (String::new(), 0));
    for (seen, stage) in last.iter_mut().zip(&view.stages) {
        let now = (stage.state.clone(), (stage.progress_percent / 25.0) as u32);
        if *seen != now && stage.state != "waiting" {
            writeln!(out, "  {:<14} {}", stage.name, stage_line(stage, view))?;
        }
        *seen = now;
    }
    Ok(out.flush()?)
}

fn stage_line(stage: &StageView, view: &JobView) -> String {
    let eta = view
        .eta_s
        .filter(|_| stage.state == "open")
        .map(|seconds| format!("  {seconds:.0} s left"))
        .unwrap_or_default();
    match stage.state.as_str() {
        "waiting" => String::new(),
        "open" if let Some(position) = view.position => format!("place {position} in the queue{eta}"),
        "open" | "succeeded" => format!("{:>3.0} %  {}{eta}", stage.progress_percent, stage.note),
        state => format!("{state}  {}", stage.note),
    }
}

/// When each stage was first seen open and when it was first seen finished.
#[derive(Default)]
struct StageClock {
    seen: Vec<(String, Option<Instant>, Option<Instant>)>,
    previous: Option<Instant>,
}

impl StageClock {
    fn look(&mut self, view: &JobView) {
        let now = Instant::now();
        // A stage that was not open at the last look began somewhere in between; the last look is the safe side.
        let began = self.previous.unwrap_or(now);
        for (index, stage) in view.stages.iter().enumerate() {
            if self.seen.len() == index {
                self.seen.push((stage.name.clone(), None, None));
            }
            let (_, start, end) = &mut self.seen[index];
            if stage.state != "waiting" {
                start.get_or_insert(began);
            }
            if !matches!(stage.state.as_str(), "waiting" | "open") {
                end.get_or_insert(now);
            }
        }
        self.previous = Some(now);
    }

    fn times(&self) -> Vec<StageTime> {
        let span = |start: &Option<Instant>, end: &Option<Instant>| {
            Some(end.as_ref()?.duration_since(*start.as_ref()?).as_secs_f64())
        };
        self.seen
            .iter()
            .filter_map(|(name, start, end)| Some(StageTime { name: name.clone(), wall_s: span(start, end)? }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(states: &[(&str, f64)]) -> JobView {
        let stages = states
            .iter()
            .enumerate()
            .map(|(index, (state, percent))| StageView {
                name: format!("stage-{index}"),
                state: (*state).to_owned(),
                progress_percent: *percent,
                note: String::new(),
            })
            .collect();
        JobView {
            id: String::new(),
            state: JobState::Running,
            position: None,
            eta_s: Some(3.2),
            stages,
            problem: None,
            components: Vec::new(),
            cost: None,
        }
    }

    #[test]
    fn a_stage_has_a_time_once_it_has_ended() {
        let mut clock = StageClock::default();
        clock.look(&view(&[("open", 10.0), ("waiting", 0.0)]));
        assert!(clock.times().is_empty());
        clock.look(&view(&[("succeeded", 100.0), ("open", 0.0)]));
        assert_eq!(clock.times().len(), 1);
        assert_eq!(clock.times()[0].name, "stage-0");
    }

    #[test]
    fn only_the_open_stage_shows_the_time_that_is_left() {
        let view = view(&[("succeeded", 100.0), ("open", 40.0), ("waiting", 0.0)]);
        let lines: Vec<String> = view.stages.iter().map(|stage| stage_line(stage, &view)).collect();
        assert!(lines[1].contains("3 s left") && !lines[0].contains("left"), "{lines:?}");
        assert_eq!(lines[2], "");
        let queued = JobView { position: Some(3), ..view };
        assert_eq!(stage_line(&queued.stages[1], &queued), "place 3 in the queue  3 s left");
    }
}
