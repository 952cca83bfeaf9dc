//! A write transaction that also carries the hints to send once it is committed.

use std::ops::{Deref, DerefMut};

use sqlx::{Any, AnyPool, SqlStr, Transaction};

use super::{
    Connection, DbError, Dialect, Hint,
    group::{GroupCommit, Turn},
    hints::Hints,
};

/// Where write transactions come from.
#[derive(Debug, Clone)]
pub(super) enum Writers {
    /// SQLite's one writer, shared by turns.
    Group(GroupCommit),
    /// PostgreSQL's connections, one for each transaction.
    Pool(AnyPool),
}

/// A connection that broke while nobody used it is found out here, where nothing is lost by taking another.
async fn begin_own(pool: &AnyPool, dialect: Dialect) -> Result<Transaction<'static, Any>, DbError> {
    for _ in 0..pool.options().get_max_connections() {
        match pool.begin_with(dialect.begin()).await.map_err(DbError::from) {
            Err(DbError::Away(_)) => {}
            begun => return begun,
        }
    }
    Ok(pool.begin_with(dialect.begin()).await?)
}

#[derive(Debug)]
enum Kind {
    Turn(Turn),
    Own(Transaction<'static, Any>),
}

/// The right to write until [`WriteTx::commit`]; dropping it rolls back. Execute statements on `&mut *tx`.
#[derive(Debug)]
#[must_use = "a transaction that is not committed is rolled back"]
pub struct WriteTx {
    kind: Kind,
    dialect: Dialect,
    hints: Hints,
    pending: Vec<Hint>,
}

const TAKE_TURNS: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";

impl WriteTx {
    pub(super) async fn begin(writers: &Writers, dialect: Dialect, hints: Hints) -> Result<Self, DbError> {
        let kind = match writers {
            Writers::Group(group) => Kind::Turn(group.turn().await?),
            Writers::Pool(pool) => Kind::Own(begin_own(pool, dialect).await?),
        };
        Ok(Self { kind, dialect, hints, pending: Vec::new() })
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
            sqlx::query(TAKE_TURNS).bind(name).execute(&mut **self).await?;
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
    /// [`DbError::Query`] or [`DbError::NotCommitted`]: nothing was written, or the connection broke at the very end and nobody can tell; look before
    /// trying again.
    pub async fn commit(self) -> Result<(), DbError> {
        match self.kind {
            Kind::Turn(turn) => turn.commit().await?,
            Kind::Own(transaction) => transaction.commit().await?,
        }
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
        match self.kind {
            Kind::Turn(turn) => turn.rollback().await,
            Kind::Own(transaction) => Ok(transaction.rollback().await?),
        }
    }
}

impl Deref for WriteTx {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.kind {
            Kind::Turn(turn) => turn.transaction(),
            Kind::Own(transaction) => transaction,
        }
    }
}

impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut Connection {
        match &mut self.kind {
            Kind::Turn(turn) => turn.transaction_mut(),
            Kind::Own(transaction) => transaction,
        }
    }
}
