//! What is sent before anybody may ask anything: removals that could not be sent while nobody answered.

use super::{
    super::{failure::Failure, in_order::in_order},
    Generation,
};
use crate::journal::{Journal, Mark};

/// So many commands share a round trip.
const AT_ONCE: usize = 512;

impl Generation {
    /// Sends what the journal holds, and returns how much had been noted when this began. What the server refuses stays in the journal: in a
    /// cluster it is another node's, and is sent there by the road.
    ///
    /// # Errors
    ///
    /// - The server does not answer, or does not serve.
    ///
    /// # Cancel safety
    ///
    /// What was not answered stays in the journal.
    pub(in super::super) async fn replay(&self, journal: &Journal) -> Result<Mark, Failure> {
        let mark = journal.mark();
        let within = self.settings.connect_timeout;
        for some in journal.sendable().chunks(AT_ONCE) {
            let sending = some.iter().map(|(_, command)| {
                let command = self.knowledge.reworded(command.clone());
                self.main.send_boxed(command, within)
            });
            let answers = in_order(sending.collect()).await;
            for ((pending, _), answer) in some.iter().zip(answers) {
                match answer {
                    Ok(_) => journal.done(pending),
                    Err(Failure::Replied(_)) => {}
                    Err(failure) => return Err(failure),
                }
            }
        }
        Ok(mark)
    }
}
