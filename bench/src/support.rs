//! What the deployments of the tests stand on.

use std::{
    path::Path,
    sync::OnceLock,
    time::{Duration, Instant},
};

use tokio::time::sleep;

/// The program of every server, Sentinel and node.
static PROGRAM: OnceLock<String> = OnceLock::new();

/// Far longer than a deployment may take for anything, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Says which program to start.
pub(crate) fn start_from(program: &Path) {
    PROGRAM.get_or_init(|| program.to_string_lossy().into_owned());
}

/// Returns the program to start.
pub(crate) fn program() -> String {
    PROGRAM.get().map_or("redis-server", String::as_str).to_owned()
}

/// Waits for a condition and returns how long that took.
///
/// # Panics
///
/// It never comes true: the deployment is of no use then, and every process of it is ended.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) -> Duration {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "waited too long until {what}");
        sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}
