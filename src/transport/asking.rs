//! One command on its way, without a box as long as it waits for nothing but its answer.

use std::{
    fmt,
    ops::ControlFlow,
    pin::Pin,
    task::{Context as TaskContext, Poll, ready},
};

use tracing::Level;

use super::{
    batch::UnderWay,
    boxes::Outcome,
    call::{Backend, Road},
    context::Context,
    failure::Failure,
    gate::Attempt,
    generation::Number,
    node::{Draft, Entered},
    topology::Topology,
};
use crate::{command::Command, error::Result, near::Owed, reply::Reply};

/// A command and its answer.
///
/// # Cancel safety
///
/// Dropping it gives up the answer; the command may have been executed.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Asking<'a, T> {
    road: &'a Road,
    progress: Progress<'a, T>,
    read: fn(Reply) -> Result<T>,
}

enum Progress<'a, T> {
    Unsent(Option<Result<Command>>),
    Sent {
        call: UnderWay,
        generation: Number,
        context: Context,
        /// After the call: what was given up is forgotten once it cannot be sent any more, or is.
        owed: Option<Owed>,
        /// In a cluster: what may have to be asked elsewhere.
        routed: Option<Routed>,
    },
    /// For a place, for the first attempt to connect; or it is traced, or may be known without the server, or is to be answered by somebody else.
    Waits(Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>),
}

/// A command to the node of a slot.
struct Routed {
    slot: u16,
    command: Command,
}

impl<'a, T: Send + 'a> Asking<'a, T> {
    pub(crate) fn new(road: &'a Road, command: Result<Command>, read: fn(Reply) -> Result<T>) -> Self {
        Self {
            road,
            progress: Progress::Unsent(Some(command)),
            read,
        }
    }

    fn begin(&self, command: Result<Command>, context: &TaskContext<'_>) -> Result<Progress<'a, T>> {
        let (road, read) = (self.road, self.read);
        let may_be_near = || command.as_ref().is_ok_and(|command| road.may_be_near(command));
        match &road.backend {
            Backend::Server(Topology::One(node)) if !tracing::enabled!(Level::DEBUG) && !may_be_near() => {
                let mut owed = None;
                let build = || command.inspect(|command| owed = node.owed([command]));
                Ok(match node.enter(build, context.waker())? {
                    Entered::Sent(call, generation, context) => Progress::Sent {
                        call,
                        generation,
                        context,
                        owed,
                        routed: None,
                    },
                    Entered::Waits(draft) => {
                        let command = draft.build();
                        Progress::Waits(Box::pin(road.wait(node, Draft::Unbuilt(|| command), read)))
                    }
                })
            }
            Backend::Server(Topology::Cluster(cluster)) if !tracing::enabled!(Level::DEBUG) => {
                let command = command?;
                Ok(match cluster.enter(&command, context.waker()).transpose()? {
                    Some((slot, call, generation)) => Progress::Sent {
                        call,
                        generation,
                        context: Context::of(&command),
                        owed: None,
                        routed: Some(Routed { slot, command }),
                    },
                    None => Progress::Waits(Box::pin(road.call(|_built| Ok(command), read))),
                })
            }
            _ => Ok(Progress::Waits(Box::pin(road.call(|_built| command, read)))),
        }
    }

    /// Counts what came of it. In a cluster it may go on from there.
    fn end(
        &self,
        answer: Outcome,
        generation: Number,
        explained: Context,
        routed: Option<Routed>,
    ) -> ControlFlow<Result<T>, Progress<'a, T>> {
        let answer = match (&self.road.backend, routed) {
            (Backend::Server(Topology::One(node)), _) => node.settle(generation, answer, Attempt::default()),
            (Backend::Server(Topology::Cluster(cluster)), Some(Routed { slot, command })) => {
                let answer = cluster.settle(slot, generation, answer);
                match answer {
                    Err(error) => {
                        let (road, read) = (self.road, self.read);
                        let following = async move {
                            let answer = road.follow_from(cluster, slot, command, error).await;
                            answer.and_then(read).map_err(|error| explained.explain(error))
                        };
                        return ControlFlow::Continue(Progress::Waits(Box::pin(following)));
                    }
                    answer => answer,
                }
            }
            _ => answer.map_err(Failure::into_error),
        };
        ControlFlow::Break(answer.and_then(self.read).map_err(|error| explained.explain(error)))
    }
}

impl<'a, T: Send + 'a> Future for Asking<'a, T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Result<T>> {
        let asking = self.get_mut();
        if let Progress::Unsent(command) = &mut asking.progress {
            let Some(command) = command.take() else {
                return Poll::Pending;
            };
            asking.progress = asking.begin(command, context)?;
        }
        match &mut asking.progress {
            Progress::Unsent(_) => Poll::Pending,
            Progress::Sent {
                call,
                generation,
                context: explained,
                owed,
                routed,
            } => {
                let answer = ready!(Pin::new(call).poll(context));
                drop(owed.take());
                let (generation, explained, routed) = (*generation, *explained, routed.take());
                match asking.end(answer, generation, explained, routed) {
                    ControlFlow::Continue(next) => {
                        asking.progress = next;
                        Pin::new(asking).poll(context)
                    }
                    ControlFlow::Break(answer) => Poll::Ready(answer),
                }
            }
            Progress::Waits(answer) => answer.as_mut().poll(context),
        }
    }
}

impl<T> fmt::Debug for Asking<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asking")
    }
}
