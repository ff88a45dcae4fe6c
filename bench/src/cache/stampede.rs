//! Stampedes: one cold key, and all want it at once. In one process, and in several.

use tokio::time::Instant;

use super::{
    rush::{GATHERING, Rush},
    worker::Crew,
};
use crate::{
    Outcome,
    arguments::Arguments,
    progress,
    readers::{self, Cached, Cachekit, Distributed, Hitbox, MultiTier, Ours, Reader, Visitor},
    report::{self, Goal, Sample},
    server::RedisServer,
    suite::runtime,
};

/// How many callers, in all processes together; in a quick run, fewer.
const CALLERS: [usize; 2] = [10_000, 2_000];

/// How many processes, where there are several.
pub(super) const PROCESSES: usize = 8;

/// What came of one contender's stampedes.
pub(super) struct Standing {
    /// Who.
    pub(super) name: &'static str,
    /// How many callers.
    callers: usize,
    /// Stampede by stampede.
    pub(super) rushes: Vec<Rush>,
}

/// Lets those that it meets live through stampedes in this process.
pub(super) struct Herd {
    /// Where the server listens.
    port: u16,
    /// How many callers.
    callers: usize,
    /// How many stampedes.
    rounds: usize,
    /// What came of it.
    standings: Vec<Standing>,
}

/// Lets those that it meets live through stampedes in processes of their own.
struct Herds {
    /// Where the server listens.
    port: u16,
    /// How many callers, in all processes together.
    callers: usize,
    /// How many stampedes.
    rounds: usize,
}

/// Measures all in one process.
pub(super) fn in_a_process(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    let [many, some] = CALLERS;
    let mut herd = Herd::at(server.port(), arguments.either(many, some), arguments.either(5, 1));
    runtime()?.block_on(async {
        herd.meet::<Ours>().await?;
        readers::introduce_tiered(&mut herd).await
    })?;
    for standing in herd.into_standings() {
        standing.print("stampede", standing.name == Ours::NAME);
    }
    Ok(())
}

/// Measures all that know of other processes, or could.
pub(super) fn in_processes(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    let [many, some] = CALLERS;
    let mut herds = Herds {
        port: server.port(),
        callers: arguments.either(many, some),
        rounds: arguments.either(5, 1),
    };
    runtime()?.block_on(introduce_to_crews(&mut herds))
}

/// Introduces those that share what they cache with other processes.
pub(super) async fn introduce_to_crews(visitor: &mut impl Visitor) -> Outcome {
    visitor.meet::<Distributed>().await?;
    visitor.meet::<Cached<false>>().await?;
    visitor.meet::<MultiTier<true>>().await?;
    visitor.meet::<Hitbox>().await?;
    visitor.meet::<Cachekit<true>>().await
}

impl Herd {
    /// Expects contenders for the server on that port.
    pub(super) fn at(port: u16, callers: usize, rounds: usize) -> Self {
        Self {
            port,
            callers,
            rounds,
            standings: Vec::new(),
        }
    }

    /// Returns what came of it, in the order in which they were met.
    pub(super) fn into_standings(self) -> Vec<Standing> {
        self.standings
    }
}

impl Visitor for Herd {
    async fn meet<R: Reader>(&mut self) -> Outcome {
        progress::announce(&format!("{} callers of {}", self.callers, R::NAME));
        let reader = match R::connect(self.port).await {
            Ok(reader) => reader,
            Err(error) => {
                report::remark(&format!("{} does not take part: {error}", R::NAME));
                return Ok(());
            }
        };
        let mut rushes = Vec::with_capacity(self.rounds);
        // The first warms up: some connect at their first call, and nobody is to pay for memory that others find ready.
        for round in 0..=self.rounds {
            let key = format!("stampede:{}:{round}", R::NAME);
            let rush = Rush::begin(&reader, &key, self.callers, Instant::now() + GATHERING).await?;
            if round > 0 {
                rushes.push(rush);
            }
        }
        self.standings.push(Standing {
            name: R::NAME,
            callers: self.callers,
            rushes,
        });
        Ok(())
    }
}

impl Visitor for Herds {
    async fn meet<R: Reader>(&mut self) -> Outcome {
        progress::announce(&format!("{PROCESSES} processes of {}", R::NAME));
        let mut crew = Crew::hire(R::NAME, self.port, PROCESSES, self.callers / PROCESSES)?;
        let mut rushes = Vec::with_capacity(self.rounds);
        for round in 0..self.rounds {
            rushes.push(crew.rush(&format!("processes:{}:{round}", R::NAME))?);
        }
        let standing = Standing {
            name: R::NAME,
            callers: self.callers,
            rushes,
        };
        standing.print("processes", R::NAME == Distributed::NAME);
        Ok(())
    }
}

impl Standing {
    /// Prints its figures, with the goals if there are some for it.
    pub(super) fn print(&self, what: &str, has_goals: bool) {
        let goal = |most: f64| if has_goals { Goal::AtMost(most) } else { Goal::Any };
        let name = |figure: &str| format!("{what}_{}_{figure}", self.name);
        let callers = format!("of {} callers", self.callers);
        self.sample(Rush::loads)
            .print_median_with(&name("loads"), goal(1.0), &callers);
        let is_in_a_process = what == "stampede";
        let slowest = if is_in_a_process { goal(1.5) } else { Goal::Any };
        self.sample(Rush::slowness).print_median(&name("slowest"), slowest);
        self.sample(Rush::unanswered)
            .print_median(&name("unanswered"), goal(0.0));
    }

    /// Returns a figure of each stampede.
    pub(super) fn sample(&self, of: fn(&Rush) -> f64) -> Sample {
        self.rushes.iter().map(of).collect()
    }
}
