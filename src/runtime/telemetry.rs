//! The log: lines for people on a terminal, JSON elsewhere, to stderr. Names of people stand in it at DEBUG and TRACE
//! only; above that, [`who`] puts a pseudonym in their place.

use std::fmt;
use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::model::text::{clip, pseudonym};

/// How much of a name is shown.
const NAME_CHARS: usize = 120;

/// In which form lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Pretty,
    /// For machines: one JSON object a line.
    Json,
}

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is none.
    #[error("{0:?} is no log level (error, warn, info, debug, trace) or list of target=level")]
    Level(String),
    /// There is a log already.
    #[error("the log of this process is set up already")]
    Twice,
}

impl Format {
    /// Pretty when stderr is a terminal, else JSON.
    #[must_use]
    pub fn for_stderr() -> Self {
        if std::io::stderr().is_terminal() { Self::Pretty } else { Self::Json }
    }
}

/// Sets up the log of this process. `level` is a level, or directives such as `riposte=debug,riposte::connect=trace`.
///
/// # Errors
/// When the level is none, or there is a log already.
pub fn init(level: &str, format: Format) -> Result<(), TelemetryError> {
    let subscriber = subscriber(level, format, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)
}

/// A subscriber that writes lines to `writer`.
///
/// # Errors
/// When the level is none.
pub fn subscriber<W>(
    level: &str,
    format: Format,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = directives(level).ok_or_else(|| TelemetryError::Level(clip(level, NAME_CHARS)))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format {
        Format::Pretty => lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).boxed(),
        Format::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    Ok(Box::new(tracing_subscriber::registry().with(filter).with(lines.with_filter(filter_fn(is_safe)))))
}

/// A person's name as it may stand in a line of this level: itself at DEBUG and TRACE, a pseudonym above.
#[must_use]
pub fn who(label: &str, level: Level) -> Who<'_> {
    Who { label, open: level >= Level::DEBUG }
}

/// Prints a name or its pseudonym; see [`who`].
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    label: &'a str,
    open: bool,
}

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.open {
            f.write_str(&clip(self.label, NAME_CHARS))
        } else {
            write!(f, "person-{}", pseudonym(self.label))
        }
    }
}

/// A bare level is meant for riposte; the libraries below it speak from WARN on, but for the pool of connections to the
/// journal's database: what it warns of is tried again, and the journal says so itself if that does not help.
fn directives(level: &str) -> Option<EnvFilter> {
    if level.contains('=') {
        return EnvFilter::try_new(level).ok();
    }
    // The empty text would be read as ERROR.
    let level: LevelFilter = Some(level.trim()).filter(|level| !level.is_empty())?.parse().ok()?;
    let others = level.min(LevelFilter::WARN);
    Some(EnvFilter::new(format!("{others},deadpool={},riposte={level}", level.min(LevelFilter::ERROR))))
}

/// The finer lines of HTTP and TLS libraries can carry headers and bodies, and with them tokens.
fn is_safe(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("riposte") || *metadata.level() <= Level::INFO
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, format: Format, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(level, format, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn json_lines_are_json_with_their_fields() {
        let text = logged("info", Format::Json, || tracing::info!(source = "graph", "polled"));
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(
            (&line["message"], &line["source"], &line["level"]),
            (&"polled".into(), &"graph".into(), &"INFO".into())
        );
    }

    #[test]
    fn a_bare_level_is_meant_for_riposte_and_libraries_never_speak_below_info() {
        let log = || {
            tracing::debug!("ours");
            tracing::warn!(target: "hyper", "a warning of theirs");
            tracing::warn!(target: "deadpool.postgres", "theirs: a connection that is replaced");
            tracing::info!(target: "hyper", "theirs at info");
            tracing::debug!(target: "hyper", "theirs at debug");
        };
        let bare = logged("debug", Format::Pretty, log);
        assert!(bare.contains("ours") && bare.contains("a warning of theirs"), "{bare}");
        assert!(!bare.contains("theirs at") && !bare.contains("theirs: a connection"), "{bare}");
        let all = logged("riposte=debug,hyper=trace", Format::Pretty, log);
        assert!(all.contains("theirs at info") && !all.contains("theirs at debug"), "{all}");
        assert_eq!(logged("off", Format::Pretty, log), "");
    }

    #[test]
    fn what_is_no_level_is_refused() {
        for level in ["loud", "riposte=loud", ""] {
            assert!(subscriber(level, Format::Json, std::io::sink).is_err(), "{level}");
        }
    }

    #[test]
    fn a_name_is_open_at_debug_and_a_pseudonym_above() {
        let name = "adele@contoso.com";
        assert_eq!(who(name, Level::DEBUG).to_string(), name);
        assert_eq!(who(name, Level::TRACE).to_string(), name);
        for level in [Level::INFO, Level::WARN, Level::ERROR] {
            let shown = who(name, level).to_string();
            assert!(shown.starts_with("person-") && !shown.contains("adele"), "{shown}");
            assert_eq!(shown, who("ADELE@contoso.com", level).to_string());
        }
    }
}
