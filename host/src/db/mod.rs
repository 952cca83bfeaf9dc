//! The database and the artifact store: opening, migrating, reading, writing. What the tables mean is known by the rooms above.
//!
//! One writer connection and a pool of read-only ones. SQLite lets one transaction write at a time anyway; taking turns at
//! the door (a fair queue) instead of at the lock (polling until `busy_timeout`) keeps the wait short and never starves anyone.

pub mod artifacts;
mod config;
mod error;
mod hints;
mod lock;
mod migrations;
mod open;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use sqlx::SqlitePool;
use tokio::sync::broadcast;

pub use config::DbConfig;
pub use error::DbError;
pub use hints::Hint;
pub use write::WriteTx;

use crate::domain::ids::random_hex_128;
use hints::Hints;
use lock::DirectoryLock;

/// The database's connection type, named once.
pub type Connection = sqlx::SqliteConnection;
/// The database's row type, named once.
pub type Row = sqlx::sqlite::SqliteRow;

/// A handle on the database; clones share it.
#[derive(Debug, Clone)]
pub struct Db(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    readers: SqlitePool,
    writer: SqlitePool,
    hints: Hints,
    /// Names this opening of the database; no other process and no later start has the same.
    session: String,
    /// Held as long as the database is open; `None` for a guest beside a server.
    lock: Option<DirectoryLock>,
}

impl Db {
    /// Connections for reading. They are read-only: a write through them is an error of the database.
    #[must_use]
    pub fn read(&self) -> &SqlitePool {
        &self.0.readers
    }

    /// Begins a write transaction (`BEGIN IMMEDIATE`). Keep it short: all writers of the process take turns.
    ///
    /// # Errors
    /// [`DbError::Busy`] where the turn did not come in time; nothing has been written, try again later.
    pub async fn write(&self) -> Result<WriteTx, DbError> {
        WriteTx::begin(&self.0.writer, self.0.hints.clone()).await
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
        self.0.readers.close().await;
        self.0.writer.close().await;
    }

    fn new(readers: SqlitePool, writer: SqlitePool, lock: Option<DirectoryLock>) -> Self {
        let hints = Hints::new();
        Self(Arc::new(Inner { readers, writer, hints, session: random_hex_128(), lock }))
    }
}
