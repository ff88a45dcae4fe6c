//! Ours among all others: hits, a stampede, and outages.

use std::sync::Arc;

use super::{
    rush::Rush,
    stampede::{Herd, Standing},
    through::{self, AsHits, AsShielded},
};
use crate::{
    Outcome,
    arguments::Arguments,
    outage::{self, Fault, Hall},
    progress,
    race::{
        self, Race, Title,
        host::Host,
        lane::Lane,
        load::{Kind, Load},
    },
    readers::{self, Moka, Ours, Reader, Visitor},
    report::{self, Goal, per_call},
    server::RedisServer,
    suite::{VALUE, runtime},
};

/// Tasks that read at the same time.
const TASKS: [usize; 2] = [64, 512];

/// Callers of the stampede.
const CALLERS: usize = 1000;

/// Measures all three.
pub(super) fn rivals(arguments: &Arguments) -> Outcome {
    hits(arguments)?;
    stampede(arguments)?;
    for fault in [
        Fault::absent(arguments),
        Fault::hung(arguments),
        Fault::killed(arguments),
    ] {
        outage(arguments, fault)?;
    }
    Ok(())
}

/// Measures how many hits go through. Who does not ask Redis stands apart.
fn hits(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    runtime()?.block_on(async {
        let (mut remote, mut local) = (Host::at(server.port()), Host::at(server.port()));
        let mut hits = AsHits(&mut remote);
        hits.meet::<Ours>().await?;
        readers::introduce_remote(&mut hits).await?;
        AsHits(&mut local).meet::<Moka>().await?;
        let (remote, local) = (remote.into_lanes(), local.into_lanes());
        for tasks in TASKS {
            for (lanes, suffix, goal) in [(&remote, "", Goal::AtLeast(1.0)), (&local, "_without_redis", Goal::Any)] {
                let title = Title::new("hit", tasks, suffix, goal, Goal::Any);
                progress::announce(&title.case());
                let lanes: Vec<&dyn Lane> = lanes.iter().map(AsRef::as_ref).collect();
                let load = Arc::new(Load::new(Kind::Get, tasks, VALUE)?);
                race::run(&lanes, &load, Race::wide(arguments)).await?.print(&title)?;
            }
        }
        Ok(())
    })
}

/// Measures how often the source is asked when many want the same.
fn stampede(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    let mut herd = Herd::at(server.port(), CALLERS, arguments.either(5, 1));
    runtime()?.block_on(async {
        herd.meet::<Ours>().await?;
        readers::introduce_tiered(&mut herd).await
    })?;
    let standings = herd.into_standings();
    for standing in &standings {
        standing.print("rivals", false);
    }
    for (figure, of) in [
        ("loads", Rush::loads as fn(&Rush) -> f64),
        ("unanswered", Rush::unanswered),
    ] {
        rank(&format!("rivals_{figure}_rank"), &standings, of);
    }
    Ok(())
}

/// Prints how many stand before ours, the first.
fn rank(name: &str, standings: &[Standing], of: fn(&Rush) -> f64) {
    let medians: Vec<f64> = standings.iter().map(|standing| standing.sample(of).median()).collect();
    if let Some((ours, peers)) = medians.split_first() {
        let better = peers.iter().filter(|peer| *peer < ours).count();
        let remark = format!("of {}", standings.len());
        report::print_with(name, per_call(1 + better as u64, 1), Goal::AtMost(1.0), &remark);
    }
}

/// Measures what callers feel of a fault, and whether they get what the source has.
fn outage(arguments: &Arguments, fault: Fault) -> Outcome {
    let introduce = async |hall: &mut Hall| {
        let mut shielded = AsShielded(hall);
        shielded.meet::<Ours>().await?;
        readers::introduce_hardened(&mut shielded).await
    };
    let standings = outage::live_through(arguments, fault, introduce)?;
    for standing in standings.iter().filter(|standing| standing.failure.is_none()) {
        let goal = if standing.name == Ours::NAME {
            Goal::AtMost(0.0)
        } else {
            Goal::Any
        };
        let name = format!("{}_{}_failed", fault.name(), standing.name);
        let count = per_call(through::failed(standing.name), 1);
        report::print_with(&name, count, goal, &format!("of {} calls", standing.calls));
    }
    Ok(())
}
