//! The rule table that is shipped inside the program.

use super::load::Files;
use super::trigger::TriggerFile;
use crate::diagnostics::Source;

macro_rules! sources {
    ($($path:literal),* $(,)?) => {
        vec![$(Source::new(
            concat!("shipped/", $path),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/", $path)),
        )),*]
    };
}

macro_rules! triggers {
    ($($name:literal),* $(,)?) => {
        vec![$(TriggerFile {
            source: Source::new(
                concat!("shipped/kql/", $name, ".kql"),
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/kql/", $name, ".kql")),
            ),
            test: Some(Source::new(
                concat!("shipped/kql/tests/", $name, ".json"),
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/kql/tests/", $name, ".json")),
            )),
            shipped: true,
        }),*]
    };
}

/// The triggers of this build, each with the rows that it is tried on. A rule must name one for it to be run.
pub(super) fn triggers() -> Vec<TriggerFile> {
    triggers![
        "approval-after-prompt-bombing",
        "directory-reconnaissance-burst",
        "dormant-account-signs-in",
        "inbox-rule-hides-mail",
        "replication-by-unusual-account",
        "reset-and-sign-in-from-new-country",
        "service-created-on-domain-controller",
        "sign-in-after-password-spray",
        "weak-kerberos-tickets-for-many-services",
    ]
}

/// Its files, without modes: everything is in simulate.
pub(super) fn files() -> Files {
    Files {
        playbooks: sources![
            "contain-account.yaml",
            "contain-cloud-account.yaml",
            "contain-okta.yaml",
            "force-password-change.yaml",
            "mark-compromised-and-revoke.yaml",
            "revoke-sessions.yaml",
        ],
        rules: sources![
            "rules/admin-sign-in.yaml",
            "rules/approval-after-prompt-bombing.yaml",
            "rules/brute-force-succeeded.yaml",
            "rules/certificate-abuse.yaml",
            "rules/certificate-authority-tampering.yaml",
            "rules/cloud-persistence.yaml",
            "rules/data-exfiltration.yaml",
            "rules/dcshadow.yaml",
            "rules/dcsync.yaml",
            "rules/directory-reconnaissance-burst.yaml",
            "rules/dormant-account-signs-in.yaml",
            "rules/federation-certificate.yaml",
            "rules/federation-tampering.yaml",
            "rules/golden-ticket.yaml",
            "rules/group-policy-tampering.yaml",
            "rules/honeytoken-changed.yaml",
            "rules/honeytoken-used.yaml",
            "rules/inbox-rule-hides-mail.yaml",
            "rules/kerberos-exploit.yaml",
            "rules/kerberos-ticket-abuse.yaml",
            "rules/key-theft.yaml",
            "rules/leaked-credentials-used.yaml",
            "rules/mailbox-and-files.yaml",
            "rules/malicious-certificate-sign-in.yaml",
            "rules/okta-admin-abuse.yaml",
            "rules/okta-session-theft.yaml",
            "rules/pass-the-hash.yaml",
            "rules/privilege-tampering.yaml",
            "rules/relay-victim.yaml",
            "rules/remote-execution.yaml",
            "rules/replication-by-unusual-account.yaml",
            "rules/reset-and-sign-in-from-new-country.yaml",
            "rules/roasted-accounts.yaml",
            "rules/second-factor-added.yaml",
            "rules/sensitive-group-change.yaml",
            "rules/service-created-on-domain-controller.yaml",
            "rules/shadow-credentials-victim.yaml",
            "rules/shadow-credentials-writer.yaml",
            "rules/sign-in-after-password-spray.yaml",
            "rules/spray-succeeded.yaml",
            "rules/stolen-session.yaml",
            "rules/suspicious-vpn.yaml",
            "rules/sync-to-cloud-movement.yaml",
            "rules/weak-kerberos-tickets-for-many-services.yaml",
        ],
        ..Files::default()
    }
}
