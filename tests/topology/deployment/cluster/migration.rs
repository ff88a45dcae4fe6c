//! Slots that move from one master to another while they are used, as `redis-cli --cluster reshard` does it.

use std::time::Duration;

use super::{Cluster, Reply, view::Member};

/// A slot on its way.
#[must_use = "the slot is half here, half there until it is finished"]
pub struct Migration {
    slot: u16,
    from: usize,
    to: usize,
}

impl Cluster {
    /// Moves a slot, one key after the other, with a pause before each.
    pub async fn migrate_slot(&self, slot: u16, to: usize, pause: Duration) {
        let migration = self.begin_migration(slot, to);
        while self.step(&migration, 1) > 0 {
            tokio::time::sleep(pause).await;
        }
        self.finish_migration(migration).await;
    }

    /// From here on the old master says `ASK` for keys that it does not have.
    pub fn begin_migration(&self, slot: u16, to: usize) -> Migration {
        let from = self.owner_of(slot);
        let slot_word = slot.to_string();
        self.command(to, &["CLUSTER", "SETSLOT", &slot_word, "IMPORTING", &self.ids[from]])
            .ok();
        self.command(from, &["CLUSTER", "SETSLOT", &slot_word, "MIGRATING", &self.ids[to]])
            .ok();
        Migration { slot, from, to }
    }

    /// Moves so many of its keys, and returns how many it found.
    pub fn step(&self, migration: &Migration, count: usize) -> usize {
        let Migration { slot, from, to } = migration;
        let reply = self.command(
            *from,
            &["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), &count.to_string()],
        );
        let keys: Vec<_> = reply.list().iter().map(Reply::text).collect();
        if keys.is_empty() {
            return 0;
        }
        let port = self.port(*to).to_string();
        let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "10000"];
        if let [password] = self.credentials.as_slice() {
            words.extend(["AUTH", password]);
        }
        words.push("KEYS");
        words.extend(&keys);
        // `NOKEY` if somebody else deleted them meanwhile.
        let moved = self.command(*from, &words);
        assert!(!moved.is_error(), "{moved:?}");
        keys.len()
    }

    /// Moves what is left, and makes the move known to all.
    pub async fn finish_migration(&self, migration: Migration) {
        while self.step(&migration, 100) > 0 {}
        let Migration { slot, from, to } = migration;
        let rest = self.present().filter(|number| *number != to && *number != from);
        for number in [to, from].into_iter().chain(rest) {
            // Replicas hear it from their masters.
            if self.nodes[number].is_up() && self.nodes[number].replication("role") == "master" {
                let words = ["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &self.ids[to]];
                self.command(number, &words).ok();
            }
        }
        let is_there = |member: &Member| member.id == self.ids[to] && member.has(slot);
        self.wait("all nodes know the slot's new master", |members| {
            members.iter().any(is_there)
        })
        .await;
    }
}
