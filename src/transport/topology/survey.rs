//! The task that asks the nodes of a cluster which slots are whose.
//!
//! There is one for each manager, so that a thousand callers who are redirected cause one survey. Its pauses differ by chance, so that a thousand
//! processes do not ask at once.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};

use super::{
    super::{
        connection::{Connection, Refusal},
        failure::Failure,
        in_order::in_order,
    },
    atlas::Atlas,
    view::View,
};
use crate::{
    breaker::Backoff,
    chance::chance,
    command::Call,
    config::{Endpoint, Settings},
};

/// The pause between surveys while all is well, about.
const CALM: Duration = Duration::from_secs(10);

/// The same while a node is down, or slots are nobody's: at first, and if it stays so.
const TROUBLED: Backoff = Backoff {
    first: Duration::from_millis(150),
    max: Duration::from_secs(1),
};

/// The pause before a survey that a call gives reason for, but does not wait for.
const SOON: Duration = Duration::from_millis(150);

/// The pause before a survey that somebody waits for: others will do so as well.
const GATHER: Duration = Duration::from_millis(5);

/// So many nodes are asked at once, and so many answers are enough.
const ASKED: usize = 3;

/// So long after the first answer others are waited for: where nodes differ, the greater epoch is right.
const GRACE: Duration = Duration::from_millis(50);

/// Asks again and again, until it is aborted.
pub(super) async fn supervise(atlas: Arc<Atlas>) {
    let mut troubles = 0;
    loop {
        match look(&atlas).await {
            Ok(views) => atlas.learn(&views),
            Err(reason) => atlas.failed(&reason),
        }
        if atlas.is_troubled() {
            tokio::select! {
                () = sleep(TROUBLED.pause(troubles, chance())) => {}
                () = atlas.wanted() => sleep(varied(GATHER)).await,
            }
            troubles += 1;
        } else {
            tokio::select! {
                () = sleep(varied(CALM)) => {}
                () = atlas.wanted() => sleep(varied(GATHER)).await,
                () = atlas.doubted() => sleep(varied(SOON)).await,
            }
            troubles = 0;
        }
    }
}

/// Between half and one and a half of it.
fn varied(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + chance())
}

/// Asks some nodes, and others for those that do not answer.
async fn look(atlas: &Atlas) -> Result<Vec<View>, String> {
    let (mut usable, others) = atlas.candidates();
    // Not always the same ones first.
    usable.sort_by_cached_key(|_| RandomState::new().hash_one(0));
    let mut candidates = usable.into_iter().chain(others);
    let mut asking = JoinSet::new();
    let ask = |asking: &mut JoinSet<_>, endpoint| {
        asking.spawn(ask(Arc::clone(&atlas.settings), endpoint));
    };
    for endpoint in candidates.by_ref().take(ASKED) {
        ask(&mut asking, endpoint);
    }
    let (mut views, mut reason) = (Vec::new(), "the cluster has no nodes".to_owned());
    let mut until = None;
    loop {
        let answered = match until {
            Some(until) => timeout_at(until, asking.join_next()).await.ok().flatten(),
            None => asking.join_next().await,
        };
        match answered {
            Some(Ok(Ok(view))) => {
                views.push(view);
                until.get_or_insert_with(|| Instant::now() + GRACE);
            }
            Some(Ok(Err(refused))) => {
                reason = refused;
                if let Some(endpoint) = candidates.next() {
                    ask(&mut asking, endpoint);
                }
            }
            Some(Err(_ended)) => {}
            None => break,
        }
        if views.len() == ASKED {
            break;
        }
    }
    if views.is_empty() { Err(reason) } else { Ok(views) }
}

/// Asks one node, on a connection for nothing else.
async fn ask(settings: Arc<Settings>, endpoint: Endpoint) -> Result<View, String> {
    let named = |reason: String| format!("{endpoint}: {reason}");
    let opened = Box::pin(Connection::open(&settings, &endpoint)).await;
    let connection = opened.map_err(|Refusal { reason, .. }| named(reason))?;
    let questions = ["CLUSTER SLOTS", "CLUSTER NODES"].map(|question| Call::new(question).into());
    let sending = questions.map(|question| connection.send_boxed(question, settings.connect_timeout));
    let mut answers = in_order(sending.into()).await.into_iter();
    let slots = answers.next().unwrap_or_else(|| Err(Failure::lost()));
    let slots = slots.map_err(|failure| named(Refusal::of(failure).reason))?;
    let nodes = answers.next().and_then(Result::ok);
    match View::read(slots, nodes.as_ref(), &endpoint) {
        Some(view) if view.ranges.is_empty() => Err(named("it knows of no slots".to_owned())),
        Some(view) => Ok(view),
        None => Err(named("its reply to CLUSTER SLOTS cannot be read".to_owned())),
    }
}
