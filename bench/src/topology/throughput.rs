//! How much goes through a cluster, against every other client that can use one.

use std::sync::{Arc, LazyLock};

use crate::{
    Outcome,
    arguments::Arguments,
    deployment::Cluster,
    peers::{self, FredCluster, OursCluster, Peer, Visitor},
    progress,
    race::{
        self, Race, Title,
        host::Host,
        lane::Lane,
        load::{Kind, Load},
    },
    report::Goal,
    suite::VALUE,
};

/// Nodes of the cluster, all of them masters.
const MASTERS: usize = 3;

/// A longer value: 1 KiB.
static KILOBYTE: LazyLock<String> = LazyLock::new(|| VALUE.repeat(16));

/// One kind of call, and what is stored.
struct Case {
    /// The call in the figures.
    name: &'static str,
    /// Which calls.
    kind: Kind,
    /// The value.
    value: &'static str,
    /// The end of the figures' names.
    suffix: &'static str,
    /// What ours to fred should be, by tasks.
    goal: fn(usize) -> Goal,
}

/// Lets all read and write by few and many tasks.
pub(super) async fn throughput(arguments: &Arguments) -> Outcome {
    let cluster = Cluster::of_masters(MASTERS).await;
    let mut host = Host::at(cluster.port(0));
    host.meet::<OursCluster>().await;
    peers::introduce_clients_of_clusters(&mut host).await;
    let lanes = host.into_lanes();
    let lanes: Vec<&dyn Lane> = lanes.iter().map(|lane| &**lane).collect();
    if lanes.first().is_none_or(|lane| lane.name() != OursCluster::NAME) {
        return Err("the manager does not find the cluster".into());
    }
    // In all slots.
    let keys = arguments.either(10_000, 1_000);
    for case in cases() {
        for tasks in [1, 64, 512] {
            let goal = (case.goal)(tasks);
            let title = Title::new(case.name, tasks, case.suffix, goal, Goal::Any).against(FredCluster::NAME);
            progress::announce(&title.case());
            let load = Arc::new(Load::of_many_keys(case.kind, tasks, case.value, keys));
            let race = if tasks == 1 && goal != Goal::Any {
                Race::fine(arguments)
            } else {
                Race::wide(arguments)
            };
            race::run(&lanes, &load, race).await?.print(&title)?;
        }
    }
    Ok(())
}

/// Returns what is measured.
fn cases() -> [Case; 5] {
    let of = |name, kind, value, suffix| Case {
        name,
        kind,
        value,
        suffix,
        goal: |_tasks| Goal::Any,
    };
    let get = Case {
        goal: |tasks| match tasks {
            1 => Goal::AtLeast(0.97),
            64 => Goal::AtLeast(1.1),
            _ => Goal::AtLeast(1.5),
        },
        ..of("cluster_get", Kind::Get, VALUE, "")
    };
    [
        get,
        of("cluster_set", Kind::Set, VALUE, ""),
        of("cluster_set_px", Kind::SetPx, VALUE, ""),
        of("cluster_get", Kind::Get, &KILOBYTE, "_1k"),
        of("cluster_set", Kind::Set, &KILOBYTE, "_1k"),
    ]
}
