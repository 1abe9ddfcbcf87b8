//! Credentials of outside APIs: tokens, kept and renewed, of Entra per audience and of Okta per org; and Okta's API tokens.

mod assertion;
mod claims;
mod entra;
mod explain;
mod source;
mod transport;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::model::failure::{Failure, FailureKind, Provider, Sent};
use crate::model::secret::Secret;

pub use claims::Caller;
pub use entra::{Entra, Identity};
pub use source::{Issued, Issuer, TokenSource};

pub(in crate::connect) use assertion::Statement;

/// Gives the `Authorization` header of an API.
#[async_trait]
pub trait Authorize: Send + Sync {
    /// The header's whole value, `Bearer ...`; `None` where none is wanted. With `fresh` the last one
    /// was refused: another is made where that is possible and was not done just now.
    ///
    /// # Errors
    /// When no credential can be had; nothing was sent to the API then.
    async fn header(&self, fresh: bool) -> Result<Option<Secret>, Failure>;
}

/// With what an API is called: often the same credential for both.
#[derive(Clone)]
pub struct Credentials {
    /// For calls that only read.
    pub reads: Arc<dyn Authorize>,
    /// For calls that change something.
    pub changes: Arc<dyn Authorize>,
}

impl From<Arc<dyn Authorize>> for Credentials {
    fn from(both: Arc<dyn Authorize>) -> Self {
        Self { reads: Arc::clone(&both), changes: both }
    }
}

/// Reads a secret where it lives, each time it is wanted, so that a rotated file counts at once.
/// The error is a sentence for a person, without the secret.
pub type SecretReader = Arc<dyn Fn() -> Result<Secret, String> + Send + Sync>;

/// Okta's API tokens: `SSWS ...`.
pub struct Ssws(pub SecretReader);

/// No credential.
#[derive(Debug, Clone, Copy)]
pub struct Anonymous;

#[async_trait]
impl Authorize for Ssws {
    async fn header(&self, _fresh: bool) -> Result<Option<Secret>, Failure> {
        let token = (self.0)().map_err(|why| Failure {
            provider: Provider::Okta,
            operation: "read the API token".to_owned(),
            kind: FailureKind::Unauthorized,
            sent: Sent::No,
            vendor: None,
            hint: why,
        })?;
        Ok(Some(Secret::new(format!("SSWS {}", token.expose().trim()))))
    }
}

#[async_trait]
impl Authorize for Anonymous {
    async fn header(&self, _fresh: bool) -> Result<Option<Secret>, Failure> {
        Ok(None)
    }
}

impl fmt::Debug for Ssws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ssws(***)")
    }
}
