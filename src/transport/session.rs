//! What one caller asks on a connection of its own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use tokio::time::sleep;

use super::{
    call::{Backend, Road, disabled},
    clustered::{Hop, Step, next_step},
    context::Context,
    failure::Failure,
    gate::Attempt,
    generation::Permit,
    manner::Manner,
    node::Node,
    private::Private,
    topology::{Cluster, Topology, route},
};
use crate::{
    command::{Call, Command},
    embedded::Watched,
    error::Result,
    near::Owed,
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
    /// Whose connection it is; a client of the caller's has no node.
    node: Option<Arc<Node>>,
    deadline: Duration,
    /// The right to be in flight, and the generation; a client of the caller's has none.
    permit: Option<Permit>,
    /// Something was sent and not answered, so that nobody else may have the connection.
    is_busy: bool,
    is_watching: bool,
    /// What is asked in a cluster; all of it has to be there.
    slot: Option<u16>,
    /// The slot is being moved to this node: each command goes behind an `ASKING`.
    manner: Manner,
    /// The watched keys were moved to another node, so that changes of them may have been missed.
    is_void: bool,
}

/// Where in a cluster a question is to be asked.
struct Search<'a> {
    cluster: Option<&'a Cluster>,
    slot: Option<u16>,
    hops: u32,
    until: Instant,
}

impl Session {
    /// Takes a connection, or opens one, for commands like these.
    ///
    /// # Errors
    ///
    /// - Nobody answers: disabled or unavailable.
    /// - No further connection is permitted.
    /// - In a cluster: the keys are in several slots.
    pub(crate) async fn open(road: &Arc<Road>, concerning: &[Command]) -> Result<Self> {
        let line = match &road.backend {
            Backend::Disabled(_) => return Err(disabled()),
            Backend::Embedded(_) => Line::Embedded(Vec::new()),
            Backend::Server(Topology::One(node)) => Line::Server(ServerLine::at(node).await?),
            Backend::Server(Topology::Cluster(cluster)) => {
                let slot = route::slot_of_all(concerning)?;
                let until = cluster.deadline();
                let node = match slot {
                    Some(slot) => cluster.owner(slot, until).await?,
                    None => cluster.anybody(until).await?,
                };
                let mut line = ServerLine::at(&node).await?;
                line.slot = slot;
                Line::Server(line)
            }
            Backend::Guest(guest) => {
                let private = Private::of_guest(guest.connection().await?);
                Line::Server(ServerLine::new(private, guest.deadline()))
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
        let answer = match &mut self.line {
            Line::Embedded(_) => self.road.embedded()?.execute(command),
            Line::Server(line) => {
                let mut search = Search::new(&self.road, line, [&command], longer)?;
                loop {
                    let answer = line.ask(command.clone(), search.left()).await;
                    if !search.moves(line, &answer).await? {
                        break answer;
                    }
                }
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
                let watch: Command = Call::new("WATCH").keys_of(keys).into();
                let context = Context::of(&watch);
                let mut search = Search::new(&self.road, line, [&watch], Duration::ZERO)?;
                let answer = loop {
                    let answer = line.watch(watch.clone(), search.left()).await;
                    if !search.moves(line, &answer).await? {
                        break answer;
                    }
                };
                line.is_void = false;
                answer
                    .and_then(Reply::into_unit)
                    .map_err(|error| context.explain(error))
            }
        }
    }

    /// Executes commands as one transaction; `None` if a watched key was changed. Nothing is watched after it.
    pub(crate) async fn transact(&mut self, commands: Vec<Command>) -> Result<Option<Vec<Result<Reply>>>> {
        let contexts: Vec<_> = commands.iter().map(Context::of).collect();
        let answers = match &mut self.line {
            Line::Embedded(watched) => {
                let watched = std::mem::take(watched);
                Ok(self.road.embedded()?.transact(commands, &watched))
            }
            Line::Server(line) => {
                let mut search = Search::new(&self.road, line, &commands, Duration::ZERO)?;
                loop {
                    let answer = line.transact(commands.clone(), search.left()).await;
                    if !search.moves(line, &answer).await? {
                        break answer;
                    }
                }
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

    /// Returns the node whose connection it is.
    pub(super) fn node(&self) -> Option<Arc<Node>> {
        match &self.line {
            Line::Server(line) => line.node.clone(),
            Line::Embedded(_) => None,
        }
    }

    /// Waits.
    pub(crate) async fn pause(&self, time: Duration) {
        sleep(time).await;
    }
}

impl<'a> Search<'a> {
    /// # Errors
    ///
    /// - In a cluster: the keys are in several slots.
    fn new<'c>(
        road: &'a Road,
        line: &ServerLine,
        questions: impl IntoIterator<Item = &'c Command>,
        longer: Duration,
    ) -> Result<Self> {
        let cluster = match &road.backend {
            Backend::Server(Topology::Cluster(cluster)) => Some(&**cluster),
            _ => None,
        };
        let slot = match cluster {
            Some(_) => route::slot_of_all(questions)?.or(line.slot),
            None => None,
        };
        Ok(Self {
            cluster,
            slot,
            hops: 0,
            until: Instant::now() + line.deadline + longer,
        })
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Moves the line to where an answer says that the question has to be asked; says whether it did.
    async fn moves<T>(&mut self, line: &mut ServerLine, answer: &Result<T>) -> Result<bool> {
        let (Err(error), Some(cluster), Some(slot), Some(node)) = (answer, self.cluster, self.slot, &line.node) else {
            return Ok(false);
        };
        let node = Arc::clone(node);
        let mut hop = Hop::nth(self.hops);
        self.hops += 1;
        match next_step(cluster, slot, &node, error, &mut hop, self.until).await {
            Some(step) => {
                let Step { node, manner } = step?;
                line.move_to(&node, manner).await?;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

impl ServerLine {
    fn new(private: Private, deadline: Duration) -> Self {
        Self {
            private: Some(private),
            node: None,
            deadline,
            permit: None,
            is_busy: false,
            is_watching: false,
            slot: None,
            manner: Manner::Plainly,
            is_void: false,
        }
    }

    /// Takes a connection of a node's.
    async fn at(node: &Arc<Node>) -> Result<Self> {
        let permit = node.admit().await?;
        let private = permit.private().await?;
        let mut line = Self::new(private, permit.deadline());
        line.node = Some(Arc::clone(node));
        line.permit = Some(permit);
        Ok(line)
    }

    /// Goes on with a connection of another node's, on which nothing is watched.
    async fn move_to(&mut self, node: &Arc<Node>, manner: Manner) -> Result<()> {
        let mut moved = Self::at(node).await?;
        moved.slot = self.slot;
        moved.manner = manner;
        moved.is_void = self.is_void || self.is_watching;
        *self = moved;
        Ok(())
    }

    async fn ask(&mut self, command: Command, within: Duration) -> Result<Reply> {
        let manner = self.manner;
        let _owed = self.owed([&command]);
        let sent = match self.refuse_unknown(std::slice::from_ref(&command)).await {
            Ok(()) => {
                self.use_it(async |private| private.send(command, manner, within).await)
                    .await
            }
            Err(failure) => Err(failure),
        };
        self.settle(sent)
    }

    async fn watch(&mut self, watch: Command, within: Duration) -> Result<Reply> {
        let manner = self.manner;
        self.is_watching = true;
        let sent = self
            .use_it(async |private| {
                private.try_transaction(within).await?;
                private.send(watch, manner, within).await
            })
            .await;
        self.settle(sent)
    }

    async fn transact(&mut self, commands: Vec<Command>, within: Duration) -> Result<Option<Vec<Result<Reply>>>> {
        let (manner, is_watching) = (self.manner, self.is_watching);
        if std::mem::take(&mut self.is_void) {
            self.is_watching = false;
            return Ok(None);
        }
        let _owed = self.owed(&commands);
        let unknown = self.refuse_unknown(&commands).await;
        let commands = match &self.permit {
            Some(permit) => permit.reworded(commands),
            None => commands,
        };
        let sent = match unknown {
            Ok(()) => {
                self.use_it(async |private| {
                    if !is_watching {
                        private.try_transaction(within).await?;
                    }
                    private.transact(commands, manner, within).await
                })
                .await
            }
            Err(failure) => Err(failure),
        };
        // After a refusal the keys may still be watched.
        self.is_watching &= sent.is_err();
        self.settle(sent)
    }

    fn owed<'c>(&self, commands: impl IntoIterator<Item = &'c Command>) -> Option<Owed> {
        self.node.as_ref()?.owed(commands)
    }

    /// Counts what came of a question.
    fn settle<T>(&self, answer: Result<T, Failure>) -> Result<T> {
        let attempt = Attempt {
            is_aside: true,
            is_hurried: false,
        };
        match (&self.node, &self.permit) {
            (Some(node), Some(permit)) => node.settle(permit.generation().number(), answer, attempt),
            _ => answer.map_err(Failure::into_error),
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
