//! Who may send what, and for how long.

use std::collections::HashSet;

use futures_util::future::join_all;

use crate::webhooks::{
    DeliveryState, EventType,
    record::{Recorded, Verdict},
    tests::store::{FAILED, MINUTE_US, Store},
    upkeep,
};

pub(in crate::webhooks::tests) async fn a_delivery_is_claimed_once_however_many_want_it(store: Store) {
    store.webhook(None).await;
    for _ in 0..30 {
        store.submit().await;
    }
    let rounds = join_all((0..8).map(|_| store.claim_with(100, 5, MINUTE_US))).await;
    let claimed: Vec<_> = rounds.into_iter().flatten().map(|claim| claim.delivery).collect();
    assert_eq!(claimed.len(), 30);
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), 30);
}

pub(in crate::webhooks::tests) async fn a_webhook_has_no_more_under_way_than_it_may_and_the_others_do_not_wait(
    store: Store,
) {
    let busy = store.webhook(Some(&[EventType::JobQueued])).await;
    for _ in 0..10 {
        store.submit().await;
    }
    let first = store.claim_with(3, 100, MINUTE_US).await;
    assert_eq!(first.len(), 3);
    let other = store.webhook(Some(&[EventType::JobQueued])).await;
    store.submit().await;
    let second = store.claim_with(3, 100, MINUTE_US).await;
    assert_eq!(second.iter().map(|claim| &claim.webhook).collect::<Vec<_>>(), [&other.id]);
    store.record(&first[0], Verdict::Delivered).await;
    let third = store.claim_with(3, 100, MINUTE_US).await;
    assert_eq!(third.iter().map(|claim| &claim.webhook).collect::<Vec<_>>(), [&busy.id]);
    assert!(store.claim_with(100, 0, MINUTE_US).await.is_empty(), "no places, no claims");
}

pub(in crate::webhooks::tests) async fn events_of_a_job_are_sent_in_order_and_one_that_failed_holds_up_nobody(
    store: Store,
) {
    store.webhook(None).await;
    let jobs = [store.submit().await, store.submit().await];
    for job in &jobs {
        store.cancel(job).await;
    }
    let queued = store.claim().await;
    assert!(queued.len() == 2 && queued.iter().all(|claim| claim.message.event == EventType::JobQueued));
    assert!(store.claim().await.is_empty(), "what comes later waits for what is under way");
    store.record(&queued[0], Verdict::Delivered).await;
    assert_eq!(store.claim_one().await.message.event, EventType::JobCancelled);
    assert_eq!(store.record(&queued[1], FAILED).await, Recorded::Retried);
    assert_eq!(store.claim_one().await.message.event, EventType::JobCancelled);
}

pub(in crate::webhooks::tests) async fn a_sender_that_was_presumed_dead_changes_nothing(store: Store) {
    let webhook = store.webhook(None).await;
    store.submit().await;
    let slow = store.claim_with(1, 1, -1).await.remove(0);
    upkeep::free_expired(&store.db).await.unwrap();
    let fast = store.claim_one().await;
    assert_eq!((slow.delivery.clone(), slow.epoch + 1), (fast.delivery.clone(), fast.epoch));
    assert_eq!(store.record(&slow, FAILED).await, Recorded::Lost);
    assert_eq!(store.found(&webhook).await.failing_since_us, None);
    assert_eq!(store.record(&fast, Verdict::Delivered).await, Recorded::Delivered);
    assert_eq!(store.record(&slow, Verdict::Gone).await, Recorded::Lost);
    let delivery = store.deliveries(&webhook.id, None).await.remove(0);
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Delivered, 1));
    assert_eq!(store.found(&webhook).await.disabled, None);
}

pub(in crate::webhooks::tests) async fn a_lease_that_ended_is_freed_and_one_that_holds_is_not(store: Store) {
    store.webhook(None).await;
    store.submit().await;
    store.claim_with(100, 100, MINUTE_US).await;
    assert_eq!(upkeep::free_expired(&store.db).await.unwrap(), 0);
    store.submit().await;
    store.claim_with(100, 100, -1).await;
    assert!(store.claim().await.is_empty());
    assert_eq!(upkeep::free_expired(&store.db).await.unwrap(), 1);
    assert_eq!(store.claim().await.len(), 1);
}

pub(in crate::webhooks::tests) async fn a_restart_takes_over_at_once(mut store: Store) {
    store.webhook(None).await;
    store.submit().await;
    let lost = store.claim_one().await;
    assert!(store.claim().await.is_empty());
    store.restart().await;
    assert_eq!(upkeep::recover(&store.db).await.unwrap(), 1);
    let again = store.claim_one().await;
    assert_eq!((lost.delivery, lost.epoch + 1), (again.delivery, again.epoch));
}
