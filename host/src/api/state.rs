//! What handlers may use: their own handles, never the whole application.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use super::{limits::ApiConfig, planner::Planner};
use crate::{
    catalog::{contests::ContestBook, limits::CatalogLimits},
    db::{Db, artifacts::ArtifactStore},
    jobs::{
        intake::{Intake, IntakeTerms},
        outlook::Outlooks,
    },
    plugins::PluginRuntime,
    webhooks::WebhooksConfig,
};

/// What the HTTP surface is made of.
pub struct ApiParts {
    /// Rows.
    pub db: Db,
    /// Large things, by content hash.
    pub artifacts: ArtifactStore,
    /// Checks job specifications and splits them into stages.
    pub planner: Arc<dyn Planner>,
    /// Takes uploads of plugins.
    pub plugins: PluginRuntime,
    /// The contests that slates can be for.
    pub contests: Arc<ContestBook>,
    /// What an imported file may be.
    pub catalog: CatalogLimits,
    /// What is foreseen for live jobs.
    pub outlooks: Outlooks,
    /// What a webhook may be.
    pub webhooks: WebhooksConfig,
    /// What is accepted at most.
    pub config: ApiConfig,
}

/// Handles of the HTTP surface; cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Inner>);

struct Inner {
    parts: ApiParts,
    intake: Intake,
    /// One permit per request that may be handled at the same time.
    in_flight: Arc<Semaphore>,
    /// One permit per stream of events that may be open at the same time.
    event_streams: Arc<Semaphore>,
    /// Raised when the process begins to stop: `/readyz` then fails, so that load balancers look elsewhere, and nobody is kept
    /// waiting for a job.
    is_draining: watch::Sender<bool>,
}

impl ApiState {
    /// The state of one server. Must be called on an asynchronous runtime.
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        let in_flight = Arc::new(Semaphore::new(parts.config.requests_in_flight_max));
        let event_streams = Arc::new(Semaphore::new(parts.config.event_streams_max));
        let terms =
            IntakeTerms { quota: super::quota::defaults(&parts.config), key_valid_s: parts.config.idempotency_valid_s };
        let intake = Intake::start(parts.db.clone(), terms);
        Self(Arc::new(Inner { parts, intake, in_flight, event_streams, is_draining: watch::Sender::new(false) }))
    }

    /// Rows.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.0.parts.db
    }

    /// Large things, by content hash.
    #[must_use]
    pub fn artifacts(&self) -> &ArtifactStore {
        &self.0.parts.artifacts
    }

    /// Where jobs are submitted.
    #[must_use]
    pub fn intake(&self) -> &Intake {
        &self.0.intake
    }

    /// The planner.
    #[must_use]
    pub fn planner(&self) -> &dyn Planner {
        self.0.parts.planner.as_ref()
    }

    /// Takes uploads of plugins.
    #[must_use]
    pub fn plugins(&self) -> &PluginRuntime {
        &self.0.parts.plugins
    }

    /// The contests that slates can be for.
    #[must_use]
    pub fn contests(&self) -> &ContestBook {
        &self.0.parts.contests
    }

    /// What an imported file may be.
    #[must_use]
    pub fn catalog(&self) -> &CatalogLimits {
        &self.0.parts.catalog
    }

    /// What is foreseen for live jobs.
    #[must_use]
    pub fn outlooks(&self) -> &Outlooks {
        &self.0.parts.outlooks
    }

    /// What a webhook may be.
    #[must_use]
    pub fn webhooks(&self) -> &WebhooksConfig {
        &self.0.parts.webhooks
    }

    /// What is accepted at most.
    #[must_use]
    pub fn config(&self) -> &ApiConfig {
        &self.0.parts.config
    }

    /// Permits of requests that may be handled at the same time.
    #[must_use]
    pub(super) fn in_flight(&self) -> &Arc<Semaphore> {
        &self.0.in_flight
    }

    /// Permits of streams of events that may be open at the same time.
    #[must_use]
    pub(super) fn event_streams(&self) -> &Arc<Semaphore> {
        &self.0.event_streams
    }

    /// Makes `/readyz` fail and ends all waiting from now on; requests are still answered.
    pub fn begin_draining(&self) {
        self.0.is_draining.send_replace(true);
    }

    /// Ready once [`ApiState::begin_draining`] was called.
    pub fn drain_requested(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.stopping();
        async move {
            // The sender lives as long as the state; should it be gone, there is nothing left to serve either.
            let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
        }
    }

    /// Becomes true with [`ApiState::begin_draining`].
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.0.is_draining.subscribe()
    }

    /// Whether [`ApiState::begin_draining`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.0.is_draining.borrow()
    }
}
