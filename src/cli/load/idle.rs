//! How long the daemon takes until it is ready, and what it needs while nothing happens.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::process::Process;
use super::tenant::{Tenant, Wanted, cannot};
use crate::cli::exit::CliError;
use crate::cli::report::Report;
use crate::runtime::probe::{Check, probe};

/// Longer than any start takes that is one.
const READY_WITHIN: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(1);
/// A daemon that has polled and found nothing has come to rest by then.
const RESTS_AFTER: Duration = Duration::from_secs(5);

/// Somebody, and no alert.
const NOTHING_HAPPENS: &str = "people: [{person: ann, ad: {}}]\n";

/// Starts a daemon on a tenant in which nothing happens.
pub(super) async fn idle(folder: &Path, latency: Duration, program: &Path) -> Result<Report, CliError> {
    let scenario = folder.join("nothing.yaml");
    std::fs::write(&scenario, NOTHING_HAPPENS).map_err(|error| cannot("write", &scenario, &error))?;
    let wanted = Wanted { scenario: scenario.display().to_string(), latency, limited: false };
    let tenant = Tenant::start(&folder.join("idle"), &wanted).await?;
    let address = free_address()?;
    let config = tenant.config.display().to_string();
    let words = ["run", "--config", &config, "--set", &format!("http.listen={address}")].map(str::to_owned);
    let began = Instant::now();
    let mut daemon = Process::start(program, (&tenant.folder, "daemon"), &words)?;
    let alive = answers(&mut daemon, address, Check::Live, began).await?;
    let ready = answers(&mut daemon, address, Check::Ready, began).await?;
    tokio::time::sleep(RESTS_AFTER).await;
    let used = daemon.look();
    let ms = super::times::millis;
    let memory = used.memory.zip(used.own).map_or_else(
        || "unknown: this system has no /proc".to_owned(),
        |(all, own)| format!("{all} KiB, of that {own} KiB its own, not the program's"),
    );
    let text = format!(
        "alive (/healthz) after   {} ms\nready (/readyz) after    {} ms: journal open, every source read once\n\
         memory at rest          {memory}\n",
        ms(alive),
        ms(ready)
    );
    let json = json!({
        "alive_ms": ms(alive), "ready_ms": ms(ready), "memory_kib": used.memory, "own_memory_kib": used.own,
        "peak_memory_kib": used.peak, "latency_ms": ms(latency),
    });
    Ok(Report::new(text, json))
}

/// How long after `began` a check is answered well for the first time.
async fn answers(
    daemon: &mut Process,
    address: SocketAddr,
    check: Check,
    began: Instant,
) -> Result<Duration, CliError> {
    while began.elapsed() < READY_WITHIN {
        if probe(address, check).await.is_ok() {
            return Ok(began.elapsed());
        }
        if let Some(status) = daemon.ended()? {
            return Err(daemon.ended_early(status, "the daemon", "before it was ready"));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    let why = format!("the daemon was not ready within {} s: {}", READY_WITHIN.as_secs(), daemon.last_words());
    Err(CliError::Fault(why))
}

/// An address on loopback that nobody listens on.
fn free_address() -> Result<SocketAddr, CliError> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    free.map_err(|error| CliError::Fault(format!("no port of loopback can be had: {error}")))
}
