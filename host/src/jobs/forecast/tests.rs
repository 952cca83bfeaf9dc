//! Forecasts held against queues that went on: known answers, and simulated histories with times that nobody told them.

use rand::{RngExt as _, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;

const EVEN: Team = Team { weight: 1.0, waited_s: 0.0, running_max: u32::MAX };

/// A time that is known to the last bit.
fn exactly(seconds: f64) -> Option<Pace> {
    Some(Pace { log_mean: seconds.ln(), log_variance: 0.0, jobs: 100 })
}

fn fresh(tasks: u32, seconds: f64) -> Stage {
    Stage { unclaimed: tasks, running: 0, rest: 1.0, pace: exactly(seconds) }
}

fn queued(team: usize, stages: &[Stage]) -> Job {
    Job { team, is_queued: true, stages: stages.to_vec() }
}

fn positions_of(queue: &Queue) -> Vec<Option<u32>> {
    outlooks(queue).iter().map(|outlook| outlook.position).collect()
}

/// Likely seconds to begin and end of each job.
fn likely(queue: &Queue) -> Vec<(f64, f64)> {
    let times = |outlook: &Outlook| {
        let begins = outlook.begins_s.map_or(0.0, |span| span.likely);
        ((begins * 1e3).round() / 1e3, (outlook.ends_s.unwrap().likely * 1e3).round() / 1e3)
    };
    outlooks(queue).iter().map(times).collect()
}

#[test]
fn one_worker_goes_through_one_teams_jobs_in_order() {
    let jobs =
        vec![queued(0, &[fresh(1, 4.0)]), queued(0, &[fresh(2, 1.0), fresh(1, 0.5)]), queued(0, &[fresh(1, 1.0)])];
    let queue = Queue { workers: 1, teams: vec![EVEN], jobs };
    assert_eq!(positions_of(&queue), [Some(1), Some(2), Some(3)]);
    assert_eq!(likely(&queue), [(0.0, 4.0), (4.0, 6.5), (6.5, 7.5)]);
}

#[test]
fn a_stage_waits_for_all_of_the_one_before_while_others_use_the_worker() {
    let jobs = vec![queued(0, &[fresh(3, 2.0), fresh(1, 1.0)]), queued(0, &[fresh(1, 1.0)])];
    let queue = Queue { workers: 2, teams: vec![EVEN], jobs };
    // 0..2 two tasks, 2..4 the third one and, beside it, the second job; the final stage opens at 4.
    assert_eq!(likely(&queue), [(0.0, 5.0), (2.0, 3.0)]);
}

#[test]
fn what_runs_already_ends_first_and_counts_for_its_team() {
    let running = Stage { unclaimed: 0, running: 1, rest: 0.25, pace: exactly(8.0) };
    let jobs = vec![
        Job { team: 0, is_queued: false, stages: vec![running] },
        queued(0, &[fresh(1, 1.0)]),
        queued(1, &[fresh(1, 3.0)]),
    ];
    let queue = Queue { workers: 1, teams: vec![EVEN, Team { waited_s: 60.0, ..EVEN }], jobs };
    assert_eq!(positions_of(&queue), [None, Some(2), Some(1)]);
    assert_eq!(likely(&queue), [(0.0, 2.0), (5.0, 6.0), (2.0, 5.0)]);
}

#[test]
fn teams_take_turns_by_weight_whatever_each_has_in_its_own_queue() {
    let job = |team| queued(team, &[fresh(1, 1.0)]);
    let jobs = vec![job(0), job(0), job(0), job(0), job(1), job(1), job(1), job(1)];
    let teams = vec![Team { waited_s: 1.0, ..EVEN }, Team { weight: 3.0, waited_s: 1.0, ..EVEN }];
    // Four workers: three for the heavier team.
    let queue = Queue { workers: 4, teams, jobs };
    let positions: Vec<u32> = positions_of(&queue).into_iter().flatten().collect();
    assert!(positions[4..7].iter().all(|&position| position <= 4), "{positions:?}");
    assert_eq!(positions[..4].iter().filter(|&&position| position <= 4).count(), 1, "{positions:?}");
}

#[test]
fn a_team_at_its_limit_leaves_workers_to_others() {
    let capped = Team { running_max: 1, ..EVEN };
    let jobs = vec![queued(0, &[fresh(4, 1.0)]), queued(1, &[fresh(1, 1.0)])];
    let queue = Queue { workers: 4, teams: vec![capped, EVEN], jobs };
    assert_eq!(likely(&queue), [(0.0, 4.0), (0.0, 1.0)]);
}

#[test]
fn positions_are_told_without_history_and_times_are_not() {
    let mut unknown = fresh(1, 1.0);
    unknown.pace = None;
    let jobs = vec![queued(0, &[fresh(1, 1.0)]), queued(0, &[unknown])];
    let queue = Queue { workers: 1, teams: vec![EVEN], jobs };
    assert_eq!(positions_of(&queue), [Some(1), Some(2)]);
    assert!(outlooks(&queue).iter().all(|outlook| outlook.begins_s.is_none() && outlook.ends_s.is_none()));
    let idle = Queue { workers: 0, jobs: vec![queued(0, &[fresh(1, 1.0)])], ..queue };
    assert_eq!(outlooks(&idle), [Outlook { position: Some(1), begins_s: None, ends_s: None, runs_s: None }]);
}

#[test]
fn a_queue_at_the_limit_is_played_and_one_past_it_is_not() {
    let of = |tasks| Queue { workers: 2, teams: vec![EVEN], jobs: vec![queued(0, &[fresh(tasks, 1.0)])] };
    let most = (CLAIMS_MAX / 4) as u32 - 1;
    assert_eq!(outlooks(&of(most)).len(), 1);
    assert!(outlooks(&of(most + 1)).is_empty());
    let with_all_variants = (CLAIMS_MAX / (DEVIATIONS.len() as u64 + 2)) as u32 - 1;
    assert_eq!(variants(u64::from(with_all_variants) + 1).unwrap().len(), DEVIATIONS.len());
    assert_eq!(variants(u64::from(with_all_variants) + 2).unwrap().len(), 2);
}

/// A normal deviate, by Box and Muller (1958).
fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    let (radius, angle): (f64, f64) = (random.random_range(f64::MIN_POSITIVE..1.0), random.random_range(0.0..1.0));
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// A queue of several teams whose jobs spread by `spread` around what history says.
fn random_queue(random: &mut Xoshiro256PlusPlus, spread: f64) -> Queue {
    let teams = (0..random.random_range(1..5)).map(|_| Team {
        weight: f64::from(random.random_range(1..4_u32)),
        waited_s: random.random_range(0.0..100.0),
        running_max: u32::MAX,
    });
    let teams: Vec<Team> = teams.collect();
    let stage = |random: &mut Xoshiro256PlusPlus| {
        let log_mean = random.random_range(0.0..3.0);
        let pace = Some(Pace { log_mean, log_variance: spread * spread, jobs: 50 });
        Stage { unclaimed: random.random_range(1..6), running: 0, rest: 1.0, pace }
    };
    let jobs = (0..random.random_range(1..20)).map(|_| {
        let team = random.random_range(0..teams.len());
        let stages: Vec<Stage> = (0..random.random_range(1..4)).map(|_| stage(random)).collect();
        queued(team, &stages)
    });
    let jobs = jobs.collect();
    Queue { workers: random.random_range(1..5), teams, jobs }
}

/// Four of five is the promise. Each job turns out slower or faster by a factor that no forecast knows.
#[test]
fn the_span_holds_four_of_five_simulated_jobs_and_is_not_wider_than_it_must_be() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let (mut ends, mut begins, mut inside, mut begun_inside) = (0, 0, 0, 0);
    let mut errors = Vec::new();
    for _ in 0..200 {
        let queue = random_queue(&mut random, 0.4);
        let foreseen = outlooks(&queue);
        let luck: Vec<f64> = queue.jobs.iter().map(|_| normal(&mut random)).collect();
        let happened = play(&queue, |job| luck[job]);
        for (outlook, times) in foreseen.iter().zip(&happened.times) {
            let span = outlook.ends_s.unwrap();
            assert!(span.low <= span.likely && span.likely <= span.high, "{span:?}");
            ends += 1;
            inside += usize::from((span.low..=span.high).contains(&times.ends_s));
            errors.push((span.likely / times.ends_s).ln().abs());
            let span = outlook.begins_s.unwrap();
            begins += 1;
            begun_inside += usize::from((span.low..=span.high).contains(&times.begins_s));
        }
    }
    let share = |inside: usize, all: usize| inside as f64 / all as f64;
    assert!((0.78..0.95).contains(&share(inside, ends)), "{} of ends", share(inside, ends));
    assert!(share(begun_inside, begins) >= 0.78, "{} of begins", share(begun_inside, begins));
    errors.sort_by(f64::total_cmp);
    let middle = errors[errors.len() / 2];
    assert!(middle < 0.3, "half of the ends are off by more than a factor of {}", middle.exp());
}

/// The first to begin is the next that a claim takes, so positions come true as long as times do.
#[test]
fn positions_come_true_where_times_are_known() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(8);
    for _ in 0..50 {
        let queue = random_queue(&mut random, 0.0);
        let mut begun: Vec<usize> = (0..queue.jobs.len()).collect();
        let foreseen = outlooks(&queue);
        begun.sort_by_key(|&job| foreseen[job].position);
        let begins: Vec<f64> = begun.iter().map(|&job| foreseen[job].begins_s.unwrap().likely).collect();
        assert!(begins.is_sorted(), "{begins:?}");
        let mut places: Vec<u32> = foreseen.iter().filter_map(|outlook| outlook.position).collect();
        places.sort_unstable();
        assert!(places.into_iter().eq(1..=queue.jobs.len() as u32));
    }
}
