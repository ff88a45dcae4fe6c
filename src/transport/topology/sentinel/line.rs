//! The connection to one Sentinel: it is asked from time to time, and tells of a new master by itself.

use std::{sync::Arc, time::Duration};

use fred::{
    interfaces::{EventInterface, PubsubInterface},
    types::Message,
};
use tokio::{
    join,
    sync::{
        broadcast::{Receiver, error::RecvError},
        mpsc, watch,
    },
    time::{sleep, timeout},
};

use super::{
    super::super::{
        connection::{Connection, Refusal},
        failure::Failure,
    },
    master::Master,
    opinions::Opinion,
};
use crate::{
    breaker::{Policy, Severity},
    chance::chance,
    command::{Call, Command},
    config::Endpoint,
    reply::Reply,
};

/// What one Sentinel has said.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) sentinel: Endpoint,
    /// Where the master is, or why it does not say so.
    pub(super) said: Result<Opinion, Refusal>,
    /// Which other Sentinels it knows.
    pub(super) others: Vec<Endpoint>,
}

/// A connection to a Sentinel.
struct Line {
    connection: Connection,
    /// `None` if it does not permit to be listened to.
    messages: Option<Receiver<Message>>,
}

/// How often it is asked while the master answers.
const CALM: Duration = Duration::from_secs(1);

/// How often it is asked, and connected to, while the master is missed.
const MISSED: Duration = Duration::from_millis(150);

/// It is not asked sooner again, however many doubts there are.
const SOONEST: Duration = Duration::from_millis(50);

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// It is asked for other Sentinels once in so many questions.
const OTHERS_ONCE_IN: u32 = 5;

/// Where Sentinels tell that they have switched to another master.
const SWITCHES: &str = "+switch-master";

/// Listens to a Sentinel, until it is aborted.
pub(super) async fn listen(master: Arc<Master>, sentinel: Endpoint, reports: mpsc::Sender<Report>) {
    let mut doubts = master.doubts();
    let mut failures = 0;
    loop {
        let refusal = match Box::pin(Line::open(&master, &sentinel)).await {
            Ok(line) => {
                failures = 0;
                line.follow(&master, &sentinel, &mut doubts, &reports).await
            }
            Err(refusal) => refusal,
        };
        let severity = refusal.severity;
        let report = Report {
            sentinel: sentinel.clone(),
            said: Err(refusal),
            others: Vec::new(),
        };
        if reports.send(report).await.is_err() {
            return;
        }
        match severity {
            Severity::Passing => pause(&master, &mut doubts).await,
            Severity::Lasting => sleep(Policy::default().long.pause(failures, chance())).await,
        }
        failures += 1;
    }
}

/// Waits until it is time to ask again.
async fn pause(master: &Master, doubts: &mut watch::Receiver<u64>) {
    sleep(SOONEST).await;
    let longest = if master.is_missed() { MISSED } else { CALM };
    let rest = longest.mul_f64(0.75 + chance() / 4.0).saturating_sub(SOONEST);
    tokio::select! {
        () = sleep(rest) => {}
        _ = doubts.changed() => {}
    }
}

impl Line {
    async fn open(master: &Master, sentinel: &Endpoint) -> Result<Self, Refusal> {
        let connection = Connection::open(master.settings(), sentinel).await?;
        let client = connection.client();
        let messages = client.message_rx();
        // Its answer is a message of its own. One that refuses answers by an error, which comes as the answer of the next command.
        let subscribed = timeout(PATIENCE, Box::pin(client.subscribe(SWITCHES))).await;
        let is_subscribed = matches!(subscribed, Ok(Ok(())));
        match connection.echoes(PATIENCE).await {
            Ok(true) if is_subscribed => Ok(Self {
                connection,
                messages: Some(messages),
            }),
            Err(failure @ (Failure::Timeout | Failure::Broken(_))) => Err(Refusal::of(failure)),
            _ => {
                tracing::debug!(%sentinel, "the Sentinel does not permit to be listened to: it is only asked");
                Ok(Self {
                    connection: Connection::open(master.settings(), sentinel).await?,
                    messages: None,
                })
            }
        }
    }

    /// Asks and listens as long as it answers; returns why it does not any more.
    async fn follow(
        mut self,
        master: &Master,
        sentinel: &Endpoint,
        doubts: &mut watch::Receiver<u64>,
        reports: &mpsc::Sender<Report>,
    ) -> Refusal {
        let mut round = 0_u32;
        loop {
            doubts.mark_unchanged();
            let said = match self.ask_for(master.name()).await {
                Ok(said) => said,
                Err(failure) => return Refusal::of(failure),
            };
            let others = match round % OTHERS_ONCE_IN {
                0 => self.others(master.name()).await,
                _ => Vec::new(),
            };
            round = round.wrapping_add(1);
            let report = Report {
                sentinel: sentinel.clone(),
                said,
                others,
            };
            if reports.send(report).await.is_err() {
                return Refusal::passing("nobody listens any more");
            }
            tokio::select! {
                () = pause(master, doubts) => {}
                () = told_of(master.name(), self.messages.as_mut()) => {}
                () = self.connection.closed() => return Refusal::of(Failure::lost()),
            }
        }
    }

    /// Asks where the master is, and of how old a configuration that is: in this order, so that it cannot be old news under a new number.
    async fn ask_for(&self, name: &str) -> Result<Result<Opinion, Refusal>, Failure> {
        let (about, address) = join!(
            biased;
            self.send("SENTINEL MASTER", name),
            self.send("SENTINEL GET-MASTER-ADDR-BY-NAME", name),
        );
        let address = match address {
            Ok(Reply::Array(words)) => words,
            Ok(_) => return Ok(Err(Refusal::lasting(format!("it knows no master named {name}")))),
            Err(Failure::Replied(error)) => return Ok(Err(Refusal::lasting(error.message()))),
            Err(failure) => return Err(failure),
        };
        let Some(endpoint) = endpoint(address.first(), address.get(1)) else {
            return Ok(Err(Refusal::lasting("it does not answer as a Sentinel does")));
        };
        let epoch = match &about {
            Ok(about) => number(about.field("config-epoch")).unwrap_or(0),
            // What stands for a Sentinel need not know the command.
            Err(_) => 0,
        };
        Ok(Ok(Opinion { endpoint, epoch }))
    }

    async fn others(&self, name: &str) -> Vec<Endpoint> {
        let Ok(Reply::Array(others)) = self.send("SENTINEL SENTINELS", name).await else {
            return Vec::new();
        };
        let endpoint = |other: &Reply| endpoint(other.field("ip"), other.field("port"));
        others.iter().filter_map(endpoint).collect()
    }

    async fn send(&self, question: &'static str, name: &str) -> Result<Reply, Failure> {
        let question: Command = Call::new(question).arg(name.to_owned()).into();
        self.connection.send_boxed(question, PATIENCE).await
    }
}

/// Waits until the Sentinel tells of a new address of the master.
async fn told_of(name: &str, messages: Option<&mut Receiver<Message>>) {
    let Some(messages) = messages else {
        return std::future::pending().await;
    };
    loop {
        match messages.recv().await {
            Ok(message) => {
                let text = message.value.as_str().unwrap_or_default();
                if text.split(' ').next() == Some(name) {
                    return;
                }
            }
            Err(RecvError::Lagged(_)) => return,
            // It is the connection's end that tells of the end.
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// Reads an address from what a Sentinel says of it.
fn endpoint(host: Option<&Reply>, port: Option<&Reply>) -> Option<Endpoint> {
    let host = text(host?)?.to_owned();
    let port = number(port).and_then(|port| u16::try_from(port).ok())?;
    (!host.is_empty() && port > 0).then_some(Endpoint::Tcp { host, port })
}

fn number(reply: Option<&Reply>) -> Option<u64> {
    match reply? {
        Reply::Integer(number) => u64::try_from(*number).ok(),
        other => text(other)?.parse().ok(),
    }
}

fn text(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn word(text: &'static str) -> Reply {
        Reply::Bytes(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn fields_are_found_in_pairs_and_in_lists() {
        let map = Reply::Map(vec![(word("port"), word("1")), (word("ip"), word("h"))]);
        let list = Reply::Array(vec![word("ip"), word("h"), word("port"), word("1")]);
        for reply in [map, list] {
            let found = endpoint(reply.field("ip"), reply.field("port"));
            assert_eq!(found.unwrap().to_string(), "h:1");
            assert_eq!(reply.field("h"), None);
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for (host, port) in [("", "1"), ("h", "0"), ("h", "65536"), ("h", "x")] {
            assert_eq!(endpoint(Some(&word(host)), Some(&word(port))), None, "{host}:{port}");
        }
        assert_eq!(endpoint(Some(&Reply::Nil), Some(&Reply::Integer(1))), None);
    }
}
