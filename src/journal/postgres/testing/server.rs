//! A PostgreSQL of one's own on loopback, for tests: made in a folder of its own, and gone with the process that
//! started it, however that ends. For the tests of the journal and for those of the program.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// A server that runs.
pub(crate) struct Server {
    port: u16,
    /// While this is open the server runs; a line that is written to it ends it, and starts it again or not.
    leash: Mutex<ChildStdin>,
}

/// The one server of this process; none where PostgreSQL is not installed, which is said, or fails where nothing may
/// be left out.
#[allow(dead_code, reason = "a test that restarts its server shares it with nobody")]
pub(crate) fn shared() -> Option<&'static Server> {
    static SHARED: OnceLock<Option<Server>> = OnceLock::new();
    SHARED.get_or_init(Server::start).as_ref()
}

impl Server {
    /// Makes a cluster and starts it.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let why = "PostgreSQL is wanted: install the package postgresql";
            let required = std::env::var_os("RIPOSTE_REQUIRE_ALL").as_deref() == Some("1".as_ref());
            assert!(!required, "{why}, or leave RIPOSTE_REQUIRE_ALL unset to skip this");
            // The test harness keeps back what is printed by macros; this is said in any case.
            writeln!(std::io::stderr(), "skipped: {why}").unwrap();
            return None;
        };
        // A port that is free now may be taken a moment later.
        Some((0..5).find_map(|_| Self::on_a_free_port(&programs)).expect("PostgreSQL does not start"))
    }

    fn on_a_free_port(programs: &Path) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("riposte-postgres-{}-{port}", std::process::id()));
        let mut child = Command::new("sh")
            .args(["-euc", SCRIPT, "sh"])
            .args([programs.as_os_str(), folder.as_os_str(), port.to_string().as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let leash = Mutex::new(child.stdin.take().unwrap());
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let ready = said.any(|line| line.contains("database system is ready to accept connections"));
        // What it says later must not fill the pipe, and its end is waited for.
        std::thread::spawn(move || {
            said.for_each(drop);
            child.wait()
        });
        ready.then_some(Self { port, leash })
    }

    /// The address of a database on it.
    pub(crate) fn address(&self, database: &str) -> String {
        format!("postgres://riposte@127.0.0.1:{}/{database}", self.port)
    }

    /// Ends it as a shutdown does and starts it again. It returns at once.
    #[allow(dead_code, reason = "not every test restarts it")]
    pub(crate) fn restart(&self) {
        self.leash.lock().unwrap().write_all(b"again\n").unwrap();
    }

    /// Kills it, for as long as nobody starts it again. It returns at once.
    #[allow(dead_code, reason = "not every test ends it")]
    pub(crate) fn kill(&self) {
        self.leash.lock().unwrap().write_all(b"kill\n").unwrap();
    }

    /// Starts it again after it was killed. It returns at once.
    #[allow(dead_code, reason = "not every test ends it")]
    pub(crate) fn revive(&self) {
        self.leash.lock().unwrap().write_all(b"again\n").unwrap();
    }
}

/// The folder of the server's programs. Debian keeps them off PATH.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().find(|folder| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file()))
}

/// PostgreSQL refuses to run as root. The data are worth nothing, so they are not flushed. A user `keyed` needs a password.
const SCRIPT: &str = r#"
programs=$1 folder=$2 port=$3
mkdir -m 700 "$folder"
trap 'rm -rf "$folder"' EXIT
as=
if [ "$(id -u)" = 0 ]; then
  chown nobody "$folder"
  as="setpriv --reuid=nobody --regid=$(id -g nobody) --clear-groups"
fi
cd "$folder"
$as "$programs/initdb" -D "$folder/data" -U riposte --auth=trust --encoding=UTF8 --no-sync >&2
{ echo "host all keyed 127.0.0.1/32 scram-sha-256"; cat data/pg_hba.conf; } > hba
cat hba > data/pg_hba.conf
while :; do
  $as "$programs/postgres" -D "$folder/data" -c listen_addresses=127.0.0.1 -c port="$port" \
    -c unix_socket_directories= -c fsync=off -c max_connections=300 -c log_checkpoints=off &
  server=$!
  read -r order || order=
  signal=INT
  [ "$order" != kill ] || signal=QUIT
  kill -"$signal" "$server"
  wait "$server" || true
  [ "$order" != kill ] || read -r order || order=
  [ -n "$order" ] || break
done
"#;
