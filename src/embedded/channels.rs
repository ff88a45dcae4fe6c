//! Pub/sub within this process: who publishes hands the message to every listener.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::{
    command::{Command, Tell},
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
        let (call, kind) = match command {
            Command::Call(call) if call.name == "PUBLISH" => (call, Kind::Channel),
            Command::Call(call) if call.name == "SPUBLISH" => (call, Kind::Shard),
            _ => return None,
        };
        let [channel, payload] = &call.args[..] else {
            return None;
        };
        let receivers = self.publish(channel.bytes(), payload.bytes(), kind);
        Some(Reply::Integer(receivers))
    }

    /// Tells whoever waits for a lease that it has ended.
    pub(super) fn tell(&self, tell: Tell) {
        let kind = if tell.is_sharded { Kind::Shard } else { Kind::Channel };
        self.publish(&tell.channel, &Bytes::from_static(b"1"), kind);
    }

    fn publish(&self, channel: &Bytes, payload: &Bytes, kind: Kind) -> i64 {
        let mut arrival = Arrival {
            channel: channel.clone(),
            pattern: None,
            payload: payload.clone(),
        };
        let topic = Topic {
            kind,
            name: channel.clone(),
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
        receivers
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
