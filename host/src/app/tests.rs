//! Pruning as a whole, over both databases: random references come and go, and nothing in use is ever missing.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::json;

use super::{Depth, Pruned, Pruner};
use crate::{
    auth::{
        self,
        idempotency::{self, KeyedRequest},
    },
    catalog::{self, NewModel},
    config::Config,
    db::{
        Db, DbConfig, DbError,
        artifacts::{ArtifactHash, ArtifactStore},
        chores,
        sweep::Orphans,
    },
    domain::{
        ids::{JobId, ModelId, TeamId},
        job::JobKind,
    },
    jobs::{self, NewJob, NewStage, retention::Unless},
    support::postgres::Cluster,
};

/// Longer than any of these tests runs.
const HOLD_S: u64 = 3_600;
const HOLD_US: i64 = 3_600_000_000;
/// Few, so that the same bytes are stored, deleted and stored again.
const CONTENTS: u32 = 12;

struct World {
    db: Db,
    artifacts: ArtifactStore,
    pruner: Pruner,
    team: TeamId,
    directory: tempfile::TempDir,
}

impl World {
    async fn sqlite() -> Option<Self> {
        Some(Self::open(None).await)
    }

    /// `None` where PostgreSQL is not installed and this is not CI.
    async fn postgres() -> Option<Self> {
        let url = tokio::task::spawn_blocking(|| Cluster::shared().map(Cluster::create_database)).await.unwrap()?;
        Some(Self::open(Some(url)).await)
    }

    async fn open(url: Option<String>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let db_config = DbConfig { url, artifact_hold_s: HOLD_S, ..DbConfig::in_directory(directory.path()) };
        let db = Db::open(&db_config).await.unwrap();
        let artifacts = ArtifactStore::open(&db_config, db.clone()).unwrap();
        let team = auth::create_team(&db, "team").await.unwrap().id;
        let pruner = Pruner::new(db.clone(), artifacts.clone(), &Config { db: db_config, ..Config::default() });
        Self { db, artifacts, pruner, team, directory }
    }

    async fn put(&self, content: u32) -> ArtifactHash {
        self.artifacts.put(bytes_of(content)).await.unwrap()
    }

    async fn submit(&self, named: &[ArtifactHash]) -> JobId {
        let tasks = vec![json!({ "named": named })];
        let job = NewJob {
            team: self.team.clone(),
            key: None,
            kind: JobKind::Simulate,
            spec: json!({ "plugins": named.first() }),
            name: None,
            tags: Vec::new(),
            stages: vec![NewStage { name: "only".to_owned(), weight: 1.0, tasks }],
            deadline_s: None,
            priority: 0,
            schedule: None,
            expected: None,
        };
        jobs::submit::submit(&self.db, job).await.unwrap()
    }

    async fn insert_model(&self, artifact: &ArtifactHash) -> ModelId {
        let new = NewModel {
            id: ModelId::random(),
            team: self.team.clone(),
            job: JobId::random(),
            calibrator: "calibrator@1.0.0".to_owned(),
            calibrator_hash: String::new(),
            layout: "layout/1".to_owned(),
            draws: 1,
            artifact: artifact.to_string(),
            races: 1,
            first_race: "2026-01".to_owned(),
            last_race: "2026-01".to_owned(),
            fit: json!({}),
        };
        catalog::insert_model(&self.db, &new).await.unwrap();
        new.id
    }

    async fn execute(&self, statement: &'static str, id: &str) {
        let mut tx = self.db.write().await.unwrap();
        sqlx::query(statement).bind(id).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A round so long from now that nothing is held any more.
    async fn late_round(&self) -> Pruned {
        let now_us = self.db.now_us().await.unwrap();
        self.pruner.round(now_us + 3 * HOLD_US, Depth::Files).await.unwrap()
    }

    fn files(&self) -> usize {
        let mut open = vec![self.directory.path().join("artifacts")];
        let mut files = 0;
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { open.push(path) } else { files += 1 }
            }
        }
        files
    }
}

fn bytes_of(content: u32) -> Bytes {
    Bytes::from(format!("content {content}"))
}

/// Who names artifacts in the random run.
enum Holder {
    Job(JobId, Vec<ArtifactHash>),
    Model(ModelId, ArtifactHash),
}

impl Holder {
    fn named(&self) -> &[ArtifactHash] {
        match self {
            Self::Job(_, named) => named,
            Self::Model(_, named) => std::slice::from_ref(named),
        }
    }
}

async fn random_references_come_and_go(world: World, seed: u64) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut holders: HashMap<u32, Holder> = HashMap::new();
    for step in 0..150 {
        match random.random_range(0..6) {
            0 | 1 => {
                let mut named = Vec::new();
                for _ in 0..random.random_range(1..4) {
                    named.push(world.put(random.random_range(0..CONTENTS)).await);
                }
                holders.insert(step, Holder::Job(world.submit(&named).await, named));
            }
            2 => {
                let artifact = world.put(random.random_range(0..CONTENTS)).await;
                holders.insert(step, Holder::Model(world.insert_model(&artifact).await, artifact));
            }
            3 => drop(world.put(random.random_range(0..CONTENTS)).await),
            4 => release(&world, &mut holders, &mut random).await,
            _ => drop(world.late_round().await),
        }
        for artifact in holders.values().flat_map(Holder::named) {
            let found = world.artifacts.get(artifact).await;
            assert!(found.is_ok(), "step {step} of seed {seed}: {:?}", found.err());
        }
    }
    while !holders.is_empty() {
        release(&world, &mut holders, &mut random).await;
    }
    world.late_round().await;
    assert_eq!(world.files(), 0, "seed {seed}");
    // The second round finds the tombstones of the first old enough.
    world.late_round().await;
    let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM artifacts").fetch_one(world.db.read()).await.unwrap();
    assert_eq!(rows, 0, "seed {seed}");
}

/// A job ends, or one that has ended is deleted, or a model is.
async fn release(world: &World, holders: &mut HashMap<u32, Holder>, random: &mut Xoshiro256PlusPlus) {
    let mut keys: Vec<u32> = holders.keys().copied().collect();
    keys.sort_unstable();
    let Some(&key) = keys.get(random.random_range(0..keys.len().max(1))) else { return };
    match &holders[&key] {
        Holder::Job(job, _) => {
            let state = jobs::query::state(&world.db, job).await.unwrap();
            if !state.is_terminal() {
                jobs::cancel::cancel(&world.db, job).await.unwrap();
                return;
            }
            assert!(jobs::retention::delete_job(&world.db, job, Unless::Kept, HOLD_US).await.unwrap());
        }
        Holder::Model(model, _) => world.execute("DELETE FROM models WHERE id = $1", model.as_str()).await,
    }
    holders.remove(&key);
}

/// Writers store the same few contents and refer to them in the transaction that writes the row, as checkpoints are, while another
/// deletes whatever nobody refers to at that moment. Nothing is held: the row's mark alone keeps them apart.
async fn bytes_and_their_deletion_race(world: World) {
    let world = &world;
    let (writing, mut written) = tokio::sync::watch::channel(());
    let writers = futures_util::future::join_all((0..4_u64).map(|number| {
        let writing = writing.clone();
        async move {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(number);
            let mut refused = 0;
            for round in 0..60 {
                let content = random.random_range(0..3);
                let id = format!("plugin {number} {round}");
                let hash = loop {
                    match refer(world, content, &id).await {
                        Ok(hash) => break hash,
                        Err(DbError::ArtifactBeingDeleted(_)) => refused += 1,
                        Err(error) => panic!("{error}"),
                    }
                    tokio::task::yield_now().await;
                };
                world.artifacts.get(&hash).await.unwrap();
                world.execute("DELETE FROM plugins WHERE id = $1", &id).await;
            }
            drop(writing);
            refused
        }
    }));
    drop(writing);
    let sweeper = async {
        let mut swept = 0;
        while written.has_changed().is_ok() {
            let now_us = world.db.now_us().await.unwrap() + 1;
            for artifact in world.artifacts.unheld(now_us, None).await.unwrap() {
                swept += usize::from(world.artifacts.condemn(&artifact.hash, now_us).await.unwrap());
            }
            world.artifacts.delete_condemned().await.unwrap();
            tokio::task::yield_now().await;
        }
        written.mark_unchanged();
        swept
    };
    let (refused, swept) = tokio::join!(writers, sweeper);
    // Otherwise they never met, and the test has shown nothing.
    assert!(swept > 10, "{swept} deletions, {refused:?} refusals");
}

const REFER: &str = "
    INSERT INTO plugins (id, name, version, hash, size_bytes, description, created_us)
    VALUES ($1, $1, '1.0.0', $2, 0, '{}', 0)";

async fn refer(world: &World, content: u32, id: &str) -> Result<ArtifactHash, DbError> {
    let staged = world.artifacts.stage(bytes_of(content)).await?;
    let mut tx = world.db.write().await?;
    let hash = staged.record(&mut tx).await?;
    sqlx::query(REFER).bind(id).bind(hash.as_str()).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(hash)
}

async fn what_was_just_stored_is_held(world: World) {
    let hash = world.put(1).await;
    let now_us = world.db.now_us().await.unwrap();
    for (now_us, artifacts) in [(now_us, 0), (now_us + HOLD_US - 60_000_000, 0), (now_us + HOLD_US + 1, 1)] {
        let survey = world.pruner.survey(now_us).await.unwrap();
        let pruned = world.pruner.round(now_us, Depth::Files).await.unwrap();
        assert_eq!((survey.artifacts, pruned.artifacts), (artifacts, artifacts));
        assert_eq!(survey.artifact_bytes, pruned.artifact_bytes);
        assert_eq!(world.artifacts.get(&hash).await.is_ok(), artifacts == 0);
    }
    // Deleted and stored again, it is there again and held again.
    assert_eq!(world.put(1).await, hash);
    world.pruner.round(now_us + HOLD_US / 2, Depth::Files).await.unwrap();
    world.artifacts.get(&hash).await.unwrap();
}

async fn a_file_without_a_row_goes_once_it_is_old(world: World) {
    let hash = world.put(1).await;
    world.execute("DELETE FROM artifacts WHERE hash = $1", hash.as_str()).await;
    let draft = world.directory.path().join("artifacts").join(format!("{hash}#3"));
    std::fs::write(&draft, "cont").unwrap();
    let note = world.directory.path().join("artifacts/README");
    std::fs::write(&note, "somebody's note").unwrap();
    let now_us = world.db.now_us().await.unwrap();
    assert_eq!(world.artifacts.orphans(now_us, Orphans::Condemn).await.unwrap().0, 0, "it is young");
    let survey = world.pruner.survey(now_us + 3 * HOLD_US).await.unwrap();
    assert_eq!((survey.files, survey.file_bytes), (Some(1), bytes_of(1).len() as u64));
    world.artifacts.get(&hash).await.unwrap();
    world.pruner.round(now_us, Depth::Files).await.unwrap();
    assert!(draft.exists(), "somebody may be writing it");
    assert_eq!(world.late_round().await.files, Some(1));
    assert!(!draft.exists());
    assert!(matches!(world.artifacts.get(&hash).await, Err(DbError::ArtifactMissing(_))));
    assert!(note.exists(), "what is no artifact is not ours to delete");
}

async fn one_that_was_condemned_before_a_crash_is_finished_afterwards(world: World) {
    let hash = world.put(1).await;
    let late_us = world.db.now_us().await.unwrap() + 2 * HOLD_US;
    assert!(world.artifacts.condemn(&hash, late_us).await.unwrap());
    // The process died here. The bytes cannot be stored while they may vanish, and can once they have.
    let refused = world.artifacts.put(bytes_of(1)).await.unwrap_err();
    assert!(matches!(refused, DbError::ArtifactBeingDeleted(_)) && refused.is_transient(), "{refused}");
    world.pruner.round(world.db.now_us().await.unwrap(), Depth::Rows).await.unwrap();
    assert_eq!(world.files(), 0);
    assert_eq!(world.put(1).await, hash);
    world.artifacts.get(&hash).await.unwrap();
}

async fn a_chore_is_begun_by_one_node_per_interval(world: World) {
    let hour = Duration::from_secs(3_600);
    let nodes = (0..8).map(|_| chores::begin(&world.db, "sweeping", hour));
    let begun = futures_util::future::join_all(nodes).await;
    assert_eq!(begun.iter().filter(|begun| *begun.as_ref().unwrap()).count(), 1);
    assert!(chores::begin(&world.db, "dusting", hour).await.unwrap());
    world.execute("UPDATE chores SET begun_us = begun_us - 3500000000 WHERE name = $1", "sweeping").await;
    assert!(!chores::begin(&world.db, "sweeping", hour).await.unwrap());
    world.execute("UPDATE chores SET begun_us = begun_us - 100000000 WHERE name = $1", "sweeping").await;
    assert!(chores::begin(&world.db, "sweeping", hour).await.unwrap());
}

async fn idempotency_keys_go_when_they_stand_for_nothing_any_more(world: World) {
    let request = KeyedRequest { key: "key".to_owned(), fingerprint: "print".to_owned() };
    let mut tx = world.db.write().await.unwrap();
    idempotency::record_in(&mut tx, &world.team, &request, "job", 60).await.unwrap();
    tx.commit().await.unwrap();
    let made_us: i64 =
        sqlx::query_scalar("SELECT created_us FROM idempotency_keys").fetch_one(world.db.read()).await.unwrap();
    for (now_us, keys) in [(made_us + 59_999_999, 0), (made_us + 60_000_000, 1), (made_us + 60_000_000, 0)] {
        assert_eq!(idempotency::count_old(&world.db, now_us, 60).await.unwrap(), keys);
        assert_eq!(idempotency::prune(&world.db, now_us, 60).await.unwrap(), keys);
    }
}

macro_rules! over_both_databases {
    ($($behaviour:ident $(($argument:expr))?,)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                super::$behaviour(super::World::sqlite().await.unwrap() $(, $argument)?).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                let Some(world) = super::World::postgres().await else { return };
                super::$behaviour(world $(, $argument)?).await;
            })*
        }
    };
}

over_both_databases! {
    random_references_come_and_go(7),
    bytes_and_their_deletion_race,
    what_was_just_stored_is_held,
    a_file_without_a_row_goes_once_it_is_old,
    one_that_was_condemned_before_a_crash_is_finished_afterwards,
    a_chore_is_begun_by_one_node_per_interval,
    idempotency_keys_go_when_they_stand_for_nothing_any_more,
}

#[tokio::test(flavor = "multi_thread")]
async fn more_random_references_come_and_go() {
    for seed in 100..104 {
        random_references_come_and_go(World::sqlite().await.unwrap(), seed).await;
    }
}
