//! The road where there is a cluster: it finds the node of each key, and goes where that one says.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::time::sleep;

use super::{
    call::Road,
    failure::lost_connection,
    manner::Manner,
    node::Node,
    pipeline::{AT_ONCE, ask_some},
    topology::{
        Cluster,
        cluster::SlotsAt,
        cursor::Cursor,
        redirection::Redirection,
        route::{self, Merge, Route},
    },
};
use crate::{
    chance::chance,
    command::{Arg, Call, Command},
    config::Endpoint,
    error::{Error, ErrorKind, Result},
    reply::Reply,
};

/// Where a command goes next.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) node: Arc<Node>,
    pub(super) manner: Manner,
}

/// One round of redirections. However many commands it has, it pauses once.
#[derive(Debug)]
pub(super) struct Hop {
    number: u32,
    has_paused: bool,
}

/// Between attempts while a slot is being moved, about.
const PAUSE: Duration = Duration::from_millis(5);

/// Nothing is sent any more when so little is left of the deadline: its answer would hardly be here in time.
const LAST: Duration = Duration::from_millis(2);

/// So many redirections are followed without a pause: one is common, two happen.
const HOPS: u32 = 2;

impl Road {
    /// Asks whoever in a cluster is concerned.
    pub(super) async fn ask_cluster(&self, cluster: &Cluster, command: Command) -> Result<Reply> {
        let until = cluster.deadline();
        match Route::of(command)? {
            Route::Slot(slot, command) => self.ask_slot(cluster, slot, command, until).await,
            Route::Anywhere(command) => {
                let node = cluster.anybody(until).await?;
                self.ask_of(cluster, &node, command).await
            }
            Route::Everywhere(command, merge) => {
                let owners = cluster.owners(until).await?;
                let asked = owners.iter().map(|node| self.ask_of(cluster, node, command.clone()));
                merge.apply(join_all(asked).await)
            }
            // One by one, because each node batches them, and near caches know them so.
            Route::Parts(parts, Merge::Values) => {
                let mut answers = Vec::with_capacity(parts.len());
                let mut parts = parts.into_iter();
                while parts.len() > 0 {
                    let some = parts.by_ref().take(AT_ONCE);
                    let asked = some.map(|(slot, get)| Box::pin(self.ask_slot(cluster, slot, get, until)));
                    answers.extend(join_all(asked).await);
                }
                Merge::Values.apply(answers)
            }
            Route::Parts(parts, merge) => {
                let (slots, commands) = parts.into_iter().map(|(slot, part)| (Some(slot), part)).unzip();
                merge.apply(self.ask_slots(cluster, slots, commands).await)
            }
            Route::Scan(call) => self.scan(cluster, call).await,
        }
    }

    /// Asks for, or writes, one value without waiting for anything but the answer, as most calls do. `None` if that is not possible.
    pub(super) async fn begin_in_cluster(&self, cluster: &Cluster, command: &Command) -> Option<Result<Reply>> {
        let entered = poll_fn(|context| Poll::Ready(cluster.enter(command, context.waker()))).await?;
        Some(match entered {
            Ok((slot, call, generation)) => match cluster.settle(slot, generation, call.await) {
                Err(error) => Box::pin(self.follow_from(cluster, slot, command.clone(), error)).await,
                answer => answer,
            },
            Err(refused) => Err(refused),
        })
    }

    /// Asks many commands at once, those for each node in their order.
    pub(super) async fn ask_all_of_cluster(&self, cluster: &Cluster, commands: Vec<Command>) -> Vec<Result<Reply>> {
        let routes: Vec<_> = commands.into_iter().map(Route::of).collect();
        let (mut slots, mut asked) = (Vec::new(), Vec::new());
        let mut shares = Vec::new();
        for route in routes {
            let first = asked.len();
            let mut add = |slot, command| {
                slots.push(slot);
                asked.push(command);
            };
            let merge = match route {
                Ok(Route::Slot(slot, command)) => {
                    add(Some(slot), command);
                    Ok(Merge::Any)
                }
                Ok(Route::Anywhere(command)) => {
                    add(None, command);
                    Ok(Merge::Any)
                }
                Ok(Route::Parts(parts, merge)) => {
                    parts.into_iter().for_each(|(slot, part)| add(Some(slot), part));
                    Ok(merge)
                }
                Ok(Route::Everywhere(..) | Route::Scan(_)) => Err(Error::new(
                    ErrorKind::Unsupported,
                    "in a cluster, what concerns all nodes cannot be part of a pipeline",
                )),
                Err(error) => Err(error),
            };
            shares.push((merge, asked.len() - first));
        }
        let mut answers = self.ask_slots(cluster, slots, asked).await.into_iter();
        let merged = shares.into_iter().map(|(merge, count)| {
            let own = answers.by_ref().take(count).collect();
            merge?.apply(own)
        });
        merged.collect()
    }

    /// Asks the node of a slot, and whoever that one names.
    async fn ask_slot(&self, cluster: &Cluster, slot: u16, command: Command, until: Instant) -> Result<Reply> {
        let node = cluster.owner(slot, until).await?;
        match self.ask_of(cluster, &node, command.clone()).await {
            Err(error) => self.follow(cluster, slot, command, node, error, until).await,
            answer => answer,
        }
    }

    /// Asks one node, by its near cache and in its batches.
    async fn ask_of(&self, cluster: &Cluster, node: &Node, command: Command) -> Result<Reply> {
        if let Some(tracking) = node.tracking()
            && let Some(now) = tracking.near().live()
            && let Some(known) = tracking.known(now, &command)
        {
            return Ok(known);
        }
        let answer = self.ask_node(node, || Ok(command), Ok).await;
        if answer.as_ref().is_err_and(Error::is_unavailable) {
            cluster.suspect();
        }
        answer
    }

    /// Goes on from an error of the node of a slot.
    pub(super) async fn follow_from(
        &self,
        cluster: &Cluster,
        slot: u16,
        command: Command,
        error: Error,
    ) -> Result<Reply> {
        if error.is_unavailable() {
            cluster.suspect();
        }
        let until = cluster.deadline();
        let node = cluster.owner(slot, until).await?;
        self.follow(cluster, slot, command, node, error, until).await
    }

    /// Goes where a node says that a command has to go, as long as there is time. Any other error is its answer.
    pub(super) async fn follow(
        &self,
        cluster: &Cluster,
        slot: u16,
        command: Command,
        node: Arc<Node>,
        error: Error,
        until: Instant,
    ) -> Result<Reply> {
        let (mut asked, mut error) = (node, error);
        for mut hop in Hop::all() {
            if let Some(answer) = self.ask_divided(cluster, slot, &command, &asked, &error).await {
                return answer;
            }
            let Some(step) = next_step(cluster, slot, &asked, &error, &mut hop, until).await else {
                break;
            };
            let step = step?;
            let commands = vec![command.clone()];
            let answer = ask_some(&step.node, commands, step.manner, until).await.pop();
            match answer {
                Some(Err(next)) => (asked, error) = (step.node, next),
                Some(answer) => return answer,
                None => break,
            }
        }
        Err(error)
    }

    /// Asks commands at once, each at the node of its slot, or at any node; follows redirections. Those for one node arrive there in their order.
    async fn ask_slots(
        &self,
        cluster: &Cluster,
        slots: Vec<Option<u16>>,
        commands: Vec<Command>,
    ) -> Vec<Result<Reply>> {
        let until = cluster.deadline();
        let mut answers: Vec<Option<Result<Reply>>> = commands.iter().map(|_| None).collect();
        let mut steps: Vec<(usize, Step)> = Vec::new();
        for (place, slot) in slots.iter().enumerate() {
            let node = match slot {
                Some(slot) => cluster.owner(*slot, until).await,
                None => cluster.anybody(until).await,
            };
            match node {
                Ok(node) => steps.push((place, Step::plainly(node))),
                Err(error) => answers[place] = Some(Err(error)),
            }
        }
        for mut hop in Hop::all() {
            let sent = send_steps(std::mem::take(&mut steps), &commands, until).await;
            if sent
                .iter()
                .any(|(_, _, answer)| answer.as_ref().is_err_and(Error::is_unavailable))
            {
                cluster.suspect();
            }
            for (place, step, answer) in sent {
                let (Err(error), Some(slot)) = (&answer, slots[place]) else {
                    answers[place] = Some(answer);
                    continue;
                };
                let divided = self.ask_divided(cluster, slot, &commands[place], &step.node, error);
                if let Some(merged) = divided.await {
                    answers[place] = Some(merged);
                    continue;
                }
                match next_step(cluster, slot, &step.node, error, &mut hop, until).await {
                    Some(Ok(step)) => steps.push((place, step)),
                    Some(Err(error)) => answers[place] = Some(Err(error)),
                    None => answers[place] = Some(answer),
                }
            }
            if steps.is_empty() {
                break;
            }
        }
        let lost = || Err(lost_connection());
        answers.into_iter().map(|answer| answer.unwrap_or_else(lost)).collect()
    }

    /// Asks key by key where some are at the node that was asked and some elsewhere. `None` if that is not why it has failed, or the command cannot be taken apart.
    async fn ask_divided(
        &self,
        cluster: &Cluster,
        slot: u16,
        command: &Command,
        asked: &Node,
        error: &Error,
    ) -> Option<Result<Reply>> {
        if Redirection::of(error, asked.endpoint()) != Some(Redirection::TryAgain) {
            return None;
        }
        let (singles, merge) = route::divided(command)?;
        let slots = vec![Some(slot); singles.len()];
        Some(merge.apply(Box::pin(self.ask_slots(cluster, slots, singles)).await))
    }

    /// Asks for the next page of a scan over all nodes.
    async fn scan(&self, cluster: &Cluster, call: Call) -> Result<Reply> {
        let until = cluster.deadline();
        let invalid = || Error::invalid("a cursor that is none of a scan");
        let mut cursor = Cursor::read(&route::cursor_of(&call)).ok_or_else(invalid)?;
        let mut node = match cursor.at() {
            Some(at) if cursor.is_import() => cluster.member(&at.endpoint, until).await,
            Some(at) => cluster.owner_at(&at.endpoint, until).await?,
            None => None,
        };
        if node.is_none() {
            cursor = cursor.leave();
            let owner = cluster.owner(cursor.next_slot().ok_or_else(invalid)?, until).await?;
            cursor = cursor.begin(owner.endpoint().clone(), cluster.slots_of(owner.endpoint()).into_iter());
            node = Some(owner);
        }
        let (Some(node), Some(at)) = (node, cursor.at()) else {
            return Err(invalid());
        };
        let own = at.cursor.clone();
        let mut page = call;
        if let Some(first) = page.args.first_mut() {
            *first = Arg::Other(own);
        }
        let reply = self.ask_of(cluster, &node, page.into()).await?;
        let mut reply = reply.into_array()?.into_iter();
        let (Some(Reply::Bytes(next)), Some(page)) = (reply.next(), reply.next()) else {
            return Err(Error::decode("the reply of a scan has an unexpected shape"));
        };
        let cursor = if &next[..] == b"0" {
            // What has moved away meanwhile comes again, from where it is now.
            let (serving, leaving) = self.slots_at(&node, until).await?;
            cursor.finish(&serving, &leaving)
        } else {
            cursor.advance(next)
        };
        Ok(Reply::Array(vec![Reply::Bytes(cursor.into_bytes()), page]))
    }
}

impl Road {
    /// Asks a node which slots it serves, and which of them it is giving away.
    async fn slots_at(&self, node: &Node, until: Instant) -> Result<SlotsAt> {
        let questions = ["CLUSTER SLOTS", "CLUSTER NODES"].map(|question| Call::new(question).into());
        let mut answers = ask_some(node, questions.into(), Manner::Plainly, until)
            .await
            .into_iter();
        let slots = answers.next().unwrap_or_else(|| Err(lost_connection()))?;
        let nodes = answers.next().and_then(Result::ok);
        Cluster::slots_at(node, slots, nodes.as_ref())
    }
}

impl Hop {
    /// Returns one after the other, without end.
    fn all() -> impl Iterator<Item = Self> {
        (0..).map(Self::nth)
    }

    pub(super) fn nth(number: u32) -> Self {
        Self {
            number,
            has_paused: false,
        }
    }

    async fn pause(&mut self) {
        if !std::mem::replace(&mut self.has_paused, true) {
            sleep(PAUSE.mul_f64(0.5 + chance())).await;
        }
    }
}

impl Step {
    fn plainly(node: Arc<Node>) -> Self {
        Self {
            node,
            manner: Manner::Plainly,
        }
    }
}

/// Finds where a command goes after an error; nowhere if the error is its answer.
pub(super) async fn next_step(
    cluster: &Cluster,
    slot: u16,
    asked: &Node,
    error: &Error,
    hop: &mut Hop,
    until: Instant,
) -> Option<Result<Step>> {
    let redirection = Redirection::of(error, asked.endpoint());
    let has_left = error.is_retryable() && asked.has_left();
    if redirection.is_none() && !has_left {
        return None;
    }
    if hop.number >= HOPS || redirection == Some(Redirection::TryAgain) {
        hop.pause().await;
    }
    if Instant::now() + LAST >= until {
        let message = "the slot is being moved, and the deadline has passed";
        return Some(Err(Error::new(ErrorKind::Unavailable, message).unsent()));
    }
    match redirection {
        Some(Redirection::Ask { to }) => {
            if let Some(node) = cluster.member(&to, until).await {
                return Some(Ok(Step {
                    node,
                    manner: Manner::Asking,
                }));
            }
        }
        Some(Redirection::Moved { slot, to }) => cluster.moved(slot, &to, until).await,
        Some(Redirection::TryAgain) | None => {}
    }
    Some(cluster.owner(slot, until).await.map(Step::plainly))
}

/// Sends commands to their nodes, all nodes at once, each node's in their order.
async fn send_steps(
    steps: Vec<(usize, Step)>,
    commands: &[Command],
    until: Instant,
) -> Vec<(usize, Step, Result<Reply>)> {
    let mut groups = BTreeMap::<(Endpoint, Manner), (Step, Vec<usize>)>::new();
    for (place, step) in steps {
        let group = groups.entry((step.node.endpoint().clone(), step.manner));
        group.or_insert_with(|| (step, Vec::new())).1.push(place);
    }
    let sending = groups.into_values().map(|(step, places)| {
        Box::pin(async move {
            let mut told = Vec::with_capacity(places.len());
            for some in places.chunks(AT_ONCE) {
                let own = some.iter().filter_map(|place| commands.get(*place).cloned());
                let answers = ask_some(&step.node, own.collect(), step.manner, until).await;
                let each = some.iter().zip(answers);
                told.extend(each.map(|(place, answer)| (*place, step.clone(), answer)));
            }
            told
        })
    });
    join_all(sending).await.into_iter().flatten().collect()
}
