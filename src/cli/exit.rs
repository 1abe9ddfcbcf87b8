//! How a command ends: the one place that knows exit codes.

use std::process::ExitCode;

use super::report::counted;
use crate::app::{StartError, WiringError};
use crate::diagnostics::Finding;
use crate::journal::{Fault, OpenError};
use crate::respond::Unreadable;
use crate::settings::Broken;

/// How the process ends, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: the answer is no.
    No,
    /// 2: the command line or the configuration is wrong.
    Usage,
    /// 3: a fault of ours, or of what we stand on.
    Fault,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Fault => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do what it is for.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Settings or rules are wrong.
    #[error("{}", counted(.0.len(), "finding"))]
    Findings(Vec<Finding>),
    /// The command line, or what it names, is wrong.
    #[error("{0}")]
    Usage(String),
    /// It is understood, and the answer is no.
    #[error("{0}")]
    No(String),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] Fault),
    /// Something else of ours failed.
    #[error("{0}")]
    Fault(String),
    /// Whoever read our output has gone away.
    #[error("nobody reads the output any longer")]
    NobodyReads,
}

impl CliError {
    /// How the process ends after it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Findings(_) | Self::Usage(_) => Exit::Usage,
            Self::No(_) => Exit::No,
            Self::Journal(_) | Self::Fault(_) => Exit::Fault,
            // `riposte actions list | head` has done what it was asked for.
            Self::NobodyReads => Exit::Done,
        }
    }

    pub(super) fn misrouted(command: &str) -> Self {
        Self::Fault(format!("riposte sent {command} to the wrong place; please report this"))
    }
}

impl From<Unreadable> for CliError {
    fn from(unreadable: Unreadable) -> Self {
        Self::Journal(unreadable.into())
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::NobodyReads
        } else {
            Self::Fault(format!("the output cannot be written: {error}"))
        }
    }
}

impl From<Broken> for CliError {
    fn from(broken: Broken) -> Self {
        Self::Findings(broken.findings)
    }
}

impl From<WiringError> for CliError {
    fn from(error: WiringError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Wiring(error) => error.into(),
            StartError::Journal(error) => error.into(),
        }
    }
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Unusable(why) => Self::Usage(why.to_string()),
            OpenError::Failed(fault) => Self::Journal(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_the_code_that_was_promised() {
        let fault = Fault { what: "w".into(), cause: "c".into() };
        let codes = [
            (CliError::Findings(Vec::new()), 2),
            (CliError::Usage(String::new()), 2),
            (CliError::No(String::new()), 1),
            (CliError::Journal(fault), 3),
            (CliError::Fault(String::new()), 3),
            (std::io::Error::from(std::io::ErrorKind::BrokenPipe).into(), 0),
            (std::io::Error::from(std::io::ErrorKind::StorageFull).into(), 3),
        ];
        for (error, code) in codes {
            assert_eq!(error.exit().code(), code, "{error:?}");
        }
    }
}
