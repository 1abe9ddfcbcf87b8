//! The settings as a whole: files, environments and flags in, settings or findings out.

use std::time::Duration;

use super::*;
use crate::diagnostics::Level;

/// Graph is the only source.
const MINIMAL_GRAPH: &str =
    "[tenant]\nid = \"11111111-1111-1111-1111-111111111111\"\n[identity]\nkind = \"managed-identity\"\n";

const MINIMAL: &str = r#"[tenant]
id = "11111111-1111-1111-1111-111111111111"

[identity]
kind = "client-secret"
client_id = "22222222-2222-2222-2222-222222222222"
client_secret = "hunter2"

[[workspaces]]
name = "soc"
id = "33333333-3333-3333-3333-333333333333"
subscription = "44444444-4444-4444-4444-444444444444"
resource_group = "soc-rg"
workspace = "soc-law"

[[okta]]
name = "main"
url = "https://contoso.okta.com"
token = "00hunter3"
"#;

struct Given {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
    flags: Vec<(String, String)>,
}

fn given(text: &str) -> Given {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("riposte.toml"), text).unwrap();
    Given { folder, variables: Vec::new(), flags: Vec::new() }
}

/// The minimal settings, with more text after them.
fn with(more: &str) -> Given {
    given(&format!("{MINIMAL}{more}"))
}

impl Given {
    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, path: &str, value: &str) -> Self {
        self.flags.push((path.into(), value.into()));
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn load(&self) -> Result<(Settings, Vec<Finding>), Vec<Finding>> {
        let path = self.folder.path().join("riposte.toml");
        load(Some(&path), &mut self.variables.iter().cloned(), &self.flags)
    }

    fn settings(&self) -> Settings {
        self.load().unwrap_or_else(|findings| panic!("{}", lines(&findings).join("\n"))).0
    }

    /// Each finding's line without the folder, and its help.
    fn findings(&self) -> Vec<String> {
        let prefix = format!("{}/", self.folder.path().display());
        lines(&self.load().unwrap_err()).into_iter().map(|line| line.replace(&prefix, "")).collect()
    }
}

fn lines(findings: &[Finding]) -> Vec<String> {
    let help = |finding: &Finding| finding.help_text().map(|help| format!(" [{help}]")).unwrap_or_default();
    findings.iter().map(|finding| format!("{}{}", finding.one_line(), help(finding))).collect()
}

#[track_caller]
fn one_finding(given: &Given, expected: &str) {
    let findings = given.findings();
    assert!(findings.len() == 1 && findings[0].contains(expected), "wanted {expected}, found {findings:#?}");
}

#[test]
fn the_minimal_file_gives_every_default() {
    let given = given(MINIMAL);
    let settings = given.settings();
    assert_eq!(settings.tenant.cloud, Cloud::Global);
    assert_eq!(settings.endpoints.graph.url.as_str(), "https://graph.microsoft.com/");
    assert_eq!(settings.endpoints.arm.scope, "https://management.azure.com/.default");
    let source = settings.sources.log_analytics.unwrap();
    assert_eq!((source.every, source.overlap), (Duration::from_secs(30), Duration::from_secs(1_800)));
    assert!(settings.sources.graph.is_some());
    assert_eq!(settings.journal.sqlite, given.folder.path().join("riposte.db"));
    assert_eq!(settings.rules.modes, given.folder.path().join("playbooks/modes.yaml"));
    assert_eq!(settings.verify.looks.len(), 5);
    let rails = settings.guardrails;
    assert_eq!(rails.unwitnessed, Unwitnessed::Withhold);
    assert_eq!((rails.limits.per_hour, rails.limits.per_day, rails.limits.high_reserve), (20, 100, 5));
    assert!(settings.listen.is_none() && settings.proxy.is_none());
}

#[test]
fn the_whole_file_is_understood() {
    let given = with(
        r#"
[sources]
log_analytics = { every = "10s", overlap = "5m", first_lookback = "2d", page_rows = 100, providers = ["X"] }
entities_wait = "1m"
[endpoints]
login = "https://127.0.0.1:8443"
graph = "http://127.0.0.1:8443/graph"
log_analytics = "api.loganalytics.io"
[proxy]
url = "http://proxy:8080"
user = "riposte"
password = { env = "PROXY_PASSWORD" }
no_proxy = ["localhost", ".contoso.com"]
[tls]
ca_file = "ca.pem"
[journal]
sqlite = "/data/riposte.db"
keep = "400d"
[rules]
dir = "rules"
kql = "kql"
modes = "modes.yaml"
[guardrails]
break_glass = ["bg1@contoso.com", "S-1-5-21-1-2-3-1104"]
privileged = ["00g1ab2cd3EF4gh5IJ60"]
approvers = "55555555-5555-5555-5555-555555555555"
unwitnessed = "allow"
max_age = "12h"
max_accounts_per_alert = 3
cooldown = "2h"
approval_ttl = "30m"
[guardrails.forests]
Contoso = "Contoso.com"
[guardrails.limits]
per_hour = 10
per_day = 50
high_reserve = 2
burst = { accounts = 7, window = "5m" }
[verify]
looks = ["0s", "1s"]
sync_interval = "10m"
[http]
listen = "0.0.0.0:8080"
[log]
format = "json"
level = "riposte=debug"
"#,
    )
    .variable("PROXY_PASSWORD", "hunter4")
    .file("ca.pem", "-----BEGIN CERTIFICATE-----\n")
    .file("rules/x", "")
    .file("kql/x", "")
    .file("modes.yaml", "");
    let settings = given.settings();
    assert!(settings.sources.graph.is_none(), "a section that names one source means that one only");
    assert_eq!(settings.sources.log_analytics.unwrap().providers, ["X"]);
    assert_eq!(settings.endpoints.graph.scope, "https://graph.microsoft.com/.default");
    assert_eq!(settings.endpoints.log_analytics.scope, "https://api.loganalytics.io/.default");
    let proxy = settings.proxy.unwrap();
    assert_eq!(proxy.password.unwrap().read().unwrap().expose(), "hunter4");
    assert_eq!(settings.rules.kql, Some(given.folder.path().join("kql")));
    assert_eq!(settings.guardrails.forests["CONTOSO"], "contoso.com");
    assert_eq!(settings.guardrails.limits.burst, Burst { accounts: 7, window: Duration::from_secs(300) });
    assert_eq!(settings.journal.keep, Some(Duration::from_secs(400 * 86_400)));
    assert_eq!(settings.listen.unwrap().to_string(), "0.0.0.0:8080");
    assert_eq!(settings.log, Log { format: LogFormat::Json, level: "riposte=debug".into() });
}

#[test]
fn every_mistake_comes_at_once_with_its_place() {
    let text = r#"[tenant]
id = "not-a-guid"
clod = "global"
[identity]
kind = "managed"
[[workspaces]]
name = "soc"
id = 5
[sources]
graph = { every = "soon" }
[guardrails]
break_glass = ["bg1@contoso.com", "Domain Admins"]
max_accounts_per_alert = 0
[gardrails]
"#;
    let expected = [
        "riposte.toml:2:6: error[settings/wrong-value]: tenant.id: \"not-a-guid\" is not a GUID such as",
        "riposte.toml:3:1: error[settings/unknown-key]: tenant.clod is no setting [did you mean cloud?]",
        "riposte.toml:5:8: error[settings/wrong-value]: identity.kind: \"managed\" is none of managed-identity,",
        "riposte.toml:6:1: error[settings/missing]: workspaces[0].resource_group is missing; expected its resource group",
        "riposte.toml:6:1: error[settings/missing]: workspaces[0].subscription is missing",
        "riposte.toml:6:1: error[settings/missing]: workspaces[0].workspace is missing",
        "riposte.toml:8:6: error[settings/wrong-type]: workspaces[0].id: expected text in quotes, found a number",
        "riposte.toml:10:19: error[settings/wrong-value]: sources.graph.every: \"soon\" is not a duration such as 30s",
        "riposte.toml:12:35: error[settings/wrong-value]: guardrails.break_glass: \"Domain Admins\" is neither a UPN,",
        "riposte.toml:13:26: error[settings/wrong-value]: guardrails.max_accounts_per_alert: 0 is outside of",
        "riposte.toml:14:2: error[settings/unknown-key]: gardrails is no setting [did you mean guardrails?]",
    ];
    let findings = given(text).findings();
    assert_eq!(findings.len(), expected.len(), "{findings:#?}");
    for (found, expected) in findings.iter().zip(expected) {
        assert!(found.starts_with(expected), "wanted {expected}, found {found}");
    }
}

#[test]
fn a_wrong_kind_of_identity_hides_nothing_else_that_is_wrong_with_it() {
    let identity = |keys: &str| {
        given(&format!("[tenant]\nid = \"11111111-1111-1111-1111-111111111111\"\n[identity]\n{keys}")).findings()
    };
    let slip = identity("kind = \"client-secrt\"\nclient_id = 5\ncolour = 1\n");
    let expected = [
        "riposte.toml:3:2: error[settings/missing]: identity.client_secret is missing",
        "riposte.toml:4:8: error[settings/wrong-value]: identity.kind: \"client-secrt\" is none of",
        "riposte.toml:5:13: error[settings/wrong-type]: identity.client_id: expected text",
        "riposte.toml:6:1: error[settings/unknown-key]: identity.colour is no setting",
    ];
    assert!(slip.len() == 4 && slip.iter().zip(expected).all(|(found, wanted)| found.starts_with(wanted)), "{slip:#?}");
    // What another word needs is not known; what is wrong with any is.
    let unknown = identity("kind = \"certificate\"\nclient_id = 5\ncolour = 1\n");
    assert_eq!(unknown.len(), 3, "{unknown:#?}");
}

#[test]
fn what_rules_are_checked_by_is_known_as_far_as_it_can_be_read() {
    let basis = |text: &str| {
        let given = given(text);
        let path = given.folder.path().join("riposte.toml");
        inspect(Some(&path), &mut std::iter::empty(), &[]).unwrap_err().basis.unwrap()
    };
    let broken = basis("[guardrails]\nmax_age = 5\nlimits = { per_hour = 7 }\n[[workspaces]]\nname = \"soc\"\n");
    let unwitnessed = Some(Unwitnessed::Withhold);
    let rails = RuleRails { break_glass_empty: Some(true), per_hour: Some(7), per_day: Some(100), unwitnessed };
    assert_eq!((broken.rails, broken.workspaces), (rails, None));
    let listed = basis("[guardrails]\nbreak_glass = [\"nobody\"]\nlimits = { per_hour = 0 }\n");
    let rails = RuleRails { unwitnessed, ..RuleRails::default() };
    assert_eq!((listed.rails, listed.workspaces), (rails, Some(Vec::new())));
    for lost in ["guardrails = 5\n", "[guardrails]\nbreak_glass = [\"a@b.c\"\n"] {
        assert_eq!(basis(lost).rails, RuleRails::default(), "{lost}");
    }
}

#[test]
fn broken_toml_comes_first_and_the_rest_is_still_checked() {
    let findings = given("[http]\nlisten = \"nowhere\"\n[tenant]\nid = \"1\n").findings();
    assert!(findings[0].starts_with("riposte.toml:4:8: error[settings/syntax]: not TOML"), "{findings:#?}");
    assert!(findings[1].starts_with("riposte.toml:2:10: error[settings/wrong-value]"), "{findings:#?}");
    assert_eq!(findings.len(), 2, "what could not be read is not missing: {findings:#?}");
}

#[test]
fn one_slip_in_toml_is_told_once() {
    let findings = given("[guardrails]\nbreak_glass = [\"a@b.c\"\nmax_age = \"24h\"\n").findings();
    assert_eq!(findings.len(), 1, "{findings:#?}");
}

#[test]
fn a_missing_section_is_reported_by_the_keys_it_must_have() {
    let findings = given("").findings();
    for key in ["tenant.id", "identity.kind"] {
        assert!(findings.iter().any(|line| line.contains(&format!("{key} is missing"))), "{findings:#?}");
    }
    assert_eq!(findings.len(), 2, "Graph alone is a source: {findings:#?}");
}

#[test]
fn the_environment_goes_over_the_file_and_flags_over_both() {
    let given =
        with("[verify]\nsync_interval = \"1m\"\n[log]\nlevel = \"warn\"\n[sources]\ngraph = { every = \"1m\" }\n")
            .variable("RIPOSTE__VERIFY__SYNC_INTERVAL", "2m")
            .variable("RIPOSTE__SOURCES__GRAPH__EVERY", "2m")
            .variable("RIPOSTE__VERIFY__LOOKS", "0s, 3s")
            .variable("RIPOSTE__GUARDRAILS__LIMITS__PER_HOUR", "7")
            .variable("RIPOSTE__OKTA__0__TOKEN", "from-variable")
            .variable("RIPOSTE__SOURCES__LOG_ANALYTICS", "false")
            .variable("RIPOSTE_LOG", "trace")
            .variable("UNRELATED", "x")
            .flag("sources.graph.every", "3m");
    let settings = given.settings();
    assert_eq!(settings.verify.sync_interval, Duration::from_secs(120));
    assert_eq!(settings.verify.looks, [Duration::ZERO, Duration::from_secs(3)]);
    assert_eq!(settings.sources.graph.unwrap().every, Duration::from_secs(180));
    assert_eq!(settings.guardrails.limits.per_hour, 7);
    let OktaSignIn::Token { token } = &settings.okta[0].sign_in else { panic!("{:?}", settings.okta) };
    assert_eq!(token.read().unwrap().expose(), "from-variable");
    assert_eq!(settings.okta[0].name, "main");
    assert!(settings.sources.log_analytics.is_none());
    assert_eq!(settings.log.level, "trace");
}

#[test]
fn everything_can_come_from_the_environment() {
    let variables = [
        ("RIPOSTE__TENANT__ID", "11111111-1111-1111-1111-111111111111"),
        ("RIPOSTE__IDENTITY__KIND", "workload-identity"),
        ("AZURE_CLIENT_ID", "22222222-2222-2222-2222-222222222222"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/token"),
        ("RIPOSTE__WORKSPACES__0__NAME", "soc"),
        ("RIPOSTE__WORKSPACES__0__ID", "33333333-3333-3333-3333-333333333333"),
        ("RIPOSTE__WORKSPACES__0__SUBSCRIPTION", "44444444-4444-4444-4444-444444444444"),
        ("RIPOSTE__WORKSPACES__0__RESOURCE_GROUP", "rg"),
        ("RIPOSTE__WORKSPACES__0__WORKSPACE", "law"),
    ];
    let given = variables.into_iter().fold(given(""), |given, (name, value)| given.variable(name, value));
    let settings = given.settings();
    assert_eq!(settings.workspaces[0].workspace, "law");
    assert!(matches!(settings.identity.read, Identity::WorkloadIdentity { .. }));
}

#[test]
fn a_wrong_variable_is_named_and_a_wrong_flag_too() {
    one_finding(
        &given(MINIMAL).variable("RIPOSTE__VERIFY__SYNC_INTERVAL", "soon"),
        "error[settings/wrong-value]: environment variable RIPOSTE__VERIFY__SYNC_INTERVAL: \"soon\" is not a duration",
    );
    one_finding(
        &given(MINIMAL).variable("RIPOSTE__VERIFY__SINC_INTERVAL", "1m"),
        "environment variable RIPOSTE__VERIFY__SINC_INTERVAL is no setting [did you mean sync_interval?]",
    );
    one_finding(&given(MINIMAL).variable("RIPOSTE____X", "1"), "RIPOSTE____X names no setting");
    one_finding(&given(MINIMAL).variable("RIPOSTE__OKTA__999999999__TOKEN", "1"), "names no setting");
    let gap = given(MINIMAL).variable("RIPOSTE__WORKSPACES__5__NAME", "soc").findings();
    let says = |words: &str| gap.iter().any(|finding| finding.contains(words));
    assert!(says("workspaces has entries with higher numbers, but no workspaces[1]"), "{gap:#?}");
    assert!(!says("found nothing"), "{gap:#?}");
    one_finding(&given(MINIMAL).flag("http.listen", "here"), "flag http.listen: \"here\" is neither off nor");
}

#[test]
fn a_mistake_that_came_with_a_flag_or_a_variable_never_points_into_the_file() {
    for (flag, value, expected) in [
        ("foo.bar", "1", "error[settings/unknown-key]: flag foo.bar: foo is no setting"),
        ("tenant", "5", "error[settings/wrong-type]: flag tenant: expected a table, found text"),
        ("sources.graph", "false", "error[settings/missing]: flag sources.graph: no source"),
        (
            "sources.log_analytics.every",
            "9s",
            "flag sources.log_analytics.every: sources.log_analytics without a workspace",
        ),
    ] {
        let findings = given(MINIMAL_GRAPH).flag(flag, value).findings();
        assert!(findings.len() == 1 && findings[0].contains(expected), "wanted {expected}, found {findings:#?}");
        assert!(!findings[0].contains("riposte.toml:"), "{findings:#?}");
    }
    let secret = given(MINIMAL_GRAPH).flag("identity.kind", "client-secret").findings();
    let okta = given(MINIMAL_GRAPH).variable("RIPOSTE__OKTA__0__NAME", "main").findings();
    for (findings, from) in [(secret, "flag identity.kind"), (okta, "environment variable RIPOSTE__OKTA__0__NAME")] {
        assert_eq!(findings.len(), 2, "{findings:#?}");
        let wanted = format!("error[settings/missing]: {from}: ");
        assert!(findings.iter().all(|line| line.starts_with(&wanted)), "{findings:#?}");
    }
}

#[test]
fn values_that_cannot_be_are_found_where_they_stand() {
    let cases = [
        (
            "[http]\nlisten = \"8080\"\n",
            "riposte.toml:21:10: error[settings/wrong-value]: http.listen: \"8080\" is neither",
        ),
        (
            "[log]\nformat = \"jsn\"\n",
            "riposte.toml:21:10: error[settings/wrong-value]: log.format: \"jsn\" is none of auto, pretty, json [did you mean json?]",
        ),
        ("[log]\nlevel = \"loud\"\n", "log.level: \"loud\" is no level"),
        ("[endpoints]\ngraph = \"http://graph.contoso.com\"\n", "must be https"),
        (
            "[endpoints]\ngraf = \"x\"\n",
            "riposte.toml:21:1: error[settings/unknown-key]: endpoints.graf is no setting [known here: login, graph, log_analytics, arm]",
        ),
        ("[proxy]\nurl = \"http://u:p4ss@proxy:1\"\n", "proxy.url: \"http://***@proxy:1\" must not carry credentials"),
        ("[proxy]\nurl = \"http://proxy:1\"\npassword = \"x\"\n", "proxy.password without proxy.user"),
        ("[tls]\nca_file = \"none.pem\"\n", "cannot be read"),
        (
            "[journal]\nsqlite = \"postgres://u:p4ss@h/db\"\n",
            "journal.sqlite: \"postgres://***@h/db\" is an address; expected the path of a file",
        ),
        (
            "[endpoints]\ngraph = \"https://graph.microsoft.com/v1.0/\"\n",
            "endpoints.graph: \"https://graph.microsoft.com/v1.0/\" must not end in the API's version, which riposte adds itself: leave /v1.0 out",
        ),
        ("[endpoints]\nlogin = \"notaurl\"\n", "endpoints.login: \"notaurl\" is not an address"),
        (
            "[journal]\npostgres = \"postgres://u:p4ss@h/db\"\n",
            "must not carry a password; give it as journal.password",
        ),
        (
            "[journal]\npostgres = \"postgres://u@h/db?password=p4ss\"\n",
            "journal.postgres: \"postgres://***@h/db?password=***\" must hold no option but sslmode",
        ),
        ("[journal]\nkeep = \"7d\"\n", "journal.keep: \"7d\" is outside of what makes sense here, 31d to 36500d"),
        ("[journal]\npostgres = \"mysql://u@h/db\"\n", "is no address such as postgres://USER@HOST/DATABASE"),
        ("[journal]\nsqlite = \"a.db\"\npostgres = \"postgres://u@h/db\"\n", "there is one journal [leave one"),
        (
            "[guardrails.limits]\nper_hour = 10\nper_day = 5\n",
            "guardrails.limits.per_day (5) is less than guardrails.limits.per_hour (10)",
        ),
        (
            "[guardrails.limits]\nper_hour = 10\nhigh_reserve = 10\n",
            "guardrails.limits.high_reserve (10) leaves nothing",
        ),
        ("[guardrails.forests]\n\"A.B\" = \"contoso.com\"\n", "the key is no NetBIOS domain name"),
        ("[guardrails.forests]\nCONTOSO = \"contoso\"\n", "is not a DNS domain"),
        ("[verify]\nlooks = [\"5s\", \"1s\"]\n", "must be durations that grow"),
        ("[sources]\ngraph = false\n", "no source"),
        ("[sources]\nlog_analytics = { every = \"1ms\" }\n", "is outside of what makes sense here, 100ms to 1h"),
        ("[sources.log_analytics]\nproviders = []\n", "no row would be read"),
        ("[verify]\nsync_interval = 5\n", "verify.sync_interval: expected text in quotes, found a number"),
        ("[guardrails]\nmax_accounts_per_alert = \"5\"\n", "expected a whole number, found text"),
        ("\"a.b[0]\" = 1\n", "unknown-key"),
        ("[[okta]]\nname = \"MAIN\"\nurl = \"https://b.okta.com\"\ntoken = \"x\"\n", "\"MAIN\" stands here twice"),
        ("[http]\nlisten = \"\"\n", "http.listen is empty"),
    ];
    for (more, expected) in cases {
        one_finding(&with(more), expected);
    }
}

#[test]
fn a_secret_that_cannot_be_had_is_a_warning_with_its_place() {
    let with_secret = |secret: &str| given(&MINIMAL.replace("\"hunter2\"", secret));
    let one_warning = |given: &Given, expected: &str| {
        let (settings, findings) = given.load().unwrap();
        let found = lines(&findings);
        assert!(found.len() == 1 && found[0].contains(expected), "wanted {expected}, found {found:#?}");
        assert_eq!((findings[0].code(), findings[0].level()), (SECRET_MISSING, Level::Warning));
        let Identity::ClientSecret { secret, .. } = settings.identity.read else { panic!("another identity") };
        assert!(secret.read().is_err());
    };
    one_warning(
        &with_secret("{ env = \"NOPE\" }"),
        "identity.client_secret.env: the environment variable \"NOPE\" cannot be used: it is not set",
    );
    one_warning(
        &with_secret("{ file = \"nope\" }"),
        "riposte.toml:7:26: warning[settings/secret-missing]: identity.client_secret.file",
    );
    one_finding(&with_secret("{ env = \"A\", file = \"b\" }"), "must name one place");
    one_finding(&with_secret("{ }"), "must name one place");
    one_finding(&with_secret("\"\""), "identity.client_secret is empty");
    one_finding(&with_secret("{ env = \"A\", fil = \"b\" }").variable("A", "x"), "did you mean file?");
    assert!(with_secret("{ file = \"s\" }").file("s", "x\n").load().is_ok());
}

#[test]
fn a_later_layer_that_moves_a_secret_to_another_place_wins() {
    let given = given(&MINIMAL.replace("\"hunter2\"", "{ env = \"NOPE\" }"))
        .file("s", "from-file\n")
        .variable("RIPOSTE__IDENTITY__CLIENT_SECRET__FILE", "placeholder");
    let path = given.folder.path().join("s").display().to_string();
    let given = Given { variables: vec![("RIPOSTE__IDENTITY__CLIENT_SECRET__FILE".into(), path)], ..given };
    let Identity::ClientSecret { secret, .. } = given.settings().identity.read else { panic!("another identity") };
    assert_eq!(secret.read().unwrap().expose(), "from-file");
}

#[test]
fn no_secret_is_in_any_dump_or_finding() {
    let given = with("[proxy]\nurl = \"http://proxy:1\"\nuser = \"u\"\npassword = { env = \"P\" }\n")
        .variable("P", "hunter4")
        .variable("RIPOSTE__OKTA__0__TOKEN", "hunter5");
    let settings = given.settings();
    let dump = format!("{}{settings:?}{settings:#?}", settings.print_redacted());
    assert!(!dump.contains("hunter"), "{dump}");
    assert!(dump.contains("***"));

    let broken = [
        MINIMAL.replace("client_secret = \"hunter2\"", "cleint_secrt = \"hunter2\""),
        MINIMAL.replace("client_secret = \"hunter2\"", "client_secret = [\"hunter2\"]"),
        MINIMAL.replace("client_secret = \"hunter2\"", "client_secret = { value = \"hunter2\" }"),
        MINIMAL.replace("client_secret = \"hunter2\"", "client_secret = \"hunter2\\n\""),
        MINIMAL.replace("client_secret = \"hunter2\"", "client_secret = \"hunter2"),
        MINIMAL.replace("kind = \"client-secret\"", "kind = \"oops\""),
        format!("{MINIMAL}[proxy]\nfoo = {{ url = 5, a = \"hunter2\" }}\n"),
        format!("{MINIMAL}[proxy]\nproxy = {{ url = 5, password = \"hunter2\" }}\nurl = \"x://u:hunter2@h\"\n"),
        format!("{MINIMAL}[journal]\npostgres = \"postgres://u:hunter2@h/db\"\n"),
        MINIMAL.replace(
            "token = ",
            "client_id = \"0oa1\"\nprivate_key = \"\"\"\n-----BEGIN PRIVATE KEY-----\nhunter2\n\"\"\"\n#",
        ),
        MINIMAL.replace("token = ", "privat_key = \"\"\"\n-----BEGIN PRIVATE KEY-----\nhunter2\n\"\"\"\ntoken = "),
        format!("{MINIMAL}[oops.deep]\nx = [\"hunter2\"]\n"),
    ];
    for text in broken {
        let findings = self::given(&text).load().unwrap_err();
        let all: String = findings.iter().map(|finding| format!("{}{finding:?}", finding.render(false))).collect();
        assert!(!all.contains("hunter"), "{all}");
    }
}

#[test]
fn the_clouds_differ_in_hosts_and_in_what_is_on() {
    let in_cloud = |cloud: &str| given(&MINIMAL.replacen("[identity]", &format!("cloud = \"{cloud}\"\n[identity]"), 1));
    let gov = in_cloud("us-gov-l5").settings();
    assert_eq!(gov.endpoints.graph.url.host_str(), Some("dod-graph.microsoft.us"));
    assert_eq!(gov.endpoints.login.url.host_str(), Some("login.microsoftonline.us"));
    assert!(gov.sources.graph.is_some());
    let (china, warnings) = in_cloud("china").load().unwrap();
    assert!(china.sources.graph.is_none());
    assert!(lines(&warnings)[0].contains("warning[settings/no-witness]"), "{warnings:?}");
    one_finding(&in_cloud("chin"), "did you mean china?");
}

#[test]
fn each_cloud_has_its_own_hosts_and_tokens_for_them() {
    let hosts = [
        (
            "global",
            ["login.microsoftonline.com", "graph.microsoft.com", "api.loganalytics.azure.com", "management.azure.com"],
        ),
        (
            "us-gov-l4",
            ["login.microsoftonline.us", "graph.microsoft.us", "api.loganalytics.us", "management.usgovcloudapi.net"],
        ),
        (
            "us-gov-l5",
            [
                "login.microsoftonline.us",
                "dod-graph.microsoft.us",
                "api.loganalytics.us",
                "management.usgovcloudapi.net",
            ],
        ),
        (
            "china",
            [
                "login.chinacloudapi.cn",
                "microsoftgraph.chinacloudapi.cn",
                "api.loganalytics.azure.cn",
                "management.chinacloudapi.cn",
            ],
        ),
    ];
    assert_eq!(hosts.map(|(word, _)| word), Cloud::WORDS.map(|(word, _)| word), "every cloud stands here");
    for (word, expected) in hosts {
        let text = MINIMAL.replacen("[identity]", &format!("cloud = \"{word}\"\n[identity]"), 1);
        let (settings, _) = given(&text).load().unwrap();
        let Endpoints { login, graph, log_analytics, arm } = &settings.endpoints;
        let endpoints = [login, graph, log_analytics, arm];
        assert_eq!(
            endpoints.map(|endpoint| endpoint.url.as_str().to_owned()),
            expected.map(|host| format!("https://{host}/"))
        );
        let scopes = [graph, log_analytics, arm].map(|endpoint| endpoint.scope.as_str());
        let wanted = [expected[1], expected[2], expected[3]].map(|host| format!("https://{host}/.default"));
        assert_eq!(scopes.as_slice(), wanted.as_slice(), "{word}");
    }
}

#[test]
fn whoever_acts_and_comments_may_be_another_than_who_reads_and_is_checked_as_well() {
    let (settings, _) = with("[identity.act]\nkind = \"azure-cli\"\n").load().unwrap();
    assert!(matches!(settings.identity.acts(), Identity::AzureCli));
    assert!(matches!(settings.identity.comments(), Identity::ClientSecret { .. }));
    let shown = serde_json::to_value(&settings.identity).unwrap();
    assert_eq!((&shown["kind"], &shown["act"]["kind"]), (&"client-secret".into(), &"azure-cli".into()));
    for (section, finding) in [
        ("[identity.comment]\nkind = \"client-secret\"\n", "identity.comment.client_id is missing"),
        ("[identity.act]\nkind = \"azure-cly\"\n", "identity.act.kind: \"azure-cly\" is none of managed-identity"),
        ("[identity.act]\nkind = \"azure-cli\"\ncolour = 1\n", "identity.act.colour is no setting"),
        ("[identity.act]\nkind = \"workload-identity\"\ntoken_file = \"t\"\n", "identity.act.client_id is missing"),
    ] {
        let with = with(section).variable("AZURE_CLIENT_ID", "22222222-2222-2222-2222-222222222222");
        let found = lines(&with.load().unwrap_err()).join("\n");
        assert!(found.contains(finding), "{found}");
    }
    one_finding(&given(&MINIMAL.replace("[identity]\n", "[identity]\nact = 5\n")), "identity.act: expected a table");
}

#[test]
fn a_certificate_is_named_by_its_files_and_one_that_cannot_be_read_is_a_warning() {
    let text = MINIMAL.replace("\"client-secret\"", "\"client-certificate\"");
    let line = text.lines().find(|line| line.starts_with("client_secret")).unwrap().to_owned();
    let text = text.replace(&line, "certificate = \"app.pem\"\nprivate_key = \"app.key\"");
    let named = given(&text);
    let (settings, warnings) = named.load().unwrap();
    let Identity::ClientCertificate { files, .. } = &settings.identity.read else { panic!("{:?}", settings.identity) };
    assert_eq!(files.certificate, named.folder.path().join("app.pem"));
    let warned = lines(&warnings).join("\n");
    assert!(
        warned.contains("warning[settings/secret-missing]: identity.certificate: the certificate in the file"),
        "{warned}"
    );
}

/// The minimal settings, with other lines in the place of the org's token.
fn with_okta(lines: &str) -> Given {
    given(&MINIMAL.replace("token = \"00hunter3\"\n", lines))
}

fn rsa_pem() -> String {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap().serialize_pem()
}

#[test]
fn an_okta_org_takes_a_token_or_the_key_of_a_service_app_and_never_half_of_one_or_both() {
    for (lines, place, what, help) in [
        ("", "16:1", "okta[0].token is missing", "of a service app, client_id and private_key"),
        ("client_id = \"0oa1\"\n", "16:1", "okta[0].private_key is missing", "RSA private key"),
        ("private_key = { file = \"k\" }\n", "16:1", "okta[0].client_id is missing", "client id of the service app"),
        ("key_id = \"k1\"\nclient_id = \"0oa1\"\n", "16:1", "okta[0].private_key is missing", "RSA private key"),
        ("token = \"t\"\nkey_id = \"k\"\n", "20:10", "okta[0].key_id stands beside okta[0].token", "leave token for"),
        ("client_id = \"a b\"\nprivate_key = { file = \"k\" }\n", "19:13", "is not a client id", ""),
        (
            "client_id = \"0oa1\"\nprivate_key = \"hunter4\"\n",
            "20:15",
            "it holds no private key in PEM",
            "BEGIN PRIVATE",
        ),
    ] {
        let given = with_okta(lines).file("k", &rsa_pem());
        let findings = given.findings();
        assert_eq!(findings.len(), 1, "{lines}: {findings:#?}");
        let found = &findings[0];
        assert!(found.starts_with(&format!("riposte.toml:{place}: error")), "{lines}: {found}");
        assert!(found.contains(what) && found.contains(help) && !found.contains("hunter4"), "{lines}: {found}");
    }
}

#[test]
fn the_key_of_an_okta_app_comes_as_value_variable_or_file_that_is_read_again_and_is_printed_as_stars() {
    let (pem, other) = (rsa_pem(), rsa_pem());
    let key = |settings: &Settings| match &settings.okta[0].sign_in {
        OktaSignIn::Key(key) => key.clone(),
        OktaSignIn::Token { .. } => panic!("a token"),
    };
    let value = with_okta(&format!("client_id = \"0oa1\"\nprivate_key = \"\"\"\n{pem}\"\"\"\n")).settings();
    let variable =
        with_okta("client_id = \"0oa1\"\nprivate_key = { env = \"KEY\" }\n").variable("KEY", &pem).settings();
    let named = with_okta("client_id = \"0oa1\"\nprivate_key = { file = \"k\" }\nkey_id = { file = \"id\" }\n");
    let named = named.file("k", &pem).file("id", "k1\n");
    let file = named.settings();
    for settings in [&value, &variable, &file] {
        assert_eq!(key(settings).private_key.read().unwrap().expose().trim_end(), pem.trim_end());
        let shown = format!("{} {settings:?}", settings.print_redacted());
        assert!(!shown.contains("PRIVATE KEY") && shown.contains("0oa1"), "{shown}");
    }
    assert_eq!(key(&file).key_id.unwrap().read().unwrap().expose(), "k1");
    let path = named.folder.path().join("k");
    std::fs::write(&path, &other).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(key(&file).private_key.read().unwrap().expose(), other.trim_end());
}

#[test]
fn a_key_that_does_not_sign_is_told_as_a_secret_that_is_missing() {
    for (file, why) in
        [("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", "must be an RSA key"), ("", "empty")]
    {
        let given = with_okta("client_id = \"0oa1\"\nprivate_key = { file = \"k\" }\n").file("k", file);
        let warned = lines(&given.load().unwrap().1);
        let expected = "riposte.toml:20:24: warning[settings/secret-missing]: okta[0].private_key.file: ";
        assert!(warned.len() == 1 && warned[0].contains(expected) && warned[0].contains(why), "{warned:#?}");
    }
}

#[test]
fn rules_that_are_named_must_be_there_and_those_of_default_names_need_not() {
    assert!(given(MINIMAL).load().is_ok());
    for (key, what) in [("dir", "nowhere"), ("modes", "nowhere.yaml"), ("kql", "nowhere")] {
        let named = with(&format!("[rules]\n{key} = \"{what}\"\n"));
        let resolved = named.folder.path().join(what).display().to_string();
        let finding = lines(&named.load().unwrap_err()).join("\n");
        assert!(finding.contains(&format!("rules.{key}: \"{resolved}\" is not there")), "{finding}");
        assert!(finding.contains("leave") && finding.contains("for the default"), "{finding}");
    }
    one_finding(&with("[rules]\ndir = \"a\"\n").file("a", ""), "is not a folder");
    let there = with("[rules]\ndir = \"a\"\n").file("a/x", "");
    one_finding(
        &there.variable("RIPOSTE__RULES__DIR", "/nowhere"),
        "environment variable RIPOSTE__RULES__DIR: \"/nowhere\"",
    );
    let there = with("[rules]\ndir = \"a\"\n").file("a/x", "");
    one_finding(&there.flag("rules.dir", "/nowhere"), "flag rules.dir: \"/nowhere\" is not there");
}

#[test]
fn the_proxy_of_the_environment_is_used_and_its_password_is_a_secret() {
    let given = given(MINIMAL)
        .variable("HTTPS_PROXY", "http://user:p%40ss@proxy:3128")
        .variable("no_proxy", "localhost, .contoso.com");
    let settings = given.settings();
    let proxy = settings.proxy.clone().unwrap();
    assert_eq!((proxy.url.as_str(), proxy.user.as_deref()), ("http://proxy:3128/", Some("user")));
    assert_eq!(proxy.password.unwrap().read().unwrap().expose(), "p@ss");
    assert_eq!(proxy.no_proxy, ["localhost", ".contoso.com"]);
    assert!(!format!("{settings:?}").contains("p@ss"));
}

#[test]
fn a_proxy_user_without_a_password_is_a_warning() {
    let (_, warnings) = with("[proxy]\nurl = \"http://proxy:1\"\nuser = \"u\"\n").load().unwrap();
    let lines = lines(&warnings);
    assert!(lines.len() == 1 && lines[0].contains("warning[settings/contradiction]: proxy.user without"), "{lines:?}");
    let both = with("[proxy]\nurl = \"http://proxy:1\"\nuser = \"u\"\npassword = \"p4ss\"\n").load().unwrap().1;
    assert!(both.iter().all(|finding| !finding.message().contains("without")), "{both:?}");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let findings = load(Some(Path::new("/nowhere/riposte.toml")), &mut std::iter::empty(), &[]).unwrap_err();
    assert!(lines(&findings)[0].contains("\"/nowhere/riposte.toml\" cannot be read"), "{findings:?}");
    assert!(lines(&findings)[0].contains("[check the path after --config"), "{findings:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("riposte.toml");
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    let findings = load(Some(&file), &mut std::iter::empty(), &[]).unwrap_err();
    assert!(lines(&findings)[0].contains("it is not UTF-8 text"), "{findings:?}");
}

#[test]
fn no_file_makes_the_reader_panic() {
    let odd = [
        "[",
        "a.b.c.d = 1",
        "=",
        "[[tenant]]\n",
        "tenant = 5",
        "okta = [1, \"x\", {}]",
        "\u{0}",
        "[okta]\n0 = 1",
        "sources = []",
        "[identity]\nkind = []",
        "workspaces = [[[[]]]]",
        "x = 1e999",
        "[tenant]\nid = 1979-05-27",
    ];
    for text in odd {
        assert!(given(text).load().is_err(), "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let dotted = format!("{}x = 1", "a.".repeat(100_000));
    let nested = format!("x = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let headed = format!("[{}x]", "a.".repeat(100_000));
    let level = format!("{{ {}x = ", "a.".repeat(15));
    let mixed = format!("x = {}1{}", level.repeat(79), "}".repeat(79));
    let allowed = format!("x = {}1{}", level.repeat(16), "}".repeat(16));
    for text in [dotted, nested, headed, mixed, allowed] {
        let findings = given(&text).load().unwrap_err();
        assert!(!findings.is_empty());
    }
    let variable = format!("RIPOSTE__{}X", "A__".repeat(50_000));
    assert!(given(MINIMAL).variable(&variable, "1").load().is_err());
}

#[test]
fn the_example_file_is_valid_and_its_defaults_are_the_defaults() {
    let example = include_str!("../../deploy/riposte.toml");
    let variables = |given: Given| {
        given.variable("OKTA_TOKEN", "x").file("ca.pem", "-----BEGIN CERTIFICATE-----").file("playbooks/modes.yaml", "")
    };
    let plain = variables(given(example)).settings();
    // What is commented out shows the defaults: taking the marks away changes nothing but paths.
    let spelled: String =
        example.lines().map(|line| format!("{}\n", line.strip_prefix("#: ").unwrap_or(line))).collect();
    assert_ne!(spelled, example);
    let given = variables(given(&spelled));
    let dump = given.settings().print_redacted();
    let folder = given.folder.path().display().to_string();
    assert!(dump.contains(&format!("{folder}/playbooks")), "{dump}");
    let without_folders = |settings: &Settings| {
        let mut settings = settings.clone();
        settings.rules = Rules { dir: "a".into(), kql: None, modes: "b".into(), tables: None };
        settings.journal.sqlite = "c".into();
        settings.tls = Tls::default();
        settings.print_redacted()
    };
    assert_eq!(without_folders(&plain), without_folders(&given.settings()));
}
