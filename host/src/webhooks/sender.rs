//! The sender: claims what is due, sends it, writes down what came of it, and keeps house.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval},
};

use super::{
    claim::{self, Claim, Terms},
    courier::{Courier, Letter},
    error::WebhooksError,
    limits::WebhooksConfig,
    record::{self, Recorded},
    upkeep,
};
use crate::db::{Db, Hint};

/// Time between two rounds of pruning.
const PRUNE: Duration = Duration::from_secs(300);

/// What the parts of a sender share.
struct Shared {
    db: Db,
    config: WebhooksConfig,
    courier: Courier,
}

/// Sends webhooks; see [`Sender::start`].
pub struct Sender;

/// A running sender. Dropping it stops it; what was under way is sent again by whoever finds its lease ended.
#[must_use = "a sender stops when its handle is dropped"]
pub struct SenderHandle {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Sender {
    /// Takes over what earlier processes left, then starts to send.
    ///
    /// # Errors
    /// [`WebhooksError::Client`], or [`WebhooksError::Db`].
    pub async fn start(db: Db, config: WebhooksConfig) -> Result<SenderHandle, WebhooksError> {
        let courier = Courier::new(&config)?;
        upkeep::recover(&db).await?;
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared { db, config, courier });
        Ok(SenderHandle { stop, task: tokio::spawn(run(shared, stopped)) })
    }
}

impl SenderHandle {
    /// Stops claiming and waits for what is under way, at most for `grace`.
    pub async fn drain(mut self, grace: Duration) {
        self.stop.send_replace(true);
        if tokio::time::timeout(grace, &mut self.task).await.is_err() {
            tracing::warn!("webhooks under way did not end in time; they will be sent again");
        }
    }
}

impl Drop for SenderHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    // Subscribed before the first look, so that nothing is slept through.
    let mut hints = shared.db.hints();
    let mut upkeep = ticks(Duration::from_millis(shared.config.upkeep_ms.max(1)));
    let mut prune = ticks(PRUNE);
    let mut sending = JoinSet::new();
    loop {
        fill(&shared, &mut sending).await;
        tokio::select! {
            () = told_to_stop(&mut stopped) => break,
            () = hinted(&mut hints) => {}
            Some(ended) = sending.join_next() => note_panic(ended),
            _ = upkeep.tick() => keep_house(&shared).await,
            _ = prune.tick() => remove_old(&shared).await,
            () = tokio::time::sleep(Duration::from_millis(shared.config.poll_ms.max(1))) => {}
        }
        while let Some(ended) = sending.try_join_next() {
            note_panic(ended);
        }
    }
    while let Some(ended) = sending.join_next().await {
        note_panic(ended);
    }
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that the handle is gone, which stops the sender as well.
    let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Waits until something has become due, or may have.
async fn hinted(hints: &mut broadcast::Receiver<Hint>) {
    loop {
        match hints.recv().await {
            Ok(Hint::DeliveryDue) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            // Without hints, polling is all that is left.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = %error, "sending a webhook ended in a defect; it is sent again when its lease ends");
    }
}

/// Starts to send as much as there are free places and due deliveries.
async fn fill(shared: &Arc<Shared>, sending: &mut JoinSet<()>) {
    let terms = Terms {
        lease_us: shared.config.lease_us(),
        per_webhook_max: shared.config.in_flight_per_webhook_max.max(1) as usize,
        places: shared.config.in_flight_max.max(1).saturating_sub(sending.len()),
    };
    match claim::claim(&shared.db, terms).await {
        Ok(claims) => {
            for claim in claims {
                let shared = Arc::clone(shared);
                sending.spawn(async move { send(&shared, claim).await });
            }
        }
        Err(error) => tracing::warn!(error = %error, "no webhooks could be claimed, trying again"),
    }
}

async fn send(shared: &Shared, claim: Claim) {
    let body = match claim.message.to_bytes() {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(delivery.id = %claim.delivery, error = %error, "a webhook's message cannot be written");
            return;
        }
    };
    let letter = Letter { url: &claim.url, id: claim.delivery.as_str(), secrets: &claim.secrets, body };
    let attempt = shared.courier.post(letter, Timestamp::now()).await;
    match record::record(&shared.db, &shared.config, &claim, &attempt, rand::random()).await {
        Ok(recorded) => note(shared, &claim, attempt.status, recorded).await,
        // The lease ends by itself, and the receiver knows the delivery by its id.
        Err(error) => {
            tracing::warn!(delivery.id = %claim.delivery, error = %error, "the outcome of a webhook was not noted; it is sent again");
        }
    }
}

/// Never the URL or an answer: what is in them is the team's.
async fn note(shared: &Shared, claim: &Claim, status: Option<u16>, recorded: Recorded) {
    let (webhook, delivery) = (&claim.webhook, &claim.delivery);
    match recorded {
        Recorded::Delivered | Recorded::Retried => {
            tracing::debug!(webhook.id = %webhook, delivery.id = %delivery, http.status = status, ?recorded, "a webhook was sent");
        }
        Recorded::Dead => {
            tracing::warn!(webhook.id = %webhook, delivery.id = %delivery, http.status = status, "a webhook was given up");
        }
        Recorded::Disabled(reason) => {
            tracing::warn!(webhook.id = %webhook, reason = reason.as_str(), "a webhook was disabled");
            if let Err(error) = upkeep::bury(&shared.db).await {
                tracing::warn!(error = %error, "what is pending for a disabled webhook will be given up later");
            }
        }
        Recorded::Lost => {
            tracing::warn!(webhook.id = %webhook, delivery.id = %delivery, "a webhook was sent by somebody else meanwhile");
        }
    }
}

async fn keep_house(shared: &Shared) {
    match upkeep::free_expired(&shared.db).await {
        Ok(0) => {}
        Ok(freed) => tracing::warn!(deliveries = freed, "took webhooks from a sender that is gone"),
        Err(error) => tracing::warn!(error = %error, "webhooks of senders that are gone could not be freed"),
    }
    if let Err(error) = upkeep::bury(&shared.db).await {
        tracing::warn!(error = %error, "what is pending for disabled webhooks could not be given up");
    }
}

async fn remove_old(shared: &Shared) {
    match upkeep::prune(&shared.db, &shared.config).await {
        Ok(0) => {}
        Ok(pruned) => tracing::info!(deliveries = pruned, "removed old deliveries of webhooks"),
        Err(error) => tracing::warn!(error = %error, "old deliveries of webhooks could not be removed"),
    }
}
