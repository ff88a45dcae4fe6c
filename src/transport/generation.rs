//! Connections that live and die together, and the permits to use them.
//!
//! A generation never reconnects: fred's own reconnect would replay, and keep, commands that their callers gave up on. It ends
//! with its connection, and all that was queued ends with it.

mod permit;
mod replay;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use fred::clients::Client;
use futures_util::future::join_all;
use tokio::{
    join,
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

pub(crate) use self::permit::Permit;
use super::{
    aside::{Aside, Beside},
    batch::Batches,
    boxes::Sending,
    budget,
    connection::{Connection, Refusal},
    failure::Failure,
    importing::Importing,
    knowledge::{self, Knowledge},
    large::LargeKeys,
    places::Places,
    private::Privates,
    scriptless,
    survey::{self, Found},
    witness::{self, Witnessed},
};
use crate::{
    command::Command,
    config::{Endpoint, NearPlan, Settings},
    error::{Error, ErrorKind},
    reply::Reply,
};

/// One life of the connections of one link.
#[derive(Debug)]
pub(super) struct Generation {
    number: Number,
    settings: Arc<Settings>,
    endpoint: Endpoint,
    must_be_master: bool,
    main: Arc<Connection>,
    batches: Batches,
    /// Whose values are large.
    large: Arc<LargeKeys>,
    /// Opened by the first large value, so that it does not hold small ones up.
    bulk: Aside,
    /// How many more connections may be opened.
    budget: Arc<Semaphore>,
    privates: Privates,
    /// For lists that could be misread.
    witnessed: Witnessed,
    /// For slots that are being moved here.
    importing: Importing,
    /// What the server can.
    knowledge: Arc<Knowledge>,
    /// Bounds the commands of pipelines.
    pipelined: Semaphore,
    /// Bounds what is in flight. Closed when the generation ends, which releases whoever waits.
    places: Places,
    ended: watch::Sender<bool>,
}

/// Which generation it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(u64);

/// Calls in flight on one generation. fred spends about 16 KB on each, so this bounds memory to some 16 MB; more calls wait for a
/// permit within their deadline.
const IN_FLIGHT: u32 = 1024;

/// How many there were, of all links.
static GENERATIONS: AtomicU64 = AtomicU64::new(0);

/// Commands of pipelines under way on one generation. More wait, each pipeline for all its places at once.
const PIPELINED: usize = 2048;

impl Generation {
    /// Opens the connection for small values, to a server that has to be a master if that is asked for.
    ///
    /// # Errors and cancel safety
    ///
    /// As [`Connection::open`]; also, the server is no master.
    pub(super) async fn open(
        settings: &Arc<Settings>,
        endpoint: &Endpoint,
        must_be_master: bool,
        budget: &Arc<Semaphore>,
    ) -> Result<Arc<Self>, Refusal> {
        let main = Arc::new(Connection::open(settings, endpoint).await?);
        if must_be_master {
            let is_master = main.is_master(settings.connect_timeout).await;
            proven(is_master, endpoint).map_err(Refusal::of)?;
        }
        let large = Arc::<LargeKeys>::default();
        let knowledge = Arc::<Knowledge>::default();
        Ok(Arc::new(Self {
            number: Number(GENERATIONS.fetch_add(1, Relaxed)),
            settings: Arc::clone(settings),
            endpoint: endpoint.clone(),
            must_be_master,
            batches: Batches::start(settings, &main, &large, &knowledge),
            main,
            large,
            bulk: Aside::default(),
            privates: Privates::new(Arc::clone(budget)),
            witnessed: Witnessed::default(),
            importing: Importing::default(),
            knowledge,
            pipelined: Semaphore::new(PIPELINED),
            budget: Arc::clone(budget),
            places: Places::new(IN_FLIGHT),
            ended: watch::Sender::new(false),
        }))
    }

    /// Takes a permit, waiting for one until the deadline.
    ///
    /// # Errors
    ///
    /// - The generation ended, or the deadline passed while as many calls as permitted were in flight.
    pub(super) async fn permit(self: Arc<Self>, within: Duration) -> Result<Permit, Error> {
        let refused = |reason| Err(Error::new(ErrorKind::Unavailable, reason).unsent());
        let mut left = within;
        if !self.places.try_take() {
            let asked = Instant::now();
            // In a box: hardly a call waits, but all would carry the room for it.
            match Box::pin(timeout(within, self.places.take())).await {
                Ok(true) => left = within.saturating_sub(asked.elapsed()),
                Ok(false) => return refused("the connection was lost"),
                Err(_) => return refused("too many calls are in flight"),
            }
        }
        Ok(Permit { generation: self, left })
    }

    pub(super) fn number(&self) -> Number {
        self.number
    }

    pub(super) fn batches(&self) -> &Batches {
        &self.batches
    }

    pub(super) fn privates(&self) -> &Privates {
        &self.privates
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a new token and says whether that very token came back. Who has to be a master has to say that it still is one.
    pub(super) async fn heartbeat(&self, within: Duration) -> Result<bool, Failure> {
        if !self.must_be_master {
            return self.main.is_in_step(within).await;
        }
        let (is_in_step, is_master) = join!(self.main.is_in_step(within), self.main.is_master(within));
        Ok(is_in_step? && proven(is_master, &self.endpoint)?)
    }

    /// Finds out what the server can, in one round trip that takes so long at most.
    ///
    /// # Errors
    ///
    /// - The server does not answer, or does not serve: it is to be asked again.
    pub(super) async fn survey(&self, within: Duration) -> Result<Found, Failure> {
        let is_tracked = matches!(self.settings.near, NearPlan::Wanted(_));
        let questions = survey::questions(is_tracked).into_iter();
        let asked = questions.map(|question| self.main.send_boxed(question, within));
        let found = survey::read(join_all(asked).await)?;
        self.knowledge.learn_all(&found.capabilities, found.commands.as_ref());
        Ok(found)
    }

    /// Ends the generation: nothing that is queued will be sent, and whoever waits is released at once.
    pub(super) fn end(&self) {
        self.places.close();
        self.batches.close();
        self.pipelined.close();
        self.main.close();
        self.privates.close();
        self.witnessed.close();
        self.importing.close();
        self.bulk.close();
        self.ended.send_replace(true);
    }

    /// Waits until the generation was ended, or its connection's task ended by itself.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        let by_us = ended.wait_for(|ended| *ended);
        tokio::select! {
            _ = by_us => {}
            () = self.main.closed() => {}
        }
    }

    /// Waits until nothing is left of an ended generation, and releases calls that came while it ended.
    pub(super) async fn buried(&self) {
        self.main.closed().await;
        self.main.close();
    }

    /// Lets what is in flight finish, says goodbye, and ends the generation. Takes one deadline at most.
    ///
    /// No call may be admitted any more: fred cancels what is in flight when it says goodbye.
    pub(super) async fn quit(&self) {
        let politely = async {
            while !(self.places.is_empty() && self.batches.are_idle()) {
                sleep(Duration::from_millis(1)).await;
            }
            self.main.quit().await;
        };
        // Whatever comes of it, the task is aborted afterwards.
        drop(timeout(self.settings.deadline, politely).await);
        self.end();
    }

    /// The documented hatch.
    pub(super) fn client(&self) -> Client {
        self.main.client()
    }

    fn send(&self, command: Command, within: Duration) -> Sending<'_> {
        let command = self.knowledge.reworded(command);
        if within == self.settings.deadline && self.batches.has_lane_for(&command) {
            Sending::Special(Box::pin(self.send_batched(command, within)))
        } else if knowledge::is_doubtful(command.name()) {
            Sending::Special(Box::pin(self.send_if_known(command, within)))
        } else if witness::is_for(&command) {
            Sending::Special(Box::pin(self.send_witnessed(command, within)))
        } else if scriptless::is_for(&command) && !self.knowledge.runs_scripts() {
            Sending::Special(Box::pin(self.send_guarded(command, within)))
        } else if self.goes_aside(&command) {
            Sending::Special(Box::pin(self.send_large(command, within)))
        } else {
            Sending::Plain(self.main.send_boxed(command, within))
        }
    }

    async fn send_batched(&self, command: Command, within: Duration) -> Result<Reply, Failure> {
        match self.batches.send_or_give_back(command).await {
            Ok(outcome) => outcome,
            Err(command) => self.main.send_boxed(command, within).await,
        }
    }

    async fn send_if_known(&self, command: Command, within: Duration) -> Result<Reply, Failure> {
        let asked = Instant::now();
        if !self.knows(command.name(), within).await? {
            return Err(knowledge::unknown(command.name()));
        }
        let left = within.saturating_sub(asked.elapsed());
        self.main.send_boxed(command, left).await
    }

    /// Says whether the server has a command. It is asked at most once.
    async fn knows(&self, name: &'static str, within: Duration) -> Result<bool, Failure> {
        if let Some(is_known) = self.knowledge.of(name) {
            return Ok(is_known);
        }
        let answer = self.main.send_boxed(knowledge::question(name), within).await;
        self.knowledge.learn(name, answer)
    }

    async fn send_witnessed(&self, command: Command, within: Duration) -> Result<Reply, Failure> {
        let asked = Instant::now();
        match self
            .witnessed
            .ask(&command, within, async || self.another().await)
            .await
        {
            Some(answer) => answer,
            None => {
                let left = within.saturating_sub(asked.elapsed());
                self.send_guarded(command, left).await
            }
        }
    }

    /// Asks for a list by a script, or by a transaction where that is refused.
    async fn send_guarded(&self, command: Command, within: Duration) -> Result<Reply, Failure> {
        let asked = Instant::now();
        if !self.knowledge.refuses_scripts() {
            match self.main.send_boxed(command.clone(), within).await {
                Err(Failure::Replied(error)) if !self.knowledge.runs_scripts() && scriptless::is_refusal(&error) => {}
                sent => return sent,
            }
        }
        let left = within.saturating_sub(asked.elapsed());
        scriptless::send(&self.privates, &self.settings, &self.endpoint, command, left).await
    }

    /// Says whether a command's values travel on a connection of their own.
    fn goes_aside(&self, command: &Command) -> bool {
        match command {
            Command::Get { key } => self.large.contains(key),
            Command::GetVersioned(versioned) => self.large.contains(versioned.key()),
            other => other.is_large(),
        }
    }

    async fn send_large(&self, command: Command, within: Duration) -> Result<Reply, Failure> {
        let key = match &command {
            Command::Get { .. } | Command::GetVersioned(_) => command.key().map(<[u8]>::to_vec),
            _ => None,
        };
        let reply = self.send_by_bulk(command, within).await;
        if let (Some(key), Ok(reply)) = (key, &reply) {
            self.large.note(&key, reply.len());
        }
        reply
    }

    /// A large value that failed says nothing about the server, only about its own connection.
    async fn send_by_bulk(&self, command: Command, within: Duration) -> Result<Reply, Failure> {
        let asked = Instant::now();
        let Ok(bulk) = timeout(within, self.bulk.get(async || self.another().await)).await else {
            return Err(Failure::Timeout);
        };
        let left = within.saturating_sub(asked.elapsed());
        let Some(bulk) = bulk else {
            return self.main.send_boxed(command, left).await;
        };
        let sent = bulk.connection.send(command, left).await;
        if let Err(Failure::Timeout | Failure::Broken(_)) = sent {
            self.bulk.give_up(&bulk).await;
        }
        sent
    }

    /// Opens a further connection, unless the pool's bound leaves no room for it.
    async fn another(&self) -> Option<Beside> {
        let budget = budget::spare(&self.budget)?;
        let connection = Connection::open(&self.settings, &self.endpoint).await.ok()?;
        (!*self.ended.borrow()).then_some(Beside { connection, budget })
    }
}

/// Reads what a server says of its role.
fn proven(is_master: Result<bool, Failure>, endpoint: &Endpoint) -> Result<bool, Failure> {
    if is_master? {
        Ok(true)
    } else {
        Err(Failure::NotServing(format!("{endpoint} is no master")))
    }
}
