//! What one caller asks on a connection of its own.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use tokio::time::sleep;

use super::{
    call::{Backend, Road, disabled},
    context::Context,
    failure::Failure,
    generation::Permit,
    private::Private,
};
use crate::{
    command::{Call, Command},
    embedded::Watched,
    error::Result,
    reply::Reply,
};

/// A connection that nobody else uses, or what stands for it. Dropping it gives the connection back, or closes it if something is under
/// way on it.
#[derive(Debug)]
pub(crate) struct Session {
    road: Arc<Road>,
    line: Line,
}

#[derive(Debug)]
enum Line {
    /// The state of the watched keys when they were watched.
    Embedded(Vec<Watched>),
    Server(ServerLine),
}

#[derive(Debug)]
struct ServerLine {
    private: Option<Private>,
    deadline: Duration,
    /// The right to be in flight, and the generation; a client of the caller's has none.
    permit: Option<Permit>,
    /// Something was sent and not answered, so that nobody else may have the connection.
    is_busy: bool,
    is_watching: bool,
}

impl Session {
    /// Takes a connection, or opens one.
    ///
    /// # Errors
    ///
    /// - Nobody answers: disabled or unavailable.
    /// - No further connection is permitted.
    pub(crate) async fn open(road: &Arc<Road>) -> Result<Self> {
        let line = match &road.backend {
            Backend::Disabled(_) => return Err(disabled()),
            Backend::Embedded(_) => Line::Embedded(Vec::new()),
            Backend::Server(topology) => {
                let permit = topology.admit().await?;
                let private = permit.private().await?;
                let deadline = permit.deadline();
                Line::Server(ServerLine::new(private, deadline, Some(permit)))
            }
            Backend::Guest(guest) => {
                let private = Private::of_guest(guest.connection().await?);
                Line::Server(ServerLine::new(private, guest.deadline(), None))
            }
        };
        Ok(Self {
            road: Arc::clone(road),
            line,
        })
    }

    /// Asks one question, and waits for its answer within the deadline and so much longer.
    pub(crate) async fn ask(&mut self, command: Command, longer: Duration) -> Result<Reply> {
        let context = Context::of(&command);
        let _owed = self.road.owed([&command]);
        let answer = match &mut self.line {
            Line::Embedded(_) => self.road.embedded()?.execute(command),
            Line::Server(line) => {
                let within = line.deadline + longer;
                let sent = match line.refuse_unknown(std::slice::from_ref(&command)).await {
                    Ok(()) => line.use_it(async |private| private.send(command, within).await).await,
                    Err(failure) => Err(failure),
                };
                self.road.settle(line.permit.as_ref(), sent)
            }
        };
        answer.map_err(|error| context.explain(error))
    }

    /// Watches keys: the next transaction is executed only if none of them was changed until then.
    pub(crate) async fn watch(&mut self, keys: Vec<Bytes>) -> Result<()> {
        match &mut self.line {
            Line::Embedded(watched) => {
                *watched = self.road.embedded()?.watch(keys);
                Ok(())
            }
            Line::Server(line) => {
                line.is_watching = true;
                let within = line.deadline;
                let watch = Call::new("WATCH").keys_of(keys).into();
                let context = Context::of(&watch);
                let sent = line
                    .use_it(async |private| {
                        private.try_transaction(within).await?;
                        private.send(watch, within).await
                    })
                    .await;
                let answer = self.road.settle(line.permit.as_ref(), sent).and_then(Reply::into_unit);
                answer.map_err(|error| context.explain(error))
            }
        }
    }

    /// Executes commands as one transaction; `None` if a watched key was changed. Nothing is watched after it.
    pub(crate) async fn transact(&mut self, commands: Vec<Command>) -> Result<Option<Vec<Result<Reply>>>> {
        let contexts: Vec<_> = commands.iter().map(Context::of).collect();
        let _owed = self.road.owed(&commands);
        let answers = match &mut self.line {
            Line::Embedded(watched) => {
                let watched = std::mem::take(watched);
                Ok(self.road.embedded()?.transact(commands, &watched))
            }
            Line::Server(line) => {
                let within = line.deadline;
                let is_watching = line.is_watching;
                let asked = line.refuse_unknown(&commands).await;
                let commands = match &line.permit {
                    Some(permit) => permit.reworded(commands),
                    None => commands,
                };
                let sent = match asked {
                    Ok(()) => {
                        line.use_it(async |private| {
                            if !is_watching {
                                private.try_transaction(within).await?;
                            }
                            private.transact(commands, within).await
                        })
                        .await
                    }
                    Err(failure) => Err(failure),
                };
                // After a refusal the keys may still be watched.
                line.is_watching &= sent.is_err();
                self.road.settle(line.permit.as_ref(), sent)
            }
        };
        let answers = answers.map_err(|error| error.during("EXEC", None))?;
        let explain = |(answer, context): (Result<Reply>, Context)| answer.map_err(|error| context.explain(error));
        Ok(answers.map(|answers| answers.into_iter().zip(contexts).map(explain).collect()))
    }

    /// Returns the server's number for this connection.
    pub(crate) async fn id(&mut self) -> Result<i64> {
        if let Line::Server(ServerLine {
            private: Some(private), ..
        }) = &self.line
            && let Some(id) = private.id
        {
            return Ok(id);
        }
        let id = self
            .ask(Call::new("CLIENT ID").into(), Duration::ZERO)
            .await?
            .into_integer()?;
        if let Line::Server(ServerLine {
            private: Some(private), ..
        }) = &mut self.line
        {
            private.id = Some(id);
        }
        Ok(id)
    }

    /// Waits.
    pub(crate) async fn pause(&self, time: Duration) {
        sleep(time).await;
    }
}

impl ServerLine {
    fn new(private: Private, deadline: Duration, permit: Option<Permit>) -> Self {
        Self {
            private: Some(private),
            deadline,
            permit,
            is_busy: false,
            is_watching: false,
        }
    }

    /// Refuses commands that the server does not have; of a client of the caller's nothing is known.
    async fn refuse_unknown(&self, commands: &[Command]) -> Result<(), Failure> {
        match &self.permit {
            Some(permit) => Box::pin(permit.refuse_unknown(commands)).await,
            None => Ok(()),
        }
    }

    /// Uses the connection, which nobody else may have until the answer is here.
    async fn use_it<T>(&mut self, ask: impl AsyncFnOnce(&mut Private) -> Result<T, Failure>) -> Result<T, Failure> {
        let Some(private) = &mut self.private else {
            return Err(Failure::lost());
        };
        self.is_busy = true;
        let permit = self.permit.as_ref();
        let ended = async {
            match permit {
                Some(permit) => permit.generation().ended().await,
                None => std::future::pending().await,
            }
        };
        let sent = tokio::select! {
            sent = ask(private) => sent,
            () = ended => Err(Failure::lost()),
        };
        self.is_busy = !matches!(&sent, Ok(_) | Err(Failure::Replied(_)));
        sent
    }
}

impl Drop for ServerLine {
    fn drop(&mut self) {
        let (Some(private), Some(permit)) = (self.private.take(), &self.permit) else {
            return;
        };
        let privates = permit.generation().privates();
        if self.is_busy || self.is_watching {
            drop(private);
            privates.lost();
        } else {
            privates.give_back(private);
        }
    }
}
