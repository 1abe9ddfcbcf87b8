//! Two ways to stop. Draining: nothing new is begun, what is in hand is finished. Stopping: now.

use tokio::sync::watch;

/// The phase of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Everything works.
    Running,
    /// What is in hand is finished, nothing new is begun.
    Draining,
    /// Everything ends where it stands; the journal knows what was in hand.
    Stopping,
}

/// Tells every part of the process when to stop. Clones speak of the same process; a phase never goes back.
#[derive(Debug, Clone)]
pub struct Shutdown {
    phase: watch::Sender<Phase>,
}

impl Shutdown {
    /// Of a process that runs.
    #[must_use]
    pub fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Running) }
    }

    /// The phase at this moment.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Whether nothing new may be begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.phase() >= Phase::Draining
    }

    /// Finish what is in hand.
    pub fn drain(&self) {
        self.go(Phase::Draining);
    }

    /// Stop now.
    pub fn stop(&self) {
        self.go(Phase::Stopping);
    }

    /// Ends when nothing new may be begun.
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Ends when everything must end.
    pub async fn stopping(&self) {
        self.reached(Phase::Stopping).await;
    }

    /// One step further, as a signal asks for it: the first drains, the second stops.
    pub fn next(&self) {
        self.phase.send_modify(|phase| {
            *phase = if *phase == Phase::Running { Phase::Draining } else { Phase::Stopping };
        });
    }

    /// Listens for SIGTERM, SIGINT and SIGHUP from here on, until the process ends: the first drains, the second stops.
    ///
    /// # Errors
    /// When the system does not let the process listen.
    pub fn on_signals(&self) -> std::io::Result<tokio::task::JoinHandle<()>> {
        let mut signals = Signals::new()?;
        let shutdown = self.clone();
        Ok(tokio::spawn(async move {
            loop {
                let name = signals.next().await;
                shutdown.next();
                match shutdown.phase() {
                    Phase::Stopping => tracing::warn!(signal = name, "stopping at once"),
                    Phase::Draining | Phase::Running => {
                        tracing::info!(signal = name, "finishing what is in hand; a second signal stops at once");
                    }
                }
            }
        }))
    }

    fn go(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let later = to > *phase;
            *phase = to.max(*phase);
            later
        });
    }

    async fn reached(&self, wanted: Phase) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.phase.subscribe().wait_for(|phase| *phase >= wanted).await;
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    /// None where whoever started the process has it ignored (`nohup`).
    hang_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hang_up = if ignores_hang_up() { None } else { Some(signal(SignalKind::hangup())?) };
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, hang_up })
    }

    async fn next(&mut self) -> &'static str {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = hang_up => "SIGHUP",
        }
    }
}

/// Whether SIGHUP, signal 1, is among the ignored ones; only Linux says so.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "ctrl-c",
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_phase_reaches_every_clone_and_never_goes_back() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        assert!(!other.is_draining());
        shutdown.stop();
        shutdown.drain();
        other.draining().await;
        other.stopping().await;
        assert_eq!(other.phase(), Phase::Stopping);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_hang_up_drains_as_a_termination_does() {
        let shutdown = Shutdown::new();
        let listening = shutdown.on_signals().unwrap();
        let myself = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-HUP", &myself]).status().unwrap();
        assert!(sent.success());
        shutdown.draining().await;
        assert_eq!(shutdown.phase(), Phase::Draining);
        listening.abort();
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let shutdown = Shutdown::new();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.draining().await }
        });
        tokio::task::yield_now().await;
        shutdown.drain();
        waiting.await.unwrap();
        assert_eq!(shutdown.phase(), Phase::Draining);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_stops() {
        let shutdown = Shutdown::new();
        let listening = shutdown.on_signals().unwrap();
        let send = || std::process::Command::new("kill").arg(std::process::id().to_string()).status().unwrap();
        assert!(send().success());
        shutdown.draining().await;
        assert_eq!(shutdown.phase(), Phase::Draining);
        assert!(send().success());
        shutdown.stopping().await;
        listening.abort();
    }
}
