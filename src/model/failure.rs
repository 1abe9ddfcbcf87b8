//! The world said no: sorted by what the caller can do next.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::text::clip;

/// A call that did not do what it was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Failure {
    /// Which outside system.
    pub provider: Provider,
    /// Which call, as `GET users/{id}`: a template, never an identifier.
    pub operation: String,
    /// What kind of no.
    pub kind: FailureKind,
    /// Whether the request can have arrived.
    pub sent: Sent,
    /// What the vendor said, clipped.
    pub vendor: Option<VendorWords>,
    /// What to do about it, or the transport's own words: a short sentence without names or secrets.
    pub hint: String,
}

/// The outside systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// The token endpoint.
    Login,
    /// Log Analytics queries.
    LogAnalytics,
    /// Graph: users, groups, risk.
    Entra,
    /// Graph: alerts, incidents, hunting, identities.
    Defender,
    /// Sentinel over Azure Resource Manager.
    Sentinel,
    /// Okta.
    Okta,
}

/// What kind of no, which is what the caller can do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// 429, or 503 with a wish: come back later; `None` when the vendor did not say when.
    Throttled(Option<Duration>),
    /// 5xx: the vendor's trouble.
    Unavailable,
    /// No answer in time, or the connection ended before one came.
    NoAnswer,
    /// The connection could not be made.
    Unreachable,
    /// 401: the credential is refused.
    Unauthorized,
    /// 403: a permission is missing.
    Forbidden,
    /// 404.
    NotFound,
    /// 409 or 412: somebody else changed it meanwhile.
    Conflict,
    /// 400 and other refusals of this very request.
    Refused,
    /// An answer that is not what the contract says.
    Unreadable,
    /// Stopped by riposte itself before anything was sent: dry-run, a forbidden path, no time left.
    NotAttempted,
}

/// Whether the request can have had an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sent {
    /// It provably never left: no token, no connection.
    No,
    /// It may have arrived.
    Maybe,
    /// It was answered.
    Answered,
}

/// A vendor's error code and message: clipped, without control characters. Bodies never come here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorWords {
    /// HTTP status.
    pub status: u16,
    /// The vendor's code.
    pub code: String,
    /// The vendor's sentence.
    pub message: String,
    /// The id by which the vendor's support finds the call.
    pub request_id: Option<String>,
}

impl VendorWords {
    /// Clips what came from outside.
    #[must_use]
    pub fn new(status: u16, code: &str, message: &str, request_id: Option<&str>) -> Self {
        Self {
            status,
            code: clip(code, 80),
            message: clip(message, 240),
            request_id: request_id.map(|id| clip(id, 64)),
        }
    }
}

impl Failure {
    /// Worth repeating later without anybody's help.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self.kind {
            FailureKind::Throttled(_)
            | FailureKind::Unavailable
            | FailureKind::NoAnswer
            | FailureKind::Unreachable
            | FailureKind::Conflict => true,
            FailureKind::Unauthorized
            | FailureKind::Forbidden
            | FailureKind::NotFound
            | FailureKind::Refused
            | FailureKind::Unreadable
            | FailureKind::NotAttempted => false,
        }
    }

    /// Who was called did not answer, or could not be reached.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        match self.kind {
            FailureKind::Unavailable | FailureKind::NoAnswer | FailureKind::Unreachable => true,
            FailureKind::Throttled(_)
            | FailureKind::Unauthorized
            | FailureKind::Forbidden
            | FailureKind::NotFound
            | FailureKind::Conflict
            | FailureKind::Refused
            | FailureKind::Unreadable
            | FailureKind::NotAttempted => false,
        }
    }

    /// It provably never left, for a reason that passes by itself.
    #[must_use]
    pub fn never_left(&self) -> bool {
        self.sent == Sent::No && self.is_passing()
    }

    /// How long the vendor asked us to stay away.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            FailureKind::Throttled(after) => after,
            FailureKind::Unavailable
            | FailureKind::NoAnswer
            | FailureKind::Unreachable
            | FailureKind::Conflict
            | FailureKind::Unauthorized
            | FailureKind::Forbidden
            | FailureKind::NotFound
            | FailureKind::Refused
            | FailureKind::Unreadable
            | FailureKind::NotAttempted => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.provider, self.operation)?;
        if self.kind == FailureKind::Unauthorized && self.sent == Sent::No && self.vendor.is_none() {
            // There was none to show: the vendor was never asked.
            f.write_str("no credential")?;
        } else {
            write!(f, "{}", self.kind)?;
        }
        if let Some(words) = &self.vendor {
            write!(f, " ({} {}: {})", words.status, words.code, words.message)?;
        }
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Login => "Entra sign-in",
            Self::LogAnalytics => "Log Analytics",
            Self::Entra => "Entra",
            Self::Defender => "Defender",
            Self::Sentinel => "Sentinel",
            Self::Okta => "Okta",
        })
    }
}

impl FailureKind {
    /// The word by which calls are counted; it does not change.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Throttled(_) => "throttled",
            Self::Unavailable => "unavailable",
            Self::NoAnswer => "no answer",
            Self::Unreachable => "unreachable",
            Self::Unauthorized => "credential refused",
            Self::Forbidden => "not permitted",
            Self::NotFound => "not found",
            Self::Conflict => "changed meanwhile",
            Self::Refused => "refused",
            Self::Unreadable => "answer not understood",
            Self::NotAttempted => "not sent",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        // Or it reads as if riposte had refused.
        if matches!(self, Self::Unauthorized | Self::Refused) { f.write_str(" by the vendor") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_that_was_never_shown_is_not_said_to_be_refused_by_the_vendor() {
        let failed = |sent, vendor| Failure {
            provider: Provider::Login,
            operation: "token for x".into(),
            kind: FailureKind::Unauthorized,
            sent,
            vendor,
            hint: "the secret in the file sec cannot be had".into(),
        };
        let words = || Some(VendorWords::new(401, "AADSTS1", "no", None));
        let missing = failed(Sent::No, None).to_string();
        assert_eq!(missing, "Entra sign-in token for x: no credential; the secret in the file sec cannot be had");
        for refused in [failed(Sent::No, words()), failed(Sent::Answered, None)] {
            assert!(refused.to_string().contains("credential refused by the vendor"), "{refused}");
        }
    }
}
