//! riposte as a process of its own, and what the system says of it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::cli::exit::CliError;

/// How often a process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Linux counts processor time in hundredths of a second for programs, on every machine (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// A riposte that does not outlive whoever started it.
pub(super) struct Process {
    child: Child,
    /// Where its results go.
    pub(super) stdout: PathBuf,
    /// Where its log goes.
    pub(super) log: PathBuf,
    used: Used,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// The most memory it had at once, in KiB; `None` where the system does not say.
    pub(super) peak: Option<u64>,
    /// What it has of it, in KiB.
    pub(super) memory: Option<u64>,
    /// What of that is its own, in KiB. The rest are pages of files, the program's above all, which the system can drop
    /// and read again.
    pub(super) own: Option<u64>,
    /// Its time on processors.
    pub(super) processor: Option<Duration>,
}

impl Process {
    /// Starts a riposte with these words. The name names the files of its output in the folder.
    pub(super) fn start(program: &Path, (folder, name): (&Path, &str), words: &[String]) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| {
            CliError::Fault(format!("riposte {name} cannot be started: {}: {error}", program.display()))
        };
        let stdout = folder.join(format!("{name}.out"));
        let log = folder.join(format!("{name}.log"));
        let mut command = Command::new(program);
        command.args(words).current_dir(folder).stdin(Stdio::null());
        command.stdout(File::create(&stdout).map_err(failed)?).stderr(File::create(&log).map_err(failed)?);
        Ok(Self { child: command.spawn().map_err(failed)?, stdout, log, used: Used::default() })
    }

    /// Whether it has ended.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, CliError> {
        self.look();
        self.child.try_wait().map_err(|error| CliError::Fault(format!("a process cannot be waited for: {error}")))
    }

    /// Waits for its end, looking at it meanwhile.
    pub(super) async fn end(&mut self) -> Result<ExitStatus, CliError> {
        loop {
            match self.ended()? {
                Some(status) => return Ok(status),
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// What it has used, as of the last look at which it lived.
    pub(super) fn look(&mut self) -> Used {
        let id = self.child.id().to_string();
        // A process that has ended has a state without memory.
        if let Some(used) = used(&id).filter(|used| used.memory.is_some()) {
            self.used = used;
        }
        self.used
    }

    /// Its results so far.
    pub(super) fn results(&self) -> String {
        std::fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// The last of its log, for when it did not do what it is for.
    pub(super) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// That `who` has ended `before` something, and with what words.
    pub(super) fn ended_early(&self, status: ExitStatus, who: &str, before: &str) -> CliError {
        let how = status.code().map_or_else(|| status.to_string(), |code| format!("code {code}"));
        let words = self.last_words();
        let words = if words.is_empty() { "it said nothing".to_owned() } else { format!("its last words: {words}") };
        CliError::Fault(format!("{who} has ended with {how} {before}; {words}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program of this process.
pub(super) fn this_program() -> Result<PathBuf, CliError> {
    let unknown = |error| CliError::Fault(format!("where riposte's program lies is not known: {error}"));
    std::env::current_exe().map_err(unknown)
}

/// The time that this process has had on processors.
pub(super) fn own_processor() -> Option<Duration> {
    used("self")?.processor
}

fn used(id: &str) -> Option<Used> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    Some(Used {
        peak: kib(&status, "VmHWM:"),
        memory: kib(&status, "VmRSS:"),
        own: kib(&status, "RssAnon:"),
        processor: ticks(&stat),
    })
}

/// A line of `/proc/ID/status`, as `VmHWM:     1234 kB`.
fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time of `/proc/ID/stat`, its fields 14 and 15; the second may hold blanks and brackets.
fn ticks(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok();
    Some(TICK * (next()? + next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_processor_time_are_read_from_what_linux_says() {
        let status = "Name:\triposte\nVmPeak:\t  999 kB\nVmHWM:\t   74321 kB\nVmRSS:\t   15000 kB\n";
        assert_eq!(
            (kib(status, "VmHWM:"), kib(status, "VmRSS:"), kib(status, "VmSwap:")),
            (Some(74_321), Some(15_000), None)
        );
        let stat = "77 (a) b) R 1 77 77 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 5 0 1 2 3";
        assert_eq!(ticks(stat), Some(Duration::from_secs(3)));
        assert_eq!(ticks("77"), None);
    }
}
