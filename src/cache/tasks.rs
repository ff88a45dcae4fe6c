//! What needs a tokio runtime, and what becomes of it without one.

use std::time::Duration;

use tokio::{runtime::Handle, time::timeout};

/// Awaits something for so long at most; without a tokio runtime, which has the clock, for as long as it takes.
pub(super) async fn within<F: Future>(time: Duration, awaited: F) -> Option<F::Output> {
    match Handle::try_current() {
        Ok(_) => timeout(time, awaited).await.ok(),
        Err(_) => Some(awaited.await),
    }
}

/// Does something in a task of its own, and does not wait for it; without a tokio runtime it is done here.
pub(super) async fn apart(work: impl Future<Output = ()> + Send + 'static) {
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(work)),
        Err(_) => work.await,
    }
}

/// Does something in a task of its own, whatever becomes of the caller. Without a tokio runtime it is left: no server answers there.
pub(super) fn aside(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = Handle::try_current() {
        drop(runtime.spawn(work));
    }
}
