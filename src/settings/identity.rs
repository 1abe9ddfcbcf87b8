//! Who riposte is: its tenant, and how it signs in.

use std::path::PathBuf;

use serde::Serialize;
use uuid::Uuid;

use super::certificate::CertificateFiles;
use super::cloud::Cloud;
use super::origin::Origin;
use super::read::{Item, Table};
use super::secret::SecretSource;
use crate::model::scope::TenantKey;

/// `[tenant]`.
#[derive(Debug, Clone, Serialize)]
pub struct Tenant {
    /// The Entra tenant.
    pub id: TenantKey,
    /// The cloud in which it lives.
    pub cloud: Cloud,
}

/// `[identity]`: who riposte is when it reads and, where nothing else is said, when it acts and comments.
#[derive(Debug, Clone, Serialize)]
pub struct Identities {
    /// Reads.
    #[serde(flatten)]
    pub read: Identity,
    /// `[identity.act]`: makes the calls that change accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Identity>,
    /// `[identity.comment]`: makes the calls that write into incidents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Identity>,
}

/// How riposte gets tokens.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Identity {
    /// The identity of the machine or container app.
    ManagedIdentity {
        /// For a user-assigned one.
        client_id: Option<Uuid>,
    },
    /// A Kubernetes service account that Entra trusts.
    WorkloadIdentity {
        /// The application; from `AZURE_CLIENT_ID` when the file does not say.
        client_id: Uuid,
        /// The projected token, read anew for each request; from `AZURE_FEDERATED_TOKEN_FILE` when the file does not say.
        token_file: PathBuf,
    },
    /// An application with a secret.
    ClientSecret {
        /// The application.
        client_id: Uuid,
        /// Its secret.
        secret: SecretSource,
    },
    /// An application with a certificate.
    ClientCertificate {
        /// The application.
        client_id: Uuid,
        /// Its certificate.
        #[serde(flatten)]
        files: CertificateFiles,
    },
    /// Whoever is signed in to the Azure CLI: to try things out by hand.
    AzureCli,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Managed,
    Workload,
    Secret,
    Certificate,
    AzureCli,
}

const KINDS: &[(&str, Kind)] = &[
    ("managed-identity", Kind::Managed),
    ("workload-identity", Kind::Workload),
    ("client-secret", Kind::Secret),
    ("client-certificate", Kind::Certificate),
    ("azure-cli", Kind::AzureCli),
];

impl Tenant {
    pub(super) fn read(mut table: Table<'_>) -> (Option<Self>, Cloud) {
        let id = table.uuid("id", "the GUID of the Entra tenant");
        let cloud = table.word("cloud", Cloud::Global, &Cloud::WORDS);
        table.end();
        (id.map(|id| Self { id: TenantKey(id), cloud }), cloud)
    }
}

impl Identities {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        let mut other = |key| table.take(key).map(|item| item.table().and_then(|table| Identity::read(table, false)));
        let (act, comment) = (other("act"), other("comment"));
        let read = Identity::read(table, true);
        // One that is wrong is a finding, and no reason to use another in its place.
        let whole = |other: Option<Option<Identity>>| other.map_or(Some(None), |other| other.map(Some));
        Some(Self { read: read?, act: whole(act)?, comment: whole(comment)? })
    }

    /// Who makes the calls that change accounts.
    #[must_use]
    pub fn acts(&self) -> &Identity {
        self.act.as_ref().unwrap_or(&self.read)
    }

    /// Who writes into incidents.
    #[must_use]
    pub fn comments(&self) -> &Identity {
        self.comment.as_ref().unwrap_or(&self.read)
    }

    /// Each of them once.
    pub fn all(&self) -> impl Iterator<Item = &Identity> {
        std::iter::once(&self.read).chain(&self.act).chain(&self.comment)
    }
}

impl Identity {
    /// The application's client id; none of an identity that the settings do not name.
    #[must_use]
    pub const fn client_id(&self) -> Option<Uuid> {
        match self {
            Self::ManagedIdentity { client_id } => *client_id,
            Self::WorkloadIdentity { client_id, .. }
            | Self::ClientSecret { client_id, .. }
            | Self::ClientCertificate { client_id, .. } => Some(*client_id),
            Self::AzureCli => None,
        }
    }

    /// Where `by_environment`, a workload's client id may come from where its webhook puts it: it is the one that reads.
    fn read(mut table: Table<'_>, by_environment: bool) -> Option<Self> {
        let kinds = "managed-identity, workload-identity, client-secret, client-certificate or azure-cli";
        let kind = table.need("kind", kinds);
        if let Some(item) = &kind {
            table.blame(item.origin());
        }
        let meant = kind.as_ref().and_then(|item| item.nearest(KINDS));
        let kind = kind.and_then(|item| item.word(KINDS));
        let identity = match kind.or(meant) {
            Some(Kind::Managed) => {
                Some(Self::ManagedIdentity { client_id: table.take("client_id").and_then(Item::uuid) })
            }
            Some(Kind::Workload) => workload(&mut table, by_environment),
            Some(Kind::Secret) => {
                let client_id = table.uuid("client_id", "the application's (client) id");
                let secret = table.need("client_secret", "the application's secret: { env = ... } or { file = ... }");
                client_id
                    .zip(secret.and_then(SecretSource::of))
                    .map(|(client_id, secret)| Self::ClientSecret { client_id, secret })
            }
            Some(Kind::Certificate) => {
                let client_id = table.uuid("client_id", "the application's (client) id");
                let files = CertificateFiles::of(&mut table);
                client_id.zip(files).map(|(client_id, files)| Self::ClientCertificate { client_id, files })
            }
            Some(Kind::AzureCli) => Some(Self::AzureCli),
            // What is missing or too much is not known without the kind; what is wrong with any is.
            None => {
                table.take("client_id").and_then(Item::uuid);
                for key in ["token_file", "certificate", "private_key"] {
                    table.take(key).and_then(Item::path);
                }
                table.take("client_secret").and_then(SecretSource::of);
                None
            }
        };
        table.end();
        identity.filter(|_| kind.is_some())
    }
}

fn workload(table: &mut Table<'_>, by_environment: bool) -> Option<Identity> {
    let reading = table.reading();
    let variable = reading.variable("AZURE_CLIENT_ID").filter(|_| by_environment);
    let client_id = match (table.take("client_id"), variable) {
        (Some(item), _) => item.uuid(),
        (None, Some(text)) => {
            let id = Uuid::parse_str(text.trim()).ok();
            if id.is_none() {
                let origin = Origin::Variable("AZURE_CLIENT_ID".into());
                let message = "environment variable AZURE_CLIENT_ID is not a GUID";
                reading.error("settings/wrong-value", &origin, message, None);
            }
            id
        }
        (None, None) => {
            let wanted =
                if by_environment { "here or in AZURE_CLIENT_ID" } else { "here: AZURE_CLIENT_ID is for [identity]" };
            table.missing("client_id", &format!("the application's (client) id, {wanted}"));
            None
        }
    };
    let token_file = match (table.take("token_file"), reading.variable("AZURE_FEDERATED_TOKEN_FILE")) {
        (Some(item), _) => item.path(),
        (None, Some(path)) => Some(PathBuf::from(path)),
        (None, None) => {
            table.missing("token_file", "the projected token, here or in AZURE_FEDERATED_TOKEN_FILE");
            None
        }
    };
    Some(Identity::WorkloadIdentity { client_id: client_id?, token_file: token_file? })
}
