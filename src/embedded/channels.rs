//! Pub/sub within this process: who publishes hands the message to every listener.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    command::{Call, Command},
    glob,
    messages::{Arrival, Inbox, Kind, Listener, Register, Switchboard, Topic, Wakers},
    reply::Reply,
};

/// Who listens to what. All topics come from the one place that there is.
#[derive(Debug, Default)]
pub(super) struct Channels(Mutex<Switchboard<()>>);

impl Channels {
    pub(super) fn listen(self: &Arc<Self>, topics: Vec<Topic>) -> Listener {
        let inbox = Arc::new(Inbox::new());
        let mut wakers = Wakers::default();
        let mut board = self.board();
        board.join(&inbox, &topics);
        for topic in board.take_unplaced() {
            board.assign(&topic, ());
            board.confirm(&topic, (), &mut wakers);
        }
        drop(board);
        wakers.wake();
        Listener::new(inbox, topics, Arc::clone(self) as Arc<dyn Register>)
    }

    /// Answers `PUBLISH` and `SPUBLISH` as a server does to which this process is one client.
    pub(super) fn answer(&self, command: &Command) -> Option<Reply> {
        match command {
            Command::Call(call) if call.name == "PUBLISH" => self.publish(call, Kind::Channel),
            Command::Call(call) if call.name == "SPUBLISH" => self.publish(call, Kind::Shard),
            _ => None,
        }
    }

    fn publish(&self, call: &Call, kind: Kind) -> Option<Reply> {
        let [channel, payload] = &call.args[..] else {
            return None;
        };
        let mut arrival = Arrival {
            channel: channel.bytes().clone(),
            pattern: None,
            payload: payload.bytes().clone(),
        };
        let topic = Topic {
            kind,
            name: arrival.channel.clone(),
        };
        let mut wakers = Wakers::default();
        let board = self.board();
        let mut receivers = i64::from(board.deliver(&topic, &arrival, &mut wakers));
        if kind == Kind::Channel {
            for topic in board.patterns() {
                if glob::matches(&topic.name, &arrival.channel) {
                    arrival.pattern = Some(topic.name.clone());
                    receivers += i64::from(board.deliver(topic, &arrival, &mut wakers));
                }
            }
        }
        drop(board);
        wakers.wake();
        Some(Reply::Integer(receivers))
    }

    pub(super) fn end(&self) {
        let mut wakers = Wakers::default();
        self.board().end(&mut wakers);
        wakers.wake();
    }

    fn board(&self) -> MutexGuard<'_, Switchboard<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Register for Channels {
    fn leave(&self, inbox: &Arc<Inbox>, topics: &[Topic]) {
        self.board().leave(inbox, topics);
    }
}
