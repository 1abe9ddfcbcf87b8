//! Entra tokens for one audience, by azure_identity.
//!
//! azure_identity's own cache gives an error when a refresh in the last five minutes fails although
//! the old token is still good, and it cannot be emptied. So the last token is kept in
//! [`super::TokenSource`], and a token that an API refused is replaced through a new credential object.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret as AzureSecret, TokenCredential};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use url::Url;

use super::assertion::Statement;
use super::explain::{failed, failure};
use super::transport::Bounded;
use super::{Issued, Issuer, SecretReader};
use crate::connect::http::{Client, Pool};
use crate::model::failure::{Failure, FailureKind};
use crate::model::scope::TenantKey;
use crate::model::secret::Secret;
use crate::model::time::{Clock, SystemClock};

/// Entra's sign-in host of the global cloud.
const GLOBAL: &str = "https://login.microsoftonline.com";

/// How riposte signs in to Entra.
#[derive(Clone)]
pub enum Identity {
    /// An application with a secret.
    ClientSecret {
        /// Its tenant.
        tenant: TenantKey,
        /// Its client id.
        client_id: String,
        /// Its secret, read anew for each sign-in.
        secret: SecretReader,
    },
    /// An application with a certificate.
    ClientCertificate {
        /// Its tenant.
        tenant: TenantKey,
        /// Its client id.
        client_id: String,
        /// Certificate and private key in PEM, read anew for each sign-in.
        pem: SecretReader,
    },
    /// Whoever is signed in to the Azure CLI of this machine, whose program `az` is run.
    AzureCli {
        /// In which tenant.
        tenant: TenantKey,
    },
    /// A Kubernetes workload with a federated credential. What is `None` comes from the environment
    /// that its webhook sets (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_FEDERATED_TOKEN_FILE`).
    WorkloadIdentity {
        /// The application's tenant.
        tenant: Option<TenantKey>,
        /// The application's client id.
        client_id: Option<String>,
        /// The file with the workload's token.
        token_file: Option<PathBuf>,
    },
    /// The identity of the Azure resource riposte runs on. Its endpoint follows from the environment
    /// and is never reached through a proxy.
    ManagedIdentity {
        /// The client id of a user-assigned identity; `None` for the system-assigned one.
        client_id: Option<String>,
    },
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientSecret { .. } => "ClientSecret",
            Self::ClientCertificate { .. } => "ClientCertificate",
            Self::AzureCli { .. } => "AzureCli",
            Self::WorkloadIdentity { .. } => "WorkloadIdentity",
            Self::ManagedIdentity { .. } => "ManagedIdentity",
        })
    }
}

type Maker = Box<dyn Fn(Option<&Secret>) -> azure_core::Result<Arc<dyn TokenCredential>> + Send + Sync>;

/// A credential object with the secret it was made with.
type MadeWith = (Arc<dyn TokenCredential>, Option<Secret>);

/// Entra as the authority for one audience.
pub struct Entra {
    scope: String,
    make: Maker,
    secret: Option<SecretReader>,
    kept: Mutex<Option<MadeWith>>,
}

impl Entra {
    /// Tokens for `scope` (`https://graph.microsoft.com/.default`). `authority` is the cloud's sign-in
    /// host, `https://login.microsoftonline.com`; only https is accepted by azure_identity.
    #[must_use]
    pub fn new(client: &Client, identity: Identity, authority: Option<Url>, scope: impl Into<String>) -> Self {
        let secret = match &identity {
            Identity::ClientSecret { secret, .. } | Identity::ClientCertificate { pem: secret, .. } => {
                Some(Arc::clone(secret))
            }
            Identity::AzureCli { .. } | Identity::WorkloadIdentity { .. } | Identity::ManagedIdentity { .. } => None,
        };
        let client = client.clone();
        let make = move |secret: Option<&Secret>| credential(&client, &identity, authority.as_ref(), secret);
        Self::with(Box::new(make), secret, scope.into())
    }

    fn with(make: Maker, secret: Option<SecretReader>, scope: String) -> Self {
        Self { scope, make, secret, kept: Mutex::new(None) }
    }

    /// The credential object; another one when the secret has changed since it was made, or with `anew`.
    fn credential(&self, anew: bool) -> Result<MadeWith, Failure> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if anew {
            *kept = None;
        }
        let refuse = |hint| failed(&self.scope, FailureKind::Unauthorized, None, hint);
        let secret = self.secret.as_ref().map(|read| read()).transpose().map_err(refuse)?;
        let exposed = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
        if let Some((credential, made_with)) = &*kept
            && exposed(made_with) == exposed(&secret)
        {
            return Ok((Arc::clone(credential), secret));
        }
        let made = (self.make)(secret.as_ref()).map_err(|error| failure(&self.scope, &error, secret.as_ref()))?;
        Ok(kept.insert((made, secret)).clone())
    }
}

#[async_trait]
impl Issuer for Entra {
    fn purpose(&self) -> &str {
        &self.scope
    }

    async fn issue(&self, anew: bool) -> Result<Issued, Failure> {
        let (credential, secret) = self.credential(anew)?;
        let asked = credential.get_token(&[&self.scope], None).await;
        let token = asked.map_err(|error| failure(&self.scope, &error, secret.as_ref()))?;
        let life = token.expires_on.unix_timestamp().saturating_sub(SystemClock.now().unix_seconds());
        let life = Duration::from_secs(u64::try_from(life).unwrap_or(0));
        Ok(Issued { value: Secret::new(token.token.secret()), life })
    }
}

fn credential(
    client: &Client,
    identity: &Identity,
    authority: Option<&Url>,
    secret: Option<&Secret>,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let outward = authority.map_or_else(|| client.outward(), |url| client.for_url(url));
    Ok(match identity {
        Identity::ClientSecret { tenant, client_id, .. } => ClientSecretCredential::new(
            &tenant.to_string(),
            client_id.clone(),
            AzureSecret::new(secret.map_or("", |secret| secret.expose().trim()).to_owned()),
            Some(ClientSecretCredentialOptions { client_options: options(outward, authority) }),
        )?,
        Identity::ClientCertificate { tenant, client_id, .. } => {
            let host = authority.map_or(GLOBAL, Url::as_str).trim_end_matches('/');
            let endpoint = format!("{host}/{tenant}/oauth2/v2.0/token");
            let pem = secret.cloned().unwrap_or_else(|| Secret::new(""));
            let wrong = |why: String| Error::with_message(ErrorKind::Credential, why);
            let statement = Statement::certified(&pem, client_id, endpoint).map_err(wrong)?;
            let options = ClientAssertionCredentialOptions { client_options: options(outward, authority) };
            ClientAssertionCredential::new(tenant.to_string(), client_id.clone(), statement, Some(options))?
        }
        Identity::AzureCli { tenant } => AzureCliCredential::new(Some(AzureCliCredentialOptions {
            tenant_id: Some(tenant.to_string()),
            ..AzureCliCredentialOptions::default()
        }))?,
        Identity::WorkloadIdentity { tenant, client_id, token_file } => {
            WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options: options(outward, authority) },
                client_id: client_id.clone(),
                tenant_id: tenant.map(|tenant| tenant.to_string()),
                token_file_path: token_file.clone(),
            }))?
        }
        Identity::ManagedIdentity { client_id } => {
            ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
                client_options: options(client.direct(), None),
            }))?
        }
    })
}

/// Our transport, no repeats (whoever asked repeats), and the cloud's sign-in host.
fn options(client: &Pool, authority: Option<&Url>) -> ClientOptions {
    let cloud = authority.map(|url| {
        let mut cloud = CustomConfiguration::default();
        url.as_str().trim_end_matches('/').clone_into(&mut cloud.authority_host);
        Arc::new(CloudConfiguration::from(cloud))
    });
    ClientOptions {
        transport: Some(Transport::new(Arc::new(Bounded(client.clone())))),
        retry: RetryOptions::none(),
        cloud,
        ..ClientOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::StatusCode;
    use axum::routing::post;
    use axum::{Json, Router};
    use azure_core::credentials::{AccessToken, TokenRequestOptions};
    use azure_core::http::{AsyncRawResponse, HttpClient, Request};
    use azure_core::time::{Duration as Span, OffsetDateTime};
    use serde_json::json;

    use super::*;
    use crate::connect::loopback;

    #[derive(Debug)]
    struct FakeCredential;

    #[async_trait]
    impl TokenCredential for FakeCredential {
        async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
            Ok(AccessToken::new("token", OffsetDateTime::now_utc() + Span::seconds(100)))
        }
    }

    /// An authority that counts its credential objects.
    fn counted(secret: Option<SecretReader>) -> (Arc<AtomicUsize>, Entra) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let make = move |_: Option<&Secret>| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(Arc::new(FakeCredential) as Arc<dyn TokenCredential>)
        };
        (count, Entra::with(Box::new(make), secret, "https://x/.default".into()))
    }

    #[tokio::test]
    async fn only_a_refused_token_makes_a_new_credential() {
        let (made, entra) = counted(None);
        for (anew, expected) in [(false, 1), (false, 1), (true, 2)] {
            assert!(entra.issue(anew).await.unwrap().life > Duration::from_secs(90));
            assert_eq!(made.load(Ordering::SeqCst), expected);
        }
    }

    #[tokio::test]
    async fn a_rotated_secret_makes_a_new_credential() {
        let counter = AtomicUsize::new(0);
        let read: SecretReader = Arc::new(move || match counter.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(Secret::new("old")),
            1 | 2 => Ok(Secret::new("new")),
            _ => Err("the file /run/secret cannot be read: give riposte the right to".into()),
        });
        let (made, entra) = counted(Some(read));
        for expected in [1, 2, 2] {
            entra.issue(false).await.unwrap();
            assert_eq!(made.load(Ordering::SeqCst), expected);
        }
        let failure = entra.issue(false).await.err().unwrap();
        assert!(failure.hint.contains("/run/secret"), "{failure}");
    }

    /// azure_identity insists on https; this carries its requests to loopback.
    #[derive(Debug)]
    struct ToLoopback(Bounded, Url);

    #[async_trait]
    impl HttpClient for ToLoopback {
        async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
            let mut request = request.clone();
            let path = request.url().path().to_owned();
            *request.url_mut() = self.1.join(&path).unwrap();
            self.0.execute_request(&request).await
        }
    }

    async fn signed_in(router: Router) -> Result<Secret, Failure> {
        let server = loopback::serve(router).await;
        let make = move |secret: Option<&Secret>| {
            let mut options = options(loopback::transport().direct(), None);
            let transport = ToLoopback(Bounded(loopback::transport().direct().clone()), server.clone());
            options.transport = Some(Transport::new(Arc::new(transport)));
            let secret = AzureSecret::new(secret.unwrap().expose().to_owned());
            let options = Some(ClientSecretCredentialOptions { client_options: options });
            Ok(ClientSecretCredential::new(&uuid::Uuid::nil().to_string(), "app".into(), secret, options)?
                as Arc<dyn TokenCredential>)
        };
        let secret: SecretReader = Arc::new(|| Ok(Secret::new("planted-secret")));
        let entra = Entra::with(Box::new(make), Some(secret), "https://graph.microsoft.com/.default".into());
        Ok(entra.issue(false).await?.value)
    }

    #[tokio::test]
    async fn a_token_comes_from_the_v2_endpoint() {
        let path = format!("/{}/oauth2/v2.0/token", uuid::Uuid::nil());
        let answer = |body: String| async move {
            assert!(body.contains("client_secret=planted-secret") && body.contains("grant_type=client_credentials"));
            Json(json!({"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": "abc"}))
        };
        assert_eq!(signed_in(Router::new().route(&path, post(answer))).await.unwrap().expose(), "abc");
    }

    #[tokio::test]
    async fn an_expired_secret_is_told_in_a_sentence_without_the_secret() {
        let answer = || async {
            let words =
                "AADSTS7000222: The provided client secret keys for app are expired. planted-secret Trace ID: 1";
            let body = json!({"error": "invalid_client", "error_description": words, "error_codes": [7_000_222]});
            (StatusCode::UNAUTHORIZED, Json(body))
        };
        let failure = signed_in(Router::new().fallback(answer)).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::Unauthorized, crate::model::failure::Sent::No));
        assert!(failure.hint.contains("expired"), "{failure}");
        assert_eq!(failure.vendor.as_ref().unwrap().code, "AADSTS7000222");
        assert!(!failure.to_string().contains("planted"), "{failure}");
        assert_eq!(failure.to_string().matches("AADSTS7000222").count(), 1, "{failure}");
    }

    #[tokio::test]
    async fn a_sign_in_page_instead_of_a_token_is_told_as_unreadable_or_refused_never_a_panic() {
        let failure = signed_in(Router::new().fallback(|| async { "<html>" })).await.unwrap_err();
        assert_ne!(failure.kind, FailureKind::NotAttempted);
        assert!(!failure.hint.is_empty(), "{failure}");
    }
}
