//! Opening a connection for messages.
//!
//! It is not one of fred's: that keeps to itself which pattern a message matched, whether a subscription was confirmed, and that a server has
//! ended one by itself; and it drops messages of channels that are no text.

use std::{io, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{
    super::{
        connection::Refusal,
        encryption::{self, Explained},
        failure::{self, Failure},
    },
    conversation::{Conversation, Heard},
    frame::{self, Frame},
};
use crate::config::{Endpoint, Settings, TlsSettings};

/// A connection that was proven to answer.
pub(super) struct Line {
    pub(super) reader: ReadHalf<Box<dyn Stream>>,
    pub(super) writer: Writer,
    /// What was read and not taken in yet.
    pub(super) input: BytesMut,
    pub(super) conversation: Conversation,
}

pub(super) type Writer = WriteHalf<Box<dyn Stream>>;

/// What bytes come from and go to.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Line {
    /// Connects, says who we are, and checks that the server answers.
    ///
    /// # Errors
    ///
    /// - The server cannot be reached, refuses, or does not answer within the time for an attempt.
    pub(super) async fn open(settings: &Settings, endpoint: &Endpoint) -> Result<Self, Refusal> {
        match timeout(settings.connect_timeout, Self::connect(settings, endpoint)).await {
            Ok(opened) => opened,
            Err(_elapsed) => Err(Refusal::of(Failure::Timeout)),
        }
    }

    async fn connect(settings: &Settings, endpoint: &Endpoint) -> Result<Self, Refusal> {
        // Every field is named, so that what a new one asks of a connection is not forgotten here.
        let Settings {
            target: _,
            username,
            password,
            // Channels belong to no database.
            db: _,
            max_connections: _,
            batching: _,
            deadline: _,
            connect_timeout: _,
            key_prefix: _,
            replay_deletes: _,
            near: _,
            encryption: _,
            tls,
        } = settings;
        let stream = reach(endpoint, tls.as_ref(), settings.connect_timeout).await?;
        let (reader, writer) = split(stream);
        let mut line = Self {
            reader,
            writer,
            input: BytesMut::new(),
            conversation: Conversation::default(),
        };
        if username.is_some() || password.is_some() {
            let user = username.as_deref().unwrap_or("default");
            let password = password.as_ref().map_or("", |password| password.expose());
            let mut login = BytesMut::new();
            frame::put(&mut login, &[b"AUTH", user.as_bytes(), password.as_bytes()]);
            line.say(&login).await?;
            if let Frame::Error(text) = line.hear().await? {
                return Err(refused(&text));
            }
        }
        line.conversation.beat();
        let question = line.conversation.output.split();
        line.say(&question).await?;
        match line.hear().await? {
            // One who may not ask was heard all the same.
            Frame::Error(text) if !text.starts_with("NOPERM") => Err(refused(&text)),
            answer => match line.conversation.take_in(answer) {
                Ok(Heard::Beat) => Ok(line),
                _ => Err(strange()),
            },
        }
    }

    async fn say(&mut self, words: &[u8]) -> Result<(), Refusal> {
        let said = self.writer.write_all(words).await;
        said.map_err(|error| broken(&error))?;
        self.writer.flush().await.map_err(|error| broken(&error))
    }

    async fn hear(&mut self) -> Result<Frame, Refusal> {
        loop {
            if let Some(frame) = frame::take(&mut self.input).map_err(|_malformed| strange())? {
                return Ok(frame);
            }
            match self.reader.read_buf(&mut self.input).await {
                Ok(0) => return Err(Refusal::of(Failure::lost())),
                Ok(_) => {}
                Err(error) => return Err(broken(&error)),
            }
        }
    }
}

async fn reach(endpoint: &Endpoint, tls: Option<&TlsSettings>, within: Duration) -> Result<Box<dyn Stream>, Refusal> {
    match endpoint {
        Endpoint::Tcp { host, port } => {
            let connected = TcpStream::connect((host.as_str(), *port)).await;
            let stream = connected.map_err(|error| broken(&error))?;
            stream.set_nodelay(true).map_err(|error| broken(&error))?;
            let Some(tls) = tls else {
                return Ok(Box::new(stream));
            };
            match encryption::wrap(stream, tls, endpoint, within).await {
                Ok(encrypted) => Ok(Box::new(encrypted)),
                Err(Explained { reason, severity }) => Err(Refusal { reason, severity }),
            }
        }
        Endpoint::Unix(path) => match UnixStream::connect(path).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(broken(&error)),
        },
    }
}

/// Says it as people read it: without the number of the system's error.
pub(super) fn broken(error: &io::Error) -> Refusal {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    Refusal::of(Failure::Broken(text.to_owned()))
}

fn refused(text: &str) -> Refusal {
    Refusal::of(Failure::Replied(failure::replied(text)))
}

pub(super) fn strange() -> Refusal {
    Refusal::of(Failure::Broken(
        "the server does not answer what it is asked".to_owned(),
    ))
}

pub(super) fn silent() -> Refusal {
    Refusal::of(Failure::Broken("no answer to the heartbeat".to_owned()))
}
