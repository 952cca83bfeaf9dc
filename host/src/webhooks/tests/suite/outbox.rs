//! From an event to deliveries, in one transaction.

use serde_json::{Value, json};

use crate::{
    jobs,
    webhooks::{
        EventType,
        record::Verdict,
        tests::store::{Store, add_team, plan},
    },
};

pub(in crate::webhooks::tests) async fn an_event_is_handed_to_the_webhooks_of_its_team_that_want_it(store: Store) {
    let all = store.webhook(None).await;
    let ends = store.webhook(Some(&[EventType::JobSucceeded, EventType::JobCancelled])).await;
    let failures = store.webhook(Some(&[EventType::JobFailed])).await;
    let other_team = add_team(&store.db).await;
    store.webhook_of(&other_team, None).await;
    let job = store.submit().await;
    store.cancel(&job).await;

    let told = async |webhook| {
        let mut events: Vec<_> =
            store.deliveries(webhook, None).await.into_iter().map(|delivery| delivery.event).collect();
        events.reverse();
        events
    };
    assert_eq!(told(&all.id).await, [EventType::JobQueued, EventType::JobCancelled]);
    assert_eq!(told(&ends.id).await, [EventType::JobCancelled]);
    assert_eq!(told(&failures.id).await, []);
    assert_eq!(store.count("SELECT COUNT(*) FROM webhook_deliveries").await, 3);
    assert_eq!(store.count("SELECT COUNT(DISTINCT id) FROM webhook_deliveries WHERE id LIKE 'dlv_%'").await, 3);
}

pub(in crate::webhooks::tests) async fn an_event_that_is_rolled_back_is_told_to_nobody(store: Store) {
    store.webhook(None).await;
    let mut hints = store.db.hints();
    let mut tx = store.db.write().await.unwrap();
    jobs::submit::submit_in(&mut tx, plan(&store.team)).await.unwrap();
    tx.rollback().await.unwrap();
    assert!(store.claim().await.is_empty());
    assert!(hints.try_recv().is_err());
}

pub(in crate::webhooks::tests) async fn a_message_tells_of_the_job_and_of_its_problem(store: Store) {
    store.webhook(None).await;
    let job = store.submit().await;
    let queued = store.claim_one().await;
    store.record(&queued, Verdict::Delivered).await;
    store.cancel(&job).await;
    // What a failure leaves is read from the event, whatever else stands in it.
    let problem = json!({ "code": "deadline-exceeded", "detail": "It took too long." });
    let data = json!({ "state": "failed", "problem": problem }).to_string();
    let mut tx = store.db.write().await.unwrap();
    sqlx::query("UPDATE webhook_deliveries SET data = $1, event_type = 'job.failed' WHERE state = 'pending'")
        .bind(data)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let failed = store.claim_one().await;

    let read = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
    let first = read(queued.message.to_bytes().unwrap());
    let sequence = first["data"]["sequence"].as_i64().unwrap();
    assert_eq!(first["type"], "job.queued");
    assert_eq!(
        first["data"],
        json!({ "job": job, "kind": "simulate", "name": "Sunday", "state": "queued", "sequence": sequence })
    );
    assert!(first["timestamp"].as_str().unwrap().ends_with('Z'));
    let second = read(failed.message.to_bytes().unwrap());
    assert_eq!((&second["data"]["state"], &second["data"]["problem"]), (&json!("failed"), &problem));
    assert!(second["data"]["sequence"].as_i64().unwrap() > sequence);
}

pub(in crate::webhooks::tests) async fn a_disabled_webhook_is_handed_nothing(store: Store) {
    let webhook = store.webhook(None).await;
    store.submit().await;
    store.record(&store.claim_one().await, Verdict::Gone).await;
    store.submit().await;
    assert_eq!(store.deliveries(&webhook.id, None).await.len(), 1);
}

pub(in crate::webhooks::tests) async fn deliveries_outlive_their_job(store: Store) {
    store.webhook(None).await;
    let job = store.submit().await;
    store.cancel(&job).await;
    for table in
        ["DELETE FROM events", "DELETE FROM attempts", "DELETE FROM tasks", "DELETE FROM stages", "DELETE FROM jobs"]
    {
        let mut tx = store.db.write().await.unwrap();
        sqlx::query(table).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    let claim = store.claim_one().await;
    assert_eq!(claim.message.event, EventType::JobQueued);
}
