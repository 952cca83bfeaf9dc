//! Group commit for SQLite: writers that queue up while one of them works share its transaction, and with it one sync of the disk.
//!
//! Each member but the first has a savepoint of its own, so one that fails takes nothing of the others back. A member is told that it is durable
//! only after the commit of all. The queue is fair, and the commit stands in it behind whoever waits when a member is done: alone, a
//! writer commits at once; among fifty, fifty share one commit.

use std::{sync::Arc, time::Duration};

use sqlx::{Any, AnyPool, Transaction};
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedMutexGuard, oneshot},
};

use super::{DbError, Dialect};

/// The one writer of a database file.
#[derive(Debug, Clone)]
pub(super) struct GroupCommit {
    writer: AnyPool,
    open: Arc<Mutex<Option<Open>>>,
    wait: Duration,
    runtime: Handle,
}

/// A transaction that has begun, and who is in it.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) transaction: Transaction<'static, Any>,
    /// Members that are done and wait for the commit.
    done: Vec<oneshot::Sender<Result<(), Arc<sqlx::Error>>>>,
    /// The last member went without a word: what it wrote has to go.
    is_abandoned: bool,
    /// The last member is not the first: there is something to go back to.
    has_savepoint: bool,
}

/// One member's turn.
#[derive(Debug)]
pub(super) struct Turn {
    group: GroupCommit,
    /// `None` once the turn is over. The transaction within is there throughout a turn.
    open: Option<OwnedMutexGuard<Option<Open>>>,
}

const BEGIN_MEMBER: &str = "SAVEPOINT member";
const KEEP_MEMBER: &str = "RELEASE member";
const DROP_MEMBER: &str = "ROLLBACK TO member; RELEASE member";

impl GroupCommit {
    /// `writer` has one connection; a turn is waited for at most for `wait`.
    pub(super) fn new(writer: AnyPool, wait: Duration) -> Self {
        Self { writer, open: Arc::default(), wait, runtime: Handle::current() }
    }

    pub(super) async fn turn(&self) -> Result<Turn, DbError> {
        let waiting = tokio::time::timeout(self.wait, Arc::clone(&self.open).lock_owned());
        let mut open = waiting.await.map_err(|_| DbError::Busy)?;
        if let Err(error) = self.enter(&mut open).await {
            let error = Arc::new(error);
            fail(open.take(), &error);
            return Err(DbError::NotCommitted(error));
        }
        Ok(Turn { group: self.clone(), open: Some(open) })
    }

    async fn enter(&self, open: &mut Option<Open>) -> Result<(), sqlx::Error> {
        if let Some(group) = open.take_if(|group| group.is_abandoned && !group.has_savepoint) {
            // Nobody else is in it.
            group.transaction.rollback().await?;
        }
        match open {
            Some(group) => {
                group.tidy().await?;
                execute(&mut group.transaction, BEGIN_MEMBER).await?;
                group.has_savepoint = true;
            }
            None => {
                let transaction = self.writer.begin_with(Dialect::Sqlite.begin()).await?;
                *open = Some(Open { transaction, done: Vec::new(), is_abandoned: false, has_savepoint: false });
            }
        }
        Ok(())
    }

    /// On a task of its own: a request that is given up must not leave the others without their commit.
    fn commit_after_those_who_wait(&self) {
        let open = Arc::clone(&self.open);
        self.runtime.spawn(async move {
            let group = open.lock_owned().await.take();
            if let Some(group) = group {
                group.commit().await;
            }
        });
    }
}

impl Open {
    async fn tidy(&mut self) -> Result<(), sqlx::Error> {
        // Without a savepoint nobody is done, and the whole transaction is taken back.
        if std::mem::take(&mut self.is_abandoned) && self.has_savepoint {
            execute(&mut self.transaction, DROP_MEMBER).await?;
        }
        Ok(())
    }

    async fn commit(mut self) {
        if let Err(error) = self.tidy().await {
            return fail(Some(self), &Arc::new(error));
        }
        let committed = match self.done.is_empty() {
            true => self.transaction.rollback().await,
            false => self.transaction.commit().await,
        };
        let committed = committed.map_err(Arc::new);
        for member in self.done {
            // Who does not listen any more has given up; it is committed all the same.
            let _ = member.send(committed.clone());
        }
    }
}

/// A savepoint that cannot be made or left means that the transaction is not what it was: nobody in it may be told that it is kept.
fn fail(group: Option<Open>, error: &Arc<sqlx::Error>) {
    for member in group.into_iter().flat_map(|group| group.done) {
        let _ = member.send(Err(Arc::clone(error)));
    }
}

impl Turn {
    pub(super) fn transaction(&self) -> &Transaction<'static, Any> {
        let open = self.open.as_deref().and_then(Option::as_ref);
        &open.expect("a turn has its transaction").transaction
    }

    pub(super) fn transaction_mut(&mut self) -> &mut Transaction<'static, Any> {
        let open = self.open.as_deref_mut().and_then(Option::as_mut);
        &mut open.expect("a turn has its transaction").transaction
    }

    /// Keeps what was written, and returns when it is durable.
    pub(super) async fn commit(self) -> Result<(), DbError> {
        self.end(KEEP_MEMBER).await
    }

    /// Takes back what was written, and returns when what was read, which an earlier member may have written, is durable: it may be
    /// the reason for going back.
    pub(super) async fn rollback(self) -> Result<(), DbError> {
        self.end(DROP_MEMBER).await
    }

    async fn end(mut self, statement: &'static str) -> Result<(), DbError> {
        let is_first = self.open.as_deref().and_then(Option::as_ref).is_some_and(|open| !open.has_savepoint);
        if is_first && statement == DROP_MEMBER {
            let alone = self.open.take().and_then(|mut open| open.take());
            return match alone {
                Some(alone) => Ok(alone.transaction.rollback().await?),
                None => Ok(()),
            };
        }
        if !is_first && let Err(error) = execute(self.transaction_mut(), statement).await {
            // The transaction is not what it was.
            let error = Arc::new(error);
            fail(self.open.take().and_then(|mut open| open.take()), &error);
            return Err(DbError::NotCommitted(error));
        }
        let (done, committed) = oneshot::channel();
        if let Some(mut open) = self.open.take() {
            open.as_mut().expect("a turn has its transaction").done.push(done);
        }
        self.group.commit_after_those_who_wait();
        match committed.await {
            Ok(committed) => committed.map_err(DbError::NotCommitted),
            // The process is going down.
            Err(_) => Err(DbError::NotCommitted(Arc::new(sqlx::Error::PoolClosed))),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(mut open) = self.open.take() {
            if let Some(group) = open.as_mut() {
                group.is_abandoned = true;
            }
            drop(open);
            self.group.commit_after_those_who_wait();
        }
    }
}

async fn execute(transaction: &mut Transaction<'static, Any>, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(statement).execute(&mut **transaction).await.map(drop)
}
