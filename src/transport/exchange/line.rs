//! One connection for messages, from its beginning to its end. It never reconnects: the supervisor begins another.

use std::{io, sync::Arc, time::Instant};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
    time::{Duration, sleep_until},
};

use super::{
    super::{
        connection::Refusal,
        failure::{self, Failure},
        gate::moved,
        node::Node,
        topology::redirection::Redirection,
    },
    conversation::Heard,
    desk::{Desk, LineId},
    dial::{self, Line, Writer},
    frame,
    pulse::{Pulse, Verdict},
};
use crate::{config::Endpoint, error::ErrorKind};

/// For so long a connection on which nothing is listened to waits for somebody who listens.
const LINGER: Duration = Duration::from_secs(2);

/// So much room is made before each read.
const ROOM: usize = 16 * 1024;

/// Tells the desk of the end, however it comes.
struct Ending<'a> {
    desk: &'a Desk,
    id: LineId,
    refusal: Refusal,
}

/// A connection that is used.
struct Talk<'a> {
    line: Line,
    desk: &'a Desk,
    id: LineId,
    node: &'a Node,
    pulse: Pulse,
    /// Since when nothing is listened to.
    idle_since: Option<Instant>,
    is_unflushed: bool,
}

/// Connects, and listens until that is over.
pub(super) async fn run(desk: Arc<Desk>, id: LineId, node: Arc<Node>) {
    let mut ending = Ending {
        desk: &desk,
        id,
        refusal: Refusal::of(Failure::lost()),
    };
    let opened = connect(&node).await.map_err(|refusal| ending.refusal = refusal);
    let (Ok((line, endpoint)), Some(bell)) = (opened, desk.bell_of(id)) else {
        node.doubt();
        return;
    };
    desk.established(id);
    let mut talk = Talk {
        line,
        desk: &desk,
        id,
        node: &node,
        pulse: Pulse::new(Instant::now()),
        idle_since: None,
        is_unflushed: false,
    };
    let ended = tokio::select! {
        ended = talk.listen(&bell) => ended,
        endpoint = node.moved(&endpoint) => Err(Refusal::passing(moved(&endpoint))),
    };
    if let Err(refusal) = ended {
        ending.refusal = refusal;
        node.doubt();
    }
}

/// Connects to where the server is; anew where it turns out to be elsewhere meanwhile.
async fn connect(node: &Node) -> Result<(Line, Endpoint), Refusal> {
    loop {
        let endpoint = node.place().await?;
        tokio::select! {
            opened = Line::open(node.settings(), &endpoint) => return Ok((opened?, endpoint)),
            _ = node.moved(&endpoint) => {}
        }
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.desk.lost(self.id, &self.refusal);
    }
}

impl Talk<'_> {
    /// Returns when nobody has listened to anything for a while.
    ///
    /// # Errors
    ///
    /// - The connection was lost, or the server does not answer.
    async fn listen(&mut self, bell: &Notify) -> Result<(), Refusal> {
        loop {
            self.take_changes();
            if self.is_over() && self.desk.retire(self.id) {
                return Ok(());
            }
            let due = self.due();
            let Line {
                reader,
                writer,
                input,
                conversation,
            } = &mut self.line;
            let output = &mut conversation.output;
            let has_to_send = self.is_unflushed || !output.is_empty();
            input.reserve(ROOM);
            // What there is to send comes first, however much comes in. What comes in counts before the time does: it tells that the server is there.
            tokio::select! {
                biased;
                sent = send(writer, output, &mut self.is_unflushed), if has_to_send => {
                    sent.map_err(|error| dial::broken(&error))?;
                    if !self.is_unflushed {
                        self.pulse.sent(Instant::now());
                    }
                }
                read = reader.read_buf(input) => match read {
                    Ok(0) => return Err(Refusal::of(Failure::lost())),
                    Ok(_) => self.take_in()?,
                    Err(error) => return Err(dial::broken(&error)),
                },
                () = bell.notified() => {}
                () = sleep_until(due.into()) => match self.pulse.judge(Instant::now()) {
                    Verdict::Ask => self.line.conversation.beat(),
                    Verdict::Wait => {}
                    Verdict::Dead => return Err(dial::silent()),
                },
            }
        }
    }

    fn take_changes(&mut self) {
        for (topic, is_wanted) in self.desk.take_changes(self.id) {
            if is_wanted {
                self.line.conversation.subscribe(&topic);
            } else {
                self.line.conversation.unsubscribe(&topic);
            }
        }
        if self.line.conversation.is_idle() {
            self.idle_since.get_or_insert_with(Instant::now);
        } else {
            self.idle_since = None;
        }
    }

    fn is_over(&self) -> bool {
        self.idle_since.is_some_and(|since| since.elapsed() >= LINGER)
    }

    fn due(&self) -> Instant {
        let over = self.idle_since.map(|since| since + LINGER);
        over.map_or_else(|| self.pulse.due(), |over| over.min(self.pulse.due()))
    }

    fn take_in(&mut self) -> Result<(), Refusal> {
        let now = Instant::now();
        self.pulse.heard(now);
        let strange = |_malformed| dial::strange();
        while let Some(frame) = frame::take(&mut self.line.input).map_err(strange)? {
            match self.line.conversation.take_in(frame).map_err(strange)? {
                Heard::Nothing => {}
                Heard::Message(topic, arrival) => self.desk.deliver(&topic, &arrival),
                Heard::Subscribed(topic) => self.desk.confirm(&topic, self.id),
                Heard::Ended(topic) => self.desk.displace(topic, self.id, None),
                Heard::Beat => self.pulse.answered(now),
                Heard::Refused(topic, text) => {
                    let error = failure::replied(&text);
                    let redirection = Redirection::of(&error, self.node.endpoint());
                    match redirection.filter(|_| self.node.settings().is_cluster()) {
                        Some(Redirection::Moved { to, .. } | Redirection::Ask { to }) => {
                            self.desk.displace(topic, self.id, Some(to));
                        }
                        Some(Redirection::TryAgain) => self.desk.displace(topic, self.id, None),
                        // The cluster does not serve the slot now.
                        None if error.kind() == ErrorKind::Unavailable => {
                            self.desk.refuse_joining(&topic, &error);
                            self.desk.displace(topic, self.id, None);
                        }
                        None => self.desk.refuse(&topic, &error),
                    }
                }
            }
        }
        Ok(())
    }
}

/// Sends what there is to send. Dropping the future loses nothing.
async fn send(writer: &mut Writer, output: &mut BytesMut, is_unflushed: &mut bool) -> io::Result<()> {
    if output.is_empty() {
        writer.flush().await?;
        *is_unflushed = false;
    } else {
        if writer.write_buf(output).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        *is_unflushed = true;
    }
    Ok(())
}
