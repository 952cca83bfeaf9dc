//! A database with one team, and what tests do with it: make webhooks, let jobs happen, claim, record.

use serde_json::json;

use crate::{
    db::{Db, DbConfig},
    domain::{
        ids::{JobId, TeamId, WebhookId},
        job::JobKind,
    },
    jobs::{self, NewJob, NewStage},
    support::postgres::Cluster,
    webhooks::{
        Created, Delivery, DeliveryState, EventType, NewWebhook, Webhook, WebhookUrl, WebhooksConfig,
        claim::{self, Claim, Terms},
        deliveries, endpoints,
        record::{self, Attempt, Recorded, Verdict},
    },
};

pub(super) const MINUTE_US: i64 = 60_000_000;
pub(super) const FAILED: Verdict = Verdict::Failed { asked: None };

pub(super) struct Store {
    pub(super) db: Db,
    pub(super) team: TeamId,
    pub(super) config: WebhooksConfig,
    db_config: DbConfig,
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

    async fn open(db_config: DbConfig, directory: tempfile::TempDir) -> Self {
        let db = Db::open(&db_config).await.unwrap();
        let team = add_team(&db).await;
        Self { db, team, config: WebhooksConfig::default(), db_config, _directory: directory }
    }

    /// As after a crash: all handles are gone, nothing was said, and the data is opened again.
    pub(super) async fn restart(&mut self) {
        let elsewhere = tempfile::tempdir().unwrap();
        let placeholder = Db::open(&DbConfig::in_directory(elsewhere.path())).await.unwrap();
        std::mem::replace(&mut self.db, placeholder).close().await;
        self.db = Db::open(&self.db_config).await.unwrap();
    }

    pub(super) async fn webhook(&self, events: Option<&[EventType]>) -> Webhook {
        self.webhook_of(&self.team, events).await.0
    }

    pub(super) async fn webhook_of(&self, team: &TeamId, events: Option<&[EventType]>) -> (Webhook, Created) {
        let mut tx = self.db.write().await.unwrap();
        let made = endpoints::create_in(&mut tx, team, &new_webhook(events), &self.config).await.unwrap();
        tx.commit().await.unwrap();
        made
    }

    pub(super) async fn rotate(&self, webhook: &Webhook, overlap_s: u64) -> Created {
        let mut tx = self.db.write().await.unwrap();
        let made = endpoints::rotate_in(&mut tx, &self.team, &webhook.id, overlap_s, &self.config).await.unwrap();
        tx.commit().await.unwrap();
        made
    }

    pub(super) async fn found(&self, webhook: &Webhook) -> Webhook {
        endpoints::find(&self.db, &self.team, &webhook.id).await.unwrap()
    }

    pub(super) async fn submit(&self) -> JobId {
        jobs::submit::submit(&self.db, plan(&self.team)).await.unwrap()
    }

    pub(super) async fn cancel(&self, job: &JobId) {
        jobs::cancel::cancel(&self.db, job).await.unwrap();
    }

    pub(super) async fn claim_with(&self, per_webhook_max: usize, places: usize, lease_us: i64) -> Vec<Claim> {
        claim::claim(&self.db, Terms { lease_us, per_webhook_max, places }).await.unwrap()
    }

    pub(super) async fn claim(&self) -> Vec<Claim> {
        self.claim_with(100, 100, MINUTE_US).await
    }

    /// The only delivery that can be claimed.
    pub(super) async fn claim_one(&self) -> Claim {
        let mut claims = self.claim().await;
        assert_eq!(claims.len(), 1, "{claims:?}");
        claims.remove(0)
    }

    pub(super) async fn record(&self, claim: &Claim, verdict: Verdict) -> Recorded {
        self.record_under(&self.config, claim, verdict).await
    }

    pub(super) async fn record_under(&self, config: &WebhooksConfig, claim: &Claim, verdict: Verdict) -> Recorded {
        let attempt = Attempt { verdict, status: None, error: None, response: None };
        record::record(&self.db, config, claim, &attempt, 0.0).await.unwrap()
    }

    pub(super) async fn deliveries(&self, webhook: &WebhookId, state: Option<DeliveryState>) -> Vec<Delivery> {
        let of = (&self.team, webhook);
        deliveries::list(&self.db, of, state, None, 1_000).await.unwrap().0
    }

    /// Lets time pass for one column of the table: it says what it would say that much later.
    pub(super) async fn age(&self, statement: &'static str, us: i64) {
        let mut tx = self.db.write().await.unwrap();
        sqlx::query(statement).bind(us).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(super) async fn count(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(self.db.read()).await.unwrap()
    }
}

pub(super) fn new_webhook(events: Option<&[EventType]>) -> NewWebhook {
    let url = WebhookUrl::parse("https://hooks.example.com/", &WebhooksConfig::default()).unwrap();
    NewWebhook { url, name: None, events: events.map(<[EventType]>::to_vec) }
}

pub(super) fn plan(team: &TeamId) -> NewJob {
    NewJob {
        team: team.clone(),
        key: None,
        kind: JobKind::Simulate,
        spec: json!({ "salary_usd": 9_000 }),
        name: Some("Sunday".to_owned()),
        tags: Vec::new(),
        stages: vec![NewStage { name: "only".to_owned(), weight: 1.0, tasks: vec![json!({})] }],
        deadline_s: None,
        priority: 0,
        schedule: None,
        expected: None,
    }
}

pub(super) async fn add_team(db: &Db) -> TeamId {
    let team = TeamId::random();
    let mut tx = db.write().await.unwrap();
    sqlx::query("INSERT INTO teams (id, name, created_us) VALUES ($1, $1, 0)")
        .bind(team.as_str())
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    team
}
