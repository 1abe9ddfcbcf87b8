//! The known word nearest to one that is not known.

/// The known word that a typing mistake or a wrong case most likely meant, or none that is near enough.
pub fn nearest<'a, K: AsRef<str> + ?Sized + 'a>(word: &str, known: impl IntoIterator<Item = &'a K>) -> Option<&'a str> {
    const MAX_CHARS: usize = 100;
    let length = word.chars().take(MAX_CHARS + 1).count();
    if length > MAX_CHARS {
        return None;
    }
    let lower = word.to_lowercase();
    let allowed = (length / 3).clamp(1, 4);
    known
        .into_iter()
        .map(AsRef::as_ref)
        .filter(|known| known.chars().count().abs_diff(length) <= allowed)
        .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_case_are_found_and_strangers_are_not() {
        let known = ["AlertSeverity", "AlertName", "Entities"];
        assert_eq!(nearest("AlertSeverty", known), Some("AlertSeverity"));
        assert_eq!(nearest("alertname", known), Some("AlertName"));
        assert_eq!(nearest("Account", known), None);
        assert_eq!(nearest("", known), None);
    }
}
