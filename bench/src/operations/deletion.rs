//! What others feel of a deletion by pattern.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use redis_manager::RedisService;
use tokio::time::sleep;

use crate::{
    Outcome,
    arguments::Arguments,
    progress,
    report::{self, Goal, Sample, millis, per_call},
    server::RedisServer,
    suite::{VALUE, runtime},
};

/// Keys that stay.
const OTHERS: u64 = 1000;

/// Keys in one call while the server is filled.
const CHUNK: u64 = 1000;

/// How long the other client is watched before the deletion.
const BEFORE: Duration = Duration::from_secs(1);

/// Another client, which has nothing to do with the manager: a thread with a socket that asks for one key all the time. It waits for
/// each answer, so that there is one call in flight.
#[derive(Debug)]
struct Bystander {
    /// Told to end.
    is_over: Arc<AtomicBool>,
    /// Returns the milliseconds of its calls.
    thread: JoinHandle<Outcome<Vec<f64>>>,
}

/// Deletes very many keys while another client reads.
pub(super) fn delete_pattern(arguments: &Arguments) -> Outcome {
    let keys = arguments.either(1_000_000, 50_000);
    let server = RedisServer::start(arguments)?;
    runtime()?.block_on(async {
        let manager = server.manager()?;
        let service = manager.service();
        progress::announce(&format!("filling a server with {keys} keys"));
        fill(service, "session", keys).await?;
        fill(service, "other", OTHERS).await?;
        let bystander = Bystander::start(server.port())?;
        sleep(BEFORE).await;
        let before = bystander.finish()?;
        let bystander = Bystander::start(server.port())?;
        let began = Instant::now();
        let deleted = service.keys().delete_pattern("session:*").await?;
        let took = began.elapsed();
        let during = bystander.finish()?;
        if (deleted, service.keys().dbsize().await?) != (keys, OTHERS) {
            return Err(format!("{deleted} of {keys} keys were deleted").into());
        }
        print(&during, &before);
        let remark = format!("{keys} keys of {}", keys + OTHERS);
        report::print_with("delete_pattern_1m_s", took.as_secs_f64(), Goal::Any, &remark);
        report::print("delete_pattern_1m_count", per_call(deleted, 1), Goal::Any);
        let told = service.keys().info(Some("commandstats")).await?;
        for command in ["scan", "unlink"] {
            let name = format!("delete_pattern_1m_{command}_us");
            report::print(&name, server_micros(&told, command)?, Goal::Any);
        }
        Ok(())
    })
}

/// Prints what the bystander saw.
fn print(during: &Sample, before: &Sample) {
    let remark = format!("of {} GETs by another client", during.len());
    let name = "delete_pattern_1m_get";
    report::print_with(
        &format!("{name}_p99_ms"),
        during.percentile(99),
        Goal::AtMost(2.0),
        &remark,
    );
    report::print(&format!("{name}_p50_ms"), during.median(), Goal::Any);
    report::print(&format!("{name}_max_ms"), during.max(), Goal::Any);
    let remark = format!("of {} GETs before the deletion", before.len());
    report::print_with(
        &format!("control_{name}_p99_ms"),
        before.percentile(99),
        Goal::Any,
        &remark,
    );
    report::print(&format!("control_{name}_max_ms"), before.max(), Goal::Any);
}

/// Returns how long the server itself was busy with a command, in microseconds on average: so long it answers nobody else.
fn server_micros(told: &str, command: &str) -> Outcome<f64> {
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_")?.strip_prefix(command)?.strip_prefix(':'));
    let figure = line.and_then(|line| line.split(',').find_map(|figure| figure.strip_prefix("usec_per_call=")));
    Ok(figure
        .ok_or_else(|| format!("the server never saw {command}"))?
        .parse()?)
}

/// Stores so many values under a prefix.
async fn fill(service: &RedisService, prefix: &str, keys: u64) -> Outcome {
    for first in (0..keys).step_by(usize::try_from(CHUNK)?) {
        let chunk = first..keys.min(first + CHUNK);
        let pairs = chunk.map(|number| (format!("{prefix}:{number}"), VALUE));
        service.string().set_many(pairs).await?;
    }
    Ok(())
}

impl Bystander {
    /// Connects and begins.
    fn start(port: u16) -> Outcome<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = thread::spawn(move || ask(&stream, &told));
        Ok(Self { is_over, thread })
    }

    /// Ends it, and returns the milliseconds of its calls.
    fn finish(self) -> Outcome<Sample> {
        self.is_over.store(true, Relaxed);
        let times = self.thread.join().map_err(|_panic| "the other client panicked")??;
        Ok(times.into_iter().collect())
    }
}

/// Asks until it is over.
fn ask(mut stream: &TcpStream, is_over: &AtomicBool) -> Outcome<Vec<f64>> {
    let mut answers = BufReader::new(stream);
    let mut times = Vec::new();
    let (mut length, mut value) = (String::new(), String::new());
    while !is_over.load(Relaxed) {
        length.clear();
        value.clear();
        let began = Instant::now();
        stream.write_all(b"GET other:1\r\n")?;
        answers.read_line(&mut length)?;
        answers.read_line(&mut value)?;
        times.push(millis(began.elapsed()));
        if value.trim_end() != VALUE {
            return Err(format!("the other client was answered {length}{value}").into());
        }
    }
    Ok(times)
}
