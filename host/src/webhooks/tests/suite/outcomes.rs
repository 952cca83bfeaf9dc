//! What comes of an attempt: delivered, tried again, given up, disabled.

use std::time::Duration;

use crate::webhooks::{
    DeliveryState, DisabledReason, WebhooksConfig, WebhooksError, deliveries, endpoints,
    record::{self, Attempt, Recorded, Verdict},
    tests::store::{FAILED, Store},
    upkeep,
};

const LATER: &str = "UPDATE webhook_deliveries SET due_us = due_us - $1";

pub(in crate::webhooks::tests) async fn a_failure_is_tried_again_after_its_pause_until_the_schedule_ends(store: Store) {
    let webhook = store.webhook(None).await;
    store.submit().await;
    let config = WebhooksConfig { retry_delays_s: vec![60, 3_600], ..store.config.clone() };
    let mut claim = store.claim_one().await;
    for pause_s in [60, 3_600] {
        assert_eq!(store.record_under(&config, &claim, FAILED).await, Recorded::Retried);
        store.age(LATER, (pause_s - 30) * 1_000_000).await;
        assert!(store.claim().await.is_empty(), "before its pause is over");
        store.age(LATER, 30_000_000).await;
        let again = store.claim_one().await;
        assert_eq!((&again.delivery, again.epoch), (&claim.delivery, claim.epoch + 1));
        claim = again;
    }
    assert_eq!(store.record_under(&config, &claim, FAILED).await, Recorded::Dead);
    let dead = store.deliveries(&webhook.id, Some(DeliveryState::Dead)).await.remove(0);
    assert_eq!((dead.attempts, dead.due_us), (3, None));
    assert!(store.claim().await.is_empty());
}

pub(in crate::webhooks::tests) async fn a_dead_letter_is_sent_again_on_demand_under_its_id(store: Store) {
    let webhook = store.webhook(None).await;
    store.submit().await;
    let once = WebhooksConfig { retry_delays_s: Vec::new(), ..store.config.clone() };
    let claim = store.claim_one().await;
    assert_eq!(store.record_under(&once, &claim, FAILED).await, Recorded::Dead);
    let again = deliveries::redeliver(&store.db, &store.team, &webhook.id, &claim.delivery).await.unwrap();
    assert_eq!((again.state, again.attempts), (DeliveryState::Pending, 0));
    let second = store.claim_one().await;
    assert_eq!((&second.delivery, &second.message), (&claim.delivery, &claim.message));
    // While it is under way, asking again changes nothing.
    deliveries::redeliver(&store.db, &store.team, &webhook.id, &claim.delivery).await.unwrap();
    assert!(store.claim().await.is_empty());
    assert_eq!(store.record(&second, Verdict::Delivered).await, Recorded::Delivered);
    assert!(store.deliveries(&webhook.id, Some(DeliveryState::Dead)).await.is_empty());
}

pub(in crate::webhooks::tests) async fn a_receiver_that_is_gone_is_told_nothing_more_until_somebody_enables_it(
    store: Store,
) {
    let webhook = store.webhook(None).await;
    for _ in 0..3 {
        store.submit().await;
    }
    let under_way = store.claim_with(2, 2, 60_000_000).await;
    assert_eq!(store.record(&under_way[0], Verdict::Gone).await, Recorded::Disabled(DisabledReason::Gone));
    assert_eq!(upkeep::bury(&store.db).await.unwrap(), 1, "the one that is not under way");
    assert_eq!(store.record(&under_way[1], FAILED).await, Recorded::Retried);
    assert_eq!(upkeep::bury(&store.db).await.unwrap(), 1, "the one that has come back");
    let disabled = store.found(&webhook).await;
    assert_eq!(disabled.disabled.map(|(_, reason)| reason), Some(DisabledReason::Gone));
    let dead = store.deliveries(&webhook.id, Some(DeliveryState::Dead)).await;
    assert_eq!(dead.len(), 3);
    let refused = deliveries::redeliver(&store.db, &store.team, &webhook.id, &dead[0].id).await;
    assert!(matches!(refused, Err(WebhooksError::Disabled)));

    let enabled = endpoints::enable(&store.db, &store.team, &webhook.id).await.unwrap();
    assert_eq!((enabled.disabled, enabled.failing_since_us), (None, None));
    store.submit().await;
    store.record(&store.claim_one().await, Verdict::Delivered).await;
    deliveries::redeliver(&store.db, &store.team, &webhook.id, &dead[0].id).await.unwrap();
    assert_eq!(store.claim_one().await.delivery, dead[0].id);
}

pub(in crate::webhooks::tests) async fn a_receiver_that_only_fails_is_disabled_after_the_limit_and_not_before(
    store: Store,
) {
    const FAILING_LONGER: &str = "UPDATE webhooks SET failing_since_us = failing_since_us - $1";
    let webhook = store.webhook(None).await;
    let config = WebhooksConfig { disable_after_s: 3_600, ..store.config.clone() };
    let fail = async || {
        store.submit().await;
        store.record_under(&config, &store.claim_one().await, FAILED).await
    };
    assert_eq!(fail().await, Recorded::Retried);
    store.age(FAILING_LONGER, 3_500_000_000).await;
    assert_eq!(fail().await, Recorded::Retried);
    assert!(store.found(&webhook).await.failing_since_us.is_some());

    // A success in between, and the count begins anew.
    store.submit().await;
    store.record(&store.claim_one().await, Verdict::Delivered).await;
    assert_eq!(store.found(&webhook).await.failing_since_us, None);
    assert_eq!(fail().await, Recorded::Retried);
    store.age(FAILING_LONGER, 3_600_000_000).await;
    assert_eq!(fail().await, Recorded::Disabled(DisabledReason::Failing));
    assert_eq!(store.found(&webhook).await.disabled.map(|(_, reason)| reason), Some(DisabledReason::Failing));
}

pub(in crate::webhooks::tests) async fn a_receiver_that_asks_for_a_pause_is_sent_nothing_meanwhile(store: Store) {
    store.webhook(None).await;
    store.submit().await;
    let config = WebhooksConfig { retry_delays_s: vec![1], retry_after_s_max: 60, ..store.config.clone() };
    let busy = Verdict::Failed { asked: Some(Duration::from_secs(3_600)) };
    assert_eq!(store.record_under(&config, &store.claim_one().await, busy).await, Recorded::Retried);
    store.submit().await;
    assert!(store.claim().await.is_empty(), "also nothing else");
    store.age("UPDATE webhooks SET paused_until_us = paused_until_us - $1", 60_000_000).await;
    assert_eq!(store.claim().await.len(), 1, "the new one; the old one waits out its own pause");
    store.age(LATER, 60_000_000).await;
    assert_eq!(store.claim().await.len(), 1, "no longer than the limit");
}

pub(in crate::webhooks::tests) async fn what_a_receiver_answers_is_kept_for_its_team(store: Store) {
    let webhook = store.webhook(None).await;
    store.submit().await;
    let attempt = Attempt {
        verdict: FAILED,
        status: Some(502),
        error: Some("The receiver answered 502 Bad Gateway.".to_owned()),
        response: Some("<h1>überlastet</h1>".to_owned()),
    };
    record::record(&store.db, &store.config, &store.claim_one().await, &attempt, 0.5).await.unwrap();
    let delivery = store.deliveries(&webhook.id, Some(DeliveryState::Pending)).await.remove(0);
    assert_eq!((delivery.status, delivery.error, delivery.response), (attempt.status, attempt.error, attempt.response));
    assert!(delivery.attempted_us.is_some() && delivery.due_us > delivery.attempted_us);
}

pub(in crate::webhooks::tests) async fn a_ping_is_tried_once(store: Store) {
    let webhook = store.webhook(None).await;
    let mut tx = store.db.write().await.unwrap();
    let ping = deliveries::ping_in(&mut tx, &store.team, &webhook.id).await.unwrap();
    tx.commit().await.unwrap();
    let claim = store.claim_one().await;
    assert_eq!(claim.delivery, ping.id);
    assert_eq!(store.record(&claim, FAILED).await, Recorded::Dead);
}
