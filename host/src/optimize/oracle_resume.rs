//! Stops searches wherever they look at their interrupt and goes on from what they left: the result must be the same to the bit.

use proptest::prelude::*;

use super::{
    JointRequest, PortfolioRequest, SearchFailure, SearchState, Session, Unwatched, Watch, Worth, best_lineup,
    joint_portfolio, oracle, portfolio,
};
use crate::domain::interrupt::{Interrupt, StopReason};

/// Takes the state at every tick, as bytes, and stops the search at one of them.
struct Stopper<'a> {
    interrupt: &'a Interrupt,
    ticks_left: usize,
    kept: Option<Vec<u8>>,
}

impl Watch for Stopper<'_> {
    fn tick(&mut self, _: f64, state: &mut dyn FnMut() -> SearchState) {
        self.kept = Some(serde_json::to_vec(&state()).unwrap());
        self.ticks_left = self.ticks_left.saturating_sub(1);
        if self.ticks_left == 0 {
            self.interrupt.raise(StopReason::Draining);
        }
    }
}

/// Attempt after attempt, each stopped after a few ticks, until one ends.
fn in_pieces<T>(
    ticks: usize,
    run: impl Fn(&mut Session<'_>) -> Result<T, SearchFailure>,
) -> (usize, Result<T, SearchFailure>) {
    let mut kept: Option<Vec<u8>> = None;
    for attempt in 1.. {
        let interrupt = Interrupt::new();
        // Later attempts get further, so that one of them ends even if no tick saves anything new.
        let mut watch = Stopper { interrupt: &interrupt, ticks_left: ticks + attempt / 8, kept: None };
        let resume = kept.as_ref().map(|bytes| serde_json::from_slice(bytes).unwrap());
        let ended = run(&mut Session { interrupt: &interrupt, watch: &mut watch, resume });
        kept = watch.kept.or(kept);
        if !matches!(ended, Err(SearchFailure::Stopped(StopReason::Draining))) {
            return (attempt, ended);
        }
    }
    unreachable!("the attempts are counted without end")
}

fn at_once<T>(run: impl Fn(&mut Session<'_>) -> Result<T, SearchFailure>) -> Result<T, SearchFailure> {
    let interrupt = Interrupt::new();
    run(&mut Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_search_in_pieces_ends_as_one_in_one((matrix, space, request, modulus) in oracle::instances(), ticks in 1_usize..20) {
        let single = |session: &mut Session<'_>| best_lineup(&matrix, &space, request.objective, session);
        let (_, pieces) = in_pieces(ticks, single);
        match at_once(single) {
            Ok(solved) => {
                let pieces = pieces.unwrap();
                prop_assert_eq!((pieces.value.to_bits(), pieces.lineup), (solved.value.to_bits(), solved.lineup));
            }
            Err(_) => prop_assert!(pieces.is_err()),
        }
        let several = |session: &mut Session<'_>| {
            let mut judge = modulus.map(oracle::ModuloJudge::new);
            let judge = judge.as_mut().map(|judge| judge as &mut dyn super::LineupJudge);
            portfolio(&matrix, &space, &PortfolioRequest { lineups: request.lineups.min(12), ..request }, judge, session)
        };
        let (_, pieces) = in_pieces(ticks, several);
        match at_once(several) {
            Ok(found) => {
                let pieces = pieces.unwrap();
                let shown = |found: &super::Portfolio| -> Vec<_> {
                    found.lineups.iter().map(|picked| (picked.lineup.clone(), picked.value.to_bits())).collect()
                };
                prop_assert_eq!(shown(&pieces), shown(&found));
                prop_assert_eq!(pieces.end, found.end);
                prop_assert_eq!(pieces.vetoes_by_reason, found.vetoes_by_reason);
            }
            Err(_) => prop_assert!(pieces.is_err()),
        }
    }

    #[test]
    fn a_joint_portfolio_in_pieces_ends_as_one_in_one((matrix, space, _, _) in oracle::instances(), ticks in 1_usize..6, quarters in 40_i16..500) {
        let at_least = f64::from(quarters) / 4.0;
        for worth in [Worth::ExpectedMaximum, Worth::AnyReaches(at_least)] {
            let request = JointRequest { worth, lineups: 5, min_differences: 1, exposures: Vec::new() };
            let joint = |session: &mut Session<'_>| joint_portfolio(&matrix, &space, &request, None, session);
            let (_, pieces) = in_pieces(ticks, joint);
            match at_once(joint) {
                Ok(found) => {
                    let pieces = pieces.unwrap();
                    prop_assert_eq!(&pieces.lineups, &found.lineups);
                    prop_assert_eq!(pieces.value.to_bits(), found.value.to_bits());
                    prop_assert_eq!((pieces.end, pieces.swaps), (found.end, found.swaps));
                }
                Err(_) => prop_assert!(pieces.is_err()),
            }
        }
    }
}
