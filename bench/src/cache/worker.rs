//! Processes that take part in a stampede: this very program, under a name that no user calls it by.
//!
//! A worker says `ready`, reads a moment (milliseconds since 1970) and a key in a line, says what came of it, and so on until its input ends.

use std::{
    env,
    io::{BufRead, BufReader, Write, stdin},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

use super::{
    rush::{GATHERING, Rush},
    stampede,
};
use crate::{
    Outcome,
    readers::{Reader, Source, Visitor},
    suite::runtime,
};

/// The first argument of a worker. The name of its contender, the server's port and the number of its callers follow.
pub(crate) const WORKER: &str = "cache-worker";

/// Processes of one contender.
pub(super) struct Crew(Vec<Worker>);

/// One process.
struct Worker {
    /// It, killed when this is dropped.
    child: Child,
    /// What it reads.
    input: ChildStdin,
    /// What it says.
    output: BufReader<ChildStdout>,
}

/// What this process does, if it is a worker.
struct Job {
    /// Whose cache.
    name: String,
    /// Where the server listens.
    port: u16,
    /// How many callers.
    callers: usize,
}

/// Works, and says what came of it.
///
/// # Errors
///
/// - The arguments are not those of a worker.
/// - The server does not answer.
pub(crate) fn serve(mut words: impl Iterator<Item = String>) -> Outcome {
    let mut word = || {
        words
            .next()
            .ok_or("a worker needs a name, a port and a number of callers")
    };
    let mut job = Job {
        name: word()?,
        port: word()?.parse()?,
        callers: word()?.parse()?,
    };
    runtime()?.block_on(stampede::introduce_to_crews(&mut job))
}

impl Visitor for Job {
    async fn meet<R: Reader>(&mut self) -> Outcome {
        if R::NAME != self.name {
            return Ok(());
        }
        let reader = R::connect(self.port).await?;
        // Some connect at their first call.
        reader.read("processes:none", &Source::Failing).await;
        println!("ready");
        // It blocks the thread, but not those that the runtime's tasks are on.
        for line in stdin().lines() {
            let line = line?;
            let (moment, key) = line.split_once(' ').ok_or("a line is a moment and a key")?;
            let moment = Instant::now() + until(Duration::from_millis(moment.parse()?))?;
            let rush = Rush::begin(&reader, key, self.callers, moment).await?;
            println!("{} {} {}", rush.loads, rush.slowest.as_micros(), rush.unanswered);
        }
        Ok(())
    }
}

impl Crew {
    /// Starts so many processes with so many callers each, and waits until all are ready. Blocks the thread.
    ///
    /// # Errors
    ///
    /// - One cannot be started, or does not get ready.
    pub(super) fn hire(name: &str, port: u16, workers: usize, callers: usize) -> Outcome<Self> {
        let workers = (0..workers).map(|_| Worker::start(name, port, callers));
        let mut crew = Self(workers.collect::<Outcome<_>>()?);
        for worker in &mut crew.0 {
            if worker.line()? != "ready" {
                return Err(format!("a worker of {name} does not get ready").into());
            }
        }
        Ok(crew)
    }

    /// Lets all callers of all processes want the key at one moment. Blocks the thread.
    ///
    /// # Errors
    ///
    /// - A process has ended.
    pub(super) fn rush(&mut self, key: &str) -> Outcome<Rush> {
        let moment = SystemTime::now().duration_since(UNIX_EPOCH)? + GATHERING * 2;
        for worker in &mut self.0 {
            writeln!(worker.input, "{} {key}", moment.as_millis())?;
        }
        let mut rushes = self.0.iter_mut().map(Worker::rush);
        rushes.try_fold(Rush::default(), |all, rush| Ok(all.and(rush?)))
    }
}

impl Worker {
    /// Starts it.
    fn start(name: &str, port: u16, callers: usize) -> Outcome<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args([WORKER, name, &port.to_string(), &callers.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = input.zip(output).ok_or("a worker has no pipes")?;
        let output = BufReader::new(output);
        Ok(Self { child, input, output })
    }

    /// Returns the next line that it says.
    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Returns what came of its callers.
    fn rush(&mut self) -> Outcome<Rush> {
        let line = self.line()?;
        let mut numbers = line.split(' ').map(str::parse);
        let mut next = || numbers.next().ok_or("a worker has ended");
        Ok(Rush {
            loads: next()??,
            slowest: Duration::from_micros(next()??),
            unanswered: next()??,
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            eprintln!("bench: the worker {} may be left behind: {error}", self.child.id());
        }
    }
}

/// Returns how long it is until so long after 1970.
fn until(moment: Duration) -> Outcome<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(moment.saturating_sub(now))
}
