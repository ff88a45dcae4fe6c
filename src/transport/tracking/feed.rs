//! One connection after the other on which the server tells of changes.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use fred::{
    interfaces::{PubsubInterface, TrackingInterface},
    types::client::Invalidation,
};
use tokio::{
    sync::{
        Notify,
        broadcast::{
            Receiver,
            error::{RecvError, TryRecvError},
        },
    },
    time::{sleep, timeout},
};

use super::super::{
    connection::{Connection, Refusal},
    failure::{self, Failure},
    token::token,
    whereabouts::Whereabouts,
};
use crate::{
    breaker::{Policy, Severity},
    capabilities::Support,
    chance::chance,
    command::Call,
    config::Settings,
    near::{Near, Reason},
    reply::Reply,
};

/// A connection on which the server tells of changes.
struct Feed {
    connection: Connection,
    messages: Receiver<Invalidation>,
}

/// Why there is no feed.
enum Obstacle {
    /// There is no connection.
    Unconnected(Refusal),
    /// The server does not tell of changes, for this reason.
    Refused(String),
}

/// How long after an answered heartbeat the next one is sent.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a heartbeat may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// For how long an answered heartbeat proves, from when it was sent: until the next one's patience is over.
const PROVEN: Duration = Duration::from_millis(750);

/// Where servers publish the keys that were changed.
const CHANNEL: &str = "__redis__:invalidate";

/// Keeps a feed, until it is aborted.
pub(super) async fn supervise(
    near: Arc<Near>,
    settings: Arc<Settings>,
    whereabouts: Whereabouts,
    again: Arc<Notify>,
    permission: Arc<Mutex<Support>>,
) {
    let note = |support| std::mem::replace(&mut *permission.lock().unwrap_or_else(PoisonError::into_inner), support);
    let Policy { short, long, .. } = Policy::default();
    let mut failures = 0;
    loop {
        // Made before the attempt: a server that comes back meanwhile is asked again.
        let again = again.notified();
        let mut backoff = short;
        match Feed::open(&settings, &whereabouts).await {
            Ok(feed) => {
                failures = 0;
                note(Support::Yes);
                let reason = feed.follow(&near).await;
                tracing::debug!(server = %whereabouts, reason, "the near cache is not told of changes any more");
            }
            Err(Obstacle::Unconnected(Refusal { reason, severity })) => {
                near.explain(&reason);
                if severity == Severity::Lasting {
                    backoff = long;
                }
            }
            Err(Obstacle::Refused(reason)) => {
                near.explain(&reason);
                if note(Support::No) != Support::No {
                    tracing::warn!(server = %whereabouts, reason, "there is no near cache: the server does not tell of changes");
                }
                again.await;
                continue;
            }
        }
        near.tell();
        tokio::select! {
            () = again => {}
            () = sleep(backoff.pause(failures, chance())) => {}
        }
        failures += 1;
    }
}

impl Feed {
    async fn open(settings: &Settings, whereabouts: &Whereabouts) -> Result<Self, Obstacle> {
        let within = settings.connect_timeout;
        // A server that moves meanwhile has this task ended.
        let endpoint = whereabouts.find().await.map_err(Obstacle::Unconnected)?;
        let opened = Box::pin(Connection::open_for_messages(settings, &endpoint)).await;
        let connection = opened.map_err(Obstacle::Unconnected)?;
        let client = connection.client();
        let messages = client.invalidation_rx();
        let id = connection
            .send_boxed(Call::new("CLIENT ID").into(), within)
            .await?
            .into_integer()
            .map_err(|error| Obstacle::Refused(error.message().to_owned()))?;
        let mut track = Call::new("CLIENT TRACKING")
            .arg("ON")
            .arg("REDIRECT")
            .number(id)
            .arg("BCAST");
        if !settings.key_prefix.is_empty() {
            track = track.arg("PREFIX").arg(settings.key_prefix.clone());
        }
        connection.send_boxed(track.into(), within).await?;
        match timeout(within, Box::pin(client.subscribe(CHANNEL))).await {
            Ok(subscribed) => subscribed.map_err(failure::classify)?,
            Err(_) => return Err(Failure::Timeout.into()),
        }
        Ok(Self { connection, messages })
    }

    /// Follows the messages as long as none can have been missed; returns why that is over.
    async fn follow(self, near: &Near) -> &'static str {
        let Self {
            connection,
            mut messages,
        } = self;
        let number = near.begin_feed();
        let mut pause = Duration::ZERO;
        let reason = loop {
            let mut beat = pin!(heartbeat(&connection, pause));
            let asked = loop {
                tokio::select! {
                    message = messages.recv() => take_in(near, message),
                    asked = &mut beat => break asked,
                    () = connection.closed() => break None,
                }
            };
            let Some(asked) = asked else {
                break if connection.is_closed() {
                    "the connection was lost"
                } else {
                    "no answer to the heartbeat"
                };
            };
            // What came before the answer has to be taken in before the answer counts.
            loop {
                match messages.try_recv() {
                    Ok(message) => take_in(near, Ok(message)),
                    Err(TryRecvError::Lagged(count)) => take_in(near, Err(RecvError::Lagged(count))),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            near.prove(number, asked, PROVEN);
            near.tell();
            pause = PAUSE;
        };
        near.end_feed(number, reason);
        reason
    }
}

/// Pauses, then asks whether the server is still there; returns when it was asked, if it has answered.
async fn heartbeat(connection: &Connection, pause: Duration) -> Option<Instant> {
    sleep(pause).await;
    let token = Bytes::from(token());
    let asked = Instant::now();
    let ping = Call::new("PING").arg(token.clone()).into();
    // To one who has subscribed a server answers with a list, in RESP2.
    match connection.send_boxed(ping, PATIENCE).await {
        Ok(Reply::Array(answer)) => (answer.last() == Some(&Reply::Bytes(token))).then_some(asked),
        _ => None,
    }
}

fn take_in(near: &Near, message: Result<Invalidation, RecvError>) {
    match message {
        Ok(message) if message.keys.is_empty() => near.empty(Reason::ServerFlushed),
        Ok(message) => message.keys.iter().for_each(|key| near.invalidate(key.as_bytes())),
        Err(RecvError::Lagged(_)) => near.empty(Reason::Lagged),
        // It is the connection's end that tells of the end.
        Err(RecvError::Closed) => {}
    }
}

impl From<Failure> for Obstacle {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Replied(error) => Self::Refused(error.message().to_owned()),
            other => Self::Unconnected(Refusal::of(other)),
        }
    }
}
