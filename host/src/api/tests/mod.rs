//! The HTTP surface as a client meets it, with a real database and artifact store and a planner that knows one stage.

mod bad_input;
mod catalog;
mod health;
mod idempotency;
mod job_history;
mod jobs;
mod registry;
mod schedules;
mod schemas;
mod surface;
mod waiting;
mod webhooks;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{
    auth::{self, NewKey, Scope, Team},
    catalog::{contests::ContestBook, limits::CatalogLimits},
    db::{Db, DbConfig, artifacts::ArtifactStore},
    domain::{
        ids::{JobId, TeamId},
        problem::Problem,
        spec::JobSpec,
    },
    jobs::{JobsConfig, NewStage, costs::Expected, outlook::Outlooks},
    plugins::{PluginLimits, PluginRuntime, PluginsConfig},
    results::{
        JobPreview, PreviewStage,
        cost::{CostEstimate, Figure},
    },
    webhooks::WebhooksConfig,
};

/// Two CPU-seconds and a fuel that nobody knows.
fn estimate() -> CostEstimate {
    CostEstimate {
        fuel: Figure::none("a test"),
        cpu_s: Figure::spread(1.0, 2.0, 3.0, 4),
        wall_s: Figure::sample(1.0),
        queue_wait_s: None,
        components: Vec::new(),
    }
}

fn expected() -> Expected {
    Expected { told: json!(estimate()), cpu_us: 2_000_000 }
}

/// Plans every job as one task, and refuses calibrations with more than 64 chains.
struct OneTask;

impl Planner for OneTask {
    fn replay(&self, job: &JobId, plan: &Value, _: &Value) -> Result<Value, Problem> {
        let mut plan = plan.clone();
        plan["replays"] = json!(job);
        Ok(plan)
    }

    fn plan<'a>(&'a self, _: &'a TeamId, spec: JobSpec) -> BoxFuture<'a, Result<PlannedJob, Problem>> {
        async move {
            if matches!(&spec, JobSpec::Calibrate(spec) if spec.chains > 64) {
                return Err(
                    Problem::invalid("/chains", "Too many chains.", "Ask for fewer.").with_limit("1..=64 chains")
                );
            }
            let stages = vec![NewStage { name: "only".to_owned(), weight: 1.0, tasks: vec![json!({})] }];
            Ok(PlannedJob { spec: serde_json::to_value(&spec).unwrap(), stages, expected: Some(expected()) })
        }
        .boxed()
    }

    fn expected<'a>(&'a self, _: &'a TeamId, _: &'a Value, _: &'a [NewStage]) -> BoxFuture<'a, Option<Expected>> {
        async { Some(expected()) }.boxed()
    }

    fn preview<'a>(&'a self, team: &'a TeamId, spec: JobSpec) -> BoxFuture<'a, Result<JobPreview, Problem>> {
        async move {
            let kind = spec.kind();
            let planned = self.plan(team, spec).await?;
            let stages = planned.stages.into_iter();
            Ok(JobPreview {
                kind,
                is_feasible: true,
                stages: stages.map(|stage| PreviewStage { name: stage.name, tasks: stage.tasks.len() }).collect(),
                plugins: Vec::new(),
                shadows: Vec::new(),
                history_races: 0,
                warnings: Vec::new(),
                sample: json!({ "skipped": "a test" }),
                estimate: estimate(),
            })
        }
        .boxed()
    }
}

/// A server without a socket, with two teams.
struct Server {
    state: ApiState,
    router: Router,
    ours: Caller,
    theirs: Caller,
    _directory: tempfile::TempDir,
}

/// A team and a key of it that may do everything.
struct Caller {
    team: Team,
    key: String,
}

/// What a request was answered.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("-")
    }
}

impl Server {
    async fn start() -> Self {
        Self::start_with(ApiConfig::default()).await
    }

    async fn start_with(config: ApiConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let db_config = DbConfig::in_directory(directory.path());
        let db = Db::open(&db_config).await.unwrap();
        let artifacts = ArtifactStore::open(&db_config, db.clone()).unwrap();
        let ours = Caller::create(&db, "ours").await;
        let theirs = Caller::create(&db, "theirs").await;
        let plugins = PluginRuntime::new(PluginsConfig {
            cache_dir: directory.path().join("compiled"),
            mac_key: [7; 32],
            // Uploads that are refused never come as far as the compiler; those that are taken are tested with the real binary.
            compiler: "no-compiler".into(),
            limits: PluginLimits::default(),
        });
        let state = ApiState::new(ApiParts {
            outlooks: Outlooks::new(db.clone(), &JobsConfig::default()),
            db,
            artifacts,
            planner: Arc::new(OneTask),
            plugins: plugins.unwrap(),
            contests: Arc::new(ContestBook::embedded().unwrap()),
            catalog: CatalogLimits::default(),
            webhooks: WebhooksConfig::default(),
            config,
        });
        Self { router: router(state.clone()), state, ours, theirs, _directory: directory }
    }

    async fn key_with(&self, scopes: &[Scope]) -> String {
        let new = NewKey { name: "narrow".to_owned(), scopes: scopes.to_vec(), valid_s: None };
        auth::create_key(self.state.db(), &self.ours.team, &new).await.unwrap().secret.expose().to_owned()
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, &self.ours.key, None, Body::empty())).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let body = Body::from(body.to_string());
        self.send(request(Method::POST, path, &self.ours.key, Some("application/json"), body)).await
    }
}

impl Caller {
    async fn create(db: &Db, name: &str) -> Self {
        let team = auth::create_team(db, name).await.unwrap();
        let new = NewKey { name: "all".to_owned(), scopes: Scope::ALL.to_vec(), valid_s: None };
        let key = auth::create_key(db, &team, &new).await.unwrap().secret.expose().to_owned();
        Self { team, key }
    }
}

fn request(method: Method, path: &str, key: &str, media_type: Option<&str>, body: Body) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    if !key.is_empty() {
        builder = builder.header(header::AUTHORIZATION, format!("Bearer {key}"));
    }
    if let Some(media_type) = media_type {
        builder = builder.header(header::CONTENT_TYPE, media_type);
    }
    builder.body(body).unwrap()
}
