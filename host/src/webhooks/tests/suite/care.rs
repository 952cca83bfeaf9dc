//! What teams do with webhooks, and what is left of them.

use crate::{
    domain::ids::{DeliveryId, WebhookId},
    webhooks::{
        EventType, Secret, WebhookChanges, WebhookUrl, WebhooksConfig, WebhooksError, deliveries, endpoints,
        record::Verdict,
        tests::store::{Store, add_team, new_webhook},
        upkeep,
    },
};

async fn secrets(store: &Store) -> Vec<Secret> {
    store.submit().await;
    let claim = store.claim_one().await;
    store.record(&claim, Verdict::Delivered).await;
    claim.secrets
}

pub(in crate::webhooks::tests) async fn during_a_rotation_messages_are_signed_with_each_valid_secret(store: Store) {
    let (webhook, first) = store.webhook_of(&store.team, None).await;
    assert_eq!(secrets(&store).await, std::slice::from_ref(&first.secret));
    let second = store.rotate(&webhook, 3_600).await;
    let both = secrets(&store).await;
    assert!(both.len() == 2 && both.contains(&first.secret) && both.contains(&second.secret));
    store.age("UPDATE webhook_secrets SET expires_us = expires_us - $1", 3_600_000_000).await;
    assert_eq!(secrets(&store).await, std::slice::from_ref(&second.secret));
    upkeep::prune(&store.db, &store.config).await.unwrap();
    assert_eq!(store.count("SELECT COUNT(*) FROM webhook_secrets").await, 1);
    let found = endpoints::secret(&store.db, &webhook.id, &second.secret_id).await.unwrap();
    assert_eq!(found, Some(second.secret));
    assert_eq!(endpoints::secret(&store.db, &webhook.id, &first.secret_id).await.unwrap(), None);
}

pub(in crate::webhooks::tests) async fn a_rotation_at_once_ends_the_secrets_before(store: Store) {
    let webhook = store.webhook(None).await;
    for _ in 1..store.config.secrets_per_webhook_max {
        store.rotate(&webhook, 3_600).await;
    }
    assert_eq!(secrets(&store).await.len(), store.config.secrets_per_webhook_max as usize);
    let mut tx = store.db.write().await.unwrap();
    let refused = endpoints::rotate_in(&mut tx, &store.team, &webhook.id, 3_600, &store.config).await;
    tx.rollback().await.unwrap();
    assert!(matches!(refused, Err(WebhooksError::TooManySecrets { limit: 4 })));
    let only = store.rotate(&webhook, 0).await;
    assert_eq!(secrets(&store).await, [only.secret]);
}

pub(in crate::webhooks::tests) async fn a_team_has_as_many_webhooks_as_it_may_and_not_one_more(store: Store) {
    let config = WebhooksConfig { webhooks_per_team_max: 2, ..store.config.clone() };
    let create = async |team| {
        let mut tx = store.db.write().await.unwrap();
        let created = endpoints::create_in(&mut tx, team, &new_webhook(None), &config).await;
        match &created {
            Ok(_) => tx.commit().await.unwrap(),
            Err(_) => tx.rollback().await.unwrap(),
        }
        created
    };
    create(&store.team).await.unwrap();
    create(&store.team).await.unwrap();
    assert!(matches!(create(&store.team).await, Err(WebhooksError::TooManyWebhooks { limit: 2 })));
    create(&add_team(&store.db).await).await.unwrap();
    let (page, has_more) = endpoints::list(&store.db, &store.team, None, 1).await.unwrap();
    assert!(page.len() == 1 && has_more);
    let after = Some((page[0].created_us, page[0].id.as_str()));
    let (rest, has_more) = endpoints::list(&store.db, &store.team, after, 1).await.unwrap();
    assert!(rest.len() == 1 && !has_more && rest[0].id != page[0].id);
}

pub(in crate::webhooks::tests) async fn another_teams_webhook_is_refused_and_an_unknown_one_is_not_found(store: Store) {
    let (db, ours) = (&store.db, &store.team);
    let theirs = store.webhook_of(&add_team(db).await, None).await.0.id;
    let unknown = WebhookId::random();
    let delivery = DeliveryId::random();
    for (id, is_foreign) in [(&theirs, true), (&unknown, false)] {
        let mut tx = db.write().await.unwrap();
        let outcomes = [
            endpoints::find(db, ours, id).await.err(),
            endpoints::rotate_in(&mut tx, ours, id, 0, &store.config).await.err(),
            deliveries::ping_in(&mut tx, ours, id).await.err(),
            deliveries::list(db, (ours, id), None, None, 1).await.err(),
        ];
        tx.rollback().await.unwrap();
        let more = [
            endpoints::update(db, ours, id, WebhookChanges::default()).await.err(),
            endpoints::enable(db, ours, id).await.err(),
            endpoints::delete(db, ours, id).await.err(),
            deliveries::redeliver(db, ours, id, &delivery).await.err(),
        ];
        for error in outcomes.into_iter().chain(more) {
            match error.unwrap() {
                WebhooksError::NotYours => assert!(is_foreign),
                WebhooksError::NotFound("webhook") => assert!(!is_foreign),
                other => panic!("{other}"),
            }
        }
    }
    let own = store.webhook(None).await;
    let missing = deliveries::redeliver(db, ours, &own.id, &delivery).await;
    assert!(matches!(missing, Err(WebhooksError::NotFound("delivery"))));
}

pub(in crate::webhooks::tests) async fn a_changed_webhook_is_told_what_it_asks_for_at_its_new_place(store: Store) {
    let webhook = store.webhook(None).await;
    store.submit().await;
    let changes = WebhookChanges {
        url: Some(WebhookUrl::parse("https://elsewhere.example.com/", &store.config).unwrap()),
        name: Some(Some("race day".to_owned())),
        events: Some(Some(vec![EventType::JobFailed])),
    };
    let changed = endpoints::update(&store.db, &store.team, &webhook.id, changes).await.unwrap();
    assert_eq!((changed.url.as_str(), changed.name.as_deref()), ("https://elsewhere.example.com/", Some("race day")));
    store.submit().await;
    let claim = store.claim_one().await;
    assert_eq!(claim.url, changed.url, "what was pending follows");
    let back = WebhookChanges { name: Some(None), events: Some(None), ..WebhookChanges::default() };
    let changed = endpoints::update(&store.db, &store.team, &webhook.id, back).await.unwrap();
    assert_eq!((changed.name, changed.events), (None, None));
    assert_eq!(changed.url, claim.url, "what is not named stays");
}

pub(in crate::webhooks::tests) async fn a_deleted_webhook_is_sent_nothing_and_leaves_nothing(store: Store) {
    let webhook = store.webhook(None).await;
    store.submit().await;
    let under_way = store.claim_one().await;
    store.submit().await;
    endpoints::delete(&store.db, &store.team, &webhook.id).await.unwrap();
    assert!(store.claim().await.is_empty());
    // Somebody comes back with what became of the one under way.
    store.record(&under_way, Verdict::Delivered).await;
    let kept = store.webhook(None).await;
    store.submit().await;
    assert_eq!(upkeep::prune(&store.db, &store.config).await.unwrap(), 2);
    assert_eq!(store.deliveries(&kept.id, None).await.len(), 1);
    assert_eq!(store.count("SELECT COUNT(*) FROM webhook_secrets").await, 1);
}

pub(in crate::webhooks::tests) async fn what_is_older_than_it_has_to_be_kept_goes_and_the_rest_stays(store: Store) {
    const FINISHED_EARLIER: &str = "UPDATE webhook_deliveries SET finished_us = finished_us - $1";
    let webhook = store.webhook(None).await;
    let config =
        WebhooksConfig { delivered_kept_s: 100, dead_kept_s: 200, retry_delays_s: Vec::new(), ..store.config.clone() };
    for verdict in [Verdict::Delivered, Verdict::Failed { asked: None }] {
        store.submit().await;
        store.record_under(&config, &store.claim_one().await, verdict).await;
    }
    store.submit().await;
    for (later_s, left) in [(90, 3), (20, 2), (80, 2), (20, 1), (10_000, 1)] {
        store.age(FINISHED_EARLIER, later_s * 1_000_000).await;
        upkeep::prune(&store.db, &config).await.unwrap();
        assert_eq!(store.deliveries(&webhook.id, None).await.len(), left, "{later_s} s later");
    }
}

pub(in crate::webhooks::tests) async fn pages_hold_every_delivery_once_newest_first(store: Store) {
    let webhook = store.webhook(None).await;
    for _ in 0..7 {
        store.submit().await;
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let of = (&store.team, &webhook.id);
        let (page, next) = deliveries::list(&store.db, of, None, after.as_ref(), 3).await.unwrap();
        seen.extend(page);
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 7);
    assert!(seen.windows(2).all(|pair| (pair[0].created_us, &pair[0].id) > (pair[1].created_us, &pair[1].id)));
}
