//! A write transaction that also carries the hints to send once it is committed.

use std::ops::{Deref, DerefMut};

use sqlx::{Sqlite, SqlitePool, Transaction};

use super::{Connection, DbError, Hint, hints::Hints};

/// The right to write until [`WriteTx::commit`]; dropping it rolls back. Execute statements on `&mut *tx`.
#[derive(Debug)]
#[must_use = "a transaction that is not committed is rolled back"]
pub struct WriteTx {
    transaction: Transaction<'static, Sqlite>,
    hints: Hints,
    pending: Vec<Hint>,
}

impl WriteTx {
    pub(super) async fn begin(writer: &SqlitePool, hints: Hints) -> Result<Self, DbError> {
        // A deferred transaction that reads first and then writes fails at once when another process wrote in between,
        // whatever the busy timeout; an immediate one waits its turn.
        let transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Self { transaction, hints, pending: Vec::new() })
    }

    /// Sends `hint` after the commit, or never if there is none.
    pub fn hint(&mut self, hint: Hint) {
        if !self.pending.contains(&hint) {
            self.pending.push(hint);
        }
    }

    /// Makes everything durable, then sends the hints.
    ///
    /// # Errors
    /// [`DbError::Query`]: nothing was written.
    pub async fn commit(self) -> Result<(), DbError> {
        self.transaction.commit().await?;
        for hint in self.pending {
            self.hints.publish(hint);
        }
        Ok(())
    }

    /// Takes everything back.
    ///
    /// # Errors
    /// [`DbError::Query`]: the connection broke, which takes everything back as well.
    pub async fn rollback(self) -> Result<(), DbError> {
        Ok(self.transaction.rollback().await?)
    }
}

impl Deref for WriteTx {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.transaction
    }
}

impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.transaction
    }
}
