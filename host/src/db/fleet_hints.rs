//! Carries hints between the processes that share a PostgreSQL database, by NOTIFY. Only ever a shortcut: everybody polls as well.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::{AnyPool, postgres::PgListener};
use tokio::{
    sync::broadcast::error::{RecvError, TryRecvError},
    task::AbortHandle,
};

use super::hints::{Hint, Hints};

const CHANNEL: &str = "paddock_hints";
/// Hints of one message; a message of PostgreSQL holds 8,000 bytes.
const HINTS_PER_MESSAGE_MAX: usize = 64;
/// Time in which hints gather to one message, and between two messages: a message is a transaction of its own.
const GATHER: Duration = Duration::from_millis(1);
const PAUSE: Duration = Duration::from_millis(4);
const RETRY: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize)]
struct Message {
    /// The session that sends it; it has had the hints already.
    from: String,
    hints: Vec<Hint>,
}

/// Starts both directions; the handles end them.
pub(super) fn start(url: String, writers: AnyPool, hints: &Hints, session: &str) -> [AbortHandle; 2] {
    let sender = tokio::spawn(send(writers, hints.clone(), session.to_owned()));
    let receiver = tokio::spawn(receive(url, hints.clone(), session.to_owned()));
    [sender.abort_handle(), receiver.abort_handle()]
}

const NOTIFY: &str = "SELECT pg_notify($1, $2)";

/// Sends after the commit and not within the transaction: a NOTIFY makes commits queue behind one lock of the whole server.
async fn send(writers: AnyPool, hints: Hints, from: String) {
    let mut own = hints.subscribe_own();
    loop {
        let first = match own.recv().await {
            Ok(hint) => hint,
            // What was lost could have been anything: the others look for work, and find the rest by polling.
            Err(RecvError::Lagged(_)) => Hint::TaskReady,
            Err(RecvError::Closed) => return,
        };
        tokio::time::sleep(GATHER).await;
        let mut gathered = vec![first];
        while gathered.len() < HINTS_PER_MESSAGE_MAX {
            match own.try_recv() {
                Ok(hint) if gathered.contains(&hint) => {}
                Ok(hint) => gathered.push(hint),
                Err(TryRecvError::Lagged(_)) => {}
                Err(_) => break,
            }
        }
        let message = Message { from: from.clone(), hints: gathered };
        let Ok(text) = serde_json::to_string(&message) else { continue };
        if let Err(error) = sqlx::query(NOTIFY).bind(CHANNEL).bind(text).execute(&writers).await {
            tracing::debug!(error = %error, "a hint could not be sent");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn receive(url: String, hints: Hints, session: String) {
    loop {
        match listen(&url, &hints, &session).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(error = %error, "cannot listen for hints of the fleet, polling instead"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn listen(url: &str, hints: &Hints, session: &str) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    loop {
        match listener.try_recv().await? {
            Some(notification) => {
                let Ok(message) = serde_json::from_str::<Message>(notification.payload()) else { continue };
                if message.from != session {
                    message.hints.into_iter().for_each(|hint| hints.received(hint));
                }
            }
            // The connection broke and is there again: look for what was missed.
            None => hints.received(Hint::TaskReady),
        }
    }
}
