//! What Sentinels say, and whom to believe. Pure data.

use super::super::super::connection::Refusal;
use crate::{breaker::Severity, config::Endpoint};

/// Where a Sentinel says that the master is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opinion {
    pub(super) endpoint: Endpoint,
    /// The number of the configuration that says so. Sentinels give every switch a greater one, and believe the greatest themselves.
    pub(super) epoch: u64,
}

/// All Sentinels that are known, with what each said last.
#[derive(Debug)]
pub(super) struct Opinions(Vec<Voice>);

#[derive(Debug)]
struct Voice {
    sentinel: Endpoint,
    /// Otherwise others have told of it.
    is_configured: bool,
    said: Option<Result<Opinion, Refusal>>,
}

/// As long as so many answer, those of whom others have told are not needed.
const ENOUGH: usize = 3;

/// So many of whom others have told are remembered.
const LEARNT: usize = 16;

impl Opinions {
    pub(super) fn of(configured: &[Endpoint]) -> Self {
        let voice = |sentinel: &Endpoint| Voice {
            sentinel: sentinel.clone(),
            is_configured: true,
            said: None,
        };
        Self(configured.iter().map(voice).collect())
    }

    /// Notes what a Sentinel has said.
    pub(super) fn note(&mut self, sentinel: &Endpoint, said: Result<Opinion, Refusal>) {
        if let Some(voice) = self.0.iter_mut().find(|voice| voice.sentinel == *sentinel) {
            voice.said = Some(said);
        }
    }

    /// Remembers Sentinels of whom others have told. Where there are too many, one that does not answer makes room.
    pub(super) fn learn(&mut self, others: Vec<Endpoint>) {
        for sentinel in others {
            if self.0.iter().any(|voice| voice.sentinel == sentinel) {
                continue;
            }
            let learnt = self.0.iter().filter(|voice| !voice.is_configured).count();
            if learnt >= LEARNT {
                let silent = |voice: &Voice| !voice.is_configured && !voice.answers();
                match self.0.iter().position(silent) {
                    Some(at) => drop(self.0.remove(at)),
                    None => return,
                }
            }
            self.0.push(Voice {
                sentinel,
                is_configured: false,
                said: None,
            });
        }
    }

    /// Returns whom to listen to: all that are configured; of the others those that answer, and all as long as there are not enough.
    pub(super) fn wanted(&self) -> Vec<Endpoint> {
        let answering = self.0.iter().filter(|voice| voice.answers()).count();
        // Each gets its chance first: a name and an address may mean the same Sentinel.
        let is_enough = answering >= ENOUGH || !self.were_all_asked();
        let is_wanted = |voice: &&Voice| voice.is_configured || voice.answers() || !is_enough;
        let wanted = self.0.iter().filter(is_wanted);
        wanted.map(|voice| voice.sentinel.clone()).collect()
    }

    /// Returns the opinion to believe: of the newest configuration; of several that are as new, what most say, or what was believed before.
    pub(super) fn best(&self, believed: Option<&Opinion>) -> Option<&Opinion> {
        let votes = |opinion: &Opinion| self.all().filter(|other| *other == opinion).count();
        self.all()
            .max_by_key(|opinion| (opinion.epoch, votes(opinion), believed.is_some_and(|b| b == *opinion)))
    }

    /// Says why none has an opinion, once all that are configured were asked.
    pub(super) fn refusal(&self, master: &str) -> Option<Refusal> {
        if !self.were_all_asked() {
            return None;
        }
        let refusals = || {
            self.0.iter().filter_map(|voice| match &voice.said {
                Some(Err(refusal)) => Some((&voice.sentinel, refusal)),
                _ => None,
            })
        };
        let said = |severity| {
            let texts = refusals().filter(move |(_, refusal)| refusal.severity == severity);
            let texts = texts.map(|(sentinel, Refusal { reason, .. })| format!("{sentinel}: {reason}"));
            texts.take(ENOUGH).collect::<Vec<_>>().join("; ")
        };
        let is_lasting = |refusal: &Refusal| refusal.severity == Severity::Lasting;
        // Who answers, but not as one would wish, says more than who does not.
        Some(if refusals().any(|(_, refusal)| is_lasting(refusal)) {
            let reason = format!("no Sentinel says where {master} is: {}", said(Severity::Lasting));
            if refusals().all(|(_, refusal)| is_lasting(refusal)) {
                Refusal::lasting(reason)
            } else {
                Refusal::passing(reason)
            }
        } else {
            Refusal::passing(format!("no Sentinel answers: {}", said(Severity::Passing)))
        })
    }

    fn all(&self) -> impl Iterator<Item = &Opinion> {
        self.0.iter().filter_map(|voice| match &voice.said {
            Some(Ok(opinion)) => Some(opinion),
            _ => None,
        })
    }

    fn were_all_asked(&self) -> bool {
        self.0.iter().all(|voice| !voice.is_configured || voice.said.is_some())
    }
}

impl Voice {
    fn answers(&self) -> bool {
        matches!(self.said, Some(Ok(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Endpoint {
        Endpoint::Tcp {
            host: "h".to_owned(),
            port,
        }
    }

    fn says(port: u16, epoch: u64) -> Result<Opinion, Refusal> {
        Ok(Opinion {
            endpoint: at(port),
            epoch,
        })
    }

    fn of(said: &[Result<Opinion, Refusal>]) -> Opinions {
        let configured: Vec<_> = (1..).map(at).take(said.len()).collect();
        let mut opinions = Opinions::of(&configured);
        for (sentinel, said) in configured.iter().zip(said) {
            opinions.note(sentinel, said.clone());
        }
        opinions
    }

    fn best(said: &[Result<Opinion, Refusal>], believed: Option<(u16, u64)>) -> Option<Endpoint> {
        let believed = believed.map(|(port, epoch)| Opinion {
            endpoint: at(port),
            epoch,
        });
        of(said).best(believed.as_ref()).map(|best| best.endpoint.clone())
    }

    #[test]
    fn the_newest_configuration_is_believed_whoever_says_so() {
        let said = [says(10, 1), says(20, 2), says(10, 1)];
        assert_eq!(best(&said, Some((10, 1))), Some(at(20)));
    }

    #[test]
    fn where_none_is_newer_most_win_and_then_the_one_before() {
        assert_eq!(
            best(&[says(10, 1), says(20, 1), says(20, 1)], Some((10, 1))),
            Some(at(20))
        );
        assert_eq!(best(&[says(10, 1), says(20, 1)], Some((10, 1))), Some(at(10)));
        assert_eq!(best(&[says(10, 1), says(20, 1)], Some((20, 1))), Some(at(20)));
        assert_eq!(best(&[Err(Refusal::passing("gone"))], Some((20, 1))), None);
    }

    #[test]
    fn why_none_says_is_told_when_all_were_asked() {
        let configured = [at(1), at(2)];
        let mut opinions = Opinions::of(&configured);
        opinions.note(&at(1), Err(Refusal::passing("Connection refused")));
        assert_eq!(opinions.refusal("m"), None);
        opinions.note(&at(2), Err(Refusal::passing("gone")));
        let refusal = opinions.refusal("m").unwrap();
        assert_eq!(
            refusal.reason,
            "no Sentinel answers: h:1: Connection refused; h:2: gone"
        );
        opinions.note(&at(2), Err(Refusal::lasting("wrong user or password")));
        let refusal = opinions.refusal("m").unwrap();
        assert_eq!(refusal.severity, Severity::Passing);
        assert_eq!(
            refusal.reason,
            "no Sentinel says where m is: h:2: wrong user or password"
        );
        opinions.note(&at(1), Err(Refusal::lasting("it knows no master named m")));
        assert_eq!(opinions.refusal("m").unwrap().severity, Severity::Lasting);
    }

    #[test]
    fn others_are_wanted_only_where_not_enough_answer() {
        let mut opinions = Opinions::of(&[at(1), at(2)]);
        opinions.note(&at(1), says(10, 1));
        opinions.learn(vec![at(2), at(3), at(4)]);
        assert_eq!(opinions.wanted(), [at(1), at(2)], "one was not asked yet");
        opinions.note(&at(2), Err(Refusal::passing("gone")));
        assert_eq!(opinions.wanted(), [at(1), at(2), at(3), at(4)]);
        for answering in [3, 4] {
            opinions.note(&at(answering), says(10, 1));
        }
        assert_eq!(opinions.wanted().len(), 4, "those that answer stay");
        opinions.note(&at(2), says(10, 1));
        opinions.note(&at(3), Err(Refusal::passing("gone")));
        assert_eq!(opinions.wanted(), [at(1), at(2), at(4)]);
    }

    #[test]
    fn only_so_many_are_remembered_and_those_that_answer_stay() {
        let mut opinions = Opinions::of(&[at(1)]);
        opinions.note(&at(1), Err(Refusal::passing("gone")));
        opinions.learn((100..100 + 16).map(at).collect());
        opinions.note(&at(100), says(10, 1));
        opinions.learn((200..300).map(at).collect());
        let wanted = opinions.wanted();
        assert_eq!(wanted.len(), 1 + LEARNT);
        assert!(wanted.contains(&at(1)) && wanted.contains(&at(100)) && wanted.contains(&at(299)));
    }
}
