//! What is said on a connection for messages, without the connection: what was asked and not answered yet, and what each frame means.

use std::collections::{HashMap, VecDeque};

use bytes::{Bytes, BytesMut};

use super::{
    super::token::token,
    frame::{self, Frame, Malformed},
};
use crate::messages::{Arrival, Kind, Topic};

/// One side of it.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// What is still to be sent.
    pub(super) output: BytesMut,
    /// The server answers in this order.
    asked: VecDeque<Asked>,
    wired: HashMap<Topic, Wired>,
}

#[derive(Debug)]
enum Asked {
    Subscribe(Topic),
    Unsubscribe(Topic),
    /// `PING` with a token of its own.
    Beat(Bytes),
}

/// How it is with a topic when all that was asked is answered.
#[derive(Debug, Default)]
struct Wired {
    is_on: bool,
    /// So much about it is not answered yet.
    open: u32,
}

/// What a frame means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing that anybody waits for.
    Nothing,
    Message(Topic, Arrival),
    /// From here on its messages come.
    Subscribed(Topic),
    /// The server does not let it be subscribed to, and says this.
    Refused(Topic, String),
    /// The server has ended it by itself.
    Ended(Topic),
    /// The server is there.
    Beat,
}

impl Conversation {
    /// Begins to listen to a topic, unless that was asked for.
    pub(super) fn subscribe(&mut self, topic: &Topic) {
        self.turn(topic, true);
    }

    /// Ends listening to a topic, unless that was asked for.
    pub(super) fn unsubscribe(&mut self, topic: &Topic) {
        self.turn(topic, false);
    }

    /// Asks whether the server is there.
    pub(super) fn beat(&mut self) {
        let token = Bytes::from(token());
        frame::put(&mut self.output, &[b"PING", &token]);
        self.asked.push_back(Asked::Beat(token));
    }

    /// Says whether nothing is listened to.
    pub(super) fn is_idle(&self) -> bool {
        self.wired.is_empty()
    }

    fn turn(&mut self, topic: &Topic, on: bool) {
        let wired = self.wired.entry(topic.clone()).or_default();
        if wired.is_on == on {
            self.forget_if_over(topic);
            return;
        }
        wired.is_on = on;
        wired.open += 1;
        frame::put(&mut self.output, &[verb(topic.kind, on), &topic.name]);
        self.asked.push_back(if on {
            Asked::Subscribe(topic.clone())
        } else {
            Asked::Unsubscribe(topic.clone())
        });
    }

    /// Takes in what the server has said.
    ///
    /// # Errors
    ///
    /// - It is no answer to what was asked, and no message.
    pub(super) fn take_in(&mut self, frame: Frame) -> Result<Heard, Malformed> {
        match frame {
            Frame::Error(text) => self.refused(text),
            Frame::Text(token) => self.answered(&token),
            Frame::List(words) => self.told(words),
            Frame::Integer(_) | Frame::Nil => Err(Malformed),
        }
    }

    fn told(&mut self, words: Vec<Frame>) -> Result<Heard, Malformed> {
        let mut words = words.into_iter();
        let (Some(Frame::Text(word)), Some(Frame::Text(name))) = (words.next(), words.next()) else {
            return Err(Malformed);
        };
        match (&word[..], words.next(), words.next()) {
            (b"message", Some(Frame::Text(payload)), None) => Ok(message(Kind::Channel, name, payload)),
            (b"smessage", Some(Frame::Text(payload)), None) => Ok(message(Kind::Shard, name, payload)),
            (b"pmessage", Some(Frame::Text(channel)), Some(Frame::Text(payload))) => {
                let arrival = Arrival {
                    channel,
                    pattern: Some(name.clone()),
                    payload,
                };
                let topic = Topic {
                    kind: Kind::Pattern,
                    name,
                };
                Ok(Heard::Message(topic, arrival))
            }
            // Who has subscribed is answered by a list.
            (b"pong", None, None) => self.answered(&name),
            (word, Some(Frame::Integer(_)), None) => {
                let (kind, on) = meaning(word).ok_or(Malformed)?;
                self.turned(Topic { kind, name }, on)
            }
            _ => Err(Malformed),
        }
    }

    fn turned(&mut self, topic: Topic, on: bool) -> Result<Heard, Malformed> {
        let is_answer = match self.asked.front() {
            Some(Asked::Subscribe(asked)) => on && *asked == topic,
            Some(Asked::Unsubscribe(asked)) => !on && *asked == topic,
            Some(Asked::Beat(_)) | None => false,
        };
        if is_answer {
            self.asked.pop_front();
            let is_final = self.close(&topic);
            return Ok(if on && is_final {
                Heard::Subscribed(topic)
            } else {
                Heard::Nothing
            });
        }
        // A server ends sharded channels by itself, when their slot moves; nothing else.
        if on || topic.kind != Kind::Shard {
            return Err(Malformed);
        }
        Ok(match self.wired.get_mut(&topic) {
            Some(wired) if wired.is_on && wired.open == 0 => {
                self.wired.remove(&topic);
                Heard::Ended(topic)
            }
            // What is still to be answered tells how it is.
            _ => Heard::Nothing,
        })
    }

    fn answered(&mut self, said: &Bytes) -> Result<Heard, Malformed> {
        match self.asked.front() {
            Some(Asked::Beat(token)) if token == said => {
                self.asked.pop_front();
                Ok(Heard::Beat)
            }
            _ => Err(Malformed),
        }
    }

    fn refused(&mut self, text: String) -> Result<Heard, Malformed> {
        match self.asked.pop_front() {
            Some(Asked::Subscribe(topic)) => {
                // If more was asked about it since, that answer counts.
                let is_last = self
                    .wired
                    .get(&topic)
                    .is_some_and(|wired| wired.is_on && wired.open == 1);
                if is_last {
                    self.wired.remove(&topic);
                    return Ok(Heard::Refused(topic, text));
                }
                self.close(&topic);
                Ok(Heard::Nothing)
            }
            Some(Asked::Unsubscribe(topic)) => {
                self.close(&topic);
                Ok(Heard::Nothing)
            }
            // Not permitted to ask, and therefore there.
            Some(Asked::Beat(_)) => Ok(Heard::Beat),
            None => Err(Malformed),
        }
    }

    /// Notes that something about a topic was answered; says whether that was the last, and it is listened to.
    fn close(&mut self, topic: &Topic) -> bool {
        let Some(wired) = self.wired.get_mut(topic) else {
            return false;
        };
        wired.open = wired.open.saturating_sub(1);
        let is_final = wired.is_on && wired.open == 0;
        self.forget_if_over(topic);
        is_final
    }

    fn forget_if_over(&mut self, topic: &Topic) {
        if self
            .wired
            .get(topic)
            .is_some_and(|wired| !wired.is_on && wired.open == 0)
        {
            self.wired.remove(topic);
        }
    }
}

fn message(kind: Kind, name: Bytes, payload: Bytes) -> Heard {
    let arrival = Arrival {
        channel: name.clone(),
        pattern: None,
        payload,
    };
    Heard::Message(Topic { kind, name }, arrival)
}

fn verb(kind: Kind, on: bool) -> &'static [u8] {
    match (kind, on) {
        (Kind::Channel, true) => b"SUBSCRIBE",
        (Kind::Channel, false) => b"UNSUBSCRIBE",
        (Kind::Pattern, true) => b"PSUBSCRIBE",
        (Kind::Pattern, false) => b"PUNSUBSCRIBE",
        (Kind::Shard, true) => b"SSUBSCRIBE",
        (Kind::Shard, false) => b"SUNSUBSCRIBE",
    }
}

fn meaning(word: &[u8]) -> Option<(Kind, bool)> {
    Some(match word {
        b"subscribe" => (Kind::Channel, true),
        b"unsubscribe" => (Kind::Channel, false),
        b"psubscribe" => (Kind::Pattern, true),
        b"punsubscribe" => (Kind::Pattern, false),
        b"ssubscribe" => (Kind::Shard, true),
        b"sunsubscribe" => (Kind::Shard, false),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(kind: Kind, name: &'static str) -> Topic {
        Topic {
            kind,
            name: name.into(),
        }
    }

    /// Says it as a server does, and returns what is heard.
    fn say(conversation: &mut Conversation, said: &[&str]) -> Result<Heard, Malformed> {
        let word = |word: &&str| match word.parse() {
            Ok(number) => Frame::Integer(number),
            Err(_) => Frame::Text(Bytes::copy_from_slice(word.as_bytes())),
        };
        conversation.take_in(Frame::List(said.iter().map(word).collect()))
    }

    fn listening(topic: &Topic) -> Conversation {
        let mut conversation = Conversation::default();
        conversation.subscribe(topic);
        let word = String::from_utf8_lossy(verb(topic.kind, true)).to_lowercase();
        let name = String::from_utf8_lossy(&topic.name);
        assert_eq!(
            say(&mut conversation, &[&word, &name, "1"]),
            Ok(Heard::Subscribed(topic.clone()))
        );
        conversation.output.clear();
        conversation
    }

    #[test]
    fn what_is_on_is_not_asked_for_again() {
        let a = topic(Kind::Channel, "a");
        let mut conversation = listening(&a);
        conversation.subscribe(&a);
        assert!(conversation.output.is_empty());
        conversation.unsubscribe(&a);
        assert_eq!(&conversation.output[..], b"*2\r\n$11\r\nUNSUBSCRIBE\r\n$1\r\na\r\n");
        assert!(!conversation.is_idle());
        assert_eq!(say(&mut conversation, &["unsubscribe", "a", "0"]), Ok(Heard::Nothing));
        assert!(conversation.is_idle());
    }

    #[test]
    fn only_the_last_answer_about_a_topic_counts() {
        let a = topic(Kind::Channel, "a");
        let mut conversation = Conversation::default();
        conversation.subscribe(&a);
        conversation.unsubscribe(&a);
        conversation.subscribe(&a);
        assert_eq!(say(&mut conversation, &["subscribe", "a", "1"]), Ok(Heard::Nothing));
        assert_eq!(say(&mut conversation, &["unsubscribe", "a", "0"]), Ok(Heard::Nothing));
        assert_eq!(
            say(&mut conversation, &["subscribe", "a", "1"]),
            Ok(Heard::Subscribed(a.clone()))
        );
        conversation.unsubscribe(&a);
        conversation.subscribe(&a);
        let refusal = || Frame::Error("NOPERM".to_owned());
        assert_eq!(conversation.take_in(refusal()), Ok(Heard::Nothing));
        assert_eq!(
            conversation.take_in(refusal()),
            Ok(Heard::Refused(a, "NOPERM".to_owned()))
        );
        assert!(conversation.is_idle());
    }

    #[test]
    fn messages_are_told_from_each_other_whatever_is_in_them() {
        let mut conversation = Conversation::default();
        for (said, kind, channel, pattern) in [
            (&["message", "subscribe", "pong"][..], Kind::Channel, "subscribe", None),
            (&["smessage", "message", "message"], Kind::Shard, "message", None),
            (
                &["pmessage", "p*", "pong", "pmessage"],
                Kind::Pattern,
                "pong",
                Some("p*"),
            ),
        ] {
            let Ok(Heard::Message(topic, arrival)) = say(&mut conversation, said) else {
                panic!("{said:?} is a message");
            };
            assert_eq!(
                (topic.kind, &topic.name[..]),
                (kind, pattern.unwrap_or(channel).as_bytes())
            );
            assert_eq!(
                (&arrival.channel[..], arrival.pattern.as_deref()),
                (channel.as_bytes(), pattern.map(str::as_bytes))
            );
            assert_eq!(&arrival.payload[..], said.last().unwrap().as_bytes());
        }
    }

    #[test]
    fn a_server_ends_sharded_channels_by_itself_and_no_others() {
        let shard = topic(Kind::Shard, "s");
        let mut conversation = listening(&shard);
        assert_eq!(
            say(&mut conversation, &["sunsubscribe", "s", "0"]),
            Ok(Heard::Ended(shard.clone()))
        );
        assert!(conversation.is_idle());
        assert_eq!(say(&mut conversation, &["sunsubscribe", "s", "0"]), Ok(Heard::Nothing));
        let mut conversation = listening(&topic(Kind::Channel, "c"));
        assert_eq!(say(&mut conversation, &["unsubscribe", "c", "0"]), Err(Malformed));
    }

    #[test]
    fn a_beat_is_answered_by_its_own_token_only() {
        let mut conversation = Conversation::default();
        conversation.beat();
        let Some(Asked::Beat(token)) = conversation.asked.front() else {
            panic!("it was asked");
        };
        let token = String::from_utf8(token.to_vec()).unwrap();
        assert_eq!(say(&mut conversation, &["pong", "another's"]), Err(Malformed));
        assert_eq!(say(&mut conversation, &["pong", &token]), Ok(Heard::Beat));
        conversation.beat();
        assert_eq!(conversation.take_in(Frame::Error("NOPERM".to_owned())), Ok(Heard::Beat));
        assert_eq!(conversation.take_in(Frame::Integer(1)), Err(Malformed));
    }
}
