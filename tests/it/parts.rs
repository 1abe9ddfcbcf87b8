//! Parts from outside that a test may need: skipped without them, and said; failed where nothing may be left
//! out (`RIPOSTE_REQUIRE_ALL=1`, as `.ci/run` sets it).

use std::ffi::OsString;
use std::io::Write as _;

/// What the environment variable `name` says about a part, `what` it is for people. `None`: leave the test
/// out.
pub(crate) fn part(name: &str, what: &str) -> Option<OsString> {
    let found = std::env::var_os(name).filter(|value| !value.is_empty());
    match judge(found, std::env::var_os("RIPOSTE_REQUIRE_ALL").as_deref() == Some("1".as_ref())) {
        Ok(found) => Some(found),
        Err(required) => {
            let why = format!("{what} is wanted: set {name}");
            assert!(!required, "{why}, or leave RIPOSTE_REQUIRE_ALL unset to skip this");
            // The test harness keeps back what is printed by macros; this is said in any case.
            writeln!(std::io::stderr(), "skipped: {why}").unwrap();
            None
        }
    }
}

/// The part, or whether the test has to fail without it.
fn judge<T>(found: Option<T>, required: bool) -> Result<T, bool> {
    found.ok_or(required)
}

#[test]
fn what_is_missing_skips_a_test_unless_everything_is_required() {
    assert_eq!(judge(Some(1), true), Ok(1));
    assert_eq!((judge::<u8>(None, false), judge::<u8>(None, true)), (Err(false), Err(true)));
}
