//! A cluster as one of its nodes sees it.

use std::collections::HashMap;

use super::redirection::endpoint;
use crate::{config::Endpoint, reply::Reply};

/// What a node has told of its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub(super) ranges: Vec<Range>,
    /// Every node, whatever it does.
    pub(super) members: Vec<Endpoint>,
}

/// Slots that one node serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) owner: Endpoint,
    /// Where two nodes tell differently, the greater one is right.
    pub(super) epoch: u64,
}

/// One line of `CLUSTER NODES`.
struct Line<'a> {
    id: &'a str,
    epoch: u64,
    members: Vec<Endpoint>,
    /// The slots that the node which was asked is giving away, and the identity of whom each goes to.
    leaving: Vec<(u16, &'a str)>,
}

impl View {
    /// Reads the replies to `CLUSTER SLOTS` and, where it is permitted, `CLUSTER NODES`: the former says how the nodes want to be addressed, only the
    /// latter tells their epochs, and of those without slots. `None` if it makes no sense.
    pub(super) fn read(slots: Reply, nodes: Option<&Reply>, asked: &Endpoint) -> Option<Self> {
        let text = match nodes {
            Some(Reply::Bytes(text)) => String::from_utf8_lossy(text),
            _ => "".into(),
        };
        let lines: Vec<_> = text.lines().filter_map(|line| Line::read(line, asked)).collect();
        let epochs: HashMap<_, _> = lines.iter().map(|line| (line.id, line.epoch)).collect();
        let mut members: Vec<_> = lines.iter().flat_map(|line| &line.members).cloned().collect();
        let mut ranges = Vec::new();
        for entry in slots.into_array().ok()? {
            let mut entry = entry.into_array().ok()?.into_iter();
            let (first, last) = (slot(entry.next()?)?, slot(entry.next()?)?);
            let mut addressed = entry.filter_map(|node| addressed(node, asked));
            let (owner, id) = addressed.next()?;
            members.push(owner.clone());
            members.extend(addressed.map(|(replica, _)| replica));
            let epoch = epochs.get(id.as_str()).copied().unwrap_or_default();
            ranges.push(Range {
                first,
                last,
                owner,
                epoch,
            });
        }
        members.sort();
        members.dedup();
        Some(Self { ranges, members })
    }

    /// Returns the slots that the node which was asked is giving away, and to whom.
    pub(super) fn leaving(nodes: &Reply, asked: &Endpoint) -> Vec<(u16, Endpoint)> {
        let Reply::Bytes(text) = nodes else {
            return Vec::new();
        };
        let text = String::from_utf8_lossy(text);
        let lines: Vec<_> = text.lines().filter_map(|line| Line::read(line, asked)).collect();
        let whom = |id: &str| lines.iter().find(|line| line.id == id)?.members.first().cloned();
        let leaving = lines.iter().flat_map(|line| &line.leaving);
        leaving.filter_map(|(slot, id)| Some((*slot, whom(id)?))).collect()
    }
}

impl<'a> Line<'a> {
    /// `id host:port@bus[,name] flags master pinged ponged epoch link slots…`
    fn read(line: &'a str, asked: &Endpoint) -> Option<Self> {
        let words: Vec<_> = line.split(' ').collect();
        let [id, address, flags, _, _, _, epoch, _, slots @ ..] = &words[..] else {
            return None;
        };
        if flags.split(',').any(|flag| matches!(flag, "noaddr" | "handshake")) {
            return None;
        }
        let (address, rest) = address.split_once('@')?;
        let by_address = endpoint(address, asked)?;
        let Endpoint::Tcp { port, .. } = by_address else {
            return None;
        };
        let name = rest.split(',').nth(1).filter(|name| !name.is_empty());
        let by_name = name.map(|name| Endpoint::Tcp {
            host: name.to_owned(),
            port,
        });
        let leaving = |slot: &&'a str| {
            let (slot, id) = slot.strip_prefix('[')?.strip_suffix(']')?.split_once("->-")?;
            Some((slot.parse().ok()?, id))
        };
        Some(Self {
            id,
            epoch: epoch.parse().ok()?,
            members: [by_address].into_iter().chain(by_name).collect(),
            leaving: slots.iter().filter_map(leaving).collect(),
        })
    }
}

fn slot(reply: Reply) -> Option<u16> {
    let slot = u16::try_from(reply.into_integer().ok()?).ok()?;
    (slot < super::map::SLOTS).then_some(slot)
}

/// Reads where a node is, and its identity.
fn addressed(node: Reply, asked: &Endpoint) -> Option<(Endpoint, String)> {
    let mut words = node.into_array().ok()?.into_iter();
    let text = |reply: Reply| match reply {
        Reply::Bytes(text) => String::from_utf8_lossy(&text).into_owned(),
        _ => String::new(),
    };
    let host = text(words.next()?);
    let port = words.next()?.into_integer().ok()?;
    let id = text(words.next().unwrap_or(Reply::Nil));
    Some((endpoint(&format!("{host}:{port}"), asked)?, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str) -> Reply {
        Reply::Bytes(text.into())
    }

    fn node(host: Reply, port: i64, id: &'static str) -> Reply {
        Reply::Array(vec![host, Reply::Integer(port), text(id), Reply::Array(Vec::new())])
    }

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp {
            host: host.into(),
            port,
        }
    }

    fn range(first: i64, last: i64, nodes: Vec<Reply>) -> Reply {
        let bounds = vec![Reply::Integer(first), Reply::Integer(last)];
        Reply::Array(bounds.into_iter().chain(nodes).collect())
    }

    #[test]
    fn owners_come_from_the_slots_and_epochs_and_members_from_the_nodes() {
        let slots = Reply::Array(vec![
            range(
                0,
                8191,
                vec![node(text("10.0.0.1"), 1, "a"), node(text("10.0.0.3"), 3, "c")],
            ),
            range(8192, 16383, vec![node(text("two.example"), 2, "b")]),
        ]);
        let nodes = text(
            "a 10.0.0.1:1@10001 myself,master - 0 0 7 connected 0-8191 [5->-b] [6-<-b]\n\
             b 10.0.0.2:2@10002,two.example master - 0 0 9 connected 8192-16383\n\
             c 10.0.0.3:3@10003 slave a 0 0 7 connected\n\
             d :0@0 master,noaddr - 0 0 3 disconnected\n\
             e 10.0.0.5:5@10005 master - 0 0 0 connected\n",
        );
        let asked = at("10.0.0.1", 1);
        let view = View::read(slots, Some(&nodes), &asked).unwrap();
        let ranges: Vec<_> = view
            .ranges
            .iter()
            .map(|range| (range.first, range.last, range.owner.to_string(), range.epoch))
            .collect();
        assert_eq!(
            ranges,
            [
                (0, 8191, "10.0.0.1:1".into(), 7),
                (8192, 16383, "two.example:2".into(), 9)
            ]
        );
        let members: Vec<_> = view.members.iter().map(ToString::to_string).collect();
        assert_eq!(
            members,
            ["10.0.0.1:1", "10.0.0.2:2", "10.0.0.3:3", "10.0.0.5:5", "two.example:2"]
        );
        assert_eq!(View::leaving(&nodes, &asked), [(5, at("10.0.0.2", 2))]);
    }

    #[test]
    fn a_node_without_a_host_is_where_the_question_went() {
        let slots = |host| Reply::Array(vec![range(0, 5, vec![node(host, 7, "a")])]);
        for host in [Reply::Nil, text(""), text("?")] {
            let view = View::read(slots(host), None, &at("::1", 9)).unwrap();
            assert_eq!(view.ranges[0].owner, at("::1", 7));
        }
    }

    #[test]
    fn nonsense_is_no_view() {
        let asked = at("h", 1);
        assert!(View::read(Reply::Integer(1), None, &asked).is_none());
        let beyond = Reply::Array(vec![range(0, 16384, vec![node(text("h"), 1, "a")])]);
        assert!(View::read(beyond, None, &asked).is_none());
        let nobody = Reply::Array(vec![range(0, 5, Vec::new())]);
        assert!(View::read(nobody, None, &asked).is_none());
    }
}
