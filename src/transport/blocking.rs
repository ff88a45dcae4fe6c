//! Commands that wait at the server until there is something to take.
//!
//! Such a command has a connection of its own, and a task that outlives its caller: if the caller gives up, the server is told to stop waiting,
//! and what it took all the same is put back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, time::sleep};

use super::{
    call::{Backend, Road},
    context::Context,
    failure::lost_connection,
    session::Session,
};
use crate::{
    command::{Call, Command},
    error::{ErrorKind, Result},
    reply::Reply,
};

/// A command that waits.
#[derive(Debug)]
pub(crate) struct Blocking {
    pub(crate) command: Command,
    /// How long the server waits.
    pub(crate) wait: Duration,
    /// The same without waiting, for the embedded backend: one for each key; the first that answers something counts.
    pub(crate) tries: Vec<Command>,
    /// Makes the command that puts back what was taken.
    pub(crate) undo: fn(&Reply) -> Option<Command>,
}

/// How often the embedded backend is asked.
const PAUSE: Duration = Duration::from_millis(5);

/// What was taken. Dropping it puts it back, unless it was delivered.
struct Taken {
    reply: Option<Reply>,
    undo: fn(&Reply) -> Option<Command>,
    session: Option<Session>,
}

impl Blocking {
    /// Waits until there is something to take; `Nil` if there was nothing in time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: what was taken meanwhile is put back where it was taken from.
    pub(crate) async fn ask(self, road: &Arc<Road>) -> Result<Reply> {
        if let Backend::Embedded(_) = &road.backend {
            let context = Context::of(&self.command);
            return self.ask_embedded(road).await.map_err(|error| context.explain(error));
        }
        let Self {
            command, wait, undo, ..
        } = self;
        let mut session = Session::open(road, std::slice::from_ref(&command)).await?;
        // Where `CLIENT` is hidden the server cannot be told to stop waiting: its answer is awaited all the same.
        let id = match session.id().await {
            Ok(id) => Some(id),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Auth | ErrorKind::Unsupported | ErrorKind::Server
                ) =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        let node = session.node();
        let (mut answer, answered) = oneshot::channel();
        let road = Arc::clone(road);
        tokio::spawn(async move {
            let mut asked = Box::pin(session.ask(command, wait));
            let outcome = tokio::select! {
                outcome = &mut asked => outcome,
                () = answer.closed() => {
                    // Whether it helps or not: the answer tells what was taken.
                    if let Some(id) = id {
                        let unblock: Command = Call::new("CLIENT UNBLOCK").number(id).into();
                        drop(match node {
                            Some(node) => road.ask_node(&node, || Ok(unblock), Ok).await,
                            None => road.call(|_prefix| Ok(unblock), Ok).await,
                        });
                    }
                    (&mut asked).await
                }
            };
            drop(asked);
            // If nobody takes it, dropping it puts it back.
            drop(answer.send(outcome.map(|reply| Taken {
                reply: Some(reply),
                undo,
                session: Some(session),
            })));
        });
        match answered.await {
            Ok(taken) => Ok(taken?.delivered()),
            Err(_runtime_ends) => Err(lost_connection()),
        }
    }

    async fn ask_embedded(self, road: &Arc<Road>) -> Result<Reply> {
        let began = Instant::now();
        loop {
            for command in &self.tries {
                match (road.embedded()?.execute(command.clone())?, command) {
                    (Reply::Nil, _) => {}
                    // A pop of one of several lists tells which.
                    (element, Command::Call(call)) if call.args.len() == 1 => {
                        let key = call.keys().next().cloned().map_or(Reply::Nil, Reply::Bytes);
                        return Ok(Reply::Array(vec![key, element]));
                    }
                    (element, _) => return Ok(element),
                }
            }
            let left = self.wait.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(Reply::Nil);
            }
            sleep(PAUSE.min(left)).await;
        }
    }
}

impl Taken {
    fn delivered(mut self) -> Reply {
        self.reply.take().unwrap_or(Reply::Nil)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let undo = self.reply.as_ref().and_then(self.undo);
        let (Some(undo), Some(mut session)) = (undo, self.session.take()) else {
            return;
        };
        let put_back = async move {
            if let Err(error) = session.ask(undo, Duration::ZERO).await {
                tracing::warn!(%error, "what a cancelled blocking pop took could not be put back");
            }
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(put_back);
        }
    }
}
