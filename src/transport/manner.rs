//! How a node of a cluster is asked.

/// How a command is to be sent to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Manner {
    Plainly,
    /// Behind an `ASKING`: its slot is being moved there.
    Asking,
}
