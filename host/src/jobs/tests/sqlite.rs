//! The suite over SQLite, and what only a database with one server can promise.

use super::{behaviours::behaviours, store::Store, suite};

behaviours!(crate::jobs::tests::store::Store::sqlite);

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_takes_over_at_once_with_the_last_checkpoint() {
    suite::lease::a_restart_takes_over_at_once_with_the_last_checkpoint(Store::sqlite().await.unwrap()).await;
}
