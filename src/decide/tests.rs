//! The decisions that matter most, made by the shipped rules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use super::case::{Case, CaseAccount};
use super::cleared::Cleared;
use super::plan::{Plan, alert_rows, answers, plan};
use super::rails::{Limits, Listed, Rails};
use super::ready::{Ready, ready};
use super::recheck::{Block, Facts, recheck, recheck_revert};
use super::roles::roles;
use crate::model::account::{AccountHint, AccountRef, Role};
use crate::model::action::{Action, ActionKey, Mode, Needs};
use crate::model::alert::{Entities, NamedAccount, Severity, Sighting, SourceKey};
use crate::model::failure::Provider;
use crate::model::id::{ActionId, AlertId};
use crate::model::intent::{Intent, Verb};
use crate::model::observation::{Fact, Observation, Witness};
use crate::model::offer::Route;
use crate::model::person::{Found, Linked, Membership, Memberships, Person};
use crate::model::reason::Reason;
use crate::model::scope::{TenantKey, WorkspaceKey};
use crate::model::time::At;
use crate::playbook::{Catalogue, Folders, LoadContext, RuleTable, load};
use crate::record::action::{ActionRecord, First};
use crate::record::alert::{AlertEvent, AlertRecord, Decided};

const NOW: At = At::from_unix_seconds(1_800_000_000);
const SID: &str = "S-1-5-21-1-2-3-1104";
const CONTEXT: LoadContext = LoadContext {
    global_cloud: true,
    break_glass_empty: false,
    per_hour: None,
    per_day: None,
    hunting: true,
    unwitnessed_allowed: false,
    workspaces: None,
};

fn table(modes: &str) -> RuleTable {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modes.yaml");
    std::fs::write(&file, modes).unwrap();
    let loaded = load(Folders { modes: Some(&file), ..Folders::default() }, &CONTEXT);
    loaded.table.unwrap_or_else(|| panic!("{:?}", loaded.findings))
}

fn rails() -> Rails {
    Rails {
        break_glass: vec![Listed::Upn("bg@contoso.com".parse().unwrap())],
        privileged: Vec::new(),
        approvers: Vec::new(),
        ourselves: Vec::new(),
        unwitnessed_allowed: false,
        witness_wait: Duration::from_secs(900),
        entities_wait: Duration::from_secs(900),
        max_age: Duration::from_secs(24 * 3600),
        max_accounts: 5,
        cooldown: Duration::from_secs(3600),
        approval_ttl: Duration::from_secs(4 * 3600),
        limits: Limits {
            per_hour: 20,
            per_day: 100,
            high_reserve: 5,
            burst: 15,
            burst_window: Duration::from_secs(600),
        },
        global_cloud: true,
        dry_run: false,
    }
}

fn hint() -> AccountHint {
    AccountHint { sid: SID.parse().ok(), upn: "adele@contoso.com".parse().ok(), ..AccountHint::default() }
}

fn named(hint: AccountHint, role: Option<Role>) -> NamedAccount {
    NamedAccount { hint, role }
}

fn alert(accounts: Vec<NamedAccount>, genuine: bool) -> AlertRecord {
    let tenant = TenantKey(uuid::Uuid::nil());
    let source = if genuine { SourceKey::Graph } else { SourceKey::LogAnalytics(WorkspaceKey(uuid::Uuid::nil())) };
    let sighting = Sighting {
        source,
        aliases: vec!["one".into()],
        detector: "DirectoryServicesReplicationSecurityAlert".into(),
        external_id: Some("2006".into()),
        title: "Suspected DCSync attack (replication of directory services)".into(),
        severity: Severity::High,
        start: Some(NOW),
        end: Some(NOW),
        visible: NOW,
        columns: BTreeMap::from([("AlertSeverity".to_owned(), json!("High"))]),
        entities: Entities::Read(accounts),
        incident: None,
        rows: Vec::new(),
        genuine,
    };
    AlertRecord::seen(AlertId::derive(&["one"]), tenant, sighting, NOW)
}

fn found(account: AccountRef) -> Found {
    let mut found = Found::bare(account, Provider::Entra);
    found.upn = "adele@contoso.com".parse().ok();
    found.sid = SID.parse().ok();
    found.synced = Some(true);
    found
}

fn adele() -> Person {
    let accounts = [AccountRef::Ad(SID.parse().unwrap()), AccountRef::Entra(uuid::Uuid::from_u128(7))];
    Person {
        accounts: accounts.map(|account| Linked { found: found(account), evidence: "test".into() }).to_vec(),
        memberships: Memberships::Read(BTreeSet::new()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "every test makes its own person")]
fn decide(alert: &AlertRecord, person: Result<Person, Reason>, modes: &str, rails: &Rails, now: At) -> Plan {
    let entry = Catalogue::get().by_id("mdi/2006").unwrap();
    let accounts = alert.accounts().unwrap().unwrap_or_default();
    let roles = roles(alert, entry, &accounts);
    let accounts =
        accounts.into_iter().zip(roles).map(|(named, role)| CaseAccount { named, role, who: person.clone() }).collect();
    plan(&Case { alert, entry, accounts, now }, &table(modes), rails)
}

fn verbs(plan: &Plan, wanted: fn(&First) -> bool) -> Vec<Verb> {
    let mut verbs: Vec<Verb> =
        plan.actions.iter().filter(|(_, first)| wanted(first)).map(|(action, _)| action.key.intent.verb).collect();
    verbs.sort();
    verbs
}

fn runs(first: &First) -> bool {
    matches!(first, First::Run)
}

fn asks(first: &First) -> bool {
    matches!(first, First::Ask { .. })
}

#[test]
fn a_suspect_is_contained_in_every_directory_and_sessions_come_last() {
    let plan = decide(&alert(vec![named(hint(), None)], true), Ok(adele()), "dcsync: enforce", &rails(), NOW);
    assert_eq!(verbs(&plan, runs), [Verb::DisableAdUser, Verb::SuspendEntraUser, Verb::RevokeSessions]);
    let revoke = plan.actions.iter().find(|(action, _)| action.key.intent.verb == Verb::RevokeSessions).unwrap();
    assert_eq!(revoke.0.after.len(), 2);
    assert!(revoke.0.after.iter().all(|after| after.needs == Needs::Answered));
}

#[test]
fn actions_come_account_by_account_and_step_by_step() {
    let accounts: Vec<_> =
        (1..=3).map(|n| named(AccountHint { name: Some(format!("a{n}")), ..hint() }, None)).collect();
    let alert = alert(accounts.clone(), true);
    let entry = Catalogue::get().by_id("mdi/2006").unwrap();
    let person = |n: usize| {
        let mut person = adele();
        for linked in &mut person.accounts {
            let sid = format!("S-1-5-21-1-2-3-{}", 9_000 - n);
            let id = uuid::Uuid::from_u128(u128::try_from(n).unwrap());
            linked.found.account = match linked.found.account {
                AccountRef::Ad(_) => AccountRef::Ad(sid.parse().unwrap()),
                AccountRef::Entra(_) | AccountRef::Okta { .. } => AccountRef::Entra(id),
            };
        }
        Ok(person)
    };
    let accounts = accounts.into_iter().enumerate();
    let accounts = accounts.map(|(n, named)| CaseAccount { named, role: Role::Suspect, who: person(n) }).collect();
    let plan = plan(&Case { alert: &alert, entry, accounts, now: NOW }, &table("dcsync: enforce"), &rails());
    let of = |action: &Action| (action.key.intent.verb, action.key.account.to_string());
    let steps: Vec<_> = plan.actions.iter().map(|(action, _)| of(action)).collect();
    let verbs: Vec<Verb> = steps.iter().map(|(verb, _)| *verb).collect();
    let each = [Verb::DisableAdUser, Verb::SuspendEntraUser, Verb::RevokeSessions];
    assert_eq!(verbs, each.repeat(3));
    let ad: Vec<_> = steps.iter().map(|(_, account)| account).filter(|account| account.starts_with("ad:")).collect();
    assert_eq!(ad, ["ad:S-1-5-21-1-2-3-9000", "ad:S-1-5-21-1-2-3-8999", "ad:S-1-5-21-1-2-3-8998"]);
}

#[test]
fn a_rule_without_a_mode_only_says_what_it_would_do() {
    let plan = decide(&alert(vec![named(hint(), None)], false), Ok(adele()), "{}", &rails(), NOW);
    assert!(!plan.actions.is_empty());
    assert!(plan.actions.iter().all(|(_, first)| matches!(first, First::Simulate { .. })));
}

#[test]
fn a_privileged_account_is_asked_about_even_in_enforce() {
    let mut person = adele();
    person.memberships =
        Memberships::Read(BTreeSet::from([Membership::AdGroup("S-1-5-21-1-2-3-512".parse().unwrap())]));
    let plan = decide(&alert(vec![named(hint(), None)], true), Ok(person), "dcsync: enforce", &rails(), NOW);
    assert_eq!(verbs(&plan, asks).len(), 3);
    assert!(verbs(&plan, runs).is_empty());
}

#[test]
fn a_dry_run_says_of_each_action_what_would_come_of_it() {
    let whys = |modes: &str, memberships: BTreeSet<Membership>| {
        let rails = Rails { dry_run: true, ..rails() };
        let person = Person { memberships: Memberships::Read(memberships), ..adele() };
        let plan = decide(&alert(vec![named(hint(), None)], true), Ok(person), modes, &rails, NOW);
        let why = |(action, first): (Action, First)| ActionRecord::planned(action, first, NOW).why();
        plan.actions.into_iter().map(why).collect::<BTreeSet<_>>()
    };
    let one = |line: &str| BTreeSet::from([format!("dry-run: {line}")]);
    assert_eq!(whys("dcsync: enforce", BTreeSet::new()), one("it would run, if the last check lets it"));
    let asks = "it would ask a person: approval-wanted: rule dcsync asks before it acts";
    assert_eq!(whys("dcsync: approve", BTreeSet::new()), one(asks));
    let admins = BTreeSet::from([Membership::AdGroup("S-1-5-21-1-2-3-512".parse().unwrap())]);
    let privileged = whys("dcsync: enforce", admins);
    assert!(privileged.iter().all(|why| why.contains(": it would ask a person: privileged: ")), "{privileged:?}");
}

#[test]
fn that_only_bait_is_named_is_said_and_beside_a_suspect_it_is_not() {
    let bait =
        || named(AccountHint { upn: "honey@contoso.com".parse().ok(), ..AccountHint::default() }, Some(Role::Bait));
    let decided = |accounts| {
        let plan = decide(&alert(accounts, true), Ok(adele()), "dcsync: enforce", &rails(), NOW);
        (plan.actions.len(), plan.decided.iter().map(|decided| decided.reason.clone()).collect::<Vec<_>>())
    };
    assert_eq!(decided(vec![bait()]), (0, vec![Reason::Bait]));
    assert_eq!(decided(vec![bait(), named(hint(), Some(Role::Suspect))]), (3, vec![]));
}

#[test]
fn nobody_on_the_never_list_is_touched_by_whatever_account_the_alert_names() {
    let listed = [
        Listed::Upn("adele@contoso.com".parse().unwrap()),
        Listed::Sid(SID.parse().unwrap()),
        Listed::Entra(uuid::Uuid::from_u128(7)),
    ];
    for entry in listed {
        let rails = Rails { break_glass: vec![entry], ..rails() };
        let plan = decide(&alert(vec![named(hint(), None)], true), Ok(adele()), "dcsync: enforce", &rails, NOW);
        assert!(
            plan.actions
                .iter()
                .all(|(_, first)| matches!(first, First::Withhold { reason } if reason.code() == "protected"))
        );
    }
}

#[test]
fn what_cannot_be_read_about_memberships_withholds() {
    let person = Person { memberships: Memberships::Unreadable("403".into()), ..adele() };
    let plan = decide(&alert(vec![named(hint(), None)], true), Ok(person), "dcsync: enforce", &rails(), NOW);
    let all = |(_, first): &(Action, First)| matches!(first, First::Withhold { reason } if reason.code() == "membership-unreadable");
    assert!(plan.actions.iter().all(all));
}

#[test]
fn built_in_and_machine_accounts_are_never_touched() {
    for (sid, name) in [("S-1-5-21-1-2-3-502", "krbtgt"), (SID, "WS-01$"), (SID, "MSOL_1234"), (SID, "Sync_DC1_ab")] {
        let mut person = adele();
        person.accounts[0].found.account = AccountRef::Ad(sid.parse().unwrap());
        person.accounts[0].found.name = Some(name.into());
        let plan = decide(&alert(vec![named(hint(), None)], true), Ok(person), "dcsync: enforce", &rails(), NOW);
        assert!(verbs(&plan, runs).is_empty() && verbs(&plan, asks).is_empty(), "{name}");
    }
}

#[test]
fn an_account_alone_in_an_alert_about_the_use_of_a_honeytoken_is_the_honeytoken() {
    let of = |id, stated: &[Role]| {
        let accounts: Vec<NamedAccount> = stated.iter().map(|role| named(hint(), Some(*role))).collect();
        roles(&alert(accounts.clone(), true), Catalogue::get().by_id(id).unwrap(), &accounts)
    };
    assert_eq!(of("mdi/2014", &[Role::Suspect]), [Role::Bait]);
    assert_eq!(of("mdi/2014", &[Role::Suspect, Role::Target]), [Role::Suspect, Role::Bait]);
    assert_eq!(of("mdi/2427", &[Role::Suspect]), [Role::Suspect], "a change is made by somebody else");
}

#[test]
fn two_accounts_without_stated_roles_are_both_left_alone() {
    let other = AccountHint { upn: "other@contoso.com".parse().ok(), ..AccountHint::default() };
    let alert = alert(vec![named(hint(), None), named(other, None)], true);
    let plan = decide(&alert, Ok(adele()), "dcsync: enforce", &rails(), NOW);
    assert!(plan.actions.is_empty());
    assert!(plan.decided.iter().all(|decided| decided.reason == Reason::RoleUnknown));
}

#[test]
fn an_alert_with_too_many_accounts_is_withheld_whole() {
    let many = (0..6).map(|n| {
        let upn = format!("user{n}@contoso.com").parse().ok();
        named(AccountHint { upn, ..AccountHint::default() }, Some(Role::Suspect))
    });
    let plan = decide(&alert(many.collect(), true), Ok(adele()), "dcsync: enforce", &rails(), NOW);
    assert!(plan.actions.is_empty());
    assert_eq!(plan.decided[0].reason, Reason::TooManyAccounts { found: 6, limit: 5 });
}

#[test]
fn an_alert_of_which_nobody_can_tell_how_old_it_is_is_withheld_whole() {
    let reason = |end: Option<At>| {
        let mut alert = alert(vec![named(hint(), None)], true);
        (alert.sightings[0].start, alert.sightings[0].end) = (None, end);
        let plan = decide(&alert, Ok(adele()), "dcsync: enforce", &rails(), NOW);
        plan.decided.first().map(|decided| decided.reason.code())
    };
    let soon = NOW.plus(Duration::from_mins(50));
    assert_eq!(reason(Some(soon)), None, "clocks differ");
    assert_eq!(reason(Some(soon.plus(Duration::from_mins(20)))), Some("time-unknown"));
    assert_eq!(reason(None), Some("time-unknown"));
}

#[test]
fn an_alert_that_is_closed_is_withheld_whole_unless_defender_shows_it_open() {
    let closed = |status: &str, graphs: Option<&str>| {
        let mut alert = alert(vec![named(hint(), None)], graphs.is_some());
        let mut row = alert.sightings[0].clone();
        row.columns.insert("Status".to_owned(), json!(status));
        (row.source, row.genuine) = (SourceKey::LogAnalytics(WorkspaceKey(uuid::Uuid::nil())), false);
        if let Some(word) = graphs {
            alert.sightings[0].columns.insert("Status".to_owned(), json!(word));
            alert.sightings.push(row);
        } else {
            alert.sightings = vec![row];
        }
        let plan = decide(&alert, Ok(adele()), "dcsync: simulate", &rails(), NOW);
        plan.decided.first().map(|decided| decided.reason.code())
    };
    assert_eq!(closed("New", Some("Resolved")), Some("closed"));
    assert_eq!(closed("Dismissed", None), Some("closed"));
    assert_eq!(closed("Resolved", Some("InProgress")), None);
    assert_eq!(closed("New", Some("New")), None);
    for (word, reason) in
        [("Suppressed", Some("status-unknown")), ("", None), (" inprogress ", None), ("Unknown", None)]
    {
        assert_eq!(closed(word, None), reason, "{word:?}");
    }
    let mut answered = alert(vec![named(hint(), None)], true);
    answered.sightings[0].columns.insert("Status".to_owned(), json!("Resolved"));
    answered.actions = vec![ActionId::derive(&["x"])];
    assert!(!decide(&answered, Ok(adele()), "dcsync: enforce", &rails(), NOW).actions.is_empty(), "half an answer");
}

#[test]
fn an_alert_whose_severity_nobody_knows_is_withheld_whole_unless_somebody_believed_says_one() {
    let mut strange = alert(vec![named(hint(), None)], true);
    strange.sightings[0].severity = Severity::read("Hgh");
    strange.sightings[0].columns.insert("AlertSeverity".to_owned(), json!("Hgh"));
    let plan = decide(&strange, Ok(adele()), "dcsync: enforce", &rails(), NOW);
    assert!(plan.actions.is_empty());
    assert_eq!(plan.decided[0].reason, Reason::SeverityUnknown { word: "Hgh".into() });
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let rule = "rule: r\nwhy: w\nowner: o\nalert: [mdi/2006]\nwhen: AlertSeverity == \"High\"\ndo: p\n";
    std::fs::write(folder.path().join("rules/r.yaml"), rule).unwrap();
    let playbook = "playbook: p\nwhy: w\nsteps:\n  - do: disable-ad-user\n";
    std::fs::write(folder.path().join("p.yaml"), playbook).unwrap();
    let asking = load(Folders { rules: Some(folder.path()), ..Folders::default() }, &CONTEXT).table.unwrap();
    let entry = Catalogue::get().by_id("mdi/2006").unwrap();
    let accounts = vec![CaseAccount { named: named(hint(), None), role: Role::Suspect, who: Ok(adele()) }];
    let asked = super::plan::plan(&Case { alert: &strange, entry, accounts, now: NOW }, &asking, &rails());
    assert_eq!(asked.decided[0].reason.code(), "severity-unknown", "also where a rule asks for a severity");
    let mut other = strange.sightings[0].clone();
    other.severity = Severity::Low;
    other.genuine = false;
    strange.sightings.push(other.clone());
    let row = decide(&strange, Ok(adele()), "dcsync: enforce", &rails(), NOW);
    assert_eq!(row.decided[0].reason.code(), "severity-unknown", "beside Defender's own word a row counts for nothing");
    other.genuine = true;
    strange.sightings.push(other);
    assert!(!decide(&strange, Ok(adele()), "dcsync: enforce", &rails(), NOW).actions.is_empty());
    assert_eq!(Severity::read("unknown"), Severity::Informational, "a word of Graph that says that there is none");
}

#[test]
fn a_row_that_defender_does_not_confirm_is_waited_for_and_then_withheld() {
    let forged = alert(vec![named(hint(), None)], false);
    let deadline = NOW.plus(Duration::from_secs(900));
    assert!(matches!(ready(&forged, Mode::Enforce, &rails(), NOW), Ready::Wait { again, .. } if again == deadline));
    assert_eq!(ready(&forged, Mode::Enforce, &rails(), deadline), Ready::Yes);
    let plan = decide(&forged, Ok(adele()), "dcsync: enforce", &rails(), deadline);
    assert!(plan.actions.is_empty());
    assert_eq!(plan.decided[0].reason.code(), "unwitnessed");
}

#[test]
fn an_old_alert_is_withheld() {
    let late = NOW.plus(Duration::from_secs(25 * 3600));
    let plan = decide(&alert(vec![named(hint(), None)], true), Ok(adele()), "dcsync: enforce", &rails(), late);
    assert_eq!(plan.decided[0].reason.code(), "stale");
}

#[test]
fn an_unknown_person_is_withheld_with_the_reason() {
    let plan =
        decide(&alert(vec![named(hint(), None)], true), Err(Reason::AccountUnknown), "dcsync: enforce", &rails(), NOW);
    assert!(plan.actions.is_empty());
    assert_eq!(plan.decided[0].reason, Reason::AccountUnknown);
}

#[test]
fn outside_the_global_cloud_there_is_no_route_for_ad_and_it_says_so() {
    let rails = Rails { global_cloud: false, ..rails() };
    let plan = decide(&alert(vec![named(hint(), None)], true), Ok(adele()), "dcsync: enforce", &rails, NOW);
    let disable = plan.actions.iter().find(|(action, _)| action.key.intent.verb == Verb::DisableAdUser).unwrap();
    assert!(matches!(&disable.1, First::Withhold { reason } if reason.code() == "no-route"));
}

#[test]
fn a_reserve_is_kept_for_alerts_of_high_severity() {
    let limit = |severity| {
        let mut alert = alert(vec![named(hint(), None)], true);
        alert.sightings[0].severity = severity;
        let plan = decide(&alert, Ok(adele()), "dcsync: enforce", &rails(), NOW);
        plan.actions[0].0.limits.iter().find(|claim| claim.key == "all/hour").unwrap().limit
    };
    assert_eq!((limit(Severity::High), limit(Severity::Medium)), (20, 15));
}

fn action(mode: Mode) -> Action {
    let plan = decide(&alert(vec![named(hint(), None)], true), Ok(adele()), "dcsync: enforce", &rails(), NOW);
    let found = plan.actions.into_iter().find(|(action, _)| action.key.intent.verb == Verb::SuspendEntraUser);
    Action { mode, ..found.unwrap().0 }
}

fn facts(enabled: bool) -> Facts {
    Facts {
        read: NOW,
        prior: Observation { at: NOW, by: Witness::Entra, fact: Fact::Enabled(enabled) },
        approved_by: None,
        paused: None,
        cooldown_until: None,
        burst: 0,
        other_holders: Vec::new(),
    }
}

fn last_check(mode: Mode, person: &Result<Person, Reason>, facts: Facts, rails: &Rails) -> Result<Cleared, Block> {
    recheck(&action(mode), Route::Entra, person.as_ref().map_err(Clone::clone), facts, rails, NOW)
}

#[test]
fn the_last_check_lets_an_ordinary_action_go_with_its_prior_state() {
    let cleared = last_check(Mode::Enforce, &Ok(adele()), facts(true), &rails()).unwrap();
    assert_eq!(cleared.prior().fact, Fact::Enabled(true));
}

#[test]
fn the_last_check_sees_what_has_changed_since_the_plan() {
    let admin = Person {
        memberships: Memberships::Read(BTreeSet::from([Membership::OktaRole("SUPER_ADMIN".into())])),
        ..adele()
    };
    let in_groups = |membership| Person { memberships: Memberships::Read(BTreeSet::from([membership])), ..adele() };
    let last = in_groups(Membership::LastOfRole(uuid::Uuid::from_u128(1)));
    let ours = in_groups(Membership::RunsRiposte);
    let emergency = Rails { break_glass: vec![Listed::Sid(SID.parse().unwrap())], ..rails() };
    let later = NOW.plus(Duration::from_secs(60));
    let (usual, same) = (|| Ok(adele()), || facts(true));
    let approved = Facts { approved_by: Some("eva".into()), ..facts(true) };
    let cases: Vec<(Result<Person, Reason>, Facts, Rails, &str)> = vec![
        (usual(), Facts { paused: Some("eva".into()), ..same() }, rails(), "paused"),
        (usual(), same(), emergency, "protected"),
        (Ok(admin), same(), rails(), "privileged"),
        (Ok(last.clone()), same(), rails(), "protected"),
        (Ok(last), approved, rails(), "protected"),
        (Ok(ours), same(), rails(), "protected"),
        (Err(Reason::AccountUnknown), same(), rails(), "account-unknown"),
        (usual(), Facts { cooldown_until: Some(later), ..same() }, rails(), "cooldown"),
        (usual(), Facts { burst: 15, ..same() }, rails(), "burst"),
        (usual(), facts(false), rails(), "in-place-already"),
        (usual(), same(), Rails { dry_run: true, ..rails() }, "dry-run"),
    ];
    for (person, facts, rails, code) in cases {
        let block = last_check(Mode::Enforce, &person, facts, &rails).unwrap_err();
        let (Block::Withhold(reason) | Block::InPlace(reason) | Block::Park(reason, _) | Block::Ask(reason)) = block;
        assert_eq!(reason.code(), code);
    }
}

#[test]
fn nothing_in_simulate_or_approve_passes_without_a_person() {
    assert!(last_check(Mode::Simulate, &Ok(adele()), facts(true), &rails()).is_err());
    assert!(last_check(Mode::Approve, &Ok(adele()), facts(true), &rails()).is_err());
    let approved = Facts { approved_by: Some("eva".into()), ..facts(true) };
    assert!(last_check(Mode::Approve, &Ok(adele()), approved, &rails()).is_ok());
}

fn undo() -> Action {
    let mut undo = action(Mode::Enforce);
    undo.key.reverts = Some(ActionId::derive(&["x"]));
    undo.key.intent = Intent::of(Verb::RestoreEntraUser);
    undo
}

#[test]
fn an_undo_goes_although_the_person_is_on_a_list_by_now() {
    let rails = Rails { break_glass: vec![Listed::Sid(SID.parse().unwrap())], ..rails() };
    assert!(recheck_revert(&undo(), Route::Entra, Verb::SuspendEntraUser, facts(false), &rails, NOW).is_ok());
}

#[test]
fn an_undo_is_withheld_when_others_hold_the_effect_and_done_when_it_is_back_already() {
    let other = ActionId::derive(&["other"]);
    let others = Facts { other_holders: vec![other], ..facts(false) };
    let block = recheck_revert(&undo(), Route::Entra, Verb::SuspendEntraUser, others, &rails(), NOW).unwrap_err();
    assert_eq!(block, Block::Withhold(Reason::HeldByOthers { holders: 1, by: vec![other.short()] }));
    let back = recheck_revert(&undo(), Route::Entra, Verb::SuspendEntraUser, facts(true), &rails(), NOW).unwrap_err();
    assert_eq!(back, Block::InPlace(Reason::InPlaceAlready));
}

#[test]
fn what_was_done_for_an_alert_that_turned_out_to_be_this_one_stands_for_it() {
    let decided = || decide(&alert(vec![named(hint(), None)], true), Ok(adele()), "dcsync: enforce", &rails(), NOW);
    let own: Vec<Action> = decided().actions.into_iter().map(|(action, _)| action).collect();
    let of_other = |verb: Verb, first: First| {
        let own = own.iter().find(|action| action.key.intent.verb == verb).unwrap();
        let key = ActionKey { alert: AlertId::derive(&["other"]), ..own.key.clone() };
        ActionRecord::planned(Action { id: key.id(), key, ..own.clone() }, first, NOW)
    };
    let asked = of_other(Verb::DisableAdUser, First::Ask { reason: Reason::CannotTell, until: NOW });
    let withheld = of_other(Verb::SuspendEntraUser, First::Withhold { reason: Reason::RoleUnknown });
    let plan = decided().adopt(&[asked.clone(), withheld]);
    let id = |verb| plan.actions.iter().find(|(action, _)| action.key.intent.verb == verb).unwrap().0.id;
    let own_id = |verb| own.iter().find(|action| action.key.intent.verb == verb).unwrap().id;
    assert_eq!(id(Verb::DisableAdUser), asked.action.id, "the question that is open stands");
    assert_eq!(id(Verb::SuspendEntraUser), own_id(Verb::SuspendEntraUser), "nothing was done there");
    let revoke = plan.actions.iter().find(|(action, _)| action.key.intent.verb == Verb::RevokeSessions).unwrap();
    let after: BTreeSet<ActionId> = revoke.0.after.iter().map(|after| after.action).collect();
    assert_eq!(after, BTreeSet::from([asked.action.id, own_id(Verb::SuspendEntraUser)]), "the order stays");
}

#[test]
fn a_rule_answers_what_a_trigger_found_for_any_of_its_rows_and_a_later_row_takes_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    write("p.yaml", "playbook: p\nwhy: x\nsteps: [{do: revoke-sessions}]\n");
    let when = "when: tostring(parse_json(ExtendedProperties).Bad) == \"yes\"\n";
    write("rules/r.yaml", &format!("rule: r\nwhy: x\nowner: soc@c.d\nalert: [mdi/2006]\ndo: p\n{when}"));
    let table = load(Folders { rules: Some(folder.path()), ..Folders::default() }, &CONTEXT).table.unwrap();
    let rule = table.rule("r").unwrap();
    let answered = |alert: &AlertRecord| {
        let entry = Catalogue::get().by_id("mdi/2006").unwrap();
        answers(rule, &Case { alert, entry, accounts: Vec::new(), now: NOW }, &alert_rows(alert)).unwrap()
    };
    let row = |bad: &str| format!("{{\"Bad\": \"{bad}\"}}");
    let of = |source: SourceKey, newest: &str, others: &[&str]| {
        let mut alert = alert(vec![named(hint(), Some(Role::Target))], true);
        let seen = &mut alert.sightings[0];
        seen.source = source;
        seen.columns.insert("ExtendedProperties".into(), json!(row(newest)));
        seen.rows = others.iter().map(|bad| row(bad)).collect();
        alert
    };
    let trigger = SourceKey::Trigger { name: "own".into(), workspace: None };
    assert!(answered(&of(trigger.clone(), "no", &["no", "yes", "no"])));
    assert!(answered(&of(trigger.clone(), "yes", &[])));
    let none = of(trigger, "no", &["no"]);
    assert!(!answered(&none));
    assert!(!answered(&of(SourceKey::Graph, "no", &["yes"])), "nobody else shows rows");
    let planned = |decided: Vec<Decided>| AlertEvent::Planned {
        catalogue: None,
        rules: vec!["r".into()],
        actions: Vec::new(),
        decided,
        unwitnessed_allowed: false,
    };
    assert!(answered(&none.clone().apply(&planned(Vec::new()))), "it has answered, and goes on");
    let failed = Decided {
        id: ActionId::derive(&["r"]),
        rule: "r".into(),
        intent: None,
        mode: Mode::Enforce,
        account: None,
        role: None,
        reason: Reason::ConditionFailed { what: "x".into() },
        at: NOW,
    };
    assert!(!answered(&none.apply(&planned(vec![failed]))), "what could not be computed was no answer");
}

#[test]
fn an_account_that_two_workspaces_call_by_two_upns_is_one_account_in_each_role_that_is_stated() {
    let of = |workspace: u128, upn: &str, role: Role| {
        let hint = AccountHint { sid: SID.parse().ok(), upn: upn.parse().ok(), ..AccountHint::default() };
        let mut seen = alert(vec![named(hint, Some(role))], true).sightings.remove(0);
        let workspace = Some(WorkspaceKey(uuid::Uuid::from_u128(workspace)));
        seen.source = SourceKey::Trigger { name: "own".into(), workspace };
        seen
    };
    let mut found = alert(Vec::new(), true);
    found.sightings = vec![of(1, "a@c.d", Role::Suspect), of(2, "b@c.d", Role::Suspect), of(3, "c@c.d", Role::Target)];
    let accounts = found.accounts().unwrap().unwrap();
    let roles: Vec<Option<Role>> = accounts.iter().map(|account| account.role).collect();
    assert_eq!(roles, [Some(Role::Suspect), Some(Role::Target)], "{accounts:#?}");
}
