//! A write transaction that also carries the hints to send once it is committed.

use std::ops::{Deref, DerefMut};

use sqlx::{Any, AnyPool, SqlStr, Transaction};

use super::{Connection, DbError, Dialect, Hint, hints::Hints};

/// The right to write until [`WriteTx::commit`]; dropping it rolls back. Execute statements on `&mut *tx`.
#[derive(Debug)]
#[must_use = "a transaction that is not committed is rolled back"]
pub struct WriteTx {
    transaction: Transaction<'static, Any>,
    dialect: Dialect,
    hints: Hints,
    pending: Vec<Hint>,
}

const TAKE_TURNS: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";

impl WriteTx {
    pub(super) async fn begin(writers: &AnyPool, dialect: Dialect, hints: Hints) -> Result<Self, DbError> {
        let transaction = writers.begin_with(dialect.begin()).await?;
        Ok(Self { transaction, dialect, hints, pending: Vec::new() })
    }

    /// See [`Dialect::sql`].
    #[must_use]
    pub fn sql(&self, text: &'static str) -> SqlStr {
        self.dialect.sql(text)
    }

    /// Whether no other transaction can be writing before this one ends, anywhere: then there is no row to lock.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }

    /// Waits until no other transaction that takes turns under the same name is open, and keeps them waiting until this one ends.
    ///
    /// # Errors
    /// [`DbError::Query`] where the database fails.
    pub async fn take_turns(&mut self, name: &str) -> Result<(), DbError> {
        if !self.is_alone() {
            sqlx::query(TAKE_TURNS).bind(name).execute(&mut *self.transaction).await?;
        }
        Ok(())
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
    /// [`DbError::Query`]: nothing was written, or the connection broke at the very end and nobody can tell; look before
    /// trying again.
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
