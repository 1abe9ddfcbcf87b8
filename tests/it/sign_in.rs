//! How riposte signs in and gets out: secrets that change, a workload's token, and proxies.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use riposte::lab;
use riposte::model::intent::Verb;
use riposte::model::time::SystemClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::world::{Setup, World, dcsync};

fn alert(at: &str, person: &str) -> String {
    dcsync(person, at, &format!("{{person: {person}}}"), "")
}

/// The identity's section of the settings, replaced.
fn with_identity(settings: &str, identity: &str) -> String {
    let (before, rest) = settings.split_once("[identity]").unwrap();
    let (_, after) = rest.split_once("[[").unwrap();
    format!("{before}[identity]\n{identity}\n\n[[{after}")
}

/// Statuses of the requests for tokens, oldest first.
async fn sign_ins(world: &World) -> Vec<u16> {
    let asked = world.requests().await;
    asked.iter().filter(|asked| asked.path.ends_with("/oauth2/v2.0/token")).map(|asked| asked.status).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workload_signs_in_with_its_projected_token_and_the_alert_is_answered() {
    let edit = |settings: &str| {
        let client_id = settings.lines().find(|line| line.starts_with("client_id")).unwrap();
        with_identity(settings, &format!("kind = \"workload-identity\"\n{client_id}\ntoken_file = \"TOKEN\""))
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "e30.e30.projected").unwrap();
    let path = file.path().display().to_string();
    let mut world = Setup::new(alert("1m", "adele")).edit(edit).set("identity.token_file", &path).start().await;
    world.run_until(6).await;
    assert!(!world.is_enabled("adele"), "{:?}", world.troubles());
    assert!(sign_ins(&world).await.iter().all(|status| *status == 200));
    assert!(!world.said().contains("projected"), "the token stands in no log");
    world.assert_whole().await;
}

/// With another application for what `[identity.act]` and `[identity.comment]` say.
fn acted_by_another(setup: Setup) -> Setup {
    let (id, secret) = lab::second_application();
    ["act", "comment"].iter().fold(setup, |setup, who| {
        let set = |setup: Setup, key: &str, value: &str| setup.set(&format!("identity.{who}.{key}"), value);
        set(set(set(setup, "kind", "client-secret"), "client_id", &id), "client_secret", secret)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_reads_needs_no_right_to_act_where_another_identity_acts() {
    let people = super::world::PEOPLE
        .replace("app: {", "app: {without_permissions: [SecurityIdentitiesActions.ReadWrite.All], ");
    let setup = || Setup::new(alert("1m", "adele")).people(&people);
    let mut alone = setup().start().await;
    alone.run_until(10).await;
    assert!(alone.is_enabled("adele"), "whoever reads has no right to disable");
    let mut world = acted_by_another(setup()).start().await;
    world.run_until(6).await;
    assert!(!world.is_enabled("adele"), "{:?}", world.troubles());
    assert!(!world.comments("adele").is_empty());
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_signs_in_with_its_certificate_and_with_the_next_one_without_a_restart() {
    let setup = Setup::new(alert("1m", "adele") + &alert("6m", "diego")).people(&short_lived()).certificate();
    let mut world = setup.start().await;
    world.run_until(5).await;
    assert!(!world.is_enabled("adele"), "{:?}", world.troubles());
    let before = sign_ins(&world).await;
    assert!(!before.is_empty() && before.iter().all(|status| *status == 200), "{before:?}");
    // As those do it who renew such files: nobody reads half of one.
    let (file, new) = (world.folder.path().join(lab::APP_PEM), world.folder.path().join("new.pem"));
    std::fs::write(&new, world.lab.renew_certificate().unwrap()).unwrap();
    std::fs::rename(new, file).unwrap();
    world.run_until(11).await;
    assert!(!world.is_enabled("diego"), "{:?}", world.troubles());
    // One that was on its way meanwhile may have been signed with the old one.
    let since = sign_ins(&world).await.split_off(before.len());
    let refused = since.iter().filter(|status| **status != 200).count();
    assert!(since.last() == Some(&200) && refused <= 1 && since.len() > 2, "{since:?}");
    assert!(!world.said().contains("PRIVATE KEY"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_the_applications_is_said_to_be_that() {
    let options = lab::Options { certificate: true, ..lab::Options::default() };
    let elsewhere = lab::serve(Arc::new(SystemClock), lab::Scenario::morning().unwrap(), options).await.unwrap();
    let pem = elsewhere.access("").app_pem.unwrap();
    let mut world = Setup::new(alert("1m", "adele")).certificate().file(lab::APP_PEM, &pem).start().await;
    world.run_until(6).await;
    assert!(world.is_enabled("adele"));
    let troubles = format!("{:?}", world.troubles());
    assert!(troubles.contains("AADSTS700027") && troubles.contains("add it to the application"), "{troubles}");
}

fn secret_in_a_file(settings: &str) -> String {
    let secret = settings.lines().find(|line| line.starts_with("client_secret")).unwrap();
    settings.replace(secret, "client_secret = { file = \"secret\" }")
}

/// The people of a tenant whose tokens are refreshed at each call.
fn short_lived() -> String {
    super::world::PEOPLE.replace("app: {", "app: {token_lifetime: 200s, ")
}

async fn with_a_secret_in_a_file(alerts: &str) -> World {
    let secret = lab::planted_secrets()[0];
    Setup::new(alerts).people(&short_lived()).edit(secret_in_a_file).file("secret", secret).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_changes_in_its_file_is_used_without_a_restart() {
    let mut world = with_a_secret_in_a_file(&(alert("1m", "adele") + &alert("6m", "diego"))).await;
    world.run_until(5).await;
    assert!(!world.is_enabled("adele"), "{:?}", world.troubles());
    let before = sign_ins(&world).await.len();
    std::fs::write(world.folder.path().join("secret"), "another-secret").unwrap();
    world.lab.rotate_client_secret("another-secret");
    world.run_until(11).await;
    assert!(!world.is_enabled("diego"), "{:?}", world.troubles());
    let since = sign_ins(&world).await.split_off(before);
    assert!(!since.is_empty() && since.iter().all(|status| *status == 200), "{since:?}");
    assert!(!world.said().contains("another-secret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_in_hand_serves_while_the_secret_in_the_file_is_not_good_any_more() {
    let mut world = with_a_secret_in_a_file(&(alert("1m", "adele") + &alert("6m", "diego"))).await;
    world.run_until(5).await;
    let before = sign_ins(&world).await.len();
    world.lab.rotate_client_secret("another-secret");
    world.run_until(11).await;
    let since = sign_ins(&world).await.split_off(before);
    assert!(since.contains(&401) && !since.contains(&200), "{since:?}");
    assert!(!world.is_enabled("diego"), "the old token is good for some time: {:?}", world.troubles());
}

/// A proxy that carries CONNECT to anywhere on this machine, for those who know its password.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<(String, bool)>>>,
}

impl Proxy {
    async fn start(user: &str, password: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let wanted = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let memory = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(carry(socket, wanted.clone(), Arc::clone(&memory)));
            }
        });
        Self { port, asked }
    }

    /// Whom it was asked for, and whether with the right password.
    fn asked(&self) -> Vec<(String, bool)> {
        self.asked.lock().unwrap().clone()
    }
}

async fn carry(mut socket: TcpStream, wanted: String, asked: Arc<Mutex<Vec<(String, bool)>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 4096 {
        let Ok(byte) = socket.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned();
    let knows = head.lines().any(|line| {
        let (name, value) = line.split_once(':').unwrap_or_default();
        name.eq_ignore_ascii_case("proxy-authorization") && value.trim() == wanted
    });
    asked.lock().unwrap().push((target.clone(), knows));
    if !knows {
        let _ = socket.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
        return;
    }
    let port = target.rsplit(':').next().unwrap_or_default();
    let Ok(mut server) = TcpStream::connect(format!("127.0.0.1:{port}")).await else { return };
    let _ = socket.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
    let _ = copy_bidirectional(&mut socket, &mut server).await;
}

/// The lab by a name that is not loopback's, which a proxy would never see.
fn by_another_name(settings: &str) -> String {
    settings.replace("https://127.0.0.1:", "https://0.0.0.0:")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_goes_through_the_proxy_of_the_environment_with_its_password() {
    let proxy = Proxy::start("svc", "p@ss:word").await;
    let address = format!("http://svc:p%40ss%3Aword@127.0.0.1:{}", proxy.port);
    let setup = Setup::new(alert("1m", "adele")).edit(by_another_name).trace();
    let mut world = setup.variable("HTTPS_PROXY", &address).start().await;
    world.run_until(6).await;
    assert!(!world.is_enabled("adele"), "{:?}", world.troubles());
    let asked = proxy.asked();
    assert!(
        !asked.is_empty() && asked.iter().all(|(target, knows)| *knows && target.starts_with("0.0.0.0:")),
        "{asked:?}"
    );
    assert!(!world.said().contains("p@ss:word") && !world.said().contains(&STANDARD.encode("svc:p@ss:word")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_of_the_settings_goes_before_that_of_the_environment() {
    let (ours, theirs) = (Proxy::start("svc", "one").await, Proxy::start("svc", "two").await);
    let setup = Setup::new(alert("1m", "adele"))
        .edit(by_another_name)
        .variable("HTTPS_PROXY", &format!("http://svc:two@127.0.0.1:{}", theirs.port))
        .set("proxy.url", &format!("http://127.0.0.1:{}", ours.port))
        .set("proxy.user", "svc")
        .set("proxy.password", "one");
    let mut world = setup.start().await;
    world.run_until(6).await;
    assert!(!world.is_enabled("adele"), "{:?}", world.troubles());
    assert!(!ours.asked().is_empty() && theirs.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_proxy_names_is_called_directly() {
    let proxy = Proxy::start("svc", "one").await;
    let setup = Setup::new(alert("1m", "adele"))
        .edit(by_another_name)
        .variable("HTTPS_PROXY", &format!("http://svc:one@127.0.0.1:{}", proxy.port))
        .variable("NO_PROXY", "example.com,0.0.0.0");
    let mut world = setup.start().await;
    world.run_until(6).await;
    assert!(!world.is_enabled("adele"), "{:?}", world.troubles());
    assert_eq!(proxy.asked(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_refuses_is_said_and_nothing_goes_past_it() {
    let proxy = Proxy::start("svc", "right").await;
    let address = format!("http://svc:wrong@127.0.0.1:{}", proxy.port);
    let setup = Setup::new(alert("1m", "adele")).edit(by_another_name).variable("HTTPS_PROXY", &address);
    let mut world = setup.start().await;
    world.run_until(4).await;
    assert!(world.actions().await.is_empty() && world.lab.state().requests.is_empty());
    let troubles = world.troubles();
    let said = |line: &String| line.contains(&format!("127.0.0.1:{}", proxy.port)) && line.contains("proxy.password");
    assert!(troubles.iter().any(said), "{troubles:?}");
    assert!(!world.said().contains("wrong@"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_managed_identity_signs_in_past_the_proxy() {
    let proxy = Proxy::start("svc", "one").await;
    let world = Setup::new("").start().await;
    let base = world.lab.access("ca.pem").base_url;
    let file = world.folder.path().join("riposte.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, with_identity(&settings, "kind = \"managed-identity\"")).unwrap();
    let header = lab::planted_secrets()[2];
    let folder = world.folder.path().to_owned();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_riposte"));
    command
        .args(["run", "--once", "--settle", "1s", "--set", "journal.sqlite=managed.db"])
        .current_dir(&folder)
        .env("IDENTITY_ENDPOINT", format!("{}/msi/token", base.replace("127.0.0.1", "0.0.0.0")))
        .env("IDENTITY_HEADER", header)
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env("HTTPS_PROXY", format!("http://svc:one@127.0.0.1:{}", proxy.port));
    let before = world.lab.state().requests.get("GET /msi/token").copied().unwrap_or_default();
    let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{said}");
    assert!(world.lab.state().requests["GET /msi/token"] > before, "{said}");
    assert_eq!(proxy.asked(), [], "neither the identity's endpoint nor loopback is reached through a proxy");
    assert!(!said.contains(header));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_the_settings_do_not_name_is_not_believed() {
    let without = |settings: &str| {
        let ca = settings.lines().find(|line| line.starts_with("ca_file")).unwrap().to_owned();
        settings.replace(&ca, "")
    };
    let mut world = Setup::new(alert("1m", "adele")).edit(without).start().await;
    world.run_until(4).await;
    assert!(world.lab.state().requests.is_empty() && world.is_enabled("adele"));
    let troubles = world.troubles();
    assert!(troubles.iter().any(|line| line.contains("certificate")), "{troubles:?}");
    assert_eq!(
        world.actions_on("adele").await.iter().filter(|a| a.action.key.intent.verb == Verb::DisableAdUser).count(),
        0
    );
}
