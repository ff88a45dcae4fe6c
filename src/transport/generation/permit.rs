//! The right to have one call in flight, and what its holder can do with it.

use std::{
    future::ready,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::SemaphorePermit, time::timeout};

use super::{
    super::{boxes::Sending, failure::Failure, knowledge, private::Private},
    Generation,
};
use crate::{
    command::Command,
    error::{Error, ErrorKind},
    reply::Reply,
};

/// The right to have one call in flight. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(super) generation: Arc<Generation>,
    /// What is left of the call's deadline.
    pub(super) left: Duration,
}

impl Permit {
    /// Sends a command and waits for its answer, at most until the deadline.
    ///
    /// # Cancel safety
    ///
    /// The permit is given back when it is dropped, whatever became of the command, which may have reached the server.
    pub(in super::super) fn send(&self, command: Command) -> Sending<'_> {
        self.generation.send(command, self.left)
    }

    /// Waits for the places of a pipeline's commands, at most until the deadline.
    ///
    /// # Errors
    ///
    /// - The generation ended, or the deadline passed.
    pub(in super::super) async fn room_for(&self, commands: u32) -> Result<SemaphorePermit<'_>, Error> {
        let refused = |reason| Err(Error::new(ErrorKind::Unavailable, reason).unsent());
        match timeout(self.left, self.generation.pipelined.acquire_many(commands)).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_closed)) => refused("the connection was lost"),
            Err(_) => refused("too many commands are in flight"),
        }
    }

    /// Sends a command of a pipeline: all on one connection, so that they arrive in their order.
    pub(in super::super) fn send_in_order(&self, command: Command) -> Sending<'_> {
        if self.generation.knowledge.of(command.name()) == Some(false) {
            return Sending::Special(Box::pin(ready(Err(knowledge::unknown(command.name())))));
        }
        let command = self.generation.knowledge.reworded(command);
        Sending::Plain(self.generation.main.send_boxed(command, self.left))
    }

    /// Sends commands for slots that are being moved here, each behind an `ASKING`.
    pub(in super::super) async fn send_asking(&self, commands: Vec<Command>) -> Vec<Result<Reply, Failure>> {
        let generation = &self.generation;
        let opening = async || generation.another().await;
        generation.importing.send(commands, self.left, opening).await
    }

    /// Leaves the call no more time than until then.
    pub(in super::super) fn until(mut self, until: Instant) -> Self {
        self.left = self.left.min(until.saturating_duration_since(Instant::now()));
        self
    }

    /// Finds out which of a pipeline's commands the server has, as far as that is in doubt.
    pub(in super::super) async fn find_out(&self, commands: &[Command]) -> Result<(), Failure> {
        for name in commands.iter().map(Command::name) {
            if knowledge::is_doubtful(name) {
                self.generation.knows(name, self.left).await?;
            }
        }
        Ok(())
    }

    /// Refuses commands of which the server does not have one.
    pub(in super::super) async fn refuse_unknown(&self, commands: &[Command]) -> Result<(), Failure> {
        self.find_out(commands).await?;
        let knowledge = &self.generation.knowledge;
        let mut names = commands.iter().map(Command::name);
        match names.find(|name| knowledge.of(name) == Some(false)) {
            Some(name) => Err(knowledge::unknown(name)),
            None => Ok(()),
        }
    }

    /// Takes a connection that nobody else uses.
    ///
    /// # Errors
    ///
    /// - As [`Privates::take`](super::super::private::Privates::take).
    pub(in super::super) async fn private(&self) -> Result<Private, Error> {
        let Generation {
            settings,
            endpoint,
            privates,
            ..
        } = &*self.generation;
        Box::pin(privates.take(settings, endpoint, self.left)).await
    }

    /// Puts a transaction's commands into the words of the server.
    pub(in super::super) fn reworded(&self, commands: Vec<Command>) -> Vec<Command> {
        let commands = commands.into_iter();
        commands
            .map(|command| self.generation.knowledge.reworded(command))
            .collect()
    }

    /// Returns the deadline of every call.
    pub(in super::super) fn deadline(&self) -> Duration {
        self.generation.settings.deadline
    }

    /// Says whether a command will travel on another connection than the one for small values.
    pub(in super::super) fn is_aside(&self, command: &Command) -> bool {
        self.generation.goes_aside(command)
    }

    /// Says whether the call had to wait, and the server is given less than the whole deadline.
    pub(in super::super) fn is_hurried(&self) -> bool {
        self.left < self.generation.settings.deadline
    }

    pub(in super::super) fn generation(&self) -> &Generation {
        &self.generation
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.generation.places.give_back();
    }
}
