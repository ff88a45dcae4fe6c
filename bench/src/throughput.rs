//! The suite `throughput`: how much goes through, what a call costs this process, and how long it takes, against every other client.

mod field;

use std::sync::{Arc, LazyLock};

use self::field::Field;
use crate::{
    Outcome,
    arguments::Arguments,
    machine::Machine,
    peers::{Near, Ours, Peer, Pooled},
    progress,
    race::{
        self, Race, Title,
        lane::{Entrant, Lane},
        load::{Kind, Load},
    },
    report::{self, Goal, per_call},
    server::RedisServer,
    suite::{self, Part, VALUE, runtime},
};

/// The parts in the order of the report, under the names that `--only` takes.
const PARTS: [(&str, Part); 8] = [
    ("alone", alone),
    ("get", get),
    ("set", set),
    ("set_px", set_px),
    ("mixed", mixed),
    ("mixed_near", mixed_near),
    ("small", small),
    ("connections", connections),
];

/// A longer value: 1 KiB.
static KILOBYTE: LazyLock<String> = LazyLock::new(|| VALUE.repeat(16));

/// Few and many tasks that call at the same time.
const CROWDS: [usize; 2] = [64, 512];

/// Measures the suite, or the part of it that is asked for.
///
/// # Errors
///
/// - A server cannot be started, or nothing answers where something has to.
pub(crate) fn run(arguments: &Arguments, machine: &Machine) -> Outcome {
    let conditions = format!(
        "values of {} bytes, or of {} bytes where a name ends with _1k\n\
         each task asks for a key of its own and waits for the answer; latencies are those of every 16th call\n\
         cpu: of this process alone, user and system; ratios: ours to the best peer of that run, round by round\n{}",
        VALUE.len(),
        KILOBYTE.len(),
        runtime()?.block_on(field::wirings())
    );
    suite::run(arguments, machine, &conditions, &PARTS)
}

/// Measures one task's reads against the client library alone, in many short turns, and how large the future of such a call is.
fn alone(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    runtime()?.block_on(async {
        let ours = Ours::connect(server.port()).await?;
        let future = ours.manager().get("user:1:profile");
        let bytes = per_call(size_of_val(&future) as u64, 1);
        report::print("get_future_bytes", bytes, Goal::AtMost(1024.0));
        drop(future);
        for (value, suffix) in values() {
            let title = Title::new("get", 1, suffix, Goal::AtLeast(0.97), Goal::Any);
            let load = Load::new(Kind::Get, 1, value)?;
            duel(&server, &title, load, Race::fine(arguments)).await?;
        }
        Ok(())
    })
}

/// Measures reads.
fn get(arguments: &Arguments) -> Outcome {
    everybody(arguments, "get", Kind::Get, true, |tasks| match tasks {
        64 => (Goal::AtLeast(1.2), Goal::Any),
        512 => (Goal::AtLeast(2.0), Goal::AtMost(0.5)),
        _ => (Goal::Any, Goal::Any),
    })
}

/// Measures writes that last.
fn set(arguments: &Arguments) -> Outcome {
    everybody(arguments, "set", Kind::Set, true, |tasks| match tasks {
        512 => (Goal::AtLeast(2.0), Goal::Any),
        _ => (Goal::Any, Goal::Any),
    })
}

/// Measures writes that expire.
fn set_px(arguments: &Arguments) -> Outcome {
    everybody(arguments, "set_px", Kind::SetPx, true, |tasks| match tasks {
        64 => (Goal::AtLeast(1.1), Goal::Any),
        512 => (Goal::AtLeast(1.0), Goal::AtMost(0.7)),
        _ => (Goal::Any, Goal::Any),
    })
}

/// Measures four reads for each write, of keys some of which are far more popular than others.
fn mixed(arguments: &Arguments) -> Outcome {
    everybody(arguments, "mixed", Kind::Mixed, false, |tasks| match tasks {
        512 => (Goal::AtLeast(1.5), Goal::Any),
        _ => (Goal::Any, Goal::Any),
    })
}

/// Measures the same with the near cache.
fn mixed_near(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    runtime()?.block_on(async {
        let mut near = Near::connect(server.port()).await?;
        if !near.is_at_work().await {
            report::remark("mixed_near is not measured: the near cache answers nothing; build with --features near");
            return Ok(());
        }
        let field = Field::of_clients(server.port(), Box::new(Entrant(near.clone()))).await;
        for tasks in CROWDS {
            let goal = if tasks == 512 { Goal::AtLeast(8.0) } else { Goal::Any };
            let title = Title::new("mixed_near", tasks, "", goal, Goal::Any);
            let load = Arc::new(Load::new(Kind::Mixed, tasks, VALUE)?);
            race::run(&field.all(), &load, Race::wide(arguments))
                .await?
                .print(&title)?;
        }
        let hits = per_call(near.hits().unwrap_or_default(), 1);
        report::print("mixed_near_hits", hits, Goal::Any);
        Ok(())
    })
}

/// Measures between one task and many: against the client library alone.
fn small(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    runtime()?.block_on(async {
        for (name, kind) in [("get", Kind::Get), ("set", Kind::Set)] {
            for tasks in [2, 4, 8, 16] {
                let title = Title::new(name, tasks, "", Goal::Any, Goal::Any);
                let load = Load::new(kind, tasks, VALUE)?;
                duel(&server, &title, load, Race::brief(arguments)).await?;
            }
        }
        Ok(())
    })
}

/// Measures how many connections pay.
fn connections(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    runtime()?.block_on(async {
        let port = server.port();
        let lanes: [Box<dyn Lane>; 4] = [
            Box::new(Entrant(Ours::connect(port).await?)),
            Box::new(Entrant(Pooled::<1>::connect(port).await?)),
            Box::new(Entrant(Pooled::<2>::connect(port).await?)),
            Box::new(Entrant(Pooled::<4>::connect(port).await?)),
        ];
        let lanes: Vec<&dyn Lane> = lanes.iter().map(|lane| &**lane).collect();
        for tasks in CROWDS {
            let title = Title::new("connections", tasks, "", Goal::Any, Goal::Any);
            let load = Arc::new(Load::new(Kind::Get, tasks, VALUE)?);
            race::run(&lanes, &load, Race::wide(arguments)).await?.print(&title)?;
        }
        Ok(())
    })
}

/// Lets all take part, with both lengths of values; where there is one task, or where values are long, only the plain clients.
fn everybody(
    arguments: &Arguments,
    name: &'static str,
    kind: Kind,
    with_one: bool,
    goals: fn(usize) -> (Goal, Goal),
) -> Outcome {
    let server = RedisServer::start(arguments)?;
    runtime()?.block_on(async {
        let ours = Ours::connect(server.port()).await?;
        let field = Field::of_all(server.port(), Box::new(Entrant(ours))).await;
        for (value, suffix) in values() {
            for tasks in [1, 64, 512] {
                if tasks == 1 && !with_one {
                    continue;
                }
                let (ratio, cpu) = goals(tasks);
                // Alone against the client library, `get_ratio_1` is told by a part of its own.
                let suffix = match tasks {
                    1 => format!("_best{suffix}"),
                    _ => suffix.to_owned(),
                };
                let is_full = tasks > 1 && suffix.is_empty();
                let lanes = if is_full { field.all() } else { field.clients() };
                let title = Title::new(name, tasks, &suffix, ratio, cpu);
                progress::announce(&title.case());
                let load = Arc::new(Load::new(kind, tasks, value)?);
                race::run(&lanes, &load, Race::wide(arguments)).await?.print(&title)?;
            }
        }
        Ok(())
    })
}

/// Lets ours and the client library take part.
async fn duel(server: &RedisServer, title: &Title, load: Load, race: Race) -> Outcome {
    progress::announce(&title.case());
    let ours = Entrant(Ours::connect(server.port()).await?);
    let fred = Entrant(Pooled::<1>::connect(server.port()).await?);
    race::run(&[&ours, &fred], &Arc::new(load), race).await?.print(title)
}

/// Returns the values with the ends of their figures' names.
fn values() -> [(&'static str, &'static str); 2] {
    [(VALUE, ""), (&KILOBYTE, "_1k")]
}
