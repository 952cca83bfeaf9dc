//! The database and the artifact store: opening, migrating, reading, writing. What the tables mean is known by the rooms above.
//!
//! SQLite: one writer connection and a pool of read-only ones. It lets one transaction write at a time anyway; taking turns at
//! the door (a fair queue) instead of at the lock (polling until `busy_timeout`) keeps the wait short and never starves anyone,
//! and those who queue share a commit.
//! PostgreSQL: a pool for each. There, transactions run side by side, and whoever changes a job locks its row first.

pub mod artifacts;
pub mod chores;
mod config;
mod dialect;
mod drafts;
mod errands;
mod error;
mod fleet_hints;
mod group;
mod hints;
mod lock;
mod migrations;
mod open;
pub mod sweep;
mod write;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::Arc};

use sqlx::{Any, AnyPool, SqlStr, Transaction};
use tokio::{sync::broadcast, task::AbortHandle};

pub use config::DbConfig;
pub use dialect::Dialect;
pub use errands::Errands;
pub use error::DbError;
pub use hints::Hint;
pub use write::WriteTx;

use crate::domain::ids::random_hex_128;
use group::GroupCommit;
use hints::Hints;
use lock::DirectoryLock;
use open::Place;
use write::Writers;

/// The database's connection type, named once.
pub type Connection = sqlx::AnyConnection;
/// The database's row type, named once.
pub type Row = sqlx::any::AnyRow;

/// A handle on the database; clones share it.
#[derive(Debug, Clone)]
pub struct Db(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dialect: Dialect,
    readers: AnyPool,
    writers: AnyPool,
    write: Writers,
    hints: Hints,
    /// What carries hints from and to the rest of a fleet.
    couriers: Vec<AbortHandle>,
    /// Names this opening of the database; no other process and no later start has the same.
    session: String,
    /// Held as long as the database is open; `None` for a guest beside a server.
    lock: Option<DirectoryLock>,
}

impl Db {
    /// Connections for reading. They are read-only: a write through them is an error of the database.
    #[must_use]
    pub fn read(&self) -> &AnyPool {
        &self.0.readers
    }

    /// The statement as this database is to get it, see [`Dialect::sql`].
    #[must_use]
    pub fn sql(&self, text: impl Into<Cow<'static, str>>) -> SqlStr {
        self.0.dialect.sql(text)
    }

    /// Begins to read several times from one state of the database.
    ///
    /// # Errors
    /// [`DbError::Busy`] where no connection became free in time.
    pub async fn snapshot(&self) -> Result<Transaction<'static, Any>, DbError> {
        Ok(self.0.readers.begin_with(self.0.dialect.begin_snapshot()).await?)
    }

    /// Begins a write transaction. Keep it short: on SQLite, all writers take turns.
    ///
    /// # Errors
    /// [`DbError::Busy`] where the turn did not come in time; nothing has been written, try again later.
    pub async fn write(&self) -> Result<WriteTx, DbError> {
        WriteTx::begin(&self.0.write, self.0.dialect, self.0.hints.clone()).await
    }

    /// The database's clock: microseconds since 1970-01-01 UTC, in steps of a millisecond.
    ///
    /// # Errors
    /// [`DbError::Query`] where the database does not answer.
    pub async fn now_us(&self) -> Result<i64, DbError> {
        Ok(sqlx::query_scalar("SELECT now_us FROM clock").fetch_one(self.read()).await?)
    }

    /// Hints from now on about what other parts of this process have committed. Losing one costs a polling interval, nothing else.
    #[must_use]
    pub fn hints(&self) -> broadcast::Receiver<Hint> {
        self.0.hints.subscribe()
    }

    /// Names this opening of the database: leases that carry another name belong to another process or an earlier start.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.0.session
    }

    /// Whether no other process can be working on this database while this handle lives.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        self.0.lock.is_some()
    }

    /// Proves that the database can be read and written, for `/readyz`.
    ///
    /// # Errors
    /// [`DbError::Busy`] or [`DbError::Query`]: the database cannot be used now.
    pub async fn check(&self) -> Result<(), DbError> {
        self.now_us().await?;
        // The write lock shows a writer that hangs and a file that became read-only. A full disk is found by the check of the
        // artifact store, which has to write for it.
        self.write().await?.rollback().await
    }

    /// Closes all connections and waits for them; the lock goes with the last clone.
    pub async fn close(&self) {
        self.0.couriers.iter().for_each(AbortHandle::abort);
        self.0.readers.close().await;
        self.0.writers.close().await;
    }

    fn new(place: &Place, readers: AnyPool, writers: AnyPool, lock: Option<DirectoryLock>) -> Self {
        let hints = Hints::new();
        let session = random_hex_128();
        let couriers = match place.dialect {
            Dialect::Sqlite => Vec::new(),
            Dialect::Postgres => fleet_hints::start(place.url.clone(), writers.clone(), &hints, &session).into(),
        };
        let write = match place.dialect {
            Dialect::Sqlite => Writers::Group(GroupCommit::new(writers.clone(), place.wait)),
            Dialect::Postgres => Writers::Pool(writers.clone()),
        };
        Self(Arc::new(Inner { dialect: place.dialect, readers, writers, write, hints, couriers, session, lock }))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.couriers.iter().for_each(AbortHandle::abort);
    }
}
