//! What handlers may use: their own handles, never the whole application.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Semaphore;

use super::{limits::ApiConfig, planner::Planner};
use crate::db::{Db, artifacts::ArtifactStore};

/// Handles of the HTTP surface; cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Inner>);

struct Inner {
    /// Rows.
    db: Db,
    /// Large things, by content hash.
    artifacts: ArtifactStore,
    /// Checks job specifications and splits them into stages.
    planner: Arc<dyn Planner>,
    /// What is accepted at most.
    config: ApiConfig,
    /// One permit per request that may be handled at the same time.
    in_flight: Arc<Semaphore>,
    /// Raised when the process begins to stop: `/readyz` then fails, so that load balancers look elsewhere.
    is_draining: AtomicBool,
}

impl ApiState {
    /// The state of one server.
    #[must_use]
    pub fn new(db: Db, artifacts: ArtifactStore, planner: Arc<dyn Planner>, config: ApiConfig) -> Self {
        let in_flight = Arc::new(Semaphore::new(config.requests_in_flight_max));
        Self(Arc::new(Inner { db, artifacts, planner, config, in_flight, is_draining: AtomicBool::new(false) }))
    }

    /// Rows.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// Large things, by content hash.
    #[must_use]
    pub fn artifacts(&self) -> &ArtifactStore {
        &self.0.artifacts
    }

    /// The planner.
    #[must_use]
    pub fn planner(&self) -> &dyn Planner {
        self.0.planner.as_ref()
    }

    /// What is accepted at most.
    #[must_use]
    pub fn config(&self) -> &ApiConfig {
        &self.0.config
    }

    /// Permits of requests that may be handled at the same time.
    #[must_use]
    pub(super) fn in_flight(&self) -> &Arc<Semaphore> {
        &self.0.in_flight
    }

    /// Makes `/readyz` fail from now on; requests are still answered.
    pub fn begin_draining(&self) {
        self.0.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`ApiState::begin_draining`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.is_draining.load(Ordering::Relaxed)
    }
}
