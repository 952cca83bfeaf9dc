//! The plugin itself: one Markov chain over the attrition posterior, with its checkpoint.

use attrition_model::LAYOUT;
use paddock_sdk::nuts::{Chain, Density};
use paddock_sdk::state::{Fingerprint, Reader, Writer, foreign};
use paddock_sdk::{Calibrator, Description, Draws, History, Parameter, Plugin, Progress, Refusal, Rng};

use crate::params::{self, Params};
use crate::posterior::AttritionPosterior;
use crate::races::Races;

/// Bytes of draws that may wait in a chain: with the sampler's state they stay under the contract's 16 MiB for a checkpoint.
const DRAW_BYTES_MAX: usize = 15 << 20;

/// First bytes of a checkpoint; the number rises when its format does.
const CHECKPOINT_MARK: u64 = u64::from_le_bytes(*b"attpl-01");

/// One chain of a fit.
#[derive(Debug, Clone)]
pub struct AttritionChain {
    params: Params,
    fingerprint: u64,
    posterior: AttritionPosterior,
    chain: Chain,
    divergences: u32,
    /// Draws that have not been taken, shape `[draw][columns]`.
    waiting: Vec<f64>,
}

impl Plugin for AttritionChain {
    fn describe() -> Description {
        Description {
            name: "calibrator-attrition".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Bayesian hierarchical Plackett-Luce model of the order in which cars drop out: driver, team, start position and driver by track group, sampled with NUTS.".into(),
            params_schema: params::schema(),
            posterior_layout: Some(LAYOUT.into()),
            ..Description::default()
        }
    }
}

impl Calibrator for AttritionChain {
    fn open(history: History, params: &str, seed: u64, chain_index: u32) -> Result<Self, Refusal> {
        let (params, mut posterior) = prepare(&history, params)?;
        let mut rng = Rng::for_stream(seed, u64::from(chain_index));
        let variance_guess = posterior.variance_guess();
        let position = posterior.starting_point(&variance_guess, &mut rng);
        let chain = Chain::start(&mut posterior, params.sampler(), rng, position, variance_guess)?;
        let fingerprint = fingerprint(&history, &params, seed, chain_index);
        Ok(Self { params, fingerprint, posterior, chain, divergences: 0, waiting: Vec::new() })
    }

    fn restore(
        history: History,
        params: &str,
        seed: u64,
        chain_index: u32,
        checkpoint: &[u8],
    ) -> Result<Self, Refusal> {
        let (params, posterior) = prepare(&history, params)?;
        let fingerprint = fingerprint(&history, &params, seed, chain_index);
        let mut from = Reader::new(checkpoint);
        if from.u64()? != CHECKPOINT_MARK {
            return Err(foreign("it was not written by this version of this calibrator"));
        }
        if from.u64()? != fingerprint {
            return Err(foreign("it belongs to another history, seed, chain or set of parameters"));
        }
        let chain = Chain::load(params.sampler(), posterior.dimension(), &mut from)?;
        let divergences = from.u32()?;
        let waiting = from.f64_list()?;
        from.end()?;
        if chain.iterations() > params.iterations() || !waiting.len().is_multiple_of(posterior.layout().columns()) {
            return Err(foreign("its counts are impossible"));
        }
        Ok(Self { params, fingerprint, posterior, chain, divergences, waiting })
    }

    fn layout(&self) -> Vec<Parameter> {
        self.posterior.layout().parameters()
    }

    fn step(&mut self, iterations: u32) -> Result<Progress, Refusal> {
        let left = self.params.iterations() - self.chain.iterations();
        for _ in 0..iterations.min(left) {
            let is_kept = !self.chain.is_warming_up();
            let transition = self.chain.advance(&mut self.posterior);
            if is_kept {
                self.divergences += u32::from(transition.is_divergent);
                self.posterior.write_draw(self.chain.position(), &mut self.waiting);
            }
        }
        Ok(self.progress())
    }

    fn take_draws(&mut self) -> Draws {
        let values = std::mem::take(&mut self.waiting);
        Draws { draw_count: (values.len() / self.posterior.layout().columns()) as u32, values }
    }

    fn checkpoint(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u64(CHECKPOINT_MARK);
        out.u64(self.fingerprint);
        self.chain.save(&mut out);
        out.u32(self.divergences);
        out.f64_list(&self.waiting);
        out.finish()
    }
}

impl AttritionChain {
    fn progress(&self) -> Progress {
        Progress {
            iterations_done: self.chain.iterations(),
            iterations_total: self.params.iterations(),
            is_warming_up: self.chain.is_warming_up(),
            divergences: self.divergences,
            gradients: self.chain.gradients(),
        }
    }
}

/// What `open` and `restore` have in common: everything that follows from the inputs alone.
fn prepare(history: &History, params: &str) -> Result<(Params, AttritionPosterior), Refusal> {
    let params = Params::parse(params)?;
    let posterior = AttritionPosterior::new(Races::new(history)?, params.prior());
    let draws_max = DRAW_BYTES_MAX / (8 * posterior.layout().columns());
    if params.draws as usize > draws_max {
        return Err(Refusal::InvalidParams(format!(
            "draws is {}; with this many drivers and teams it must be at most {draws_max}, or a checkpoint could outgrow 16 MiB; run more chains instead",
            params.draws
        )));
    }
    Ok((params, posterior))
}

/// Hashes every input that the draws depend on.
fn fingerprint(history: &History, params: &Params, seed: u64, chain_index: u32) -> u64 {
    let mut fingerprint = Fingerprint::default();
    fingerprint.bytes(format!("{params:?}").as_bytes());
    fingerprint.list(&[seed, u64::from(chain_index)]);
    fingerprint.list(&[history.driver_count, history.team_count]);
    fingerprint.list(&history.race_offsets);
    fingerprint.list(&history.track_type.iter().map(|kind| kind.index() as u64).collect::<Vec<_>>());
    fingerprint.list(&history.weight.iter().map(|weight| weight.to_bits()).collect::<Vec<_>>());
    fingerprint.list(&history.driver);
    fingerprint.list(&history.team);
    fingerprint.list(&history.start);
    fingerprint.list(&history.finish);
    fingerprint.value()
}
