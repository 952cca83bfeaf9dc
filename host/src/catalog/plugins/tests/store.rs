//! A database with two teams, and what tests do with it: upload, promote, fail, look.

use serde_json::json;

use crate::{
    auth,
    catalog::plugins::{
        AliasChanges, CatalogError, Failure, NewPlugin, PluginAlias, Quarantined, StoredPlugin, UploadState, alias,
        change_alias, find_plugin, insert_plugin, note_failure, promote, roll_back,
    },
    db::{Db, DbConfig, artifacts::ArtifactStore},
    domain::{
        ids::{JobId, KeyId, TeamId},
        plugin::{PluginDescription, World},
    },
    support::postgres::Cluster,
};

/// Jobs that quarantine a version in the tests.
pub(super) const FAILURES_MAX: u32 = 3;
pub(super) const WINDOW_S: u64 = 3_600;

pub(super) struct Store {
    pub(super) db: Db,
    pub(super) artifacts: ArtifactStore,
    pub(super) team: TeamId,
    pub(super) other: TeamId,
    pub(super) key: KeyId,
    _directory: tempfile::TempDir,
}

impl Store {
    pub(super) async fn sqlite() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        Some(Self::open(DbConfig::in_directory(directory.path()), directory).await)
    }

    /// `None` where PostgreSQL is not installed and this is not CI.
    pub(super) async fn postgres() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let url = tokio::task::spawn_blocking(|| Cluster::shared().map(Cluster::create_database));
        let url = url.await.unwrap()?;
        Some(Self::open(DbConfig { url: Some(url), ..DbConfig::in_directory(directory.path()) }, directory).await)
    }

    async fn open(config: DbConfig, directory: tempfile::TempDir) -> Self {
        let db = Db::open(&config).await.unwrap();
        let artifacts = ArtifactStore::open(&config, db.clone()).unwrap();
        let team = auth::create_team(&db, "owners").await.unwrap().id;
        let other = auth::create_team(&db, "others").await.unwrap().id;
        Self { db, artifacts, team, other, key: KeyId::random(), _directory: directory }
    }

    /// A version to be stored; other bytes for another version or note.
    pub(super) async fn draft(&self, team: Option<&TeamId>, version: &str, note: &str) -> NewPlugin {
        let hash = self.artifacts.put(format!("{version} {note}").into()).await.unwrap();
        NewPlugin {
            team: team.cloned(),
            uploaded_by: team.map(|_| self.key.clone()),
            state: UploadState::Active,
            hash: hash.to_string(),
            size_bytes: 3,
            description: PluginDescription {
                world: World::Constraint,
                name: "rule".to_owned(),
                version: version.to_owned(),
                summary: "A rule.".to_owned(),
                params_schema: json!({}),
                veto_reasons: Vec::new(),
                posterior_layout: None,
                judges_scenarios: true,
                judges_lineups: false,
            },
        }
    }

    /// An active version of the team's.
    pub(super) async fn version(&self, version: &str) -> StoredPlugin {
        let new = self.draft(Some(&self.team), version, "").await;
        insert_plugin(&self.db, &new).await.unwrap().0
    }

    pub(super) async fn find(&self, wanted: &str) -> Result<StoredPlugin, CatalogError> {
        find_plugin(&self.db, &self.team, &wanted.parse().unwrap()).await
    }

    /// As the other team sees it.
    pub(super) async fn find_as_other(&self, wanted: &str) -> Result<StoredPlugin, CatalogError> {
        find_plugin(&self.db, &self.other, &wanted.parse().unwrap()).await
    }

    pub(super) async fn found(&self, wanted: &str) -> String {
        self.find(wanted).await.unwrap().label()
    }

    pub(super) async fn promote(&self, name: &str, version: &str) -> Result<PluginAlias, CatalogError> {
        let plugin = self.find(&format!("rule@{version}")).await.unwrap();
        promote(&self.db, &plugin, &name.parse().unwrap(), &self.key, 2).await
    }

    pub(super) async fn roll_back(&self, name: &str) -> Result<PluginAlias, CatalogError> {
        roll_back(&self.db, &self.team, "rule", &name.parse().unwrap(), &self.key).await
    }

    pub(super) async fn fall_back(&self, name: &str) {
        let changes = AliasChanges { falls_back: Some(true), shadow: None };
        change_alias(&self.db, &self.team, "rule", &name.parse().unwrap(), &changes).await.unwrap();
    }

    pub(super) async fn alias(&self, name: &str) -> PluginAlias {
        alias(&self.db, &self.team, "rule", &name.parse().unwrap()).await.unwrap()
    }

    /// A job of the team meets a crash.
    pub(super) async fn crash(&self, team: &TeamId, plugin: &StoredPlugin, job: &JobId) -> Option<Quarantined> {
        let failure = Failure { plugin: &plugin.id, team, job, code: "plugin-trapped" };
        note_failure(&self.db, failure, FAILURES_MAX, WINDOW_S).await.unwrap()
    }

    /// So many jobs of the team meet a crash; what the last of them led to.
    pub(super) async fn crashes(&self, team: &TeamId, plugin: &StoredPlugin, jobs: u32) -> Option<Quarantined> {
        let mut last = None;
        for _ in 0..jobs {
            last = self.crash(team, plugin, &JobId::random()).await;
        }
        last
    }

    pub(super) async fn execute(&self, statement: &'static str) {
        let mut tx = self.db.write().await.unwrap();
        sqlx::query(statement).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }
}
