//! Whether the near cache always follows, even when messages are lost.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use redis::{Connection, Pipeline};
use tokio::runtime::Runtime;

use super::{
    ledger::GRACE,
    share,
    watch::{Rewrite, Watch},
};
use crate::{
    Outcome,
    arguments::Arguments,
    peers::{Near, Peer},
    report::{self, Goal, per_call},
    rival::blocking,
    server::RedisServer,
    suite::runtime,
};

/// How long all is well before.
const BEFORE: Duration = Duration::from_secs(1);

/// How long all is watched after each trouble: long enough for a stale value to be told.
const AFTER: Duration = Duration::from_millis(1500);

/// Keys of the burst.
const BURST: usize = 100_000;

/// Keys in one command.
const CHUNK: usize = 1000;

/// What happens while others write and we read.
struct Scene<'a> {
    /// The server.
    server: &'a RedisServer,
    /// Somebody else's connection.
    other: &'a mut Connection,
    /// The writer and the readers.
    watch: &'a Watch,
}

/// The connection that brings invalidations is killed, several times, in each way to find it; at once others write.
pub(super) fn kill(arguments: &Arguments) -> Outcome {
    let times = arguments.either(5, 1);
    scene(arguments, "near_stale_after_kill", |scene| {
        for _ in 0..times {
            let mut pipeline = redis::pipe();
            pipeline.cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").ignore();
            scene.rewrite_with(pipeline)?;
            let pipeline = kill_tracking(scene.other)?;
            scene.rewrite_with(pipeline)?;
        }
        Ok(())
    })
}

/// Everything is deleted, several times.
pub(super) fn flush(arguments: &Arguments) -> Outcome {
    let times = arguments.either(5, 1);
    scene(arguments, "near_stale_after_flush", |scene| {
        for _ in 0..times {
            redis::cmd("FLUSHALL").exec(scene.other)?;
            scene.watch.note_deletion();
            sleep(AFTER);
            scene.rewrite_with(redis::pipe())?;
        }
        Ok(())
    })
}

/// The server hangs, and what others sent to it meanwhile is the first that it does when it goes on.
pub(super) fn hang(arguments: &Arguments) -> Outcome {
    let length = Duration::from_secs(arguments.either(5, 1));
    scene(arguments, "near_stale_after_hang", |scene| {
        scene.server.stop()?;
        sleep(length);
        let rewrite = Rewrite::new();
        scene.other.send_packed_command(&rewrite.command.get_packed_command())?;
        scene.server.resume()?;
        scene.other.recv_response()?;
        scene.watch.note(&rewrite);
        Ok(())
    })
}

/// Very many keys that the near cache holds are written at once.
pub(super) fn burst(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    let runtime = runtime()?;
    let near = runtime.block_on(Near::connect(server.port()))?;
    let mut other = blocking(server.port())?;
    let count_of = arguments.either(BURST, BURST / 10);
    let keys: Vec<String> = (0..count_of).map(|number| format!("page:{number}:body")).collect();
    write_all(&mut other, &keys, "old")?;
    let before = near.hits().unwrap_or_default();
    for _ in 0..2 {
        runtime.block_on(count(&near, &keys, "old"))?;
    }
    write_all(&mut other, &keys, "new")?;
    sleep(GRACE);
    let stale = runtime.block_on(count(&near, &keys, "old"))?;
    let fresh = runtime.block_on(count(&near, &keys, "new"))?;
    let remark = format!("{}, {fresh} fresh at last", share(&near, before, 4 * keys.len() as u64));
    report::print_with("near_stale_after_burst", per_call(stale, 1), Goal::AtMost(0.0), &remark);
    Ok(())
}

impl Scene<'_> {
    /// Sends something and a write of all quiet keys at once, and watches what comes of it.
    fn rewrite_with(&mut self, mut pipeline: Pipeline) -> Outcome {
        let rewrite = Rewrite::new();
        pipeline.add_command(rewrite.command.clone()).ignore();
        pipeline.exec(self.other)?;
        self.watch.note(&rewrite);
        sleep(AFTER);
        Ok(())
    }
}

/// Lets somebody cause trouble while others write and we read, and prints how much of that was stale.
fn scene(arguments: &Arguments, name: &str, trouble: impl FnOnce(&mut Scene<'_>) -> Outcome) -> Outcome {
    let server = RedisServer::start(arguments)?;
    let runtime: Runtime = runtime()?;
    let near = runtime.block_on(Near::connect(server.port()))?;
    let mut other = blocking(server.port())?;
    let before = near.hits().unwrap_or_default();
    let watch = Watch::begin(runtime.handle(), &near, server.port())?;
    sleep(BEFORE);
    trouble(&mut Scene {
        server: &server,
        other: &mut other,
        watch: &watch,
    })?;
    let over = Instant::now();
    sleep(AFTER);
    sleep(Duration::from_secs(arguments.either(2, 0)));
    let reads = watch.end(runtime.handle())?;
    let remark = format!(
        "{}, until {:.1} s after it",
        share(&near, before, reads.answered),
        over.elapsed().as_secs_f64()
    );
    report::print_with(name, per_call(reads.stale, 1), Goal::AtMost(0.0), &remark);
    Ok(())
}

/// Returns what kills each connection for which the server remembers what was read, or that gets its messages.
fn kill_tracking(other: &mut Connection) -> Outcome<Pipeline> {
    let list: String = redis::cmd("CLIENT").arg("LIST").query(other)?;
    let mut pipeline = redis::pipe();
    for client in list.lines() {
        let field = |name: &str| {
            client
                .split(' ')
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let is_tracked = field("flags").is_some_and(|flags| flags.contains(['t', 'B']));
        if let Some(id) = field("id").filter(|_| is_tracked) {
            pipeline.cmd("CLIENT").arg("KILL").arg("ID").arg(id).ignore();
        }
    }
    Ok(pipeline)
}

/// Stores the same value at all keys.
fn write_all(other: &mut Connection, keys: &[String], value: &str) -> Outcome {
    let mut pipeline = redis::pipe();
    for chunk in keys.chunks(CHUNK) {
        let pairs: Vec<(&String, &str)> = chunk.iter().map(|key| (key, value)).collect();
        pipeline.mset(&pairs).ignore();
    }
    Ok(pipeline.exec(other)?)
}

/// Reads each key once, and returns how many have that value.
async fn count(near: &Near, keys: &[String], value: &str) -> Outcome<u64> {
    let (near, keys, value) = (near.clone(), keys.to_owned(), value.to_owned());
    let counted = tokio::spawn(async move {
        let mut count = 0;
        for key in &keys {
            count += u64::from(near.manager().get(key.as_str()).await.as_deref() == Some(&value));
        }
        count
    });
    Ok(counted.await?)
}
