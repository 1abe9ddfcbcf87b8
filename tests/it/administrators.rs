//! Who runs the tenant and riposte itself: the last administrators and riposte's owners are never contained.

use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;
use serde_json::json;

use super::world::{EVERYWHERE, Setup, World, dcsync};

/// Two administrators, one of them through a group, and somebody who owns the application.
const PEOPLE: &str = r"
delays: {ingestion: 1s, sync: 30m, sensor: 2s, identity: 30s}
app: {directory_roles: [Privileged Authentication Administrator], owners: [olga]WITHOUT}
guardrails: {break_glass: [glass]}
groups:
  - {group: domain-users, rid: 513}
  - {group: admins, entra: true, role_assignable: true, roles: [Global Administrator]}
  - {group: helpers, entra: true, role_assignable: true, member_of: [admins]}
people:
  - {person: ada, name: Ada Admin, ad: {rid: 1201, groups: [domain-users]}, entra: {roles: [Global Administrator]}}
  - {person: bea, name: Bea Both, ad: {rid: 1202, groups: [domain-users]}, entra: {groups: [helpers]}}
  - {person: olga, name: Olga Owner, ad: {rid: 1203, groups: [domain-users]}, entra: {}}
  - {person: glass, name: Break glass, entra: {}}
";

fn alert(key: &str, at: &str, person: &str) -> String {
    dcsync(key, at, &format!("{{person: {person}}}"), "")
}

async fn ends(world: &World, person: &str) -> Vec<(Option<OutcomeKind>, String)> {
    let all = world.actions_on(person).await;
    all.iter().map(|record| (record.outcome().map(|end| end.kind), record.reason().line())).collect()
}

/// Says yes to everything that waits about a person.
async fn approve_all(world: &mut World, person: &str) {
    for record in world.actions_on(person).await {
        if record.status() == "waiting" {
            world.vote(&record, "eva@contoso.com", true).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_is_contained_while_another_is_left_and_the_last_one_is_not() {
    let alerts = alert("a", "1m", "ada") + &alert("b", "12m", "bea");
    let mut world = Setup::new(alerts).people(&PEOPLE.replace("WITHOUT", "")).start().await;
    world.run_until(4).await;
    let asked = world.action("ada", Verb::DisableAdUser).await;
    assert_eq!((asked.status(), asked.reason().code()), ("waiting", "privileged"));
    approve_all(&mut world, "ada").await;
    world.run_until(10).await;
    assert!(!world.is_enabled("ada"), "bea is left");
    // Ada is disabled in Active Directory only: Entra shows her enabled until directory sync has run.
    assert!(world.lab.state().people["ada"].entra[0].enabled);
    world.run_until(20).await;
    let ends = ends(&world, "bea").await;
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0].0, Some(OutcomeKind::Withheld));
    assert!(ends[0].1.starts_with("protected:") && ends[0].1.contains("Global Administrator"), "{ends:?}");
    assert!(world.is_enabled("bea"));
    assert!(world.comments("b").join("\n").contains("Global Administrator"));
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_becomes_the_last_one_while_a_question_stands_is_not_contained_by_its_answer() {
    let mut world = Setup::new(alert("a", "1m", "ada")).people(&PEOPLE.replace("WITHOUT", "")).start().await;
    world.run_until(4).await;
    assert!(world.lab.set_enabled("bea", riposte::lab::Directory::Entra, false));
    approve_all(&mut world, "ada").await;
    world.run_until(9).await;
    assert!(
        ends(&world, "ada").await.iter().all(|end| end.0 == Some(OutcomeKind::Withheld)),
        "{:?}",
        ends(&world, "ada").await
    );
    assert!(world.is_enabled("ada"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_whose_role_may_not_be_read_wait_for_the_permission_and_others_of_the_alert_do_not() {
    let without = ", without_permissions: [RoleManagement.Read.Directory, RoleManagement.ReadWrite.Directory, Directory.Read.All]";
    let people = PEOPLE.replace("WITHOUT", without).replace("owners: [olga]", "owners: []");
    let both = dcsync("a", "1m", "{person: ada}, {person: olga}", "");
    let mut world = Setup::new(both).people(&people).start().await;
    world.run_until(4).await;
    assert!(!world.is_enabled("olga"), "{:?}", ends(&world, "olga").await);
    approve_all(&mut world, "ada").await;
    world.run_until(9).await;
    let held = world.action("ada", Verb::DisableAdUser).await;
    let why = held.reason().line();
    assert_eq!(held.status(), "parked", "{held:#?}");
    assert!(why.contains("RoleManagement.Read.Directory"), "{why}");
    world.run_until(300).await;
    assert!(world.is_enabled("ada"));
    let late = ends(&world, "ada").await;
    assert!(late.iter().all(|end| end.0 == Some(OutcomeKind::Expired)), "{late:?}");
    assert!(
        world.comments("a").last().unwrap().contains("RoleManagement.Read.Directory"),
        "{:#?}",
        world.comments("a")
    );
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_cannot_be_read_for_a_while_withholds_nobody() {
    let mut world = Setup::new(alert("a", "1m", "ada")).people(&PEOPLE.replace("WITHOUT", "")).start().await;
    let down = json!({"path": "/v1.0/roleManagement/**", "status": 503, "count": 1_000});
    world.fault(down);
    world.run_until(4).await;
    approve_all(&mut world, "ada").await;
    world.run_until(9).await;
    let held = world.action("ada", Verb::DisableAdUser).await;
    assert_eq!((held.status(), held.reason().code()), ("parked", "refused"), "{held:#?}");
    world.lab.clear_faults();
    world.run_until(12).await;
    assert!(!world.is_enabled("ada"), "{:?}", ends(&world, "ada").await);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_owns_the_application_of_riposte_is_never_touched() {
    let setup = Setup::new(alert("a", "1m", "olga")).people(&PEOPLE.replace("WITHOUT", "")).playbook(EVERYWHERE);
    let mut world = setup.start().await;
    world.run_until(8).await;
    let ends = ends(&world, "olga").await;
    assert!(!ends.is_empty());
    assert!(
        ends.iter().all(|(kind, why)| *kind == Some(OutcomeKind::Withheld) && why.contains("an owner of it")),
        "{ends:?}"
    );
    assert!(world.is_enabled("olga"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_that_may_not_be_read_stop_nobody_and_it_is_said() {
    let without = ", without_permissions: [Application.Read.All, Directory.Read.All]";
    let mut world = Setup::new(alert("a", "1m", "olga")).people(&PEOPLE.replace("WITHOUT", without)).start().await;
    world.run_until(8).await;
    assert!(!world.is_enabled("olga"), "{:?}", ends(&world, "olga").await);
    assert!(world.said().contains("Application.Read.All"));
}

/// Ada and Bea are the last in one role; in another they have Carl, and whoever asks who he is waits for a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_last_administrators_who_are_checked_at_the_same_time_one_stays() {
    let roles = "roles: [Global Administrator, Privileged Role Administrator]";
    let carl = "people:\n  - {person: carl, name: Carl, entra: {roles: [Privileged Role Administrator]}}\n";
    let people =
        PEOPLE.replace("WITHOUT", "").replace("entra: {roles: [Global Administrator]}", &format!("entra: {{{roles}}}"));
    let people = people
        .replace("people:\n", carl)
        .replace("roles: [Global Administrator]}\n  - {group: helpers", &format!("{roles}}}\n  - {{group: helpers"));
    let alerts = alert("a", "1m", "ada") + &alert("b", "1m", "bea");
    let mut world = Setup::new(alerts).people(&people).start().await;
    world.run_until(4).await;
    world.fault(json!({"method": "GET", "person": "carl", "delay": "1s", "count": 4}));
    approve_all(&mut world, "ada").await;
    approve_all(&mut world, "bea").await;
    world.run_until(12).await;
    let left: Vec<_> = ["ada", "bea"].into_iter().filter(|person| world.is_enabled(person)).collect();
    assert_eq!(left.len(), 1, "{:?} {:?}", ends(&world, "ada").await, ends(&world, "bea").await);
    let ends = ends(&world, left[0]).await;
    assert!(ends.iter().all(|end| end.1.contains("Global Administrator")), "{ends:?}");
    // Who was let go again counts again.
    let contained = if left[0] == "ada" { "bea" } else { "ada" };
    let done = world.action(contained, Verb::DisableAdUser).await;
    world.undo(&done, "eva@contoso.com").await;
    world.run_until(20).await;
    assert!(world.is_enabled(contained), "{:?}", world.actions_on(contained).await);
    world.assert_whole().await;
}

/// The sensor takes a call and needs ten minutes to carry it out, so nothing shows it until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_whose_end_is_only_on_its_way_counts_as_gone() {
    let alerts = alert("a", "1m", "ada") + &alert("b", "1m", "bea");
    let people = PEOPLE.replace("WITHOUT", "").replace("sensor: 2s", "sensor: 10m");
    let mut world = Setup::new(alerts).people(&people).start().await;
    world.run_until(4).await;
    approve_all(&mut world, "ada").await;
    world.run_until(5).await;
    let first = world.action("ada", Verb::DisableAdUser).await;
    assert_eq!((first.status(), first.attempts), ("verifying", 1), "{first:#?}");
    approve_all(&mut world, "bea").await;
    world.run_until(30).await;
    assert!(!world.is_enabled("ada"), "{:?}", ends(&world, "ada").await);
    assert!(world.is_enabled("bea"), "{:?}", ends(&world, "bea").await);
}

const CLOUD_ONLY: &str = "playbook: contain\nwhy: Stop it.\nsteps:\n  - do: suspend-entra-user\n";

/// A cloud in which Defender for Identity shows no account.
fn without_defender(person: &str) -> Setup {
    Setup::new(alert("a", "1m", person)).playbook(CLOUD_ONLY).set("tenant.cloud", "us-gov-l4")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_defender_shows_no_account_a_domain_admin_is_asked_about_and_a_listed_group_protects() {
    let mut world = without_defender("boss").start().await;
    world.run_until(6).await;
    let asked = world.action("boss", Verb::SuspendEntraUser).await;
    assert_eq!((asked.status(), asked.reason().code()), ("waiting", "privileged"), "{asked:#?}");
    let domain_admins = "S-1-5-21-1111111111-2222222222-3333333333-512";
    let mut world = without_defender("boss").set("guardrails.break_glass", domain_admins).start().await;
    world.run_until(6).await;
    let withheld = world.action("boss", Verb::SuspendEntraUser).await;
    assert_eq!((withheld.status(), withheld.reason().code()), ("withheld", "protected"), "{withheld:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_in_entra_alone_is_undone_by_sync_and_says_so() {
    let mut world = hybrid().await;
    let blocked = world.action("adele", Verb::SuspendEntraUser).await;
    world.undo(&blocked, "eva@contoso.com").await;
    world.run_until(10).await;
    assert_eq!(ends_of(&world, Verb::RestoreEntraUser).await, Some(OutcomeKind::Effective));
    world.run_until(90).await;
    assert_eq!(ends_of(&world, Verb::RestoreEntraUser).await, Some(OutcomeKind::Contradicted));
    let told = world.comments("a").pop().unwrap();
    assert!(told.contains("contradicted") && told.contains("directory sync"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_in_entra_is_looked_at_again_when_its_account_is_let_go_in_active_directory() {
    let mut world = hybrid().await;
    world.run_until(60).await;
    assert_eq!(ends_of(&world, Verb::SuspendEntraUser).await, Some(OutcomeKind::Effective));
    let disabled = world.action("adele", Verb::DisableAdUser).await;
    world.undo(&disabled, "eva@contoso.com").await;
    world.run_until(150).await;
    assert!(world.lab.state().people["adele"].entra[0].enabled, "directory sync has let it go");
    assert_eq!(ends_of(&world, Verb::SuspendEntraUser).await, Some(OutcomeKind::Contradicted));
}

/// An account that is disabled in Active Directory, and blocked in Entra as well.
async fn hybrid() -> World {
    let steps = "playbook: contain\nwhy: Stop it.\nsteps:\n  - do: disable-ad-user\n  - do: suspend-entra-user\n";
    let mut world = Setup::new(dcsync("a", "1m", "{person: adele}", "")).playbook(steps).start().await;
    world.run_until(6).await;
    world
}

async fn ends_of(world: &World, verb: Verb) -> Option<OutcomeKind> {
    world.action("adele", verb).await.outcome().map(|end| end.kind)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_defender_shows_no_account_a_block_that_sync_undoes_is_seen_all_the_same() {
    let mut world = without_defender("adele").start().await;
    world.run_until(6).await;
    let blocked = world.action("adele", Verb::SuspendEntraUser).await;
    assert_eq!(blocked.outcome().map(|end| end.kind), Some(OutcomeKind::Effective), "{blocked:#?}");
    world.run_until(90).await;
    let undone = world.action("adele", Verb::SuspendEntraUser).await;
    assert_eq!(undone.outcome().map(|end| end.kind), Some(OutcomeKind::Contradicted), "{undone:#?}");
}
