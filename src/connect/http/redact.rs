//! Keeps secrets that a vendor's words echo out of our own.

use crate::model::secret::Secret;

/// Runs at least this long of characters in which keys and tokens are written look like one.
const SUSPICIOUS: usize = 32;

/// The text with everything that could be a key or token replaced by stars. GUIDs stay: they are
/// how a vendor's support finds things.
pub(crate) fn redacted(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for c in text.chars().chain(std::iter::once('\n')) {
        if c.is_ascii_alphanumeric() || "_-.+/=~$!".contains(c) {
            run.push(c);
            continue;
        }
        out.push_str(if looks_secret(&run) { "***" } else { &run });
        run.clear();
        out.push(c);
    }
    out.pop();
    out
}

/// The same, and without a secret that is known.
pub(crate) fn redacted_of(text: &str, secret: Option<&Secret>) -> String {
    // `Bearer ...`, `SSWS ...`: the scheme is no secret.
    let known = secret.map(|secret| secret.expose().trim().rsplit(' ').next().unwrap_or_default());
    match known {
        Some(known) if !known.is_empty() => redacted(&text.replace(known, "***")),
        _ => redacted(text),
    }
}

fn looks_secret(run: &str) -> bool {
    let core = run.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if core.starts_with("eyJ") {
        return true;
    }
    // Names of permissions, paths and SIDs are long too, but are made of short words.
    let longest = core.split(['.', '/', '-']).map(str::len).max().unwrap_or(0);
    let mixed = core.bytes().any(|b| b.is_ascii_digit()) && core.bytes().any(|b| b.is_ascii_alphabetic());
    core.len() >= SUSPICIOUS && mixed && longest >= 20 || (mixed && core.contains('~') && core.len() >= 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_keys_become_stars() {
        for secret in [
            "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwcyJ9.c2ln",
            "Zx8Q~abcdefghijklmnopqrstuvwxyz0123456789",
            "00aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789abcd",
        ] {
            let text = redacted(&format!("Bearer {secret} is wrong, '{secret}'"));
            assert_eq!(text, "Bearer *** is wrong, '***'");
        }
    }

    #[test]
    fn a_known_secret_becomes_stars_however_short() {
        assert_eq!(redacted_of("hunter2 is wrong", Some(&Secret::new("Bearer hunter2"))), "*** is wrong");
    }

    #[test]
    fn guids_permissions_and_sids_stay() {
        let text = "app 997631f8-3a55-4bb2-81b2-c0972b222260 lacks SecurityIdentitiesActions.ReadWrite.All for \
                    S-1-5-21-1111111111-2222222222-3333333333-1105";
        assert_eq!(redacted(text), text);
    }
}
