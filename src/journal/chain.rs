//! The hash chain of a stream.
//!
//! Every event carries the hash of the event before it and its own. The hash is taken over the
//! envelope and the digest of the payload, not over the payload: personal data can be removed and
//! the chain still holds. The digest is taken over the payload's text as it is stored, never over
//! JSON that was written out again.
//!
//! A chain proves that nothing inside a stream was changed, inserted or taken out. It cannot prove
//! that no events are missing at the end, nor that a whole stream is: for that the heads have to be
//! kept elsewhere.

use sha2::{Digest, Sha256};

use super::removal::REMOVED;
use crate::model::scope::TenantKey;
use crate::model::text::hex;
use crate::model::time::At;
use crate::record::event::{Entry, StreamKey};

/// How hashes are made. It is part of what is hashed.
pub const ALGORITHM: &str = "riposte-chain-1/sha256";

/// What the first event of a stream has in place of the hash before it.
pub const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its place in the stream, from 1.
    pub n: u64,
    /// When.
    pub at: At,
    /// The event's name.
    pub name: String,
    /// The version of its payload's shape.
    pub version: u16,
    /// Who caused it.
    pub actor: String,
    /// The stored text, unless it was removed.
    pub payload: Option<String>,
    /// SHA-256 of the payload's text, in hexadecimal digits.
    pub payload_sha: String,
    /// The hash of the event before it.
    pub prev: String,
    /// Its own hash.
    pub hash: String,
}

impl Link {
    /// The next event of a stream, in the form in which it is stored.
    #[must_use]
    pub fn seal(tenant: TenantKey, stream: &StreamKey, n: u64, entry: Entry, prev: &str) -> Self {
        let payload = entry.payload.to_string();
        let mut link = Self {
            n,
            at: entry.at,
            name: entry.name,
            version: entry.version,
            actor: entry.actor,
            payload_sha: hex(&Sha256::digest(payload.as_bytes())),
            payload: Some(payload),
            prev: prev.to_owned(),
            hash: String::new(),
        };
        link.hash = link.envelope_hash(tenant, stream);
        link
    }

    /// The first event so far whose payload is gone without an event that says who removed it, from the first before
    /// this one.
    pub(super) fn first_gone(&self, before: Option<u64>) -> Option<u64> {
        match &self.payload {
            Some(_) if self.name == REMOVED => None,
            Some(_) => before,
            None => before.or(Some(self.n)),
        }
    }

    /// Every part goes in with its length before it, so that no two envelopes have the same bytes.
    fn envelope_hash(&self, tenant: TenantKey, stream: &StreamKey) -> String {
        let parts = [
            ALGORITHM,
            &tenant.to_string(),
            stream.kind.word(),
            &stream.id,
            &self.n.to_string(),
            &self.at.ticks().to_string(),
            &self.name,
            &self.version.to_string(),
            &self.actor,
            &self.payload_sha,
            &self.prev,
        ];
        digest(&parts)
    }
}

/// What a stream's row says about the end of its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// How many events there are.
    pub n: u64,
    /// The hash of the last one.
    pub hash: String,
}

/// The first place at which a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {n} of {stream}: {what}")]
pub struct BrokenChain {
    /// In which stream.
    pub stream: StreamKey,
    /// At which event.
    pub n: u64,
    /// How.
    pub what: Break,
}

/// How a chain is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// The numbers do not follow each other.
    #[error("an event before it is missing, or was put in")]
    Number,
    /// The payload is not the one that was written.
    #[error("the payload was changed after it was written")]
    Payload,
    /// The payload is gone, and no later event says that it was removed.
    #[error("the payload is gone, and no event says who removed it")]
    Gone,
    /// The event does not follow the one before it.
    #[error("it does not follow the event before it")]
    Previous,
    /// Name, time, actor or another part of the envelope is not the one that was written.
    #[error("the envelope was changed after it was written")]
    Envelope,
    /// The stream's row names another end.
    #[error("the stream has another end than its events")]
    Head,
}

impl Default for Head {
    /// Of a stream without events.
    fn default() -> Self {
        Self { n: 0, hash: START.to_owned() }
    }
}

impl Head {
    /// The end of the stream with one event more.
    ///
    /// # Errors
    /// How the event does not follow.
    pub fn then(&self, tenant: TenantKey, stream: &StreamKey, link: &Link) -> Result<Self, Break> {
        if link.n != self.n + 1 {
            return Err(Break::Number);
        }
        if link.payload.as_ref().is_some_and(|text| hex(&Sha256::digest(text)) != link.payload_sha) {
            return Err(Break::Payload);
        }
        if link.prev != self.hash {
            return Err(Break::Previous);
        }
        if link.envelope_hash(tenant, stream) != link.hash {
            return Err(Break::Envelope);
        }
        Ok(Self { n: link.n, hash: link.hash.clone() })
    }
}

/// Checks the events of one stream, in order, and that they end where the stream's row says.
///
/// # Errors
/// The first place at which the chain does not hold.
pub fn verify_stream(tenant: TenantKey, stream: &StreamKey, links: &[Link], head: &Head) -> Result<(), BrokenChain> {
    let mut end = Head::default();
    let mut gone = None;
    for link in links {
        let n = end.n + 1;
        end = end.then(tenant, stream, link).map_err(|what| BrokenChain { stream: stream.clone(), n, what })?;
        gone = link.first_gone(gone);
    }
    let broken = |n, what| Err(BrokenChain { stream: stream.clone(), n, what });
    match gone {
        _ if end != *head => broken(end.n, Break::Head),
        Some(n) => broken(n, Break::Gone),
        None => Ok(()),
    }
}

/// SHA-256 over parts, each after its length as eight bytes, in hexadecimal digits.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hex(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::event::StreamKind;

    const TENANT: TenantKey = TenantKey(uuid::Uuid::nil());

    fn stream() -> StreamKey {
        StreamKey { kind: StreamKind::Alert, id: "a".into() }
    }

    fn chain(length: u64) -> (Vec<Link>, Head) {
        let mut links: Vec<Link> = Vec::new();
        for n in 1..=length {
            let at = At::from_unix_seconds(1_000 + n.cast_signed());
            let entry = Entry {
                name: "seen".into(),
                version: 1,
                actor: "riposte".into(),
                at,
                payload: json!({"n": n, "b": 1}),
            };
            let prev = links.last().map_or(START, |link| &link.hash).to_owned();
            links.push(Link::seal(TENANT, &stream(), n, entry, &prev));
        }
        let hash = links.last().map_or(START, |link| &link.hash).to_owned();
        (links, Head { n: length, hash })
    }

    fn verdict(links: &[Link], head: &Head) -> Result<(), Break> {
        verify_stream(TENANT, &stream(), links, head).map_err(|broken| broken.what)
    }

    #[test]
    fn a_chain_as_written_holds_also_when_payloads_were_removed_by_somebody_who_says_so() {
        let (mut links, head) = chain(3);
        assert_eq!(verdict(&links, &head), Ok(()));
        links[0].payload = None;
        links[1].payload = None;
        let gone = verify_stream(TENANT, &stream(), &links, &head).unwrap_err();
        assert_eq!((gone.n, gone.what), (1, Break::Gone));
        let entry =
            Entry { name: REMOVED.into(), version: 1, actor: "somebody".into(), at: At::EPOCH, payload: json!({}) };
        links.push(Link::seal(TENANT, &stream(), 4, entry, &head.hash));
        let head = Head { n: 4, hash: links[3].hash.clone() };
        assert_eq!(verdict(&links, &head), Ok(()));
        assert_eq!(verdict(&[], &Head { n: 0, hash: START.into() }), Ok(()));
    }

    #[test]
    fn every_kind_of_change_is_found() {
        let (good, head) = chain(3);
        let spoilt = |change: fn(&mut Vec<Link>)| {
            let mut links = good.clone();
            change(&mut links);
            verdict(&links, &head)
        };
        assert_eq!(spoilt(|l| l[1].payload = Some(r#"{"n": 2,"b":1}"#.into())), Err(Break::Payload));
        assert_eq!(spoilt(|l| l[1].actor = "somebody".into()), Err(Break::Envelope));
        assert_eq!(spoilt(|l| l[1].at = At::EPOCH), Err(Break::Envelope));
        assert_eq!(spoilt(|l| l[1].version = 2), Err(Break::Envelope));
        assert_eq!(spoilt(|l| drop(l.remove(1))), Err(Break::Number));
        assert_eq!(spoilt(|l| l.swap(1, 2)), Err(Break::Number));
        assert_eq!(spoilt(|l| drop(l.pop())), Err(Break::Head));
        assert_eq!(spoilt(|l| l[2].prev = START.into()), Err(Break::Previous));
    }

    #[test]
    fn an_event_does_not_fit_into_another_stream_or_tenant() {
        let (links, head) = chain(1);
        let elsewhere = StreamKey { kind: StreamKind::Action, id: "a".into() };
        assert!(verify_stream(TENANT, &elsewhere, &links, &head).is_err());
        assert!(verify_stream(TenantKey(uuid::Uuid::max()), &stream(), &links, &head).is_err());
    }
}
