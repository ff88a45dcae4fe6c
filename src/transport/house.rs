//! A tokio runtime of this crate's own, for links that serve more than one of the caller's.

use std::thread;

use once_cell::sync::Lazy;
use tokio::runtime::{Builder, Handle};

static HOUSE: Lazy<Option<Handle>> = Lazy::new(|| match start() {
    Ok(handle) => Some(handle),
    Err(error) => {
        tracing::warn!(%error, "no thread for connections that several runtimes share");
        None
    }
});

/// Returns the runtime, started on first use on a thread of its own that lives as long as the process. `None` if the system gives no
/// thread.
pub(super) fn runtime() -> Option<Handle> {
    HOUSE.clone()
}

fn start() -> std::io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let drive = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name("redis-manager".to_owned()).spawn(drive)?;
    Ok(handle)
}
