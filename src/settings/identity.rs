//! Who riposte is: its tenant, and how it signs in.

use std::path::PathBuf;

use serde::Serialize;
use uuid::Uuid;

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

/// `[identity]`: how riposte gets tokens.
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
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Managed,
    Workload,
    Secret,
}

const KINDS: &[(&str, Kind)] =
    &[("managed-identity", Kind::Managed), ("workload-identity", Kind::Workload), ("client-secret", Kind::Secret)];

/// Kinds of a later version, with keys of their own.
const LATER: &[&str] = &["client-certificate", "azure-cli"];
/// What a word that is none of them may be meant to be; none for a kind of a later version.
const MEANT: &[(&str, Option<Kind>)] = &[
    ("managed-identity", Some(Kind::Managed)),
    ("workload-identity", Some(Kind::Workload)),
    ("client-secret", Some(Kind::Secret)),
    ("client-certificate", None),
    ("azure-cli", None),
];

impl Tenant {
    pub(super) fn read(mut table: Table<'_>) -> (Option<Self>, Cloud) {
        let id = table.uuid("id", "the GUID of the Entra tenant");
        let cloud = table.word("cloud", Cloud::Global, &Cloud::WORDS);
        table.end();
        (id.map(|id| Self { id: TenantKey(id), cloud }), cloud)
    }
}

impl Identity {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        for key in ["act", "comment"] {
            table.not_yet(key, "one identity reads, acts and comments: give it the rights of all three");
        }
        let kind = table.need("kind", "managed-identity, workload-identity or client-secret");
        if let Some(item) = &kind {
            table.blame(item.origin());
        }
        let meant = kind.as_ref().and_then(|item| item.nearest(MEANT));
        let later = meant == Some(None);
        let kind = kind.and_then(self::kind);
        let identity = match kind.or(meant.flatten()) {
            Some(Kind::Managed) => {
                Some(Self::ManagedIdentity { client_id: table.take("client_id").and_then(Item::uuid) })
            }
            Some(Kind::Workload) => workload(&mut table),
            Some(Kind::Secret) => {
                let client_id = table.uuid("client_id", "the application's (client) id");
                let secret = table.need("client_secret", "the application's secret: { env = ... } or { file = ... }");
                client_id
                    .zip(secret.and_then(SecretSource::of))
                    .map(|(client_id, secret)| Self::ClientSecret { client_id, secret })
            }
            // What is missing or too much is not known without the kind; what is wrong with any is.
            None => {
                table.take("client_id").and_then(Item::uuid);
                table.take("token_file").and_then(Item::path);
                table.take("client_secret").and_then(SecretSource::of);
                if later {
                    table.entries().iter().for_each(|(_, item)| item.hide());
                }
                None
            }
        };
        table.end();
        identity.filter(|_| kind.is_some())
    }
}

fn kind(item: Item<'_>) -> Option<Kind> {
    if LATER.iter().any(|word| item.is(word)) {
        let help = Some("use managed-identity, workload-identity or client-secret");
        let message = format!("{}: this way of signing in is not in this version", item.name());
        item.reading().error("settings/not-in-this-version", item.origin(), message, help);
        return None;
    }
    item.word(KINDS)
}

fn workload(table: &mut Table<'_>) -> Option<Identity> {
    let reading = table.reading();
    let client_id = match (table.take("client_id"), reading.variable("AZURE_CLIENT_ID")) {
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
            table.missing("client_id", "the application's (client) id, here or in AZURE_CLIENT_ID");
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
